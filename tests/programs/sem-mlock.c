/*
 * Locking: limits and their order, ranges with holes, what is mapped or grows later.
 */
#include "sem.h"
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { N = 32 };

static size_t in_core(char *p, size_t pages)
{
	unsigned char in[4 * N];
	size_t n = 0;

	CHECK(pages <= sizeof(in) && mincore(p, pages * PAGE, in) == 0, "mincore");
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	return n;
}

/* Locked memory is not given up by MADV_DONTNEED. */
static bool locked(char *p)
{
	char c = *p;
	bool is = madvise(p, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL;

	CHECK(is == (*p == c), "given up or not, against what madvise said");
	return is;
}

static void with_hole(void)
{
	char *p = map_apart_filled(N, 1);

	CHECK(munmap(p + N / 2 * PAGE, PAGE) == 0, "munmap");
	CHECK(mlock(p, N * PAGE) == -1 && errno == ENOMEM, "mlock over a hole");
	push_out();
	say("mlock over a hole: before it %d, behind it %d\n", locked(p), locked(p + (N - 1) * PAGE));
	CHECK(munlock(p, N * PAGE) == -1 && errno == ENOMEM, "munlock over a hole");
	say("munlock over a hole: %d\n", locked(p + PAGE));
	expect(p + 2 * PAGE, N / 2 - 2, 3);
	munmap(p, N * PAGE);
}

static void growing(void)
{
	char *p = map_filled(N, 1), *q;

	CHECK(mlock(p, N * PAGE) == 0, "mlock");
	q = mremap(p, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED, "grow");
	push_out();
	say("locked and grown: %zu of %d in core, %d\n", in_core(q, 2 * N), 2 * N,
		locked(q + (2 * N - 1) * PAGE));
	expect(q, N, 1);
	expect_zero(q + N * PAGE, N);
	CHECK(munlock(q, 2 * N * PAGE) == 0, "munlock");
	munmap(q, 2 * N * PAGE);
}

static void future(void)
{
	char *p, *q;

	CHECK(mlockall(MCL_FUTURE) == 0, "mlockall");
	p = map(N * PAGE);
	say("FUTURE: %zu of %d in core, %d\n", in_core(p, N), N, locked(p));
	q = mmap(p, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p, "what cannot be touched can be mapped");
	CHECK(mlockall(MCL_FUTURE | MCL_ONFAULT) == 0, "mlockall");
	q = map(N * PAGE);
	q[0] = 1;
	say("FUTURE and ONFAULT: %d\n", locked(q));
	CHECK(munlockall() == 0, "munlockall");
	fill(p + PAGE, N - 1, 1);
	fill(q, N, 1);
	push_out();
	say("munlockall: %d %d\n", locked(p + PAGE), locked(q));
	munmap(p, N * PAGE);
	munmap(q, N * PAGE);
}

/* As a user who may lock 10 pages. What is refused has changed nothing. */
static void limited(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	struct rlimit ten = {10 * PAGE, 10 * PAGE};
	char *p = map_filled(N, 1), *q;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	CHECK(setrlimit(RLIMIT_MEMLOCK, &ten) == 0, "setrlimit");
	CHECK(syscall(SYS_capget, &head, data) == 0, "capget");
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	CHECK(syscall(SYS_capset, &head, data) == 0, "capset");

	CHECK(mlock(p, N * PAGE) == -1 && errno == ENOMEM, "mlock of too much");
	say("too much: %d\n", locked(p));
	CHECK(mlock(p + PAGE, 10 * PAGE) == 0 && mlock(p + PAGE, 10 * PAGE) == 0, "mlock");
	say("just enough: %d\n", locked(p + PAGE));
	CHECK(mlockall(MCL_CURRENT) == -1 && errno == ENOMEM, "mlockall(MCL_CURRENT)");
	CHECK(munlockall() == 0, "munlockall");
	CHECK(mlockall(MCL_FUTURE) == 0, "mlockall(MCL_FUTURE)");
	q = mmap(p, N * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	CHECK(q == MAP_FAILED && errno == EAGAIN, "a mapping beyond the limit");
	expect(p + PAGE, N - 1, 2); /* MAP_FIXED has not replaced it */
	q = mmap(p, 10 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	CHECK(q == p, "one within it");
	q = mremap(p, 10 * PAGE, 11 * PAGE, MREMAP_MAYMOVE);
	CHECK(q == MAP_FAILED && errno == EAGAIN, "growth beyond it");
	CHECK(munlockall() == 0, "munlockall");
	say("limits: ok\n");
}

int main(void)
{
	with_hole();
	growing();
	future();
	limited();
	return 0;
}
