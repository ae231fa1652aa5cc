/*
 * mremap of what was mapped piece by piece: is it one VMA, or several (EFAULT)? That depends on which
 * of the pieces had been written when they became neighbours, since what was only read, or not touched
 * at all, can become part of any.
 */
#include "sem.h"
#include <sys/resource.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { PIECE = 16, PIECES = 3, RW = PROT_READ | PROT_WRITE };

#define BYTES (PIECE * PAGE)

enum touch { UNTOUCHED, IS_READ, WRITTEN, WRITTEN_LATER, WRITTEN_AWAY, NR_TOUCHES };

static const char *const touch_names[] = {
	"untouched", "read", "written", "read and written", "written and dropped"};

/* A place with nothing beside it. */
static char *place(void)
{
	char *p = map_flags(BYTES * (PIECES + 2), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);

	CHECK(munmap(p, BYTES * (PIECES + 2)) == 0, "munmap");
	return p + BYTES;
}

static void map_piece(char *at, int prot)
{
	CHECK(mmap(at, BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at, "mmap");
}

static void touch(char *at, enum touch how, uint64_t key)
{
	if (how == IS_READ || how == WRITTEN_LATER)
		expect_zero(at, PIECE);
	if (how == WRITTEN || how == WRITTEN_LATER || how == WRITTEN_AWAY)
		fill(at, PIECE, key);
	if (how == WRITTEN_AWAY)
		CHECK(madvise(at, BYTES, MADV_DONTNEED) == 0, "madvise");
}

/* All of them, which grow by a page or leave an empty place behind; and says what has become of it. */
static void move(char *p, size_t pieces, int flags)
{
	size_t more = flags & MREMAP_DONTUNMAP ? 0 : PAGE;
	char *to = flags & MREMAP_FIXED ? place() : NULL;
	char *q = mremap(p, pieces * BYTES, pieces * BYTES + more, flags, to);

	if (q == MAP_FAILED) {
		say(" %s", errno == EFAULT ? "EFAULT" : strerror(errno));
		expect(p, pieces * PIECE, 1);
		munmap(p, pieces * BYTES);
		return;
	}
	say(q == p ? " grown" : " moved");
	expect(q, pieces * PIECE, 1);
	if (more)
		expect_zero(q + pieces * BYTES, 1);
	if (flags & MREMAP_DONTUNMAP)
		expect_zero(p, pieces * PIECE);
	munmap(q, pieces * BYTES + more);
	munmap(p, pieces * BYTES);
}

static void note_move(char *p, int flags)
{
	fill(p, PIECES * PIECE, 1);
	move(p, PIECES, flags);
}

/* Two that lie apart, then one between them. */
static void between(enum touch low, enum touch high, bool out, int flags)
{
	char *p = place();

	map_piece(p, RW);
	map_piece(p + 2 * BYTES, RW);
	touch(p, low, 100);
	touch(p + 2 * BYTES, high, 200);
	if (out)
		push_out();
	map_piece(p + BYTES, RW);
	say("between %s and %s%s:", touch_names[low], touch_names[high], out ? ", in swap" : "");
	note_move(p, flags);
	say("\n");
}

/* Two parts of what was one. */
static void again(enum touch first, int flags)
{
	char *p = place();

	map_piece(p, RW);
	map_piece(p + BYTES, RW);
	map_piece(p + 2 * BYTES, RW);
	touch(p, first, 100);
	CHECK(munmap(p + BYTES, BYTES) == 0, "munmap");
	touch(p + 2 * BYTES, WRITTEN, 200);
	map_piece(p + BYTES, RW);
	say("a hole filled again, %s below:", touch_names[first]);
	note_move(p, flags);
	say("\n");
}

/* Side by side, of another protection at first. */
static void protected(enum touch low, enum touch high, int flags)
{
	char *p = place();

	map_piece(p, RW);
	map_piece(p + BYTES, PROT_READ);
	map_piece(p + 2 * BYTES, RW);
	touch(p, low, 100);
	touch(p + 2 * BYTES, high, 200);
	touch(p + BYTES, IS_READ, 0);
	CHECK(mprotect(p + BYTES, BYTES, RW) == 0, "mprotect");
	say("read-only between %s and %s:", touch_names[low], touch_names[high]);
	note_move(p, flags);
	say("\n");
}

/* Side by side, of other flags at first. */
static void advised(enum touch low, enum touch high, int flags)
{
	char *p = place();

	map_piece(p, RW);
	CHECK(madvise(p, BYTES, MADV_DONTFORK) == 0, "madvise");
	map_piece(p + BYTES, RW);
	map_piece(p + 2 * BYTES, RW);
	touch(p, low, 100);
	touch(p + BYTES, high, 200);
	CHECK(madvise(p, BYTES, MADV_DOFORK) == 0, "madvise");
	say("advised, %s beside %s:", touch_names[low], touch_names[high]);
	note_move(p, flags);
	say("\n");
}

/* What is moved keeps its place in the order of its old neighbours, once it was written. */
static void moved_beside(enum touch low, enum touch high, int flags)
{
	char *p = place(), *q;

	map_piece(p, RW);
	map_piece(p + BYTES, RW);
	touch(p, low, 100);
	q = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map_piece(q + BYTES, RW);
	touch(q + BYTES, high, 200);
	CHECK(mremap(q + BYTES, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * BYTES) ==
			p + 2 * BYTES, "mremap");
	munmap(q, 4 * BYTES);
	say("%s, moved beside %s:", touch_names[high], touch_names[low]);
	note_move(p, flags);
	say("\n");
}

/* What a child has from its parent is never one with what it maps itself. */
static void forked(enum touch low, int flags)
{
	char *p = place();
	pid_t pid;

	map_piece(p, RW);
	touch(p, low, 100);
	pid = fork_checked();
	if (!pid) {
		map_piece(p + BYTES, RW);
		map_piece(p + 2 * BYTES, RW);
		say("in a child, beside %s:", touch_names[low]);
		note_move(p, flags);
		say("\n");
		_exit(0);
	}
	reap(pid);
	map_piece(p + BYTES, RW);
	map_piece(p + 2 * BYTES, RW);
	say("in its parent:");
	note_move(p, flags);
	say("\n");
}

/* What is several only here counts but once under a limit, and what is refused stays as it was. */
static void limited(void)
{
	const size_t large = 600 * MIB;
	struct rlimit l, small = {1024 * MIB, RLIM_INFINITY};
	char *p = map_flags(2 * BYTES + large, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS), *q;

	map_piece(p, RW);
	map_piece(p + BYTES + large, RW);
	touch(p, IS_READ, 0);
	touch(p + BYTES + large, WRITTEN, 200);
	CHECK(mmap(p + BYTES, large, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			p + BYTES, "mmap");
	CHECK(mprotect(p, 2 * BYTES + large, RW) == 0, "mprotect");
	fill(p, 2 * PIECE, 7);
	CHECK(mmap(p + 2 * BYTES + large, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		      -1, 0) != MAP_FAILED || errno == EEXIST, "so that it cannot stay");
	CHECK(getrlimit(RLIMIT_AS, &l) == 0, "getrlimit");
	small.rlim_max = l.rlim_max;
	CHECK(setrlimit(RLIMIT_AS, &small) == 0, "setrlimit");
	q = mremap(p, 2 * BYTES + large, 3 * large, MREMAP_MAYMOVE);
	say("too much: %s", q == MAP_FAILED ? strerror(errno) : "moved");
	expect(p, 2 * PIECE, 7);
	expect(p + BYTES + large, PIECE, 200);
	q = mremap(p, 2 * BYTES + large, 3 * BYTES + large, MREMAP_MAYMOVE);
	say(", a little: %s\n", q == MAP_FAILED ? strerror(errno) : "moved");
	if (q == MAP_FAILED)
		q = p;
	expect(q, 2 * PIECE, 7);
	expect(q + BYTES + large, PIECE, 200);
	CHECK(setrlimit(RLIMIT_AS, &l) == 0, "setrlimit");
	munmap(q, 3 * BYTES + large);
}

static void all(int flags, const char *what)
{
	say("%s\n", what);
	for (enum touch low = UNTOUCHED; low < NR_TOUCHES; low++) {
		for (enum touch high = UNTOUCHED; high < NR_TOUCHES; high++) {
			between(low, high, false, flags);
			protected(low, high, flags);
			advised(low, high, flags);
			moved_beside(low, high, flags);
		}
		again(low, flags);
		forked(low, flags);
	}
	between(IS_READ, WRITTEN, true, flags);
	between(WRITTEN, WRITTEN, true, flags);
	between(WRITTEN, IS_READ, true, flags);
}

int main(void)
{
	all(0, "in place");
	all(MREMAP_MAYMOVE, "MAYMOVE");
	all(MREMAP_MAYMOVE | MREMAP_FIXED, "FIXED");
	all(MREMAP_MAYMOVE | MREMAP_DONTUNMAP, "DONTUNMAP");
	limited();
	return 0;
}
