/*
 * The clock with two hands: the pages stand in a circle. The front hand puts each page that it
 * passes to the test, the back hand evicts those that were not touched since.
 *
 * The part of the circle between the hands is the list of pages set aside, the rest is the first
 * list; each from the youngest to the oldest. Unlike with second-chance lists a page that is touched
 * stays at its place: every page is looked at once in a revolution, however often it is used. So
 * pages that are mapped again, and those taken to be written, stay on the list of those set aside
 * until the back hand passes them.
 */
#include "reclaim/meta.h"

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	(void)vpn;
	fl_policy_unlink(pl, page); /* one read ahead has stood between the hands */
	fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static void touched(struct fl_policy *pl, u32 page)
{
	if (pl->meta[page] & FL_META_HELD)
		pl->meta[page] &= (u8)~FL_META_HELD;
	else
		fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static void take(struct fl_policy *pl, u32 page)
{
	if (pl->meta[page] & FL_META_ASIDE)
		pl->meta[page] |= FL_META_HELD;
	else
		fl_policy_unlink(pl, page);
}

/* The back hand passes the page, which is mapped or taken. */
static void pass(struct fl_policy *pl, u32 page)
{
	bool mapped = !(pl->meta[page] & FL_META_HELD);

	fl_policy_unlink(pl, page);
	if (mapped)
		fl_policy_push(pl, page, FL_LIST_FIRST, false);
}

static bool is_aside(const struct fl_policy *pl, u32 page)
{
	return (pl->meta[page] & (FL_META_ASIDE | FL_META_HELD)) == FL_META_ASIDE;
}

static void settle(struct fl_policy *pl)
{
	u32 page;

	while (page = fl_idx_tail(&pl->list[FL_LIST_ASIDE]), !is_aside(pl, page))
		pass(pl, page);
}

static u32 pick(struct fl_policy *pl)
{
	u32 page, next;

	/* all that is mapped stands between the hands: the front one has caught up */
	if (!pl->list[FL_LIST_FIRST].count)
		for (page = fl_idx_tail(&pl->list[FL_LIST_ASIDE]); page != FL_NO_PAGE; page = next) {
			next = fl_idx_next(pl->prev, page);
			if (!is_aside(pl, page))
				pass(pl, page);
		}
	return fl_policy_pop(pl, FL_LIST_FIRST);
}

const struct fl_policy_ops fl_policy_clock = {
	.tests = true,
	.add = add,
	.touched = touched,
	.keep = fl_policy_keep,
	.take = take,
	.pick = pick,
	.settle = settle,
};
