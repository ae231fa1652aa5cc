/*
 * NAME[,KEY=VALUE...]: the value of --policy, taken apart.
 *
 * The names are here and not with the policies because the tool checks its options before there
 * is anything to run them on.
 *
 * Context: start of a process; no libc, no allocation.
 */
#ifndef FL_BASE_POLICY_OPTIONS_H
#define FL_BASE_POLICY_OPTIONS_H

#include "base/types.h"

enum fl_policy_kind {
	FL_POLICY_SECOND_CHANCE,
	FL_POLICY_FIFO,
	FL_POLICY_CLOCK,
	FL_POLICY_S3_FIFO,
	FL_POLICY_CAR,
	FL_POLICY_RANDOM,
	FL_NR_POLICIES,
};

#define FL_POLICY_NAMES "second-chance, fifo, clock, s3-fifo, car or random"

struct fl_policy_options {
	u32 kind;		/* enum fl_policy_kind */
	u32 aside_percent;	/* of the pages: kept set aside. 0: as many as it is worth */
	u32 small_percent;	/* of the pages: s3-fifo's queue of those used once */
	u32 seed;		/* of random */
};

/* The defaults. */
void fl_policy_options_init(struct fl_policy_options *o);

/* Returns 0, or -EINVAL with the whole message, without "faultline: ", in why. */
int fl_policy_options_parse(struct fl_policy_options *o, const char *text, char *why,
	size_t why_bytes);

/* How much of text, which begins with a comma or is empty, are further keys of a policy:
 * within FAULTLINE the comma separates the options themselves, too. */
size_t fl_policy_options_more(const char *text);

#endif
