/*
 * What each policy makes of traces whose answer is known: from theory, or from a naive program.
 */
#include "../mm/check-main.h"
#include "policies.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

#define FRAMES 1000u

static struct sim s;

static void warm_up(struct zipf *z, u64 *rng, u32 n)
{
	while (n--)
		sim_access(&s, zipf_draw(z, rng));
	sim_hit_ratio(&s);
}

/* What fits stays, however it is used. */
START_TEST(what_fits)
{
	u64 rng = 1;

	sim_init(&s, policies[_i], FRAMES, FRAMES, 8);
	for (u32 i = 0; i < 50 * FRAMES; i++)
		sim_access(&s, (u32)(sim_random(&rng) % FRAMES));
	ck_assert_uint_eq(s.misses, s.nr_frames);
	sim_deinit(&s);
}
END_TEST

/* The page in use longest ago is the one that is needed next: not one hit for those that go by
 * recency or age. Any other choice is better. */
START_TEST(loop)
{
	static const char *const none[] = {"second-chance", "fifo", "clock", "second-chance,aside=90"};
	double ratio;
	bool expect_none = false;

	sim_init(&s, policies[_i], FRAMES, FRAMES + FRAMES / 8, 8);
	for (u32 i = 0; i < 30 * s.nr_pages; i++) {
		if (i == 10 * s.nr_pages)
			sim_hit_ratio(&s);
		sim_access(&s, i % s.nr_pages);
	}
	for (size_t i = 0; i < fl_array_size(none); i++)
		expect_none |= !strcmp(policies[_i], none[i]);
	if (expect_none)
		ck_assert_uint_eq(s.hits + s.softs, 0);
	ratio = sim_hit_ratio(&s);
	if (!strncmp(policies[_i], "random", 6))
		ck_assert_double_ge(ratio, 0.6);
	sim_deinit(&s);
}
END_TEST

/* Where every page is as likely, no choice is better than another. */
START_TEST(uniform)
{
	u64 rng = 1;

	sim_init(&s, policies[_i], FRAMES, 4 * FRAMES, 1);
	for (u32 i = 0; i < 20 * FRAMES; i++)
		sim_access(&s, (u32)(sim_random(&rng) % s.nr_pages));
	sim_hit_ratio(&s);
	for (u32 i = 0; i < 200 * FRAMES; i++)
		sim_access(&s, (u32)(sim_random(&rng) % s.nr_pages));
	ck_assert_double_eq_tol(sim_hit_ratio(&s), 0.25, 0.01);
	sim_deinit(&s);
}
END_TEST

/* First in, first out by a ring: the same hits, one by one. */
START_TEST(fifo_is_fifo)
{
	static u32 ring[FRAMES], at, came;
	static bool in[10 * FRAMES];
	struct zipf z;
	u64 rng = 1;

	zipf_init(&z, 10 * FRAMES, 0.99);
	sim_init(&s, "fifo", FRAMES, z.n, 1);
	for (u32 i = 0; i < 200 * FRAMES; i++) {
		u32 page = zipf_draw(&z, &rng);

		ck_assert_int_eq(sim_access(&s, page) != SIM_MISS, in[page]);
		if (in[page])
			continue;
		if (came++ >= FRAMES)
			in[ring[at]] = false;
		ring[at] = page;
		in[page] = true;
		at = (at + 1) % FRAMES;
	}
	sim_deinit(&s);
	zipf_deinit(&z);
}
END_TEST

/* Least recently used, by time stamps. */
static double lru_ratio(const struct zipf *z, u32 n)
{
	u32 *used = calloc(z->n, sizeof(u32)), resident = 0, hits = 0;
	u64 rng = 1;

	for (u32 t = 1; t <= n; t++) {
		u32 page = zipf_draw(z, &rng), oldest = 0;

		hits += t > n / 2 && used[page];
		if (!used[page] && resident++ >= FRAMES) {
			for (u32 i = 1; i < z->n; i++)
				if (used[i] && (!used[oldest] || used[i] < used[oldest]))
					oldest = i;
			used[oldest] = 0;
		}
		used[page] = t;
	}
	free(used);
	return hits / (n / 2.0);
}

/* Zipf: first in, first out is worst, but for chance; the longer the test, the nearer second-chance
 * lists come to least recently used; those that remember what they evicted are better. */
START_TEST(zipf)
{
	double ratio[NR_POLICIES], lru;
	struct zipf z;
	const u32 n = 60 * FRAMES;

	zipf_init(&z, 10 * FRAMES, 0.99);
	for (int i = 0; i < NR_POLICIES; i++) {
		u64 rng = 1;

		sim_init(&s, policies[i], FRAMES, z.n, 1);
		warm_up(&z, &rng, n / 2);
		for (u32 k = 0; k < n / 2; k++)
			sim_access(&s, zipf_draw(&z, &rng));
		ratio[i] = sim_hit_ratio(&s);
		sim_deinit(&s);
	}
	lru = lru_ratio(&z, n);
	for (int i = 0; i < NR_POLICIES; i++)
		printf("%-28s %.4f\n", policies[i], ratio[i]);
	printf("%-28s %.4f\n", "least recently used", lru);
	fflush(stdout);
	ck_assert_double_eq_tol(ratio[6], lru, 0.01);  /* second-chance,aside=90 */
	ck_assert_double_ge(ratio[0], ratio[1] + 0.005); /* second-chance, fifo */
	ck_assert_double_ge(ratio[2], ratio[1] + 0.005); /* clock */
	ck_assert_double_ge(ratio[3], lru + 0.03);     /* s3-fifo */
	ck_assert_double_ge(ratio[4], lru + 0.03);     /* car */
	ck_assert_double_eq_tol(ratio[5], ratio[1], 0.02); /* random */
	zipf_deinit(&z);
}
END_TEST

/* A working set of six tenths of memory, and beside it a scan of what is never used again: two of
 * it for each access to the set. The part of these that was in memory. */
static double with_scan(const char *options)
{
	const u32 hot = FRAMES * 6 / 10;
	u64 rng = 1, in = 0, all = 0;
	u32 scan = hot;

	sim_init(&s, options, FRAMES, 400 * FRAMES, 8);
	for (u32 i = 0; i < 20 * FRAMES; i++)
		sim_access(&s, (u32)(sim_random(&rng) % hot));
	for (u32 i = 0; i < 100 * FRAMES; i++) {
		in += sim_access(&s, (u32)(sim_random(&rng) % hot)) != SIM_MISS;
		all++;
		sim_access(&s, scan++);
		sim_access(&s, scan++);
	}
	sim_deinit(&s);
	return (double)in / (double)all;
}

START_TEST(scan)
{
	double fifo = with_scan("fifo"), s3 = with_scan("s3-fifo"), car = with_scan("car");

	printf("set kept in a scan: fifo %.3f, second-chance %.3f, s3-fifo %.3f, car %.3f\n", fifo,
		with_scan("second-chance"), s3, car);
	fflush(stdout);
	ck_assert_double_le(fifo, 0.6);
	ck_assert_double_ge(s3, 0.9);
	ck_assert_double_ge(car, 0.9);
}
END_TEST

/* The same accesses, the same outcome; other seeds, another. */
START_TEST(random_repeats)
{
	static const char *const seeds[] = {"random", "random", "random,seed=3"};
	u64 misses[3];

	for (u32 i = 0; i < 3; i++) {
		u64 rng = 1;

		sim_init(&s, seeds[i], FRAMES, 3 * FRAMES, 1);
		for (u32 k = 0; k < 20 * FRAMES; k++)
			sim_access(&s, (u32)(sim_random(&rng) % s.nr_pages));
		misses[i] = s.misses;
		sim_deinit(&s);
	}
	ck_assert_uint_eq(misses[0], misses[1]);
	ck_assert_uint_ne(misses[0], misses[2]);
}
END_TEST

static const struct test_case tests[] = {
	{&what_fits, 0, NR_POLICIES},
	{&loop, 0, NR_POLICIES},
	{&uniform, 0, NR_POLICIES},
	{&fifo_is_fifo, 0, 0},
	{&zipf, 0, 0},
	{&scan, 0, 0},
	{&random_repeats, 0, 0},
};

int main(void)
{
	return run_tests("policy-traces", tests, fl_array_size(tests));
}
