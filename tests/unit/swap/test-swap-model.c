/*
 * The swap map against a naive model: an array of counts and nothing else.
 *
 *	test-swap-model [SEED [OPERATIONS]]
 *
 * The seed comes from the command line, else from FL_SEED, else from the clock;
 * it is printed, and the same seed repeats the same run.
 */
#include "swap/slots.h"

#include "../mm/mm-test.h"

#include <stdio.h>

#define CLUSTERS 12u
#define MAX	 (CLUSTERS * FL_SLOT_CLUSTER)

static struct fl_slots slots;
static u16 count[MAX], model[MAX];
static u8 used[CLUSTERS];
static const struct fl_slot_arrays arrays = {count, used};
static u64 seed, state, nr_ops;

static void fail(const char *what)
{
	printf("FAILED after %lu operations: %s; again: FL_SEED=%lu\n", nr_ops, what, seed);
	exit(1);
}

static u32 rnd(u32 n)
{
	return (u32)(test_random(&state) % n);
}

static bool any_free(void)
{
	for (u32 i = 1; i < slots.nr_slots; i++)
		if (!model[i])
			return true;
	return false;
}

static bool empty(u32 cluster)
{
	for (u32 i = 0; i < FL_SLOT_CLUSTER; i++)
		if (model[cluster * FL_SLOT_CLUSTER + i])
			return false;
	return true;
}

static bool any_empty(void)
{
	for (u32 c = 0; c < slots.nr_slots / FL_SLOT_CLUSTER; c++)
		if (empty(c))
			return true;
	return false;
}

/* Where the slots went before: the run goes on there, or a cluster is begun. */
static void step_alloc(void)
{
	static u32 behind;
	u32 want = 1 + rnd(FL_SLOT_CLUSTER + 4), slot = 0, n;
	bool some = any_free(), some_empty = any_empty();

	n = fl_slots_alloc(&slots, &arrays, want, &slot);
	want = fl_min(want, FL_SLOT_CLUSTER);
	if (!n == some || n > want)
		fail("nothing given though a slot is free, or more than wanted");
	if (!n)
		return;
	if (n < want && (slot + n) % FL_SLOT_CLUSTER && !model[slot + n])
		fail("a run that is shorter than it could be");
	if (slot / FL_SLOT_CLUSTER != behind / FL_SLOT_CLUSTER && some_empty &&
		!empty(slot / FL_SLOT_CLUSTER))
		fail("gaps were filled while a cluster was empty");
	behind = slot + n - 1;
	for (u32 i = 0; i < n; i++) {
		if (slot + i == FL_NO_SLOT || slot + i >= slots.nr_slots || model[slot + i])
			fail("a slot given that is not free");
		model[slot + i] = 1;
	}
}

/* A slot in use, or FL_NO_SLOT if luck does not find one. */
static u32 some_slot(void)
{
	for (int i = 0; i < 20 && slots.nr_slots; i++) {
		u32 slot = rnd(slots.nr_slots);

		if (model[slot])
			return slot;
	}
	return FL_NO_SLOT;
}

static void step(void)
{
	u32 slot, n = 1 + rnd(FL_SLOT_CLUSTER);

	switch (rnd(8)) {
	case 0:
		if (rnd(200) == 0)
			fl_slots_grow(&slots, slots.nr_slots + FL_SLOT_CLUSTER);
		break;
	case 1:
		step_alloc();
		break;
	case 2:
		slot = some_slot();
		if (slot != FL_NO_SLOT && model[slot] < FL_SLOT_COUNT_MAX) {
			fl_slot_dup(&slots, &arrays, slot);
			model[slot]++;
		}
		break;
	case 3: /* a process ends: neighbours go together */
		for (slot = some_slot(); n-- && slot != FL_NO_SLOT && slot < slots.nr_slots; slot++)
			if (model[slot] &&
				fl_slot_put(&slots, &arrays, slot) != (--model[slot] == 0))
				fail("the last user is not the last");
		break;
	default:
		slot = some_slot();
		if (slot != FL_NO_SLOT &&
			fl_slot_put(&slots, &arrays, slot) != (--model[slot] == 0))
			fail("the last user is not the last");
	}
}

static void compare(void)
{
	const char *why = "";
	u32 in_use = 0;

	for (u32 i = 0; i < MAX; i++)
		in_use += model[i] != 0;
	if (memcmp(count, model, sizeof(count)))
		fail("a count differs from the model's");
	if (in_use != slots.nr_used)
		fail("nr_used differs from the model's");
	if (fl_slots_validate(&slots, &arrays, &why) < 0)
		fail(why);
}

int main(int argc, char **argv)
{
	u64 ops = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;

	state = seed = test_seed(argc, argv);
	printf("seed %lu\n", seed);
	fflush(stdout);
	fl_slots_init(&slots, MAX);
	for (nr_ops = 0; nr_ops < ops; nr_ops++) {
		step();
		/* every step at first, where a failing case is short */
		if (nr_ops < 1000 || nr_ops % 64 == 0)
			compare();
	}
	compare();
	printf("%lu operations, %u of %u slots in use at the end\n", nr_ops, slots.nr_used,
		slots.nr_slots);
	return 0;
}
