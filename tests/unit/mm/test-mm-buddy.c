/*
 * The buddy allocator: carving, splitting, joining, and the two kinds of instance.
 */
#include "mm/buddy.h"

#include <signal.h>

#include "check-main.h"
#include "mm-test.h"

#define NFRAMES 5000 /* not a multiple of the largest block */

static u32 next[NFRAMES], prev[NFRAMES];
static u8 order[NFRAMES], local_order[NFRAMES];
static const struct fl_buddy_arrays arrays = {next, prev, order};
static const struct fl_buddy_arrays local_arrays = {next, prev, local_order};
static struct fl_buddy b;

static void check_free(u32 nr_free)
{
	ck_valid(fl_buddy_validate(&b, &arrays, &why));
	ck_assert_uint_eq(b.nr_free, nr_free);
}

START_TEST(test_fresh_is_not_touched)
{
	fl_buddy_init(&b, NFRAMES);
	check_free(NFRAMES);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 0), 0);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 0), 1);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 4), 16); /* 2 to 15 go to the free lists */
	check_free(NFRAMES - 18);
	ck_assert_uint_eq(b.fresh, 32);
	ck_assert_uint_eq(b.nr_free_blocks[1], 1);
	ck_assert_uint_eq(b.nr_free_blocks[2], 1);
	ck_assert_uint_eq(b.nr_free_blocks[3], 1);
	for (u32 f = 32; f < NFRAMES; f++)
		ck_assert_uint_eq(next[f] | prev[f] | order[f], 0);
	/* From the lists first. */
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 3), 8);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 2), 4);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 0) & ~1U, 2);
	ck_assert_uint_eq(b.fresh, 32);
	check_free(NFRAMES - 31);
}
END_TEST

/* Row: the order. All frames can be had, and all come back as the largest blocks. */
START_TEST(test_exhaust_and_refill)
{
	u32 whole = NFRAMES >> _i, frame;

	fl_buddy_init(&b, NFRAMES);
	for (u32 i = 0; i < whole; i++) {
		frame = fl_buddy_alloc(&b, &arrays, _i);
		ck_assert_uint_eq(frame, i << _i);
		next[frame] = prev[frame] = 0xdead; /* the links are the owner's now */
	}
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, _i), FL_NO_FRAME);
	check_free(NFRAMES - (whole << _i));
	for (u32 i = 0; i < whole; i += 2)
		fl_buddy_free(&b, &arrays, i << _i, _i);
	for (u32 i = 1; i < whole; i += 2)
		fl_buddy_free(&b, &arrays, i << _i, _i);
	check_free(NFRAMES);
	ck_assert_uint_eq(b.nr_free_blocks[FL_MAX_ORDER], b.fresh >> FL_MAX_ORDER);
}
END_TEST

START_TEST(test_alloc_best)
{
	u32 got, sum = 0, last = FL_MAX_ORDER;

	fl_buddy_init(&b, NFRAMES);
	while (fl_buddy_alloc_best(&b, &arrays, FL_MAX_ORDER, &got) != FL_NO_FRAME) {
		ck_assert_uint_le(got, last);
		last = got;
		sum += 1U << got;
	}
	ck_assert_uint_eq(sum, NFRAMES);
	fl_buddy_free(&b, &arrays, 8, 3);
	ck_assert_uint_eq(fl_buddy_alloc_best(&b, &arrays, 1, &got), 8);
	ck_assert_uint_eq(got, 1);
	ck_assert_uint_eq(fl_buddy_alloc_best(&b, &arrays, 7, &got), 12);
	ck_assert_uint_eq(got, 2);
	check_free(2);
}
END_TEST

START_TEST(test_free_in_parts)
{
	fl_buddy_init(&b, NFRAMES);
	ck_assert_uint_eq(fl_buddy_alloc(&b, &arrays, 5), 0);
	for (u32 f = 0; f < 32; f++)
		fl_buddy_free(&b, &arrays, (f * 13) % 32, 0);
	check_free(NFRAMES);
	ck_assert_uint_eq(b.nr_free_blocks[5], 1);
}
END_TEST

START_TEST(test_local_instance)
{
	struct fl_buddy local;
	u32 block, got;

	fl_buddy_init(&b, NFRAMES);
	fl_buddy_init_empty(&local, NFRAMES);
	ck_assert_uint_eq(fl_buddy_take(&local, &local_arrays, 4, &got), FL_NO_FRAME);
	block = fl_buddy_alloc(&b, &arrays, 4);
	fl_buddy_free(&b, &arrays, fl_buddy_alloc(&b, &arrays, 4), 4); /* its buddy is free there */
	fl_buddy_add(&local, &local_arrays, block, 16);
	ck_assert_uint_eq(local.nr_free_blocks[4], 1); /* not joined with what b has */
	ck_assert_uint_eq(local.nr_free, 16);
	ck_assert_uint_eq(fl_buddy_alloc(&local, &local_arrays, 0), block);
	ck_valid(fl_buddy_validate(&local, &local_arrays, &why));
	ck_assert_uint_eq(fl_buddy_take(&local, &local_arrays, 4, &got), block + 8);
	ck_assert_uint_eq(got, 3);
	fl_buddy_free(&b, &arrays, block + 8, 3);
	ck_assert_uint_eq(local.nr_free, 7);
	ck_valid(fl_buddy_validate(&local, &local_arrays, &why));
	check_free(NFRAMES - 8);
}
END_TEST

START_TEST(test_add_unaligned)
{
	fl_buddy_init_empty(&b, NFRAMES);
	fl_buddy_add(&b, &arrays, 3, 2050);
	check_free(2050);
	ck_assert_uint_eq(b.nr_free_blocks[0], 2); /* 3, and 2052 */
	ck_assert_uint_eq(b.nr_free_blocks[FL_MAX_ORDER], 1);
	fl_buddy_add(&b, &arrays, 0, 3);
	fl_buddy_add(&b, &arrays, 2053, NFRAMES - 2053);
	check_free(NFRAMES);
	ck_assert_uint_eq(b.nr_free_blocks[FL_MAX_ORDER], NFRAMES >> FL_MAX_ORDER);
}
END_TEST

START_TEST(test_rebuild)
{
	fl_buddy_init(&b, NFRAMES);
	for (u32 i = 0; i < 10; i++)
		fl_buddy_alloc(&b, &arrays, 2);
	fl_buddy_free(&b, &arrays, 4, 2);
	memset(order, 0, b.fresh);
	fl_buddy_init_used(&b, NFRAMES, b.fresh);
	check_free(NFRAMES - 40);
	for (u32 f = 4; f < 8; f++)
		fl_buddy_free(&b, &arrays, f, 0);
	check_free(NFRAMES - 36);
	ck_assert_uint_eq(b.nr_free_blocks[2], 1);
}
END_TEST

START_TEST(test_watermarks)
{
	fl_buddy_init(&b, NFRAMES);
	ck_assert(!fl_buddy_below_low(&b) && !fl_buddy_below_high(&b));
	b.wmark_low = NFRAMES - 1;
	b.wmark_high = NFRAMES;
	ck_assert(!fl_buddy_below_high(&b));
	fl_buddy_alloc(&b, &arrays, 0);
	ck_assert(!fl_buddy_below_low(&b) && fl_buddy_below_high(&b));
	fl_buddy_alloc(&b, &arrays, 0);
	ck_assert(fl_buddy_below_low(&b));
}
END_TEST

/* Row: a free that must not be: twice, unaligned, never given out. */
START_TEST(test_bad_free_traps)
{
	static const struct {
		u32 frame, order;
	} bad[] = {{0, 0}, {1, 1}, {64, 0}, {31, 5}, {0, FL_MAX_ORDER + 1}};

	fl_buddy_init(&b, NFRAMES);
	fl_buddy_alloc(&b, &arrays, 5);
	fl_buddy_free(&b, &arrays, 0, 0);
	fl_buddy_free(&b, &arrays, bad[_i].frame, bad[_i].order);
}
END_TEST

START_TEST(test_validator_sees)
{
	fl_buddy_init(&b, NFRAMES);
	fl_buddy_alloc(&b, &arrays, 0);
	fl_buddy_alloc(&b, &arrays, 5);
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), 0);
	b.nr_free++;
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), -1);
	b.nr_free--;
	b.nr_free_blocks[1]++;
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), -1);
	b.nr_free_blocks[1]--;
	order[b.free_head[1] - 1] = 0;
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), -1);
	order[b.free_head[1] - 1] = 2;
	order[0] = 2; /* the buddy of 2, and over 1 */
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), -1);
	order[0] = 0;
	prev[2] = 9;
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), -1);
	prev[2] = 0;
	ck_assert_int_eq(fl_buddy_validate(&b, &arrays, NULL), 0);
}
END_TEST

static const struct test_case tests[] = {
	{&test_fresh_is_not_touched, 0, 0},
	{&test_exhaust_and_refill, 0, FL_NR_ORDERS},
	{&test_alloc_best, 0, 0},
	{&test_free_in_parts, 0, 0},
	{&test_local_instance, 0, 0},
	{&test_add_unaligned, 0, 0},
	{&test_rebuild, 0, 0},
	{&test_watermarks, 0, 0},
	{&test_bad_free_traps, SIGILL, 5},
	{&test_validator_sees, 0, 0},
};

int main(void)
{
	return run_tests("mm/buddy", tests, fl_array_size(tests));
}
