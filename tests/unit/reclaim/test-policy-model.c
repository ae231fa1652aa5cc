/*
 * Random calls of each policy against what they must leave: never a page that is not there, or is
 * taken, or in the other state; all of them in the end; and no more memory than was promised.
 */
#include "../mm/check-main.h"
#include "policies.h"
#include "sim.h"

#include <string.h>

#define FRAMES 97u
#define OPS    60000u

enum state { FREE, MAPPED, ASIDE, TAKEN };

static struct fl_policy pl;
static enum state state[FRAMES];
static u64 vpn[FRAMES];
static u32 links[2 * FRAMES];
static u8 *memory;
static u64 memory_bytes, rng;

static u32 rnd(u32 n)
{
	return (u32)(sim_random(&rng) % n);
}

static u32 some(enum state s)
{
	u32 f = rnd(FRAMES);

	for (u32 i = 0; i < FRAMES; i++, f = (f + 1) % FRAMES)
		if (state[f] == s)
			return f;
	return FL_NO_PAGE;
}

static void map(u32 f)
{
	fl_policy_mapped(&pl, f, vpn[f]);
	state[f] = MAPPED;
}

static void set_aside(u32 f)
{
	fl_policy_aside(&pl, f);
	state[f] = ASIDE;
}

static void gone(u32 f)
{
	fl_policy_gone(&pl, f);
	state[f] = FREE;
}

static void evict(u32 f)
{
	fl_policy_evicted(&pl, f, vpn[f]);
	state[f] = FREE;
}

/* What may happen to a page that was picked. */
static void picked(u32 f, enum state from)
{
	ck_assert_uint_ne(f, FL_NO_PAGE);
	ck_assert_int_eq(state[f], from);
	state[f] = TAKEN;
	switch (rnd(8)) {
	case 0: gone(f); break;
	case 1: map(f); break;
	case 2: break; /* written for a while */
	case 3:
		if (from == MAPPED) {
			fl_policy_put_back(&pl, f);
			state[f] = MAPPED;
			break;
		} /* fall through */
	default: from == MAPPED ? set_aside(f) : evict(f);
	}
}

static void step(void)
{
	u32 f;

	switch (rnd(12)) {
	case 0: case 1: case 2: /* a fault */
		f = some(FREE);
		if (f == FL_NO_PAGE)
			break;
		vpn[f] = rnd(3 * FRAMES) + (rnd(50) ? 0 : 1ull << 35);
		if (rnd(4))
			map(f);
		else
			set_aside(f); /* read ahead */
		break;
	case 3: case 4:
		f = some(ASIDE);
		if (f != FL_NO_PAGE)
			map(f);
		break;
	case 5: case 6:
		if (pl.nr_mapped)
			picked(fl_policy_pick_mapped(&pl), MAPPED);
		else
			ck_assert_uint_eq(fl_policy_pick_mapped(&pl), FL_NO_PAGE);
		break;
	case 7: case 8:
		f = fl_policy_next_aside(&pl);
		ck_assert_uint_eq(fl_policy_pick_aside(&pl), f);
		if (some(ASIDE) == FL_NO_PAGE)
			ck_assert_uint_eq(f, FL_NO_PAGE);
		else
			picked(f, ASIDE);
		break;
	case 9: /* an end of I/O, of any page */
		f = some(TAKEN);
		if (f != FL_NO_PAGE)
			picked(f, TAKEN);
		break;
	case 10: /* unmapped, or evicted as neighbours are */
		f = rnd(FRAMES);
		if (state[f] == FREE)
			fl_policy_forget(&pl, rnd(3 * FRAMES));
		else if (rnd(2))
			gone(f);
		else {
			fl_policy_take(&pl, f);
			evict(f);
		}
		break;
	default:
		f = some(ASIDE);
		if (f == FL_NO_PAGE)
			break;
		if (rnd(8)) {
			fl_policy_first_out(&pl, f);
			ck_assert_uint_eq(fl_policy_next_aside(&pl), f);
		} else { /* a fork maps them all */
			pl.no_references = true;
			while ((f = fl_policy_next_aside(&pl)) != FL_NO_PAGE)
				map(f);
			pl.no_references = false;
			ck_assert_uint_eq(some(ASIDE), FL_NO_PAGE);
		}
	}
}

static void check(void)
{
	u32 n[4] = {0};

	for (u32 f = 0; f < FRAMES; f++)
		n[state[f]]++;
	ck_assert_uint_eq(pl.nr_mapped, n[MAPPED]);
	ck_assert_uint_eq(pl.nr_aside, n[ASIDE]);
	ck_assert_uint_le(pl.ghosts.nr, FRAMES);
	ck_valid(fl_policy_validate(&pl, FRAMES, &why));
	for (u32 i = 0; i < 64; i++)
		ck_assert_uint_eq(memory[memory_bytes + i], 0xa5);
}

/* Everything can be had: each page once. */
static void drain(void)
{
	u32 f;

	for (f = 0; f < FRAMES; f++)
		if (state[f] == TAKEN)
			rnd(2) ? map(f) : gone(f);
	while ((f = fl_policy_pick_mapped(&pl)) != FL_NO_PAGE) {
		ck_assert_int_eq(state[f], MAPPED);
		set_aside(f);
	}
	while ((f = fl_policy_pick_aside(&pl)) != FL_NO_PAGE) {
		ck_assert_int_eq(state[f], ASIDE);
		evict(f);
	}
	for (f = 0; f < FRAMES; f++)
		ck_assert_int_eq(state[f], FREE);
	check();
}

static void begin(const char *options)
{
	struct fl_policy_options o;
	char why[200];

	ck_assert_int_eq(fl_policy_options_parse(&o, options, why, sizeof(why)), 0);
	memory_bytes = fl_policy_bytes(&o, FRAMES);
	memory = calloc(memory_bytes + 64, 1);
	memset(memory + memory_bytes, 0xa5, 64);
	memset(links, 0, sizeof(links));
	memset(state, 0, sizeof(state));
	fl_policy_init(&pl, &o, FRAMES, links, links + FRAMES, memory);
}

START_TEST(any_calls)
{
	for (rng = 1; rng < 4; rng++) {
		begin(policies[_i]);
		for (u32 i = 0; i < OPS; i++) {
			step();
			if (i % 16 == 0)
				check();
			if (i % 5000 == 4999)
				drain();
		}
		free(memory);
	}
}
END_TEST

/* Most pages cannot be set aside: those that can are found among them, in two rounds at most. */
START_TEST(stuck_pages)
{
	for (u32 good = 0; good < FRAMES; good += 7) {
		u32 looked = 0, f;

		begin(policies[_i]);
		for (f = 0; f < FRAMES; f++) {
			vpn[f] = f;
			map(f);
		}
		do {
			f = fl_policy_pick_mapped(&pl);
			if (f != good)
				map(f);
			ck_assert_uint_lt(looked++, (_i == 5 || _i == 10 ? 30 : 2) * FRAMES);
		} while (f != good);
		free(memory);
	}
}
END_TEST

/* The first queue is short, the second one all pages that cannot be set aside. */
START_TEST(stuck_second_queue)
{
	u32 good = FRAMES - 1, looked = 0, f;

	begin(policies[_i]);
	for (f = 0; f < FRAMES; f++) {
		vpn[f] = f;
		map(f);
		if (f == good)
			break;
		fl_policy_aside(&pl, f);
		map(f);
	}
	do {
		f = fl_policy_pick_mapped(&pl);
		if (f != good)
			map(f);
		ck_assert_uint_lt(looked++, (_i == 5 || _i == 10 ? 30 : 3) * FRAMES);
	} while (f != good);
	free(memory);
}
END_TEST

START_TEST(ghosts_are_the_youngest)
{
	const u32 n = 100;
	struct fl_ghosts g;
	u8 *at = calloc(fl_ghosts_bytes(n), 1);

	fl_ghosts_init(&g, n, at);
	for (u64 v = 0; v < 1000; v++) {
		fl_ghost_add(&g, v << 20, v & 1);
		ck_valid(fl_ghosts_validate(&g, &why));
	}
	ck_assert_uint_eq(g.nr, n);
	for (u64 v = 0; v < 1000; v++)
		ck_assert_uint_eq(
			fl_ghost_take(&g, v << 20), v < 1000 - n ? FL_GHOST_NONE : (u32)(v & 1));
	ck_assert_uint_eq(g.nr, 0);
	ck_valid(fl_ghosts_validate(&g, &why));
	free(at);
}
END_TEST

static const struct test_case tests[] = {
	{&any_calls, 0, NR_POLICIES},
	{&stuck_pages, 0, NR_POLICIES},
	{&stuck_second_queue, 0, NR_POLICIES},
	{&ghosts_are_the_youngest, 0, 0},
};

int main(void)
{
	return run_tests("policy-model", tests, fl_array_size(tests));
}
