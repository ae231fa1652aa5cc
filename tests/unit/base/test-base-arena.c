/*
 * The arena: alignment, zeroing, reuse, exhaustion, and a random run in which
 * every block keeps its own bytes.
 */
#include "base/arena.h"

#include "../mm/check-main.h"
#include "../mm/mm-test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES (32u << 20)

static struct fl_arena arena;
static char *memory;

static void setup(void)
{
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	fl_arena_init(&arena, memory, BYTES);
}

static size_t rounded(size_t bytes)
{
	size_t size = 16;

	while (size < bytes)
		size *= 2;
	return size;
}

static bool is_all(const void *p, int c, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (((const unsigned char *)p)[i] != c)
			return false;
	return true;
}

START_TEST(test_sizes)
{
	static const size_t sizes[] = {
		1, 16, 17, 24, 100, 1000, 2048, 4095, 4096, 4097, 100000, 1 << 20, 8 << 20};

	setup();
	for (size_t i = 0; i < fl_array_size(sizes); i++) {
		size_t size = rounded(sizes[i]), align = fl_min(size, FL_PAGE_SIZE);
		char *p = fl_arena_alloc(&arena, sizes[i]);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((u64)p % align, 0);
		ck_assert(p >= memory && p + size <= memory + BYTES);
		ck_assert(is_all(p, 0, size));
		memset(p, 0xff, size);
	}
	/* larger than the largest class */
	ck_assert_ptr_null(fl_arena_alloc(&arena, (16u << FL_ARENA_CLASSES)));
}
END_TEST

START_TEST(test_reuse_is_zeroed)
{
	void *first, *again;

	setup();
	first = fl_arena_alloc(&arena, 100);
	memset(first, 0xaa, 128);
	fl_arena_free(&arena, first, 100);
	again = fl_arena_alloc(&arena, 128);
	ck_assert_ptr_eq(first, again);
	ck_assert(is_all(again, 0, 128));
}
END_TEST

START_TEST(test_counts)
{
	void *a, *b;

	setup();
	a = fl_arena_alloc(&arena, 100);
	b = fl_arena_alloc(&arena, 5000);
	ck_assert_uint_eq(arena.used_bytes, 128 + 8192);
	fl_arena_free(&arena, a, 100);
	fl_arena_free(&arena, b, 5000);
	ck_assert_uint_eq(arena.used_bytes, 0);
	ck_assert_uint_eq(arena.peak_bytes, 128 + 8192);
}
END_TEST

START_TEST(test_full)
{
	u64 got = 0;
	void *p;

	setup();
	while ((p = fl_arena_alloc(&arena, 1 << 20)))
		got++;
	ck_assert_uint_eq(got, BYTES >> 20);
	ck_assert_ptr_null(fl_arena_alloc(&arena, 16));
	fl_arena_free(&arena, memory, 1 << 20);
	ck_assert_ptr_nonnull(fl_arena_alloc(&arena, 1 << 20));
}
END_TEST

/* Blocks that overlap or lose bytes show up when their own byte is missing. */
START_TEST(test_random_use)
{
	struct {
		void *p;
		size_t bytes;
	} live[500] = {0};
	const char *env = getenv("FL_SEED");
	u64 seed = (env ? strtoul(env, NULL, 0) : (u64)getpid() * 7919) + (u64)_i, used = 0;

	setup();
	printf("FL_SEED=%lu\n", seed - (u64)_i);
	for (int n = 0; n < 200000; n++) {
		size_t i = test_random(&seed) % fl_array_size(live);

		if (live[i].p) {
			ck_assert(is_all(live[i].p, (int)(i & 0xff), live[i].bytes));
			fl_arena_free(&arena, live[i].p, live[i].bytes);
			used -= rounded(live[i].bytes);
			live[i].p = NULL;
		} else {
			live[i].bytes = 1 + test_random(&seed) % (16u << test_random(&seed) % 9);
			live[i].p = fl_arena_alloc(&arena, live[i].bytes);
			ck_assert_ptr_nonnull(live[i].p);
			ck_assert(is_all(live[i].p, 0, live[i].bytes));
			memset(live[i].p, (int)(i & 0xff), live[i].bytes);
			used += rounded(live[i].bytes);
		}
		ck_assert_uint_eq(arena.used_bytes, used);
	}
}
END_TEST

static const struct test_case tests[] = {
	{&test_sizes, 0, 0},
	{&test_reuse_is_zeroed, 0, 0},
	{&test_counts, 0, 0},
	{&test_full, 0, 0},
	{&test_random_use, 0, 2},
};

int main(void)
{
	return run_tests("base/arena", tests, fl_array_size(tests));
}
