/*
 * What the tests of lib/mm share: an allocator that counts and can fail, and a seeded generator.
 */
#ifndef FL_TEST_MM_TEST_H
#define FL_TEST_MM_TEST_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm/mm.h"

struct test_alloc {
	s64 bytes;	/* handed out and not given back */
	s64 fail_after; /* allocations that still succeed; negative: all */
};

static inline void *test_alloc_get(void *ctx, size_t size_bytes)
{
	struct test_alloc *t = ctx;
	void *p;

	if (t->fail_after == 0)
		return NULL;
	if (t->fail_after > 0)
		t->fail_after--;
	p = aligned_alloc(size_bytes == 4096 ? 4096 : 16, (size_bytes + 15) & ~15UL);
	if (!p)
		abort();
	memset(p, 0, size_bytes);
	t->bytes += (s64)size_bytes;
	return p;
}

static inline void test_alloc_put(void *ctx, void *p, size_t size_bytes)
{
	struct test_alloc *t = ctx;

	t->bytes -= (s64)size_bytes;
	memset(p, 0x5a, size_bytes); /* a use after free is seen without a sanitizer too */
	free(p);
}

/* An empty mm over @t. */
static inline void test_mm_init(struct fl_mm *mm, struct test_alloc *t)
{
	struct fl_mm_alloc alloc = {test_alloc_get, test_alloc_put, t};

	t->bytes = 0;
	t->fail_after = -1;
	fl_mm_init(mm, &alloc);
}

/* splitmix64: small, seedable, the same everywhere. */
static inline u64 test_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15UL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
	return z ^ (z >> 31);
}

/* The seed of a run: from the command line, else from FL_SEED, else from the clock. */
static inline u64 test_seed(int argc, char **argv)
{
	const char *env = getenv("FL_SEED");
	struct timespec now;

	if (argc > 1)
		return strtoul(argv[1], NULL, 0);
	if (env && *env)
		return strtoul(env, NULL, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	return (u64)now.tv_sec * 1000000 + (u64)now.tv_nsec / 1000;
}

#endif
