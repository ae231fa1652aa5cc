/*
 * Private mappings of a file that cannot be replaced by others any more when somebody opens the file
 * for writing: they are sealed (mseal(2)), or there are as many mappings as there may be. What was
 * written is kept, what was not is as in the file when it is touched. And what was asked for of a mapping
 * that can be.
 */
#include "sem.h"
#include "sem-file.h"

#include <sys/syscall.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum { KEY = 1000, OWN = 5000000, LATER = 9000000, PAGES = 1024 };

/* Every second page written, all of them read. */
static char *mapped(const char **ret_name)
{
	char *m;

	*ret_name = file_of(PAGES, KEY);
	m = map_private(*ret_name, PAGES, 0);
	expect(m, PAGES, KEY);
	for (size_t i = 0; i < PAGES; i += 2)
		fill_page(m + i * PAGE, OWN + i);
	return m;
}

static void expect_mixed(const char *m, uint64_t key)
{
	for (size_t i = 0; i < PAGES; i++)
		CHECK(page_has(m + i * PAGE, (i % 2 ? key : OWN) + i), "page %zu", i);
}

static void change(const char *name)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0, "open");
	write_file(fd, PAGES, LATER);
	close(fd);
}

static void sealed(int prot)
{
	const char *name;
	char *m = mapped(&name);

	CHECK(mprotect(m, PAGES * PAGE, prot) == 0, "mprotect");
	if (syscall(SYS_mseal, m, PAGES * PAGE, 0) < 0)
		sem_skip("mseal(2) needs Linux 6.10");
	expect_mixed(m, KEY);
	push_out();
	expect_mixed(m, KEY);
	change(name);
	CHECK(munmap(m, PAGE) == -1 && errno == EPERM, "munmap");
	push_out();
	if (prot & PROT_WRITE) {
		expect_mixed(m, LATER);
		for (size_t i = 1; i < PAGES; i += 2)
			fill_page(m + i * PAGE, OWN + i);
		push_out();
		expect(m, PAGES, OWN);
	}
	say("sealed: ok\n");
}

static void full(void)
{
	const size_t most = 70000;
	const char *name;
	char *m = mapped(&name), *others;
	size_t n;

	/* each of another kind than its neighbours, until there are no more to be had */
	others = map_flags(2 * most * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	for (n = 0; n < most && mprotect(others + 2 * n * PAGE, PAGE, PROT_READ) == 0; n++)
		;
	change(name);
	expect_mixed(m, LATER);
	munmap(others, 2 * most * PAGE);
	push_out();
	expect_mixed(m, LATER);
	munmap(m, PAGES * PAGE);
	say("no mapping left: ok\n");
}

/* What the kernel has of these flags for the mapping at an address. */
static void say_flags(const char *what, const char *at)
{
	static const char *const all[] = {"sr", "rr", "dc", "dd", "lo", "mg"};
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long start = 0, end = 0, a, b;
	char line[512];

	CHECK(f, "smaps");
	say("%s:", what);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &a, &b) == 2) {
			start = a;
			end = b;
		}
		if (strncmp(line, "VmFlags:", 8) || (uintptr_t)at < start || (uintptr_t)at >= end)
			continue;
		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			if (strstr(line, all[i]))
				say(" %s", all[i]);
	}
	fclose(f);
	say("\n");
}

/* What the program has asked for of its memory is in force afterwards, too. */
static void advised(void)
{
	static const struct {
		const char *what;
		int advice;
	} parts[] = {{"random", MADV_RANDOM}, {"sequential", MADV_SEQUENTIAL}, {"dontfork", MADV_DONTFORK},
		{"dontdump", MADV_DONTDUMP}, {"mergeable", MADV_MERGEABLE}, {"normal", MADV_NORMAL}};
	const size_t n = sizeof(parts) / sizeof(parts[0]), bytes = PAGES / 8 * PAGE;
	const char *name = file_of(PAGES, KEY);
	char *m = map_private(name, PAGES, 0);

	for (size_t i = 0; i < n; i++)
		madvise(m + i * bytes, bytes, parts[i].advice);
	CHECK(mlock(m + n * bytes, bytes) == 0, "mlock");
	expect(m, PAGES, KEY);
	change(name);
	expect(m, n * PAGES / 8, LATER);
	/* to lock what may be written to is to write to it */
	expect(m + n * bytes, PAGES / 8, KEY + n * PAGES / 8);
	expect(m + (n + 1) * bytes, PAGES / 8, LATER + (n + 1) * PAGES / 8);
	for (size_t i = 0; i < n; i++)
		say_flags(parts[i].what, m + i * bytes);
	say_flags("locked", m + n * bytes);
	munmap(m, PAGES * PAGE);
}

int main(void)
{
	advised();
	full();
	sealed(PROT_READ | PROT_WRITE);
	sealed(PROT_READ);
	return 0;
}
