/*
 * Sizes, options one by one, and the FAULTLINE variable.
 */
#include "base/config.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *text;
	u64 bytes; /* 0: not a size */
} sizes[] = {
	{"1", 1},
	{"4096", 4096},
	{"1K", 1024},
	{"64M", 64ull << 20},
	{"1g", 1ull << 30},
	{"2T", 2ull << 40},
	{"8MiB", 8ull << 20},
	{"8B", 8},
	{"3kB", 3072},
	{"", 0},
	{"M", 0},
	{"12Q", 0},
	{"-5M", 0},
	{"1.5G", 0},
	{"5 M", 0},
	{" 5M", 0},
	{"5MM", 0},
	{"5Mi", 0},
	{"0x10", 0},
	{"99999999999999999999", 0},
	{"99999999999T", 0},
};

START_TEST(test_size)
{
	u64 bytes = 0;
	int r = fl_parse_size(sizes[_i].text, &bytes);

	ck_assert_int_eq(r, sizes[_i].bytes ? 0 : -EINVAL);
	ck_assert_uint_eq(bytes, sizes[_i].bytes);
}
END_TEST

static const struct {
	const char *key, *value;
	bool ok;
} settings[] = {
	{"ram", "64M", true},
	{"ram", "2M", true},
	{"ram", "1K", false},
	{"ram", "", false},
	{"ram", "lots", false},
	{"swap", "file", true},
	{"swap", "file:/x", true},
	{"swap", "file,size=1G", true},
	{"swap", "file:/x,size=8M", true},
	{"swap", "nosuch", false},
	{"swap", "zram", true},
	{"swap", "zram:lz4", true},
	{"swap", "zram:zstd,charge=no,size=1G", true},
	{"swap", "zram,charge=yes", true},
	{"swap", "zram:gzip", false},
	{"swap", "zram,charge=maybe", false},
	{"swap", "zram,size=1", false},
	{"swap", "file,charge=no", false},
	{"swap", "zram,", false},
	{"swap", "file:/x,size=12Q", false},
	{"swap", "file:/x,max=1G", false},
	{"swap", "filename", false},
	{"swap", "file,size=1", false},
	{"policy", "second-chance", true},
	{"policy", "lru", false},
	{"policy", "", false},
	{"policy", "second-chance,aside=50", true},
	{"policy", "fifo", true},
	{"policy", "fif", false},
	{"policy", "fifo,aside=50", false},
	{"policy", "clock,aside=90", true},
	{"policy", "clock,aside=91", false},
	{"policy", "clock,aside=", false},
	{"policy", "clock,aside", false},
	{"policy", "clock,", false},
	{"policy", "clock,aside=5x", false},
	{"policy", "s3-fifo,small=20,aside=30", true},
	{"policy", "s3-fifo,small=0", false},
	{"policy", "car,small=20", false},
	{"policy", "random,seed=4294967295", true},
	{"policy", "random,seed=4294967296", false},
	{"policy", "random,seed=99999999999999999999", false},
	{"prefetch", "none", true},
	{"prefetch", "readahead", true},
	{"prefetch", "stride", true},
	{"prefetch", "majority", true},
	{"prefetch", "oracle", false},
	{"engine", "auto", true},
	{"engine", "uffd", true},
	{"engine", "nosuch", false},
	{"stats", "-", true},
	{"stats", "/x", true},
	{"stats", "", false},
	{"fault-around", "1", true},
	{"fault-around", "64", true},
	{"fault-around", "3", false},
	{"fault-around", "128", false},
	{"fault-around", "0", false},
	{"quiet", "", true},
	{"strict", "", true},
	{"copy-only", "", true},
	{"layout", "flexible", true},
	{"layout", "legacy", true},
	{"layout", "", false},
	{"layout", "bottom-up", false},
	{"no-randomize", "", true},
	{"page-shared", "", true},
	{"nosuch", "1", false},
	{"", "1", false},
};

START_TEST(test_set)
{
	struct fl_config c;
	char why[256] = "";

	fl_config_init(&c);
	ck_assert_int_eq(fl_config_set(&c, settings[_i].key, settings[_i].value, why, sizeof(why)),
		settings[_i].ok ? 0 : -EINVAL);
	/* what failed: why: what to do, and the tool adds its name in front */
	ck_assert_int_eq(!!why[0], !settings[_i].ok);
	ck_assert(!why[0] || strstr(why, ": "));
	ck_assert(strncmp(why, "faultline", 9));
}
END_TEST

START_TEST(test_values_arrive)
{
	struct fl_config c;
	char why[256];

	fl_config_init(&c);
	ck_assert_uint_eq(c.ram_bytes, 0);
	ck_assert_int_eq(fl_config_set(&c, "ram", "64M", why, sizeof(why)), 0);
	ck_assert_int_eq(fl_config_set(&c, "swap", "file:/var/tmp,size=1G", why, sizeof(why)), 0);
	ck_assert_int_eq(fl_config_set(&c, "fault-around", "32", why, sizeof(why)), 0);
	ck_assert_uint_eq(c.ram_bytes, 64ull << 20);
	ck_assert_uint_eq(c.swap_max_bytes, 1ull << 30);
	ck_assert_uint_eq(c.fault_around_order, 5);
	ck_assert_str_eq(c.swap_path, "/var/tmp");
	ck_assert(!c.quiet && !c.strict && !c.copy_only && !c.no_randomize);
	ck_assert_uint_eq(c.layout, FL_LAYOUT_KERNEL);
}
END_TEST

START_TEST(test_variable)
{
	struct fl_config c;
	char why[256];

	fl_config_init(&c);
	ck_assert_int_eq(
		fl_config_parse(&c,
			"ram=16M,swap=file:/x,size=1G,quiet,prefetch=none,,strict,stats=/y,"
			"policy=s3-fifo,small=5,aside=25,"
			"layout=legacy,no-randomize", why,
			sizeof(why)),
		0);
	ck_assert_uint_eq(c.ram_bytes, 16ull << 20);
	ck_assert_str_eq(c.swap_path, "/x");
	ck_assert_uint_eq(c.swap_max_bytes, 1ull << 30);
	ck_assert_str_eq(c.prefetch, "none");
	ck_assert_str_eq(c.policy, "s3-fifo,small=5,aside=25");
	ck_assert_uint_eq(c.policy_options.kind, FL_POLICY_S3_FIFO);
	ck_assert_uint_eq(c.policy_options.small_percent, 5);
	ck_assert_uint_eq(c.policy_options.aside_percent, 25);
	ck_assert_str_eq(c.stats_path, "/y");
	ck_assert(c.quiet && c.strict && !c.copy_only && c.no_randomize);
	ck_assert_uint_eq(c.layout, FL_LAYOUT_LEGACY);
	ck_assert_int_eq(fl_config_parse(&c, "", why, sizeof(why)), 0);
	ck_assert_uint_eq(c.zram, FL_ZRAM_NONE);
	ck_assert_int_eq(fl_config_parse(&c,
				 "swap=zram:zstd,size=8M,charge=no,swap=file,size=2G,quiet", why, sizeof(why)),
		0);
	ck_assert_uint_eq(c.zram, FL_ZRAM_ZSTD);
	ck_assert_uint_eq(c.zram_max_bytes, 8ull << 20);
	ck_assert_uint_eq(c.swap_max_bytes, 2ull << 30);
	ck_assert(c.zram_uncharged && fl_has_swap_file(&c));
}
END_TEST

START_TEST(test_variable_errors)
{
	static const char *const bad[] = {
		"ram=12Q", "nosuch=1", "ram", "quiet,ram=1K", "swap=file,max=1", "=5"};
	struct fl_config c;
	char why[256] = "", text[4096];

	for (size_t i = 0; i + 1 < fl_array_size(bad); i++) {
		fl_config_init(&c);
		ck_assert_msg(
			fl_config_parse(&c, bad[i], why, sizeof(why)) == -EINVAL, "%s", bad[i]);
		ck_assert(why[0]);
	}
	/* too long for any buffer */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	ck_assert_int_eq(fl_config_parse(&c, text, why, sizeof(why)), -EINVAL);
	memcpy(text, "stats=", 6);
	ck_assert_int_eq(fl_config_parse(&c, text, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(fl_config_set(&c, "stats", text, why, sizeof(why)), -EINVAL);
	ck_assert_int_eq(fl_config_set(&c, "swap", text, why, sizeof(why)), -EINVAL);
}
END_TEST

static const struct test_case tests[] = {
	{&test_size, 0, fl_array_size(sizes)},
	{&test_set, 0, fl_array_size(settings)},
	{&test_values_arrive, 0, 0},
	{&test_variable, 0, 0},
	{&test_variable_errors, 0, 0},
};

int main(void)
{
	return run_tests("base/config", tests, fl_array_size(tests));
}
