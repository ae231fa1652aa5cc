/*
 * The swap map: runs, clusters, counts, and what it refuses.
 */
#include "swap/slots.h"

#include "../mm/check-main.h"

#include <signal.h>
#include <string.h>

#define MAX (8 * FL_SLOT_CLUSTER)

static struct fl_slots slots;
static u16 count[MAX];
static u8 used[MAX / FL_SLOT_CLUSTER];
static const struct fl_slot_arrays arrays = {count, used};

static void setup(u32 nr_slots)
{
	memset(count, 0, sizeof(count));
	memset(used, 0, sizeof(used));
	fl_slots_init(&slots, MAX);
	fl_slots_grow(&slots, nr_slots);
}

static void valid(void)
{
	ck_valid(fl_slots_validate(&slots, &arrays, &why));
}

static u32 take(u32 want, u32 expect)
{
	u32 slot = FL_NO_SLOT;

	ck_assert_uint_eq(fl_slots_alloc(&slots, &arrays, want, &slot), expect);
	valid();
	return slot;
}

START_TEST(test_empty)
{
	setup(0);
	take(1, 0);
	ck_assert_uint_eq(slots.nr_used, 0);
}
END_TEST

START_TEST(test_never_slot_0)
{
	setup(FL_SLOT_CLUSTER);
	ck_assert_uint_eq(take(FL_SLOT_CLUSTER, FL_SLOT_CLUSTER - 1), 1);
	take(1, 0);
	ck_assert_uint_eq(count[FL_NO_SLOT], 0);
}
END_TEST

/* A batch lies together, and the next one right behind it. */
START_TEST(test_neighbours)
{
	u32 first, second;

	setup(MAX);
	first = take(16, 16);
	second = take(16, 16);
	ck_assert_uint_eq(second, first + 16);
	for (u32 i = 0; i < 16; i++)
		ck_assert_uint_eq(count[first + i], 1);
}
END_TEST

/* An empty cluster is better than gaps in others, and a gap than nothing. */
START_TEST(test_gaps_last)
{
	setup(3 * FL_SLOT_CLUSTER);
	take(FL_SLOT_CLUSTER, FL_SLOT_CLUSTER - 1);
	ck_assert_uint_eq(take(FL_SLOT_CLUSTER, FL_SLOT_CLUSTER), FL_SLOT_CLUSTER);
	fl_slot_put(&slots, &arrays, 10);
	for (u32 i = 80; i < 84; i++)
		fl_slot_put(&slots, &arrays, i);
	ck_assert_uint_eq(take(FL_SLOT_CLUSTER, FL_SLOT_CLUSTER), 2 * FL_SLOT_CLUSTER);
	ck_assert_uint_eq(take(4, 1), 10);
	ck_assert_uint_eq(take(4, 4), 80);
	take(4, 0);
}
END_TEST

START_TEST(test_grow)
{
	setup(FL_SLOT_CLUSTER);
	take(FL_SLOT_CLUSTER, FL_SLOT_CLUSTER - 1);
	fl_slots_grow(&slots, 2 * FL_SLOT_CLUSTER);
	ck_assert_uint_eq(take(8, 8), FL_SLOT_CLUSTER);
	fl_slots_grow(&slots, 100 * FL_SLOT_CLUSTER); /* no further than the maximum */
	ck_assert_uint_eq(slots.nr_slots, MAX);
	valid();
}
END_TEST

START_TEST(test_counts)
{
	u32 slot;

	setup(FL_SLOT_CLUSTER);
	slot = take(1, 1);
	fl_slot_dup(&slots, &arrays, slot);
	fl_slot_dup(&slots, &arrays, slot);
	ck_assert_uint_eq(count[slot], 3);
	ck_assert_uint_eq(slots.nr_used, 1);
	ck_assert(!fl_slot_put(&slots, &arrays, slot));
	ck_assert(!fl_slot_put(&slots, &arrays, slot));
	ck_assert(fl_slot_put(&slots, &arrays, slot));
	ck_assert_uint_eq(slots.nr_used, 0);
	valid();
}
END_TEST

START_TEST(test_put_free)
{
	setup(FL_SLOT_CLUSTER);
	fl_slot_put(&slots, &arrays, 5);
}
END_TEST

START_TEST(test_dup_free)
{
	setup(FL_SLOT_CLUSTER);
	fl_slot_dup(&slots, &arrays, 5);
}
END_TEST

START_TEST(test_dup_too_often)
{
	setup(FL_SLOT_CLUSTER);
	count[5] = FL_SLOT_COUNT_MAX;
	fl_slot_dup(&slots, &arrays, 5);
}
END_TEST

/* Row: which of the things that the validator counts is wrong. */
START_TEST(test_validator)
{
	const char *why = NULL;

	setup(2 * FL_SLOT_CLUSTER);
	take(8, 8);
	if (_i == 0)
		used[1]++;
	else if (_i == 1)
		slots.nr_used--;
	else
		count[0] = used[0]++ + 1;
	ck_assert_int_eq(fl_slots_validate(&slots, &arrays, &why), -1);
	ck_assert_ptr_nonnull(why);
}
END_TEST

static const struct test_case tests[] = {
	{&test_empty, 0, 0},
	{&test_never_slot_0, 0, 0},
	{&test_neighbours, 0, 0},
	{&test_gaps_last, 0, 0},
	{&test_grow, 0, 0},
	{&test_counts, 0, 0},
	{&test_put_free, SIGILL, 0},
	{&test_dup_free, SIGILL, 0},
	{&test_dup_too_often, SIGILL, 0},
	{&test_validator, 0, 3},
};

int main(void)
{
	return run_tests("swap/slots", tests, fl_array_size(tests));
}
