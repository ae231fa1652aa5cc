/*
 * Formatting without libc: every conversion against libc's own, and the bounds.
 */
#include "base/log.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAME(...)                                                                                  \
	do {                                                                                       \
		char ours[256], libc[256];                                                         \
		int n = snprintf(libc, sizeof(libc), __VA_ARGS__);                                 \
		ck_assert_uint_eq(fl_format(ours, sizeof(ours), __VA_ARGS__), (size_t)n);          \
		ck_assert_str_eq(ours, libc);                                                      \
	} while (0)

START_TEST(test_like_libc)
{
	SAME("plain");
	SAME("%s and %s", "one", "");
	SAME("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
	SAME("%u %u", 0u, UINT_MAX);
	SAME("%x %x", 0u, 0xdeadbeefu);
	SAME("%ld %ld", LONG_MAX, LONG_MIN);
	SAME("%lu %lx", ULONG_MAX, ULONG_MAX);
	SAME("%lld %llu %llx", LLONG_MIN, ULLONG_MAX, 0x123456789abcull);
	SAME("%zu", (size_t)123);
	SAME("%c%c", 'a', '%');
	SAME("100%%");
}
END_TEST

START_TEST(test_bounds)
{
	char buf[8] = "xxxxxxx";
	struct fl_text t = {buf, sizeof(buf), 0};

	/* cut off, terminated, and the length is what was written */
	ck_assert_uint_eq(fl_format(buf, sizeof(buf), "%s", "0123456789"), 7);
	ck_assert_str_eq(buf, "0123456");
	ck_assert_uint_eq(fl_format(buf, 1, "abc"), 0);
	ck_assert_str_eq(buf, "");
	memset(buf, 'x', sizeof(buf));
	ck_assert_uint_eq(fl_format(buf, 0, "abc"), 0);
	ck_assert_int_eq(buf[0], 'x');

	fl_text_add(&t, "%d,", 12);
	fl_text_add(&t, "%d,", 34);
	ck_assert_str_eq(buf, "12,34,");
	fl_text_add(&t, "%d", 567);
	ck_assert_str_eq(buf, "12,34,5");
	fl_text_add(&t, "more");
	ck_assert_uint_eq(t.len, 7);
}
END_TEST

/* What fl_warn writes to standard error, up to 4 KiB. */
static void warn_and_read(char *got, size_t size, const char *text)
{
	int fds[2], err = dup(2);
	ssize_t n;

	ck_assert_int_eq(pipe(fds), 0);
	dup2(fds[1], 2);
	fl_warn("%s", text);
	dup2(err, 2);
	close(fds[1]);
	n = read(fds[0], got, size - 1);
	ck_assert_int_ge(n, 0);
	got[n] = 0;
	close(fds[0]);
}

START_TEST(test_warn)
{
	char got[4096], longer[2048];

	warn_and_read(got, sizeof(got), "disk: full: buy one");
	ck_assert_str_eq(got, "faultline: disk: full: buy one\n");
	/* one line, however long the text */
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	warn_and_read(got, sizeof(got), longer);
	ck_assert_ptr_eq(strchr(got, '\n'), got + strlen(got) - 1);
	ck_assert_uint_lt(strlen(got), sizeof(longer));
}
END_TEST

START_TEST(test_errname)
{
	for (int err = 0; err < 200; err++)
		ck_assert(fl_errname(err) && *fl_errname(err));
	ck_assert_str_eq(fl_errname(ENOSPC), "no space left on device");
	ck_assert_str_eq(fl_errname(12345), "error");
}
END_TEST

static const struct test_case tests[] = {
	{&test_like_libc, 0, 0},
	{&test_bounds, 0, 0},
	{&test_warn, 0, 0},
	{&test_errname, 0, 0},
};

int main(void)
{
	return run_tests("base/log", tests, fl_array_size(tests));
}
