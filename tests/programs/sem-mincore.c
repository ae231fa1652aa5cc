/*
 * mincore(2): pages that are there, that never were, that were given up, that are not needed soon
 * (MADV_COLD), and pages of a file that are in the page cache; and what is refused.
 */
#include "sem-file.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif

enum { PAGES = 64, FILE_PAGES = 24 };

/* Blocks of 16 pages are written whole: one may be brought in at a time. */
static char *map_here(void)
{
	char *p = mmap((void *)0x200000000000UL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(p == (char *)0x200000000000UL, "mmap");
	return p;
}

static char in_memory(const void *at, size_t i)
{
	unsigned char in = 0;

	CHECK(mincore((char *)at + i * PAGE, PAGE, &in) == 0, "mincore");
	return in & 1 ? '1' : '0';
}

static void note(const char *what, const void *at, size_t n)
{
	unsigned char in[1200];

	memset(in, 0xee, sizeof(in));
	CHECK(n < sizeof(in) && mincore((void *)at, n * PAGE, in) == 0, "mincore");
	CHECK(in[n] == 0xee, "no more than was asked for");
	say("%s: ", what);
	for (size_t i = 0; i < n; i++) {
		CHECK((in[i] & 1) == in_memory(at, i) - '0', "page by page");
		if (!i || (in[i] & 1) != (in[i - 1] & 1))
			say("%s%d from %zu", i ? ", " : "", in[i] & 1, i);
	}
	say("\n");
}

static void anonymous(void)
{
	char *p = map_here(), *large;

	fill(p + 16 * PAGE, 32, 1);
	note("written in part", p, PAGES);
	CHECK(madvise(p, PAGES * PAGE, MADV_COLD) == 0 || errno == EINVAL, "COLD");
	note("cold", p, PAGES);
	expect(p + 16 * PAGE, 32, 1);
	CHECK(madvise(p + 32 * PAGE, 5 * PAGE, MADV_DONTNEED) == 0, "DONTNEED");
	note("given up in part", p, PAGES);
	CHECK(mprotect(p, PAGES * PAGE, PROT_NONE) == 0, "mprotect");
	note("not to be accessed", p, PAGES);
	munmap(p, PAGES * PAGE);

	/* more than is looked at at once */
	large = map_flags(1100 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	CHECK(madvise(large, 1100 * PAGE, MADV_NOHUGEPAGE) == 0, "NOHUGEPAGE");
	CHECK(mprotect(large + 400 * PAGE, 300 * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	fill(large + 400 * PAGE, 300, 1);
	CHECK(madvise(large + 500 * PAGE, 100 * PAGE, MADV_COLD) == 0 || errno == EINVAL, "COLD");
	note("large", large, 1100);
	munmap(large, 1100 * PAGE);
}

/* Of a file what is in the page cache counts, mapped or not; at its end is a hole. */
static void file(void)
{
	const char *name = file_of(FILE_PAGES, 0);
	char *p;

	CHECK(truncate(name, 2 * FILE_PAGES * PAGE) == 0, "truncate");
	p = map_private(name, 2 * FILE_PAGES, 0);
	note("a private file, untouched", p, 2 * FILE_PAGES);
	expect(p + 3 * PAGE, 2, 3);
	fill(p + 10 * PAGE, 4, 100);
	note("read and written", p, FILE_PAGES);
	CHECK(madvise(p, FILE_PAGES * PAGE, MADV_COLD) == 0 || errno == EINVAL, "COLD");
	note("cold", p, FILE_PAGES);
	expect(p + 10 * PAGE, 4, 100);
	CHECK(madvise(p, FILE_PAGES * PAGE, MADV_DONTNEED) == 0, "DONTNEED");
	note("given up", p, FILE_PAGES);
	expect(p, FILE_PAGES, 0);
	munmap(p, 2 * FILE_PAGES * PAGE);
}

static void refused(void)
{
	char *p = map_here();
	unsigned char in[PAGES];
	int r;

	fill(p, PAGES, 1);
	memset(in, 0xee, sizeof(in));
	CHECK(munmap(p + 40 * PAGE, PAGE) == 0, "munmap");
	r = mincore(p, PAGES * PAGE, in);
	say("a hole: %d %d, %d before it\n", r, errno, in[39]);
	r = mincore(p + 40 * PAGE, PAGE, in);
	say("nothing but a hole: %d %d\n", r, errno);
	r = mincore(p + 1, PAGE, in);
	say("misaligned: %d %d\n", r, errno);
	r = mincore(p, PAGE + 1, in);
	say("two pages, one of them in part: %d, %d %d\n", r, in[0], in[1]);
	r = mincore(p, 0, in);
	say("no length: %d\n", r);
	r = mincore(p, PAGE, (unsigned char *)64);
	say("no vector: %d %d\n", r, errno);
	r = mincore(p, -PAGE, in);
	say("too long: %d %d\n", r, errno);
	/* the answer goes into memory that is not there yet */
	r = mincore(p, 32 * PAGE, (unsigned char *)p + 50 * PAGE);
	say("into swapped memory: %d, %d\n", r, p[50 * PAGE + 31]);
	munmap(p, PAGES * PAGE);
}

int main(void)
{
	anonymous();
	file();
	push_out();
	refused();
	return 0;
}
