/*
 * Ghosts: which pages were evicted of late, on up to two lists in the order in which they were,
 * found by their number in the address space.
 *
 * There are never more than frames: the oldest makes room. 24 bytes each, touched only as far as
 * there were ever so many at a time: the hash table grows with them, one bucket at a time (linear
 * hashing: Litwin 1980), so that no fault pays for all.
 *
 * Context: as policy.h.
 */
#ifndef FL_RECLAIM_GHOSTS_H
#define FL_RECLAIM_GHOSTS_H

#include "mm/list.h"

#define FL_GHOST_LISTS 2u
#define FL_GHOST_NONE  UINT32_MAX

struct fl_ghosts {
	u32 nr_max, nr_fresh;	/* entries there may be, and that have ever been used */
	u64 *key;		/* of an entry: page << 1 | list */
	u32 *next, *prev;	/* its links; those that are free are chained by next */
	u32 *chain;		/* the next one in its bucket + 1 */
	u32 *bucket;		/* the first one in it + 1 */
	u32 nr_buckets, nr;
	u32 free;		/* entry + 1 */
	struct fl_idx_list list[FL_GHOST_LISTS];
};

u64 fl_ghosts_bytes(u32 nr_max);
/* memory: zeroed. */
void fl_ghosts_init(struct fl_ghosts *g, u32 nr_max, void *memory);

/* The page is the youngest ghost of the list; it is no ghost yet, or one no more. */
void fl_ghost_add(struct fl_ghosts *g, u64 vpn, u32 list);
/* The page is no ghost any more. Returns its list, or FL_GHOST_NONE. */
u32 fl_ghost_take(struct fl_ghosts *g, u64 vpn);
void fl_ghost_drop_oldest(struct fl_ghosts *g, u32 list);

int fl_ghosts_validate(const struct fl_ghosts *g, const char **why);

#endif
