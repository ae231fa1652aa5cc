/* Pages that were evicted of late; see ghosts.h. */
#include "reclaim/ghosts.h"

#include "mm/debug.h"

u64 fl_ghosts_bytes(u32 nr_max)
{
	return fl_page_up((u64)nr_max * sizeof(u64)) + 4 * fl_page_up((u64)nr_max * sizeof(u32));
}

void fl_ghosts_init(struct fl_ghosts *g, u32 nr_max, void *memory)
{
	u64 links = fl_page_up((u64)nr_max * sizeof(u32));
	char *at = memory;

	*g = (struct fl_ghosts){.nr_max = nr_max, .nr_buckets = 1, .key = memory};
	at += fl_page_up((u64)nr_max * sizeof(u64));
	g->next = (u32 *)at;
	g->prev = (u32 *)(at + links);
	g->chain = (u32 *)(at + 2 * links);
	g->bucket = (u32 *)(at + 3 * links);
}

static u32 hash(u64 vpn)
{
	return (u32)((vpn * 0x9e3779b97f4a7c15ull) >> 32);
}

/* There are n buckets: those that a round of splitting has not reached yet have two's. */
static u32 bucket_of(const struct fl_ghosts *g, u64 vpn)
{
	u32 round = 1u << (31 - __builtin_clz(g->nr_buckets)), h = hash(vpn);
	u32 b = h & (2 * round - 1);

	return b < g->nr_buckets ? b : h & (round - 1);
}

/* One more bucket: takes its own out of that which had both's. */
static void split(struct fl_ghosts *g)
{
	u32 from = g->nr_buckets - (1u << (31 - __builtin_clz(g->nr_buckets)));
	u32 link = g->bucket[from], next;

	g->nr_buckets++;
	g->bucket[from] = 0;
	for (; link; link = next) {
		u32 b = bucket_of(g, g->key[link - 1] >> 1);

		next = g->chain[link - 1];
		g->chain[link - 1] = g->bucket[b];
		g->bucket[b] = link;
	}
}

/* Where the link to the page's entry is, which is 0 if there is none. */
static u32 *link_to(struct fl_ghosts *g, u64 vpn)
{
	u32 *at = &g->bucket[bucket_of(g, vpn)];

	while (*at && g->key[*at - 1] >> 1 != vpn)
		at = &g->chain[*at - 1];
	return at;
}

u32 fl_ghost_take(struct fl_ghosts *g, u64 vpn)
{
	u32 *at = link_to(g, vpn), link = *at, i = link - 1, list;

	if (!link)
		return FL_GHOST_NONE;
	list = g->key[i] & 1;
	*at = g->chain[i];
	fl_idx_remove(&g->list[list], g->next, g->prev, i);
	g->next[i] = g->free;
	g->free = link;
	g->nr--;
	return list;
}

void fl_ghost_drop_oldest(struct fl_ghosts *g, u32 list)
{
	u32 i = fl_idx_tail(&g->list[list]);

	if (i != FL_IDX_NONE)
		fl_ghost_take(g, g->key[i] >> 1);
}

void fl_ghost_add(struct fl_ghosts *g, u64 vpn, u32 list)
{
	u32 i, b;

	fl_ghost_take(g, vpn);
	if (g->nr == g->nr_max)
		fl_ghost_drop_oldest(g, g->list[list].count ? list : !list);
	if (g->free) {
		i = g->free - 1;
		g->free = g->next[i];
	} else {
		i = g->nr_fresh++;
	}
	g->key[i] = vpn << 1 | list;
	fl_idx_push_head(&g->list[list], g->next, g->prev, i);
	b = bucket_of(g, vpn);
	g->chain[i] = g->bucket[b];
	g->bucket[b] = i + 1;
	if (++g->nr > g->nr_buckets)
		split(g);
}

int fl_ghosts_validate(const struct fl_ghosts *g, const char **why)
{
	u32 found = 0;

	for (u32 k = 0; k < FL_GHOST_LISTS; k++) {
		if (fl_idx_validate(&g->list[k], g->next, g->prev, g->nr_max, why) < 0)
			return -1;
		for (u32 i = fl_idx_head(&g->list[k]); i != FL_IDX_NONE; i = fl_idx_next(g->next, i))
			fl_check_or_fail((g->key[i] & 1) == k, why, "ghosts: one is on the wrong list");
	}
	for (u32 b = 0; b < g->nr_buckets; b++)
		for (u32 link = g->bucket[b]; link; link = g->chain[link - 1]) {
			fl_check_or_fail(bucket_of(g, g->key[link - 1] >> 1) == b, why,
				"ghosts: one is in the wrong bucket");
			fl_check_or_fail(++found <= g->nr, why, "ghosts: more in buckets than there are");
		}
	fl_check_or_fail(found == g->nr && g->nr == g->list[0].count + g->list[1].count &&
			g->nr <= g->nr_max && g->nr_buckets <= fl_max(g->nr_max, 1u), why,
		"ghosts: the counts disagree");
	return 0;
}
