/*
 * S3-FIFO: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction",
 * SOSP 2023.
 *
 * New pages go through a small queue. Those that are not used there again leave memory at its
 * end, and are remembered; those that are, and those that come back while they are remembered, go
 * to the main queue, where a page stays for as many rounds as it was touched, up to three. So what
 * is used once, as in a scan, takes the small queue only.
 *
 * The paper counts every use. Here a use is seen only of a page that is set aside at the end of its
 * queue; one that has been seen to be used is spared that test for as many rounds.
 */
#include "reclaim/meta.h"

#define LOOK_MAX 64u /* pages that one pick may let pass */

static u32 small_pages(const struct fl_policy *pl)
{
	return (u32)((u64)(pl->nr_of[0] + pl->nr_of[1]) * pl->options.small_percent / 100);
}

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	if (fl_ghost_take(&pl->ghosts, vpn) != FL_GHOST_NONE)
		fl_policy_to_second(pl, page);
	fl_policy_push(pl, page, fl_policy_queue(pl, page), false);
}

static void touched(struct fl_policy *pl, u32 page)
{
	if (!(pl->meta[page] & FL_META_SECOND))
		fl_policy_to_second(pl, page);
	else if ((pl->meta[page] & FL_META_FREQ) != FL_META_FREQ)
		pl->meta[page] = (u8)(pl->meta[page] + FL_META_ONCE);
	fl_policy_push(pl, page, FL_LIST_SECOND, false);
}

/* The oldest of the main queue that was not touched since its last round. */
static u32 pick_main(struct fl_policy *pl)
{
	for (u32 looked = 0;; looked++) {
		u32 page = fl_policy_pop(pl, FL_LIST_SECOND);

		if (!(pl->meta[page] & FL_META_FREQ) || looked == LOOK_MAX)
			return page;
		pl->meta[page] = (u8)(pl->meta[page] - FL_META_ONCE);
		fl_policy_push(pl, page, FL_LIST_SECOND, false);
	}
}

static u32 victim(const struct fl_policy *pl)
{
	return pl->nr_of[0] <= small_pages(pl);
}

static u32 pick(struct fl_policy *pl)
{
	return fl_policy_queue_to_pick(pl) ? pick_main(pl) : fl_policy_pop(pl, FL_LIST_FIRST);
}

static void evicted(struct fl_policy *pl, u32 page, u64 vpn)
{
	u32 all = pl->nr_of[0] + pl->nr_of[1];

	if (pl->meta[page] & FL_META_SECOND)
		return;
	fl_ghost_add(&pl->ghosts, vpn, 0);
	/* as many as there is room for in the main queue; one at a time if that shrinks */
	for (u32 i = 0; i < 2 && pl->ghosts.nr > all - small_pages(pl); i++)
		fl_ghost_drop_oldest(&pl->ghosts, 0);
}

const struct fl_policy_ops fl_policy_s3_fifo = {
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
