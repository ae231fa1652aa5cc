/*
 * As many mappings as there may be (vm.max_map_count): the error, and that everything else goes on
 * there: the memory is what it was, a process can be made, and what is given up can be had again.
 *
 * Mappings that are not the program's own count there, too, natively the libraries' and under
 * Faultline its own: only that it is few of them is asked here.
 */
#include "sem.h"

#define FEW   80
#define MOST  100000 /* where so many take too long */
#define EVERY 16     /* how many of the pages have content */

static const int anon = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

static size_t most(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	size_t n = 0;

	CHECK(f && fscanf(f, "%zu", &n) == 1, "max_map_count");
	fclose(f);
	return n;
}

/* The ways to one mapping more; false: there is none to be had. */
static bool by_mmap(char *at, size_t i)
{
	int prot = i % 2 ? PROT_READ : PROT_READ | PROT_WRITE;

	return mmap(at + i * PAGE, PAGE, prot, anon | MAP_FIXED, -1, 0) != MAP_FAILED;
}

static bool by_mprotect(char *at, size_t i)
{
	return i % 2 || mprotect(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0;
}

static void contents(char *at, size_t n)
{
	for (size_t i = 0; i < n; i += EVERY)
		CHECK(page_has(at + i * PAGE, i), "page %zu", i);
}

static void fill_all(const char *name, bool way(char *, size_t), size_t limit)
{
	char *at = map_flags((limit + FEW) * PAGE, PROT_NONE, anon);
	size_t n = 0;
	pid_t pid;

	while (n < limit + FEW && way(at, n)) {
		if (n % EVERY == 0)
			fill_page(at + n * PAGE, n);
		n++;
	}
	CHECK(errno == ENOMEM && n < limit && n + FEW > limit, "%s: %zu of %zu", name, n, limit);
	CHECK(!way(at, n) && errno == ENOMEM, "%s: again", name);
	contents(at, n);
	for (int i = 0; i < 2; i++) {
		pid = fork_checked();
		if (!pid) {
			contents(at, n);
			for (size_t k = 0; k < n; k += 8 * EVERY)
				fill_page(at + k * PAGE, k + 1);
			_exit(0);
		}
		reap(pid);
	}
	contents(at, n);
	CHECK(munmap(at + n / 2 * PAGE, 64 * PAGE) == 0, "a part of it");
	CHECK(mmap(NULL, PAGE, PROT_READ, anon, -1, 0) != MAP_FAILED, "in its place");
	contents(at, n / 2);
	CHECK(munmap(at, (limit + FEW) * PAGE) == 0, "all of it");
	say("%s: as many as there may be\n", name);
}

int main(void)
{
	size_t limit = most();

	if (limit > MOST)
		sem_skip("vm.max_map_count is high");
	push_out();
	fill_all("mmap", by_mmap, limit);
	fill_all("mprotect", by_mprotect, limit);
	return 0;
}
