/*
 * The distance that most of the last accesses have in common, as Leap finds it: among the last few
 * first, so that a new pattern is seen soon, then among twice as many, up to all, so that single
 * accesses that are out of line do not hide an old one. The vote is Boyer and Moore's.
 */
#include "reclaim/prefetch.h"

#define FEWEST (FL_HISTORY / 4)

/* The k-th last delta. */
static s64 delta_at(const struct fl_track *t, u32 k)
{
	return t->delta[(t->nr_deltas - 1 - k) % FL_HISTORY];
}

static s64 vote(const struct fl_track *t, u32 n)
{
	s64 candidate = 0;
	u32 lead = 0, votes = 0;

	for (u32 k = 0; k < n; k++) {
		if (!lead)
			candidate = delta_at(t, k);
		lead += delta_at(t, k) == candidate ? 1 : -1u;
	}
	for (u32 k = 0; k < n; k++)
		votes += delta_at(t, k) == candidate;
	return votes > n / 2 ? candidate : 0;
}

s64 fl_prefetch_majority(const struct fl_track *t)
{
	u32 have = fl_min(t->nr_deltas, FL_HISTORY);

	for (u32 n = FEWEST; n <= have; n *= 2) {
		s64 step = vote(t, n);

		if (step)
			return step;
	}
	return 0;
}
