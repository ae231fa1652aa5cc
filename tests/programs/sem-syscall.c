/* The memory calls made by syscall(2), past libc's own functions. */
#include "sem.h"
#include <sys/syscall.h>

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 40), half = pages / 2;
	long rw = PROT_READ | PROT_WRITE;
	char *base = (char *)syscall(
		SYS_mmap, 0L, pages * PAGE, rw, (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L);
	char *p, *end;

	CHECK(base != MAP_FAILED, "SYS_mmap");
	expect_zero(base, pages);
	fill(base, pages, 1);
	expect(base, pages, 1);
	CHECK(syscall(SYS_madvise, base, half * PAGE, (long)MADV_DONTNEED) == 0, "SYS_madvise");
	expect_zero(base, half);
	CHECK(syscall(SYS_munmap, base, half * PAGE) == 0, "SYS_munmap");
	p = (char *)syscall(SYS_mmap, base, half * PAGE, rw,
		(long)(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), -1L, 0L);
	CHECK(p == base, "SYS_mmap, fixed");
	expect_zero(base, half);
	fill(base, half, 1);
	CHECK(syscall(SYS_mprotect, base, pages * PAGE, (long)PROT_READ) == 0, "SYS_mprotect");
	expect(base, pages, 1);
	CHECK(syscall(SYS_mprotect, base, pages * PAGE, rw) == 0, "SYS_mprotect");
	p = (char *)syscall(
		SYS_mremap, base, pages * PAGE, 2 * pages * PAGE, (long)MREMAP_MAYMOVE, 0L);
	CHECK(p != MAP_FAILED, "SYS_mremap");
	expect(p, pages, 1);
	expect_zero(p + pages * PAGE, pages);
	CHECK(syscall(SYS_munmap, p, 2 * pages * PAGE) == 0, "SYS_munmap");
	CHECK(syscall(SYS_munmap, p + 1, PAGE) == -1 && errno == EINVAL, "errno of a failing call");
	CHECK(syscall(SYS_mmap, 0L, 0L, rw, (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L) == -1 &&
			errno == EINVAL,
		"errno of a failing mmap");
	say("mmap, munmap, madvise, mprotect, mremap: ok\n");

	p = (char *)syscall(SYS_brk, 0L);
	end = (char *)(((uintptr_t)p + PAGE - 1) & -PAGE);
	CHECK((char *)syscall(SYS_brk, end + 64 * PAGE) == end + 64 * PAGE, "SYS_brk");
	expect_zero(end, 64);
	fill(end, 64, 1);
	push_out();
	expect(end, 64, 1);
	CHECK((char *)syscall(SYS_brk, p) == p, "SYS_brk back");
	say("brk: ok\n");
	return 0;
}
