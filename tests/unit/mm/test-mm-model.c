/*
 * One million random operations on VMAs, page table and buddy allocator, against a naive model.
 *
 *	test-mm-model [SEED [OPERATIONS]]
 *
 * The seed comes from the command line, else from FL_SEED, else from the clock. It is printed
 * first, and again with a failure: the same seed repeats the same run.
 */
#include "model.h"

#include <signal.h>
#include <stdio.h>

/* A round begins with everything empty; the structures are small at first and crowded later. */
#define OPS_PER_ROUND 100000UL
#define OPS_PER_CHECK 20UL

struct model_rng model_rng;

void model_fail(const char *file, int line, const char *what, const char *why)
{
	printf("FAILED after %lu operations: %s: %s (%s:%d); again: FL_SEED=%lu\n",
		model_rng.nr_ops, what, why, file, line, model_rng.seed);
	exit(EXIT_FAILURE);
}

/* fl_bug_on */
static void on_trap(int sig)
{
	model_fail("lib/mm", 0, "fl_bug_on", "trapped");
}

static void run_round(u64 nr_ops)
{
	model_space_init();
	model_frames_init();
	for (u64 i = 0; i < nr_ops; i++) {
		if (rnd(3))
			model_space_step();
		else
			model_frames_step();
		model_rng.nr_ops++;
		/* Every step at first, where a failing case is short. */
		if (i < 100 || i % OPS_PER_CHECK == 0) {
			model_space_check();
			model_frames_check();
		}
	}
	model_space_check();
	model_frames_check();
	model_space_deinit();
}

int main(int argc, char **argv)
{
	u64 nr_ops = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;

	model_rng.seed = model_rng.state = test_seed(argc, argv);
	signal(SIGILL, on_trap);
	printf("seed %lu\n", model_rng.seed);
	fflush(stdout);
	while (model_rng.nr_ops < nr_ops)
		run_round(fl_min(OPS_PER_ROUND, nr_ops - model_rng.nr_ops));
	printf("%lu operations\n", model_rng.nr_ops);
	return EXIT_SUCCESS;
}
