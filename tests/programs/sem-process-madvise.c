/*
 * process_madvise on the process itself: range by range, up to the first that is refused.
 */
#include "sem.h"
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { N = 64 };

static int self;

static long advise(struct iovec *v, size_t n, int advice, unsigned int flags)
{
	long r = syscall(SYS_process_madvise, self, v, n, advice, flags);

	return r < 0 ? -errno : r;
}

int main(void)
{
	char *p = map_filled(4 * N, 1);
	struct iovec v[4] = {{p, N * PAGE}, {p + 2 * N * PAGE, N * PAGE}, {p + 1, PAGE},
		{p + 3 * N * PAGE, N * PAGE}};
	long r;

	self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(self >= 0, "pidfd_open");
	push_out();
	r = advise(v, 4, MADV_DONTNEED, 0);
	say("DONTNEED: %ld\n", r);
	if (r > 0) { /* Linux 6.13 and newer */
		expect_zero(p, N);
		expect_zero(p + 2 * N * PAGE, N);
	}
	expect(p + N * PAGE, N, 1 + N);
	expect(p + 3 * N * PAGE, N, 1 + 3 * N);
	fill(p, 4 * N, 1);
	say("PAGEOUT: %ld\n", advise(v, 2, MADV_PAGEOUT, 0));
	expect(p, 4 * N, 1);
	say("flags: %ld\n", advise(v, 2, MADV_PAGEOUT, 1));
	say("unknown advice: %ld\n", advise(v, 2, 99, 0));
	say("nothing: %ld\n", advise(v, 0, MADV_PAGEOUT, 0));
	say("vector: %ld\n", advise((struct iovec *)64, 2, MADV_PAGEOUT, 0));
	say("too many: %ld\n", advise(v, 1025, MADV_PAGEOUT, 0));
	v[0].iov_len = 1UL << 63;
	say("too long: %ld\n", advise(v, 1, MADV_PAGEOUT, 0));
	self = 0;
	say("no process: %ld\n", advise(v, 0, MADV_PAGEOUT, 0));
	push_out();
	expect(p, 4 * N, 1);
	return 0;
}
