/*
 * mremap of what is several VMAs, half of it swapped out: all of them move as they lie, holes
 * between them included (Linux 6.17 and newer), or none of them.
 */
#include "sem.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { PIECE = 64, PIECES = 5 };

/* Pieces of different protection, the fourth one a hole. */
static char *several(uint64_t key)
{
	char *p = map_apart_filled(PIECE * PIECES, key);

	CHECK(mprotect(p + PIECE * PAGE, PIECE * PAGE, PROT_READ) == 0, "mprotect");
	CHECK(mprotect(p + 2 * PIECE * PAGE, PIECE * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0,
		"mprotect");
	CHECK(munmap(p + 3 * PIECE * PAGE, PIECE * PAGE) == 0, "munmap");
	return p;
}

static void expect_several(char *p, uint64_t key)
{
	expect(p, 3 * PIECE, key);
	expect(p + 4 * PIECE * PAGE, PIECE, key + 4 * PIECE);
}

static void move(int flags, const char *what)
{
	char *p = several(1), *target = map_filled(PIECE * PIECES, 9000), *q;
	int zero[2];

	push_out();
	q = mremap(p, PIECE * PIECES * PAGE, PIECE * PIECES * PAGE,
		MREMAP_MAYMOVE | MREMAP_FIXED | flags, target);
	if (q == MAP_FAILED) {
		CHECK(errno == EFAULT, "%s", what);
		expect_several(p, 1);
		expect(target, PIECE * PIECES, 9000);
		say("%s: EFAULT\n", what);
		return;
	}
	CHECK(q == target, "%s", what);
	push_out();
	expect_several(q, 1);
	expect(q + 3 * PIECE * PAGE, PIECE, 9000 + 3 * PIECE); /* below the hole */
	fill(q, PIECE, 70000);
	CHECK(pipe(zero) == 0 && write(zero[1], "x", 1) == 1, "pipe");
	CHECK(read(zero[0], q + PIECE * PAGE, 1) == -1 && errno == EFAULT, "it is read-only still");
	push_out();
	expect(q, PIECE, 70000);
	if (flags & MREMAP_DONTUNMAP) {
		expect_zero(p, 3 * PIECE);
		expect_zero(p + 4 * PIECE * PAGE, PIECE);
	} else {
		CHECK(madvise(p, PAGE, MADV_NORMAL) == -1 && errno == ENOMEM, "it is gone");
	}
	say("%s: moved\n", what);
}

/* What is shrunk on the way may end in other VMAs, or nowhere, without MREMAP_FIXED. */
static void cut(void)
{
	char *p = several(1), *q;

	CHECK(mremap(p, PIECE * PIECES * PAGE, PIECE / 2 * PAGE, 0) == p, "shrink over several");
	push_out();
	expect(p, PIECE / 2, 1);
	CHECK(madvise(p + PIECE / 2 * PAGE, PAGE, MADV_NORMAL) == -1, "the rest is gone");
	say("shrink: ok\n");

	p = several(1);
	q = map_filled(PIECE, 9000);
	push_out();
	CHECK(mremap(p, PIECE * PIECES * PAGE, PIECE / 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q,
		"shrink over several, elsewhere");
	push_out();
	expect(q, PIECE / 2, 1);
	expect(q + PIECE / 2 * PAGE, PIECE / 2, 9000 + PIECE / 2);
	CHECK(madvise(p + 4 * PIECE * PAGE, PAGE, MADV_NORMAL) == -1, "the rest is gone");
	say("shrink and move: ok\n");

	p = several(1);
	CHECK(mremap(p, PIECE * PIECES * PAGE, PIECE * PIECES * PAGE, MREMAP_MAYMOVE) == p, "same size");
	push_out();
	expect_several(p, 1);
	say("same size: ok\n");
}

int main(void)
{
	move(0, "FIXED");
	move(MREMAP_DONTUNMAP, "FIXED and DONTUNMAP");
	cut();
	return 0;
}
