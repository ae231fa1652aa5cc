/*
 * main() of a test program: defines what runs in `tests`, an array of struct test_case.
 */
#ifndef FL_TEST_CHECK_MAIN_H
#define FL_TEST_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#include "base/types.h"

struct test_case {
	const TTest **test; /* &name, as START_TEST(name) defines it */
	int signal;	    /* the signal the test must die of, or 0 */
	int rows;	    /* for a table: the test runs with _i from 0 to rows - 1; 0: once */
};

static inline int run_tests(const char *name, const struct test_case *tests, size_t nr_tests)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < nr_tests; i++) {
		TCase *tcase = tcase_create((*tests[i].test)->name);

		tcase_set_timeout(tcase, 60);
		tcase_add_loop_test_raise_signal(tcase, *tests[i].test, tests[i].signal, 0,
			tests[i].rows ? tests[i].rows : 1);
		suite_add_tcase(suite, tcase);
	}
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A validator, called with `&why` as its last argument, finds nothing. */
#define ck_valid(call)                                                                             \
	do {                                                                                       \
		const char *why = "?";                                                             \
		ck_assert_msg((call) == 0, "%s", why);                                             \
	} while (0)

#endif
