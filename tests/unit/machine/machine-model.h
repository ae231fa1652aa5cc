/*
 * What each process of test-machine-model holds, and whether the machine says the same.
 */
#ifndef FL_TEST_MACHINE_MODEL_H
#define FL_TEST_MACHINE_MODEL_H

#include "machine/machine.h"

#include "../mm/mm-test.h"

#include <stdio.h>
#include <sys/types.h>

enum { TRANSIT = 64, FRAMES = 512, SLOTS = 1024, PROCESSES = 6 };
enum { BIRTHS = 100, TAKEOVERS = 20 };

struct process {
	bool alive;   /* a record is his; nobody has found him dead yet */
	bool settled; /* or born and killed before that */
	int maker;    /* before that: who makes it */
	pid_t keeper; /* 0: none yet, or dead */
	struct fl_machine_view view;
	bool frame[FRAMES], slot[SLOTS];
};

/* The last one is ourselves: it never dies, and looks after the others. */
static struct process process[PROCESSES + 1];
static struct process *const self = &process[PROCESSES];
static u64 seed, state, nr_ops, nr_births, nr_deaths, nr_takeovers;
static int mem_fd, swap_fd;

static __attribute__((noreturn)) void fail(const char *what)
{
	printf("FAILED after %lu operations: %s; again: FL_SEED=%lu\n", nr_ops, what, seed);
	exit(1);
}

static u32 rnd(u32 n)
{
	return (u32)(test_random(&state) % n);
}

static u32 users(bool slots, u32 at)
{
	u32 n = 0;

	for (int i = 0; i <= PROCESSES; i++)
		n += slots ? process[i].slot[at] : process[i].frame[at];
	return n;
}

static void compare(void)
{
	struct fl_machine *t = self->view.t;
	u32 frames = 0, slots = 0;
	char why[200] = "?";

	if (fl_machine_validate(&self->view, why, sizeof(why)) < 0)
		fail(why);
	for (u32 f = 0; f < FRAMES; f++) {
		u32 n = users(false, f);

		frames += n != 0;
		if (f < t->zone.fresh ? fl_zone_refs(&self->view, f) != n : n)
			fail("a frame has not as many users as in the model");
	}
	for (u32 s = 0; s < SLOTS; s++) {
		u32 n = users(true, s);

		slots += n != 0;
		if (s < t->slots.nr_slots ? fl_swap_count(&self->view, s) != n : n)
			fail("a slot has not as many users as in the model");
	}
	if (t->frames_used != frames || fl_zone_free_frames(&self->view) != FRAMES - frames)
		fail("frames in use are not those of the model");
	if (t->slots.nr_used != slots)
		fail("slots in use are not those of the model");
	for (int i = 0; i <= PROCESSES; i++) {
		u32 held = 0;

		for (u32 f = 0; f < FRAMES; f++)
			held += process[i].frame[f];
		if (process[i].alive && process[i].view.self->held != held)
			fail("a process counts other frames than it holds");
	}
}

#endif
