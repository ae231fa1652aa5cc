/*
 * Advice over holes, over what refuses it and beside guard pages: what lies around has taken it.
 */
#include "sem.h"

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#define ADV_GUARD_INSTALL 102

enum { N = 48 };

static int try(char *p, size_t pages, int advice)
{
	return madvise(p, pages * PAGE, advice) ? errno : 0;
}

/* A child finds zeros where it was told, also behind a hole. */
static void wipe_over_hole(void)
{
	char *p = map_apart_filled(N, 1);
	pid_t pid;

	CHECK(munmap(p + PAGE, PAGE) == 0, "munmap");
	CHECK(try(p, N, MADV_WIPEONFORK) == ENOMEM, "WIPEONFORK over a hole");
	push_out();
	pid = fork_checked();
	if (!pid) {
		expect_zero(p, 1);
		expect_zero(p + 2 * PAGE, N - 2);
		_exit(0);
	}
	reap(pid);
	expect(p + 2 * PAGE, N - 2, 3);
	say("WIPEONFORK over a hole: ok\n");
}

/* Shared memory cannot be wiped: the call ends there. */
static void wipe_up_to_shared(void)
{
	char *p = map_filled(3 * N, 1);
	pid_t pid;

	CHECK(mmap(p + N * PAGE, N * PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + N * PAGE, "mmap");
	CHECK(try(p, 3 * N, MADV_WIPEONFORK) == EINVAL, "WIPEONFORK of shared memory");
	push_out();
	pid = fork_checked();
	if (!pid) {
		expect_zero(p, N);
		expect(p + 2 * N * PAGE, N, 1 + 2 * N);
		_exit(0);
	}
	reap(pid);
	expect(p, N, 1);
	say("WIPEONFORK up to shared memory: ok\n");
}

static void refused(void)
{
	char *p = map_apart_filled(N, 1);

	CHECK(mlock(p + N / 2 * PAGE, PAGE) == 0, "mlock");
	say("locked: COLD %d, PAGEOUT %d, FREE %d, WILLNEED %d\n", try(p, N, MADV_COLD),
		try(p, N, MADV_PAGEOUT), try(p, N / 2 + 1, MADV_FREE), try(p, N, MADV_WILLNEED));
	expect(p + N / 2 * PAGE, N / 2, 1 + N / 2);
	CHECK(munlock(p, N * PAGE) == 0 && munmap(p + 4 * PAGE, PAGE) == 0, "munlock");
	say("hole: COLD %d, PAGEOUT %d, WILLNEED %d\n", try(p, N, MADV_COLD),
		try(p, N, MADV_PAGEOUT), try(p, N, MADV_WILLNEED));
	expect(p + N / 2 * PAGE, N / 2, 1 + N / 2);
}

/* Pages that are made beside a guard page do not replace it. */
static void guards(void)
{
	char *p = map(N * PAGE);
	int r = try(p + 8 * PAGE, 4, ADV_GUARD_INSTALL), fd[2];

	say("GUARD_INSTALL: %d\n", r);
	if (r)
		return;
	CHECK(pipe(fd) == 0 && mprotect(p, N * PAGE, PROT_WRITE) == 0, "mprotect");
	for (size_t i = 0; i < N; i++)
		if (i < 8 || i >= 12)
			p[i * PAGE] = (char)i;
	push_out();
	for (size_t i = 0; i < N; i++) {
		ssize_t n = write(fd[1], p + i * PAGE, 1);

		CHECK(n == (i < 8 || i >= 12 ? 1 : -1), "page %zu: %zd", i, n);
	}
	say("guard pages: ok\n");
}

int main(void)
{
	wipe_over_hole();
	wipe_up_to_shared();
	refused();
	guards();
	return 0;
}
