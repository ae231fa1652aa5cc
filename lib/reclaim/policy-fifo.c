/*
 * First in, first out: pages leave in the order in which they came, used or not. One that is
 * touched while it is set aside is mapped for as long as it is left: it is the next one again.
 */
#include "reclaim/meta.h"

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	(void)vpn;
	fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static void touched(struct fl_policy *pl, u32 page)
{
	fl_policy_push(pl, page, FL_LIST_FIRST, true);
}

static u32 pick(struct fl_policy *pl)
{
	return fl_policy_pop(pl, FL_LIST_FIRST);
}

const struct fl_policy_ops fl_policy_fifo = {
	.add = add,
	.touched = touched,
	.keep = fl_policy_keep,
	.take = fl_policy_unlink,
	.pick = pick,
};
