/*
 * Private mappings of a file that may be written to, more of it than fits in memory: what was
 * written is kept and never reaches the file, what was not follows the file whoever changes it.
 */
#include "sem.h"
#include "sem-file.h"

#include <signal.h>
#include <setjmp.h>
#include <sys/stat.h>

enum { KEY = 1000, OWN = 5000000, LATER = 9000000 };

static sigjmp_buf escape;
static siginfo_t caught;

static void on_signal(int sig UNUSED, siginfo_t *info, void *context UNUSED)
{
	caught = *info;
	siglongjmp(escape, 1);
}

/* What touching an address does. */
static void say_touch(const char *what, char *at, bool write)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, old[2];

	sigaction(SIGBUS, &sa, &old[0]);
	sigaction(SIGSEGV, &sa, &old[1]);
	if (sigsetjmp(escape, 1)) {
		CHECK(caught.si_addr == at, "%s: at %p, not %p", what, caught.si_addr, (void *)at);
		say("%s: signal %d, code %d\n", what, caught.si_signo, caught.si_code);
	} else {
		if (write)
			*(volatile char *)at = 1;
		say("%s: %d\n", what, *(volatile char *)at);
	}
	sigaction(SIGBUS, &old[0], NULL);
	sigaction(SIGSEGV, &old[1], NULL);
}

static void expect_file(const char *name, size_t pages, uint64_t key)
{
	static char page[PAGE];
	int fd = open(name, O_RDONLY);

	for (size_t i = 0; i < pages; i++)
		CHECK(pread(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE &&
				page_has(page, key + i), "page %zu of the file", i);
	close(fd);
}

/* Every second page is written, and each must be what it was when it comes back. */
static void write_much(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *m;

	forget_file(name);
	m = map_private(name, pages, 0);
	expect(m, pages, KEY);
	for (size_t i = 0; i < pages; i += 2)
		fill_page(m + i * PAGE, OWN + i);
	push_out();
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < pages; i++)
			CHECK(page_has(m + i * PAGE, (i % 2 ? KEY : OWN) + i), "page %zu", i);
	expect_file(name, pages, KEY);
	/* whatever was written is as in the file again */
	CHECK(madvise(m, pages / 2 * PAGE, MADV_DONTNEED) == 0, "madvise");
	expect(m, pages / 2, KEY);
	CHECK(madvise(m, PAGE, MADV_FREE) == -1 && errno == EINVAL, "MADV_FREE");
	CHECK(madvise(m, PAGE, MADV_WIPEONFORK) == -1 && errno == EINVAL, "MADV_WIPEONFORK");
	CHECK(madvise(m, PAGE, MADV_REMOVE) == -1 && errno == EACCES, "MADV_REMOVE");
	munmap(m, pages * PAGE);
	say("written and read again: ok\n");
}

/* All of it, every page alone in its mapping's history: written first, without having been read. */
static void write_blindly(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *m = map_private(name, pages, 0);

	for (size_t i = 0; i < pages; i++)
		m[i * PAGE + i % PAGE] ^= 0x55;
	for (size_t i = 0; i < pages; i++) {
		m[i * PAGE + i % PAGE] ^= 0x55;
		CHECK(page_has(m + i * PAGE, KEY + i), "page %zu", i);
	}
	munmap(m, pages * PAGE);
	say("written in part: ok\n");
}

static void expect_mixed(const char *m, size_t pages, uint64_t later)
{
	for (size_t i = 0; i < pages; i++)
		CHECK(page_has(m + i * PAGE, (i % 8 == 3 ? OWN : later) + i), "page %zu", i);
}

/* Through a descriptor, from another process, and through a shared mapping. */
static void follow(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *m = map_private(name, pages, 0), *s;
	int fd;
	pid_t pid;

	for (size_t i = 3; i < pages; i += 8)
		fill_page(m + i * PAGE, OWN + i);
	expect_mixed(m, pages, KEY);
	fd = open(name, O_WRONLY);
	write_file(fd, pages, LATER);
	expect_mixed(m, pages, LATER);
	close(fd);
	/* what is written no more may be given up once more */
	CHECK(madvise(m + 3 * PAGE, PAGE, MADV_DONTNEED) == 0, "madvise");
	CHECK(page_has(m + 3 * PAGE, LATER + 3), "a page given up after its file was written to");
	fill_page(m + 3 * PAGE, OWN + 3);
	munmap(m, pages * PAGE);

	m = map_private(name, pages, 0);
	for (size_t i = 3; i < pages; i += 8)
		fill_page(m + i * PAGE, OWN + i);
	expect_mixed(m, pages, LATER);
	pid = fork_checked();
	if (!pid) {
		fd = open(name, O_WRONLY);
		write_file(fd, pages, KEY);
		_exit(0);
	}
	reap(pid);
	expect_mixed(m, pages, KEY);
	munmap(m, pages * PAGE);

	m = map_private(name, pages, 0);
	for (size_t i = 3; i < pages; i += 8)
		fill_page(m + i * PAGE, OWN + i);
	expect_mixed(m, pages, KEY);
	fd = open(name, O_RDWR);
	s = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(s != MAP_FAILED, "mmap shared");
	close(fd);
	fill(s, pages, LATER);
	push_out();
	expect_mixed(m, pages, LATER);
	munmap(m, pages * PAGE);

	/* open for writing while it is mapped */
	m = map_private(name, pages, 0);
	expect(m, pages, LATER);
	fill(s, pages, KEY);
	expect(m, pages, KEY);
	munmap(s, pages * PAGE);
	munmap(m, pages * PAGE);
	say("the file's changes are seen where nothing was written: ok\n");
}

/* What was written and lies past the end is gone, in memory or not, and as in the file when that is there
 * again. */
static void cut(const char *name)
{
	char *m = map_private(name, 8, 0), *other = map_private(name, 4, 4);
	int fd;

	fill(m, 8, OWN);
	fill(other, 4, OWN);
	push_out();
	m[6 * PAGE] ^= 1;
	fd = open(name, O_RDWR);
	CHECK(ftruncate(fd, 5 * PAGE + 100) == 0, "ftruncate");
	expect(m, 6, OWN);
	say_touch("cut", m + 6 * PAGE, false);
	say_touch("cut, of the other mapping", other + 3 * PAGE, true);
	CHECK(ftruncate(fd, 8 * PAGE) == 0, "ftruncate");
	say_touch("there again", m + 6 * PAGE, false);
	say_touch("there again, written", other + 3 * PAGE, true);
	expect(m, 6, OWN);
	expect(other, 2, OWN);
	CHECK(truncate(name, 0) == 0, "truncate");
	say_touch("cut to nothing", m, false);
	say_touch("cut to nothing, of the other mapping", other, false);
	close(fd);
	munmap(m, 8 * PAGE);
	munmap(other, 4 * PAGE);
}

static void past_the_end(void)
{
	const char *name = file_of(8, KEY);
	int fd = open(name, O_RDWR), zero = open("/dev/zero", O_RDONLY);
	char *m;

	CHECK(ftruncate(fd, 6 * PAGE - 100) == 0, "ftruncate");
	close(fd);
	m = map_private(name, 8, 0);
	say_touch("last page", m + 5 * PAGE, false);
	CHECK(m[6 * PAGE - 101] && !m[6 * PAGE - 100] && !m[6 * PAGE - 1], "the rest of the last page");
	say_touch("past the end", m + 6 * PAGE, false);
	say_touch("past the end, written", m + 7 * PAGE + 8, true);
	say("read(2) there: %zd", read(zero, m + 6 * PAGE, 10));
	say(" %d, in the last page %zd\n", errno == EFAULT, read(zero, m + 5 * PAGE, 10));
	close(zero);
	m[0] ^= 1;
	/* longer: what is new is zeros; shorter: what was not written is gone */
	CHECK(truncate(name, 8 * PAGE) == 0, "truncate");
	say_touch("longer", m + 6 * PAGE, false);
	CHECK(truncate(name, PAGE) == 0, "truncate");
	say_touch("shorter", m + 3 * PAGE, false);
	CHECK(truncate(name, 8 * PAGE) == 0, "truncate");
	say_touch("longer again", m + 3 * PAGE, false);
	m[0] ^= 1;
	CHECK(page_has(m, KEY), "the page that was written");
	munmap(m, 8 * PAGE);
	cut(file_of(8, KEY));
	say("the end of the file: ok\n");
}

static void shapes(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *a = map_private(name, pages / 2, pages / 4), *b = map_private(name, pages / 2, pages / 4), *n;
	size_t h = pages / 2;

	expect(a, h, KEY + pages / 4);
	fill(b, h, OWN);
	expect(a, h, KEY + pages / 4);
	expect(b, h, OWN);
	munmap(b, h * PAGE);
	CHECK(unlink(name) == 0, "unlink"); /* a mapping keeps it */
	for (size_t i = 0; i < h; i += 3)
		fill_page(a + i * PAGE, OWN + i);
	/* it moves, and grows over more of its file */
	n = mremap(a, h * PAGE, (h + pages / 4) * PAGE, MREMAP_MAYMOVE);
	CHECK(n != MAP_FAILED, "mremap");
	expect(n + h * PAGE, pages / 4, KEY + pages / 4 + h);
	/* pieces with other rights, and a hole */
	CHECK(mprotect(n + 2 * PAGE, h * PAGE / 2, PROT_READ) == 0 &&
			mprotect(n + 4 * PAGE, 4 * PAGE, PROT_NONE) == 0 &&
			munmap(n + 10 * PAGE, 3 * PAGE) == 0, "mprotect, munmap");
	push_out();
	say_touch("read only", n + 3 * PAGE, true);
	say_touch("no access", n + 5 * PAGE, false);
	say_touch("unmapped", n + 11 * PAGE, false);
	CHECK(mprotect(n, 10 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0, "mprotect");
	for (size_t i = 0; i < h; i++)
		if (i < 10 || i > 12)
			CHECK(page_has(n + i * PAGE, i % 3 ? KEY + pages / 4 + i : OWN + i),
				"page %zu", i);
	munmap(n, (h + pages / 4) * PAGE);
	say("moved, grown, cut: ok\n");
}

/* Of three pages one was written, and the others have been changed in the file since. */
static void expect_thirds(const char *m, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		CHECK(page_has(m + i * PAGE, (i % 3 ? LATER : OWN) + i), "page %zu", i);
}

/* One mapping to the program, though some of it follows its file and some does not any more. */
static void move_mixed(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *m = map_private(name, pages, 0), *n;
	size_t few = pages / 2 + 1;
	int fd;

	for (size_t i = 0; i < pages; i += 3)
		fill_page(m + i * PAGE, OWN + i);
	expect(m + PAGE, 2, KEY + 1);
	fd = open(name, O_WRONLY);
	write_file(fd, pages, LATER);
	close(fd);
	expect_thirds(m, pages);
	n = mremap(m, pages * PAGE, few * PAGE, 0);
	CHECK(n == m, "shorter");
	expect_thirds(n, few);
	n = mremap(n, few * PAGE, pages * PAGE, MREMAP_MAYMOVE);
	CHECK(n != MAP_FAILED, "longer");
	expect(n + few * PAGE, pages - few, LATER + few);
	m = mmap(NULL, (pages + 4) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	n = mremap(n, pages * PAGE, (pages + 4) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, m);
	CHECK(n == m, "to a place");
	push_out();
	expect_thirds(n, few);
	expect(n + few * PAGE, pages - few, LATER + few);
	say_touch("grown past the end", n + (pages + 1) * PAGE, true);
	munmap(n, (pages + 4) * PAGE);
	say("moved in pieces: ok\n");
}

/* Nothing that Faultline has open is to be seen, or lost with it. */
static void descriptors(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 10};
	const char *name = file_of(4, KEY);
	char *m = map_private(name, 4, 0);
	int ro, next;
	pid_t pid;

	ro = open(name, O_RDONLY);
	CHECK(fcntl(ro, F_SETLK, &lock) == 0, "a record lock");
	munmap(m, 4 * PAGE);
	m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	CHECK(m != MAP_FAILED && page_has(m, KEY), "mmap");
	next = dup(ro);
	say("the next descriptor is %d later\n", next - ro);
	pid = fork_checked();
	if (!pid) {
		lock.l_type = F_WRLCK;
		_exit(fcntl(open(name, O_RDWR), F_SETLK, &lock) == 0);
	}
	reap(pid);
	say("the record lock is held: ok\n");
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 24);

	write_much(pages);
	write_blindly(pages);
	follow(pages / 4);
	past_the_end();
	shapes(pages / 2);
	move_mixed(pages / 4);
	descriptors();
	return 0;
}
