/*
 * What policies with two queues share. Of each the same part is set aside, so that a page of either
 * is tested for as long before it is its turn; the policy says whose turn it is (victim).
 */
#include "reclaim/meta.h"

static u32 nr_used(const struct fl_policy *pl)
{
	return pl->nr_of[0] + pl->nr_of[1];
}

/* What has just come is in use, which would pass for a second use if it were set aside at once. */
static bool first_is_fresh(const struct fl_policy *pl)
{
	return pl->list[FL_LIST_FIRST].count <= nr_used(pl) / 32;
}

u32 fl_policy_queue_to_pick(const struct fl_policy *pl)
{
	const struct fl_idx_list *list = pl->list;
	u32 victim = pl->ops->victim(pl);
	u64 first = list[FL_LIST_ASIDE].count, second = list[FL_LIST_ASIDE_SECOND].count;

	if (!list[FL_LIST_SECOND].count)
		return 0;
	if (!list[FL_LIST_FIRST].count)
		return 1;
	if (pl->stuck > list[FL_LIST_SECOND].count)
		return 0; /* nothing in the second queue can be set aside */
	if (first_is_fresh(pl))
		return 1;
	if (!list[FL_LIST_ASIDE + victim].count)
		return victim;
	return first * pl->nr_of[1] > second * pl->nr_of[0];
}

u32 fl_policy_list_to_evict(const struct fl_policy *pl)
{
	u32 victim = pl->ops->victim && !pl->first_out ? pl->ops->victim(pl) : 0;

	if (!pl->list[FL_LIST_ASIDE + victim].count)
		victim = !victim;
	return FL_LIST_ASIDE + victim;
}

bool fl_policy_victim_is_short(const struct fl_policy *pl)
{
	u32 victim;

	if (!pl->ops->victim)
		return false;
	victim = pl->ops->victim(pl);
	return !pl->list[FL_LIST_ASIDE + victim].count &&
	       (victim ? pl->list[FL_LIST_SECOND].count > 0 : !first_is_fresh(pl));
}

void fl_policy_to_first(struct fl_policy *pl, u32 page)
{
	if (!(pl->meta[page] & FL_META_SECOND))
		return;
	pl->meta[page] &= (u8)~FL_META_SECOND;
	pl->nr_of[1]--;
	pl->nr_of[0]++;
}
