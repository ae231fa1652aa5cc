/*
 * Prefetchers over patterns of access whose future is known: what they find, how far ahead they
 * read, and that they leave alone what has no pattern.
 */
#include "../mm/check-main.h"
#include "reclaim/prefetch.h"

#include <stdio.h>
#include <string.h>

#define START 100000u
#define PAGES 60000u

enum { SWAPPED, AHEAD, USED };

static struct fl_prefetch pf;
static u8 state[PAGES];
static u32 faults, hits, read_ahead, longest;
static u64 rng;

static u32 rnd(u32 n)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(rng >> 33) % n;
}

static void begin(const char *kind)
{
	memset(&pf, 0, sizeof(pf));
	pf.kind = (u32)fl_prefetch_kind(kind);
	memset(state, SWAPPED, sizeof(state));
	faults = hits = read_ahead = longest = 0;
	rng = 1;
}

static void take(u64 page, u64 faulting)
{
	ck_assert_uint_ge(page, START);
	ck_assert_uint_lt(page, START + PAGES);
	if (page == faulting || state[page - START] != SWAPPED)
		return;
	state[page - START] = AHEAD;
	read_ahead++;
}

/* The pages beside one that were read ahead are mapped with it, as the pager does. */
static void map_run(struct fl_access *a)
{
	u64 at = a->page - START;

	while (a->after < 16 && at + a->after + 1 < PAGES && state[at + a->after + 1] == AHEAD)
		state[at + ++a->after] = USED;
	while (a->before < 16 && a->before < at && state[at - a->before - 1] == AHEAD)
		state[at - ++a->before] = USED;
	hits += a->before + a->after;
}

static void access_by(u32 tid, u32 page, bool runs)
{
	struct fl_access a = {.page = START + page, .start = START, .end = START + PAGES, .tid = tid,
		.room = 64, .apart = 16};
	struct fl_plan plan;
	u64 first;
	u32 n;

	ck_assert_uint_lt(page, PAGES);
	if (state[page] == USED)
		return;
	a.hit = state[page] == AHEAD;
	state[page] = USED;
	faults += !a.hit;
	hits += a.hit;
	if (a.hit && runs)
		map_run(&a);
	plan = fl_prefetch_plan(&pf, &a);
	ck_assert_uint_le(plan.n, FL_PREFETCH_MAX);
	longest = fl_max(longest, plan.n);
	for (u32 i = 0; i < plan.n; i++) {
		u64 at = plan.first + (u64)((s64)i * plan.step);

		ck_assert_uint_ne(at, a.page);
		take(at, a.page);
	}
	if (a.hit || fl_prefetch_plans(&pf))
		return;
	n = fl_prefetch_window(&pf, &a, &first);
	ck_assert(first <= a.page && a.page < first + n);
	for (u32 i = 0; i < n && first + i < a.end; i++)
		take(first + i, a.page);
}

static const struct {
	const char *kind;
	s32 step;
	u32 n;
	bool found;
} walks[] = {
	{"none", 1, 4000, false},
	{"readahead", 1, 4000, true},
	{"readahead", -1, 4000, true},
	{"readahead", 100, 400, false},
	{"stride", 1, 4000, true},
	{"stride", -1, 4000, true},
	{"stride", 3, 4000, true},
	{"stride", -100, 400, true},
	{"majority", 1, 4000, true},
	{"majority", -1, 4000, true},
	{"majority", 3, 4000, true},
	{"majority", -100, 400, true},
};

START_TEST(one_walk)
{
	s32 step = walks[_i].step;
	u32 at = step > 0 ? 0 : PAGES - 1;

	for (int runs = 0; runs < 2; runs++) {
		begin(walks[_i].kind);
		for (u32 i = 0; i < walks[_i].n; i++)
			access_by(1, at + i * (u32)step, runs);
		if (walks[_i].found) {
			ck_assert_uint_ge(hits * 20, walks[_i].n * 19);
			/* no more than a window was for nothing */
			ck_assert_uint_le(read_ahead, hits + 2 * FL_PREFETCH_MAX);
		} else {
			ck_assert_uint_eq(faults, walks[_i].n);
			ck_assert_uint_eq(read_ahead, 0);
		}
	}
}
END_TEST

static const char *const planners[] = {"stride", "majority"};

/* Each thread its own distance, in one VMA. */
START_TEST(threads)
{
	begin(planners[_i]);
	for (u32 i = 0; i < 800; i++) {
		access_by(1, 7 * i, true);
		access_by(2, PAGES - 1 - 11 * i, true);
		access_by(3, 20000 + i, true);
	}
	ck_assert_uint_ge(hits * 10, 2400 * 9);
}
END_TEST

/* Accesses at random: next to nothing is read for nothing. */
START_TEST(no_pattern)
{
	begin(planners[_i]);
	for (u32 i = 0; i < 20000; i++)
		access_by(1, rnd(PAGES), true);
	ck_assert_uint_le(read_ahead, 600);
}
END_TEST

/* A fifth of the accesses out of line: the majority's distance is kept. */
START_TEST(noise)
{
	u32 found[2];

	for (int k = 0; k < 2; k++) {
		begin(planners[k]);
		for (u32 i = 0; i < 4000; i++)
			access_by(1, rnd(5) ? 3 * i : 20000 + rnd(PAGES - 20000), false);
		found[k] = hits;
	}
	printf("hits: stride %u, majority %u, which read %u\n", found[0], found[1], read_ahead);
	fflush(stdout);
	ck_assert_uint_ge(found[1], 2400);
	ck_assert_uint_le(read_ahead, found[1] * 3 / 2);
}
END_TEST

/* The window grows with hits and is small again where the pattern ends. */
START_TEST(window)
{
	begin(planners[_i]);
	for (u32 i = 0; i < 200; i++)
		access_by(1, 5 * i, false);
	ck_assert_uint_ge(longest, FL_PREFETCH_MAX / 2);
	for (u32 i = 0; i < 100; i++)
		access_by(1, 5000 + rnd(PAGES - 5000), false);
	longest = 0;
	for (u32 i = 0; i < 8; i++)
		access_by(1, 2000 + 5 * i, false);
	ck_assert_uint_le(longest, 8);
	ck_assert_uint_ge(longest, 1);
}
END_TEST

/* Deltas of which more than half are the same, and not. */
START_TEST(majority)
{
	struct fl_track t = {.nr_deltas = 0};
	static const s32 mixed[] = {4, 4, 9, 4, 1, 4, 4, 7};

	for (u32 i = 0; i < 8; i++)
		t.delta[t.nr_deltas++] = mixed[i];
	ck_assert_int_eq(fl_prefetch_majority(&t), 4);
	for (s32 i = 0; i < 8; i++)
		t.delta[t.nr_deltas++] = 100 + i;
	ck_assert_int_eq(fl_prefetch_majority(&t), 0);
	for (s32 i = 0; i < 100; i++)
		t.delta[t.nr_deltas++ % FL_HISTORY] = -2;
	ck_assert_int_eq(fl_prefetch_majority(&t), -2);
}
END_TEST

START_TEST(names)
{
	ck_assert_int_eq(fl_prefetch_kind("none"), FL_PREFETCH_NONE);
	ck_assert_int_eq(fl_prefetch_kind("majority"), FL_PREFETCH_MAJORITY);
	ck_assert_int_lt(fl_prefetch_kind("oracle"), 0);
}
END_TEST

static const struct test_case tests[] = {
	{&one_walk, 0, (int)fl_array_size(walks)},
	{&threads, 0, 2},
	{&no_pattern, 0, 2},
	{&noise, 0, 0},
	{&window, 0, 2},
	{&majority, 0, 0},
	{&names, 0, 0},
};

int main(void)
{
	return run_tests("prefetch", tests, fl_array_size(tests));
}
