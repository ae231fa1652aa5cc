/*
 * How long the oldest page of the active list has been there.
 *
 * A time for each page would be four bytes a page. The list is a queue, so it is
 * enough to remember now and then how many pages had joined it and when: the page at
 * its tail joined about as many pages ago as the list is long. Pages that leave the
 * middle of the list make the tail look younger than it is, never older.
 *
 * Pure code. Context: the mm lock is held.
 */
#ifndef FL_PAGER_AGE_H
#define FL_PAGER_AGE_H

#include "base/types.h"

#define FL_AGE_MARKS 64u

struct fl_age_mark {
	u32 joined, ms;
};

struct fl_age {
	u32 joined;	/* pages that have joined the list, ever; wraps */
	u32 nr, tail;	/* marks in use; the one that belongs to the list's tail */
	struct fl_age_mark mark[FL_AGE_MARKS];
};

/* A page joins a list of n pages. True when it is time for a mark. */
static inline bool fl_age_join(struct fl_age *a, u32 n)
{
	a->joined++;
	return !a->nr || a->joined - a->mark[a->nr - 1].joined >= fl_max(n / (FL_AGE_MARKS / 2), 16u);
}

/* Now is ms milliseconds of any clock. */
void fl_age_mark(struct fl_age *a, u32 ms);

/* When the page at the tail of the list of n pages, 1 or more, joined it, in ms. */
u32 fl_age_tail(struct fl_age *a, u32 n);

#endif
