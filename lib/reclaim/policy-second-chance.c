/*
 * Second-chance lists, as Linux's active and inactive list: mapped pages stand in a queue in the
 * order in which they were last seen in use, the oldest is put to the test, and one that passes it
 * goes to the queue's head at once.
 */
#include "reclaim/meta.h"

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	(void)vpn;
	fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static void touched(struct fl_policy *pl, u32 page)
{
	fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static u32 pick(struct fl_policy *pl)
{
	return fl_policy_pop(pl, FL_LIST_FIRST);
}

const struct fl_policy_ops fl_policy_second_chance = {
	.tests = true,
	.add = add,
	.touched = touched,
	.keep = fl_policy_keep,
	.take = fl_policy_unlink,
	.pick = pick,
};
