/* The age of a queue's tail, against a queue that knows it. */
#include "pager/age.h"

#include <check.h>
#include <stdlib.h>

#define QUEUE 100000u

static u32 joined_ms[QUEUE];

static void run(u32 length, u32 ms_a_page, u32 wrap_from)
{
	struct fl_age a = {.joined = wrap_from};
	u32 ms = 1000;

	for (u32 i = 0; i < QUEUE; i++, ms += ms_a_page) {
		u32 n = fl_min(i + 1, length), real, got, slack;

		joined_ms[i] = ms;
		if (fl_age_join(&a, n))
			fl_age_mark(&a, ms);
		if (i % 97)
			continue;
		real = joined_ms[i + 1 - n];
		got = fl_age_tail(&a, n);
		slack = ms_a_page * (fl_max(n / 8, 32u));
		ck_assert_uint_le(got, real + slack);
		ck_assert_uint_ge(got + slack, real);
	}
	/* nothing joins: the tail stays as old as it was */
	ck_assert_uint_eq(fl_age_tail(&a, length), fl_age_tail(&a, length));
}

START_TEST(tail_of_a_steady_queue)
{
	run(10, 1, 0);
	run(1000, 3, 0);
	run(50000, 1, 0);
	run(1000, 3, UINT32_MAX - 500); /* the count wraps */
}
END_TEST

START_TEST(list_that_shrinks)
{
	struct fl_age a = {0};

	for (u32 i = 0; i < 1000; i++)
		if (fl_age_join(&a, i + 1))
			fl_age_mark(&a, i);
	ck_assert_uint_le(fl_age_tail(&a, 1000), 40);
	/* what is left of it joined last */
	ck_assert_uint_ge(fl_age_tail(&a, 10), 940);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("age");
	TCase *c = tcase_create("age");
	SRunner *r;
	int failed;

	tcase_add_test(c, tail_of_a_steady_queue);
	tcase_add_test(c, list_that_shrinks);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
