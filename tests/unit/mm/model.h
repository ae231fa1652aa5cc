/*
 * The pieces of test-mm-model: each part runs random operations on the real thing and on a model
 * too simple to be wrong, an array with one element a page.
 */
#ifndef FL_TEST_MODEL_H
#define FL_TEST_MODEL_H

#include "mm-test.h"

struct model_rng {
	u64 seed;
	u64 state;
	u64 nr_ops; /* done so far, for the failure message */
};

extern struct model_rng model_rng;

/* A random number below @below. */
static inline u64 rnd(u64 below)
{
	return test_random(&model_rng.state) % below;
}

/* Print the seed, the operation and the reason, and exit. */
void model_fail(const char *file, int line, const char *what, const char *why)
	__attribute__((noreturn));

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			model_fail(__FILE__, __LINE__, #cond, "is false");                         \
	} while (0)

/* A validator, called with `&why` as its last argument, finds nothing. */
#define must_be_valid(call)                                                                        \
	do {                                                                                       \
		const char *why = "?";                                                             \
		if (call)                                                                          \
			model_fail(__FILE__, __LINE__, #call, why);                                \
	} while (0)

/* model-space.c: VMAs and ptes of one address space. */
void model_space_init(void);
void model_space_step(void);  /* one random operation */
void model_space_check(void); /* validate, and compare with the model */
void model_space_deinit(void);

/* model-frames.c: a shared and a local buddy instance, and an LRU list on the same links. */
void model_frames_init(void);
void model_frames_step(void);
void model_frames_check(void);

#endif
