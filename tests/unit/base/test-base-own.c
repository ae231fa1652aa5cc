/*
 * Places for our own mappings: none before there is a program, then one behind the other.
 */
#include "base/own.h"

#include "../mm/check-main.h"

#define TB (1UL << 40)

START_TEST(test_none_in_a_tool)
{
	ck_assert_uint_eq(fl_own_hint(4096), 0);
}
END_TEST

START_TEST(test_one_behind_the_other)
{
	u64 end = 0, at;

	fl_own_init(0x123456789abcdef);
	for (u64 bytes = 1; bytes < TB; bytes *= 3) {
		at = fl_own_hint(bytes);
		ck_assert_uint_eq(at % FL_PAGE_SIZE, 0);
		ck_assert_uint_gt(at, end); /* with a hole between them */
		end = at + bytes;
	}
}
END_TEST

/* However many there have been, they stay between a third and two thirds of the address space. */
START_TEST(test_bounds)
{
	fl_own_init(~0UL);
	for (int i = 0; i < 1000; i++) {
		u64 at = fl_own_hint(TB / 7);

		ck_assert_uint_ge(at, 1UL << 46);
		ck_assert_uint_lt(at + TB, 0x555555554000UL);
	}
}
END_TEST

static const struct test_case tests[] = {
	{&test_none_in_a_tool, 0, 0},
	{&test_one_behind_the_other, 0, 0},
	{&test_bounds, 0, 0},
};

int main(void)
{
	return run_tests("base/own", tests, fl_array_size(tests));
}
