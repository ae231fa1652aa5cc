/*
 * MADV_PAGEOUT as a request: names the first of two areas of N MiB, and waits until its input ends.
 * Then both must be as they were. Run by tests/cli/pageout.sh, which looks where they are meanwhile.
 */
#include "sem.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static char *area(uintptr_t at, size_t pages, uint64_t key)
{
	char *p = mmap((void *)at, pages * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(p == (char *)at, "mmap");
	fill(p, pages, key);
	return p;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 8);
	char *out = area(0x200000000000, pages, 1), *stay = area(0x201000000000, pages, 100000), c;

	CHECK(madvise(out, pages * PAGE, MADV_PAGEOUT) == 0, "MADV_PAGEOUT");
	say("%d\n", (int)getpid());
	while (read(0, &c, 1) > 0)
		;
	expect(out, pages, 1);
	expect(stay, pages, 100000);
	return 0;
}
