/* What all policies share; see policy.h. */
#include "reclaim/meta.h"

#define SHARE_MIN  4u /* of 64: pages kept set aside */
/* And at most. tests/unit/reclaim/sim.h with 9 us for a soft fault, 75 for a read from a disk and 20
 * for one from compressed memory: what longer lists still save is less than their soft faults cost. */
#define SHARE_MAX      16u
#define SHARE_MAX_FAST 6u
#define MAJOR_COST 8u /* a read from swap, in soft faults */

static const struct fl_policy_ops *ops_of(u32 kind)
{
	switch (kind) {
	case FL_POLICY_FIFO: return &fl_policy_fifo;
	case FL_POLICY_CLOCK: return &fl_policy_clock;
	case FL_POLICY_S3_FIFO: return &fl_policy_s3_fifo;
	case FL_POLICY_CAR: return &fl_policy_car;
	case FL_POLICY_RANDOM: return &fl_policy_random;
	default: return &fl_policy_second_chance;
	}
}

u64 fl_policy_bytes(const struct fl_policy_options *o, u32 nr_frames)
{
	const struct fl_policy_ops *ops = ops_of(o->kind);

	return fl_page_up(nr_frames) + fl_page_up((u64)nr_frames * ops->bytes_a_frame) +
		(ops->ghosts ? fl_ghosts_bytes(nr_frames) : 0);
}

u64 fl_policy_used_bytes(const struct fl_policy *pl, u64 nr_frames)
{
	return nr_frames * (1 + pl->ops->bytes_a_frame) + (u64)pl->ghosts.nr_fresh * FL_GHOST_BYTES;
}

void fl_policy_init(struct fl_policy *pl, const struct fl_policy_options *o, u32 nr_frames,
	u32 *next, u32 *prev, void *memory)
{
	char *at = memory;

	*pl = (struct fl_policy){.ops = ops_of(o->kind), .options = *o, .next = next, .prev = prev};
	pl->meta = (u8 *)at;
	at += fl_page_up(nr_frames);
	if (pl->ops->init)
		pl->ops->init(pl, at);
	at += fl_page_up((u64)nr_frames * pl->ops->bytes_a_frame);
	if (pl->ops->ghosts)
		fl_ghosts_init(&pl->ghosts, nr_frames, at);
	/* random: the place of a page follows the order */
	if (pl->order)
		pl->place = pl->order + nr_frames;
}

void fl_policy_take(struct fl_policy *pl, u32 page)
{
	u8 meta = pl->meta[page];

	if (!fl_meta_listed(meta))
		return;
	if (meta & FL_META_ASIDE)
		pl->nr_aside--;
	else
		pl->nr_mapped--;
	pl->ops->take(pl, page);
}

void fl_policy_mapped(struct fl_policy *pl, u32 page, u64 vpn)
{
	u8 was;

	fl_policy_take(pl, page);
	was = pl->meta[page];
	pl->meta[page] = (u8)((was | FL_META_USED) & ~FL_META_ASIDE);
	pl->nr_mapped++;
	if (!(was & FL_META_USED)) {
		pl->nr_of[0]++;
		pl->ops->add(pl, page, vpn);
	} else if (!(was & FL_META_ASIDE)) {
		pl->ops->keep(pl, page, FL_KEEP_AWAY);
		pl->stuck++;
	} else if (pl->no_references) {
		fl_policy_unlink(pl, page); /* where it was held */
		pl->ops->keep(pl, page, FL_KEEP_YOUNG);
	} else {
		pl->ops->touched(pl, page);
	}
}

void fl_policy_aside(struct fl_policy *pl, u32 page)
{
	fl_policy_take(pl, page);
	fl_policy_unlink(pl, page);
	pl->meta[page] |= FL_META_ASIDE;
	pl->stuck = 0;
	fl_policy_push(pl, page, FL_LIST_ASIDE, false);
	pl->nr_aside++;
}

void fl_policy_gone(struct fl_policy *pl, u32 page)
{
	if (!pl->meta[page])
		return;
	fl_policy_take(pl, page);
	fl_policy_unlink(pl, page);
	if (pl->meta[page] & FL_META_USED)
		pl->nr_of[!!(pl->meta[page] & FL_META_SECOND)]--;
	pl->meta[page] = 0;
}

void fl_policy_evicted(struct fl_policy *pl, u32 page, u64 vpn)
{
	bool used = pl->meta[page] & FL_META_USED;

	fl_policy_take(pl, page);
	if (pl->ops->evicted && used)
		pl->ops->evicted(pl, page, vpn);
	fl_policy_gone(pl, page);
}

void fl_policy_forget(struct fl_policy *pl, u64 vpn)
{
	if (pl->ops->ghosts)
		fl_ghost_take(&pl->ghosts, vpn);
}

u32 fl_policy_pick_mapped(struct fl_policy *pl)
{
	if (!pl->nr_mapped)
		return FL_NO_PAGE;
	pl->nr_mapped--;
	return pl->ops->pick(pl);
}

void fl_policy_put_back(struct fl_policy *pl, u32 page)
{
	pl->ops->keep(pl, page, FL_KEEP_NEXT);
	pl->nr_mapped++;
}

u32 fl_policy_next_aside(struct fl_policy *pl)
{
	if (!pl->nr_aside)
		return FL_NO_PAGE;
	/* those that are to go first may have gone with others, or been touched */
	pl->first_out = fl_min(pl->first_out, pl->list[FL_LIST_ASIDE].count);
	if (pl->ops->settle)
		pl->ops->settle(pl);
	return fl_idx_tail(&pl->list[fl_policy_list_to_evict(pl)]);
}

u32 fl_policy_pick_aside(struct fl_policy *pl)
{
	u32 page = fl_policy_next_aside(pl);

	if (page != FL_NO_PAGE) {
		fl_policy_unlink(pl, page);
		pl->nr_aside--;
		pl->first_out -= fl_min(pl->first_out, 1u);
	}
	return page;
}

void fl_policy_first_out(struct fl_policy *pl, u32 page)
{
	fl_policy_unlink(pl, page);
	fl_policy_to_first(pl, page);
	fl_policy_push(pl, page, FL_LIST_ASIDE, true);
	pl->first_out++;
}

/*
 * The longer the list of pages set aside, the more pages of the working set are touched while they
 * are on it and stay, as if the reference bit were looked at after a longer time; each costs a soft
 * fault. So it grows while pages are read back from swap about as often as they are saved from it,
 * and shrinks when hardly any is read back.
 */
u32 fl_policy_aside_target(struct fl_policy *pl, u32 majors, u32 softs)
{
	u32 all = pl->nr_mapped + pl->nr_aside;

	if (!pl->ops->tests)
		return 0;
	if (fl_policy_victim_is_short(pl))
		return pl->nr_aside + 1;
	if (pl->options.aside_percent)
		return (u32)((u64)all * pl->options.aside_percent / 100);
	majors -= pl->majors_seen;
	softs -= pl->softs_seen;
	if (majors + softs >= fl_max(all / 16, 64u)) {
		if (majors * MAJOR_COST > softs)
			pl->share = fl_min(pl->share + 4, pl->fast_swap ? SHARE_MAX_FAST : SHARE_MAX);
		else
			pl->share = fl_max(pl->share, SHARE_MIN + 1) - 1;
		pl->majors_seen += majors;
		pl->softs_seen += softs;
	}
	return (u32)((u64)all * fl_max(pl->share, SHARE_MIN) / 64);
}
