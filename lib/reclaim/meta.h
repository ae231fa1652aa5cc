/*
 * The byte that a policy keeps for each frame, and moving pages between its lists: for the files
 * of this room only.
 *
 * All zero: a page that the policy does not know.
 */
#ifndef FL_RECLAIM_META_H
#define FL_RECLAIM_META_H

#include "reclaim/policy.h"

#define FL_META_LIST   0x03u /* the list it is on, FL_LIST_* */
#define FL_META_USED   0x04u /* used since it is in memory: not, if it was read ahead */
#define FL_META_SECOND 0x08u /* belongs to the second queue, wherever it is now */
#define FL_META_ASIDE  0x10u /* set aside, or taken from there */
#define FL_META_HELD   0x20u /* taken, but still on its list, so that it keeps its place */
#define FL_META_FREQ   0xc0u /* how often it was touched, at most 3: s3-fifo */
#define FL_META_ONCE   0x40u

extern const struct fl_policy_ops fl_policy_second_chance, fl_policy_fifo, fl_policy_clock,
	fl_policy_s3_fifo, fl_policy_car, fl_policy_random;

static inline u32 fl_meta_list(const struct fl_policy *pl, u32 page)
{
	u8 meta = pl->meta[page];
	u32 list = meta & FL_META_LIST;

	return list == FL_LIST_ASIDE && meta & FL_META_SECOND ? FL_LIST_ASIDE_SECOND : list;
}

/* Can it be picked? */
static inline bool fl_meta_listed(u8 meta)
{
	return (meta & FL_META_LIST) && !(meta & FL_META_HELD);
}

/* Onto a list of mapped pages, or FL_LIST_ASIDE: then that of its queue. */
static inline void fl_policy_push(struct fl_policy *pl, u32 page, u32 list, bool at_tail)
{
	struct fl_idx_list *l;

	pl->meta[page] = (u8)((pl->meta[page] & ~FL_META_LIST) | list);
	l = &pl->list[fl_meta_list(pl, page)];
	if (at_tail)
		fl_idx_push_tail(l, pl->next, pl->prev, page);
	else
		fl_idx_push_head(l, pl->next, pl->prev, page);
}

static inline void fl_policy_unlink(struct fl_policy *pl, u32 page)
{
	u32 list = fl_meta_list(pl, page);

	if (list)
		fl_idx_remove(&pl->list[list], pl->next, pl->prev, page);
	pl->meta[page] &= (u8)~(FL_META_LIST | FL_META_HELD);
}

static inline u32 fl_policy_pop(struct fl_policy *pl, u32 list)
{
	u32 page = fl_idx_tail(&pl->list[list]);

	fl_policy_unlink(pl, page);
	return page;
}

static inline void fl_policy_to_second(struct fl_policy *pl, u32 page)
{
	if (pl->meta[page] & FL_META_SECOND)
		return;
	pl->meta[page] |= FL_META_SECOND;
	pl->nr_of[0]--;
	pl->nr_of[1]++;
}

/* The queue that the page belongs to. */
static inline u32 fl_policy_queue(const struct fl_policy *pl, u32 page)
{
	return pl->meta[page] & FL_META_SECOND ? FL_LIST_SECOND : FL_LIST_FIRST;
}

/* How policies keep a page: with one queue; and with two, of which the first might otherwise be all
 * pages that cannot be set aside. Then the second may be: pl->stuck. */
static inline void fl_policy_keep(struct fl_policy *pl, u32 page, enum fl_keep how)
{
	fl_policy_push(pl, page, fl_policy_queue(pl, page), how == FL_KEEP_NEXT);
}

static inline void fl_policy_keep_in_two(struct fl_policy *pl, u32 page, enum fl_keep how)
{
	if (how == FL_KEEP_AWAY)
		fl_policy_to_second(pl, page);
	fl_policy_keep(pl, page, how);
}

/* policy-two-queues.c: the queue to pick a mapped page from, 0 or 1; it is not empty. */
u32 fl_policy_queue_to_pick(const struct fl_policy *pl);
/* The list of pages set aside from which the next one is to be evicted; there is one. */
u32 fl_policy_list_to_evict(const struct fl_policy *pl);
/* Has the queue whose turn it is to lose a page none that is set aside, though it could have? */
bool fl_policy_victim_is_short(const struct fl_policy *pl);
/* A page that is off all lists belongs to the first queue now. */
void fl_policy_to_first(struct fl_policy *pl, u32 page);

#endif
