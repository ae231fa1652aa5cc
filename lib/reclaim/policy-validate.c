/* The parts of a policy against each other. */
#include "reclaim/meta.h"

#include "mm/debug.h"

static int validate_lists(const struct fl_policy *pl, u32 nr_frames, const char **why)
{
	for (u32 k = FL_LIST_FIRST; k < FL_NR_LISTS; k++) {
		if (pl->order && k == FL_LIST_FIRST)
			continue; /* an array: its pages are looked at one by one */
		if (fl_idx_validate(&pl->list[k], pl->next, pl->prev, nr_frames, why) < 0)
			return -1;
	}
	return 0;
}

int fl_policy_validate(const struct fl_policy *pl, u32 nr_frames, const char **why)
{
	u32 on[FL_NR_LISTS] = {0}, mapped = 0, aside = 0, of[2] = {0};

	if (validate_lists(pl, nr_frames, why) < 0)
		return -1;
	for (u32 f = 0; f < nr_frames; f++) {
		u8 meta = pl->meta[f];
		u32 list = fl_meta_list(pl, f);

		on[list]++;
		if (fl_meta_listed(meta)) {
			mapped += !(meta & FL_META_ASIDE);
			aside += !!(meta & FL_META_ASIDE);
		}
		if (meta & FL_META_USED)
			of[!!(meta & FL_META_SECOND)]++;
		fl_check_or_fail(!(meta & FL_META_ASIDE) || list >= FL_LIST_ASIDE || !list, why,
			"policy: a page set aside is on a list of mapped ones");
		fl_check_or_fail(list != FL_LIST_FIRST || !pl->order ||
				(pl->place[f] < pl->list[list].count && pl->order[pl->place[f]] == f),
			why, "policy: a page is not at its place");
	}
	for (u32 k = FL_LIST_FIRST; k < FL_NR_LISTS; k++)
		fl_check_or_fail(on[k] == pl->list[k].count, why, "policy: a list's pages are others");
	fl_check_or_fail(mapped == pl->nr_mapped && aside == pl->nr_aside, why,
		"policy: the counts of mapped pages and of those set aside are wrong");
	fl_check_or_fail(of[0] == pl->nr_of[0] && of[1] == pl->nr_of[1], why,
		"policy: the lengths of the queues are wrong");
	return pl->ops->ghosts ? fl_ghosts_validate(&pl->ghosts, why) : 0;
}
