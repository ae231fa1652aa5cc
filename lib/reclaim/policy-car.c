/*
 * CAR: Bansal, Modha, "CAR: Clock with Adaptive Replacement", FAST 2004.
 *
 * Two clocks: one of pages used once, one of pages used more often. Pages evicted from either are
 * remembered by it; one that comes back shows that this clock was too short, and target, the
 * length that the first should have, moves towards it. What is used once, as in a scan, pushes out
 * no more than target pages of the others.
 *
 * Where the paper looks at the reference bit of the page under the hand, the page has been set
 * aside before; it is in use if it was touched there.
 */
#include "reclaim/meta.h"

enum { ONCE, OFTEN };

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	u32 all = pl->nr_of[0] + pl->nr_of[1];
	u32 once = pl->ghosts.list[ONCE].count, often = pl->ghosts.list[OFTEN].count;
	u32 ghost = fl_ghost_take(&pl->ghosts, vpn);

	if (ghost == ONCE)
		pl->target = fl_min(pl->target + fl_max(1u, often / fl_max(once, 1u)), all);
	else if (ghost == OFTEN)
		pl->target -= fl_min(pl->target, fl_max(1u, once / fl_max(often, 1u)));
	if (ghost != FL_GHOST_NONE)
		fl_policy_to_second(pl, page);
	fl_policy_push(pl, page, fl_policy_queue(pl, page), false);
}

static void touched(struct fl_policy *pl, u32 page)
{
	fl_policy_to_second(pl, page);
	fl_policy_push(pl, page, FL_LIST_SECOND, false);
}

static u32 victim(const struct fl_policy *pl)
{
	return pl->nr_of[0] < fl_max(pl->target, 1u);
}

static u32 pick(struct fl_policy *pl)
{
	return fl_policy_pop(pl, fl_policy_queue_to_pick(pl) ? FL_LIST_SECOND : FL_LIST_FIRST);
}

static void evicted(struct fl_policy *pl, u32 page, u64 vpn)
{
	struct fl_idx_list *ghosts = pl->ghosts.list;
	u32 all = pl->nr_of[0] + pl->nr_of[1];

	fl_ghost_add(&pl->ghosts, vpn, pl->meta[page] & FL_META_SECOND ? OFTEN : ONCE);
	/* a page and its ghost at most; one more at a time where memory has shrunk */
	for (u32 i = 0; i < 2 && ghosts[ONCE].count && pl->nr_of[0] + ghosts[ONCE].count > all; i++)
		fl_ghost_drop_oldest(&pl->ghosts, ONCE);
	for (u32 i = 0; i < 2 && ghosts[OFTEN].count && pl->ghosts.nr > all; i++)
		fl_ghost_drop_oldest(&pl->ghosts, OFTEN);
}

const struct fl_policy_ops fl_policy_car = {
	.tests = true,
	.ghosts = true,
	.add = add,
	.touched = touched,
	.keep = fl_policy_keep_in_two,
	.take = fl_policy_unlink,
	.pick = pick,
	.victim = victim,
	.evicted = evicted,
};
