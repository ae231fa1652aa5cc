/*
 * What to read from swap ahead of use.
 *
 * A prefetcher is told of each fault that waits for a read, and of each first touch of a page that
 * was read ahead (a hit), by whom and in which VMA; it answers with pages in a row or at equal
 * distances, to be read at once and beside whatever is going on.
 *
 *	none		nothing
 *	readahead	streams of faults, wherever in the process: a window of neighbours that
 *			doubles as a stream goes on. Looks at faults that wait only
 *	stride		the last step of each thread in each VMA: a distance seen twice
 *	majority	the distance that most of the last accesses of a thread in a VMA have in
 *			common: Al Maruf, Chowdhury, "Effectively prefetching remote memory with
 *			Leap", ATC 2020
 *
 * Pure code: no system call, no lock, no allocation. Context: the mm lock is held.
 */
#ifndef FL_RECLAIM_PREFETCH_H
#define FL_RECLAIM_PREFETCH_H

#include "base/types.h"

#define FL_PREFETCH_MAX 32u /* pages of a window */

enum fl_prefetch_kind {
	FL_PREFETCH_NONE,
	FL_PREFETCH_READAHEAD,
	FL_PREFETCH_STRIDE,
	FL_PREFETCH_MAJORITY,
};

/* One access that was seen. */
struct fl_access {
	u64 page;	/* by number, as all here */
	u64 start, end; /* of its VMA */
	u32 tid;
	u32 before, after; /* its neighbours that are mapped with it, and so not seen any more */
	bool hit;	/* it was read ahead */
	u32 room;	/* at most so many pages, 1 or more */
	u32 apart;	/* at most so many that do not lie beside each other, 1 or more */
};

/* Pages first, first + step, ..., all in the VMA of the access, and none of them it itself. With a
 * step and no pages: its place is known, and enough is ahead of it. */
struct fl_plan {
	u64 first;
	s64 step;
	u32 n;
};

/* readahead: a place where faults were seen to go up or down through the address space. */
#define FL_STREAMS 16u
struct fl_stream {
	u64 low, high;	/* the last window */
	u32 pages;	/* of it, 0: none yet */
	u32 used;	/* clock when it was last of use */
};

/* stride, majority: what one thread does in one VMA. */
#define FL_TRACKS  32u
#define FL_HISTORY 32u
struct fl_track {
	u64 vma;	/* its start; 0: unused */
	u32 tid;
	u32 used;	/* clock when it was last of use */
	u64 last;	/* page */
	s64 step;	/* the distance that is followed, 0: none */
	u32 seen;	/* stride: how often in a row */
	u32 window;	/* pages that are read ahead of the last one */
	u64 ahead;	/* the last one that was */
	/* majority */
	s32 delta[FL_HISTORY]; /* a ring */
	u32 nr_deltas;
};

struct fl_prefetch {
	u32 kind; /* enum fl_prefetch_kind */
	u32 clock;
	struct fl_stream stream[FL_STREAMS];
	struct fl_track track[FL_TRACKS];
};

/* "none", "readahead", "stride", "majority"; -EINVAL for any other. */
int fl_prefetch_kind(const char *name);

/* readahead's: how many pages to read for a fault, from *ret_first on, the page itself among them;
 * 1 if kind is none. For files all kinds do so. */
u32 fl_prefetch_window(struct fl_prefetch *pf, const struct fl_access *a, u64 *ret_first);

/* stride's and majority's: what to read now; nothing if kind is another. */
struct fl_plan fl_prefetch_plan(struct fl_prefetch *pf, const struct fl_access *a);

/* Does it answer with plans? */
static inline bool fl_prefetch_plans(const struct fl_prefetch *pf)
{
	return pf->kind >= FL_PREFETCH_STRIDE;
}

/* prefetch-majority.c: the distance that more than half of the last deltas have, or 0. */
s64 fl_prefetch_majority(const struct fl_track *t);

#endif
