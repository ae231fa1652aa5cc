/*
 * mremap of memory of which half is swapped out: grow in place, grow by
 * moving, shrink, move to a fixed address, and move without unmapping.
 */
#include "sem.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static void grow(size_t pages)
{
	char *area = map(4 * pages * PAGE), *p, *q;

	/* Room behind the mapping: growth in place. */
	CHECK(munmap(area + pages * PAGE, 3 * pages * PAGE) == 0, "munmap");
	fill(area, pages, 1);
	p = mremap(area, pages * PAGE, 2 * pages * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED, "grow");
	expect(p, pages, 1);
	expect_zero(p + pages * PAGE, pages);
	fill(p + pages * PAGE, pages, 1 + pages);
	expect(p, 2 * pages, 1);

	/* No room behind it: it must move, or fail without MAYMOVE. */
	q = mmap(p + 2 * pages * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		0);
	CHECK(q != MAP_FAILED, "obstacle");
	CHECK(mremap(p, 2 * pages * PAGE, 3 * pages * PAGE, 0) == MAP_FAILED && errno == ENOMEM,
		"growth in place over an obstacle");
	push_out();
	q = mremap(p, 2 * pages * PAGE, 3 * pages * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && q != p, "grow by moving");
	expect(q, 2 * pages, 1);
	expect_zero(q + 2 * pages * PAGE, pages);
	munmap(q, 3 * pages * PAGE);
	munmap(p + 2 * pages * PAGE, PAGE);
	say("grow: ok\n");
}

static void shrink(size_t pages)
{
	char *p = map_filled(pages, 1), *q;

	CHECK(mremap(p, pages * PAGE, pages / 3 * PAGE, 0) == p, "shrink");
	expect(p, pages / 3, 1);
	q = mmap(p + pages / 3 * PAGE, PAGE * 64, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p + pages / 3 * PAGE, "what was cut off is free");
	expect_zero(q, 64);
	push_out();
	expect(p, pages / 3, 1);
	munmap(p, (pages / 3 + 64) * PAGE);
	say("shrink: ok\n");
}

static void move_fixed(size_t pages)
{
	char *p = map_filled(pages, 1), *target = map_filled(pages, 400000), *q;
	size_t quarter = pages / 4;

	/* A middle part onto the middle of other memory, which is replaced. */
	q = mremap(p + quarter * PAGE, quarter * PAGE, quarter * PAGE,
		MREMAP_MAYMOVE | MREMAP_FIXED, target + quarter * PAGE);
	CHECK(q == target + quarter * PAGE, "move to a fixed address");
	expect(target, quarter, 400000);
	expect(q, quarter, 1 + quarter);
	expect(target + 2 * quarter * PAGE, pages - 2 * quarter, 400000 + 2 * quarter);
	expect(p, quarter, 1);
	expect(p + 2 * quarter * PAGE, pages - 2 * quarter, 1 + 2 * quarter);
	q = mmap(p + quarter * PAGE, quarter * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p + quarter * PAGE, "the old place is free");
	expect_zero(q, quarter);
	push_out();
	expect(target + quarter * PAGE, quarter, 1 + quarter);

	/* Many small moves, there and back. */
	for (size_t i = 0; i < 512 && i < quarter; i++) {
		CHECK(mremap(p + i * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      target + (2 * quarter - 1 - i) * PAGE) ==
				target + (2 * quarter - 1 - i) * PAGE,
			"small move %zu", i);
		expect(target + (2 * quarter - 1 - i) * PAGE, 1, 1 + i);
	}
	CHECK(mremap(target, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + 1) == MAP_FAILED &&
			errno == EINVAL,
		"unaligned target");
	munmap(p, pages * PAGE);
	munmap(target, pages * PAGE);
	say("move to a fixed address: ok\n");
}

static void move_dontunmap(size_t pages)
{
	char *p = map_filled(pages, 1), *q;

	q = mremap(p, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (q == MAP_FAILED && errno == EINVAL)
		sem_skip("this kernel has no MREMAP_DONTUNMAP");
	CHECK(q != MAP_FAILED && q != p, "MREMAP_DONTUNMAP");
	expect_zero(p, pages / 2);
	expect(q, pages, 1);
	fill(p, pages, 700000);
	push_out();
	expect(q, pages, 1);
	expect(p, pages, 700000);
	munmap(p, pages * PAGE);
	munmap(q, pages * PAGE);
	say("move without unmapping: ok\n");
}

/* realloc of large blocks is mremap inside libc. */
static void through_realloc(size_t pages)
{
	char *p = NULL;

	for (size_t n = 256; n <= pages; n += 1777) {
		p = realloc(p, n * PAGE);
		CHECK(p, "realloc");
		fill(p + (n > 2033 ? (n - 1777) * PAGE : 0), n > 2033 ? 1777 : n,
			n > 2033 ? 1 + n - 1777 : 1);
		if (n == 256 + 1777)
			fill(p, n, 1);
		expect(p, n, 1);
	}
	p = realloc(p, 300 * PAGE);
	expect(p, 300, 1);
	free(p);
	say("realloc: ok\n");
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 32);

	grow(pages / 2);
	shrink(pages);
	move_fixed(pages);
	move_dontunmap(pages);
	through_realloc(pages);
	return 0;
}
