/*
 * Any mapped page, used or not, one as likely as another: what the others are to be measured by.
 * It keeps the mapped pages in an array without holes.
 */
#include "reclaim/meta.h"

static void init(struct fl_policy *pl, void *memory)
{
	pl->order = memory;
	pl->rng = pl->options.seed;
}

/* SplitMix64. */
static u64 draw(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* list[FL_LIST_FIRST] has no links; its count is that of the array. */
static void append(struct fl_policy *pl, u32 page)
{
	struct fl_idx_list *list = &pl->list[FL_LIST_FIRST];

	pl->place[page] = list->count;
	pl->order[list->count++] = page;
	pl->meta[page] |= FL_LIST_FIRST;
}

static void take_mapped(struct fl_policy *pl, u32 page)
{
	struct fl_idx_list *list = &pl->list[FL_LIST_FIRST];
	u32 last = pl->order[--list->count];

	pl->order[pl->place[page]] = last;
	pl->place[last] = pl->place[page];
	pl->meta[page] &= (u8)~FL_META_LIST;
}

static void take(struct fl_policy *pl, u32 page)
{
	if (fl_meta_list(pl, page) == FL_LIST_FIRST)
		take_mapped(pl, page);
	else
		fl_policy_unlink(pl, page);
}

static void add(struct fl_policy *pl, u32 page, u64 vpn)
{
	(void)vpn;
	append(pl, page);
}

static void keep(struct fl_policy *pl, u32 page, enum fl_keep how)
{
	(void)how;
	append(pl, page);
}

static u32 pick(struct fl_policy *pl)
{
	u32 n = pl->list[FL_LIST_FIRST].count, page = pl->order[draw(&pl->rng) % n];

	take_mapped(pl, page);
	return page;
}

const struct fl_policy_ops fl_policy_random = {
	.bytes_a_frame = 8,
	.init = init,
	.add = add,
	.touched = append,
	.keep = keep,
	.take = take,
	.pick = pick,
};
