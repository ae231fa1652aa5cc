/*
 * The frames this process holds.
 *
 * Frames come from the tree's zone in blocks and wait in a buddy instance of
 * the process's own until they are used, so that the shared lock is taken once
 * for many and a freed frame keeps its storage for the next fault. A frame's
 * storage is at its home slot in the pool (POPULATED) or in the program
 * (MAPPED), never in both: that is what makes the budget a bound.
 */
#include "pager/pager.h"

#include <string.h>

#define CLAIM_ORDER 6u	 /* frames are claimed 64 at a time while there are plenty */
#define LOCAL_MAX   8192u /* more free frames than this go back to the zone */

static struct fl_buddy_arrays local_arrays(const struct fl_pager *p)
{
	return (struct fl_buddy_arrays){p->pages.next, p->pages.prev, p->local_order};
}

u32 fl_frames_available(const struct fl_pager *p)
{
	return p->local.nr_free + fl_zone_free_frames(&p->machine);
}

static void claim(struct fl_pager *p, u32 order)
{
	struct fl_buddy_arrays a = local_arrays(p);
	u32 got, f;

	if (order < CLAIM_ORDER && fl_zone_free_frames(&p->machine) > 8 * p->high)
		order = CLAIM_ORDER;
	f = fl_zone_alloc_best(&p->machine, order, &got);
	if (f == FL_NO_FRAME)
		return;
	for (u32 i = 0; i < 1u << got; i++)
		p->pages.page[f + i] = fl_page_make(0, FL_PG_LOCAL_FREE);
	fl_buddy_add(&p->local, &a, f, 1u << got);
}

u32 fl_frames_alloc(struct fl_pager *p, u32 order, u32 *ret_order)
{
	struct fl_buddy_arrays a = local_arrays(p);
	u32 f, n;

	*ret_order = order;
	f = fl_buddy_alloc(&p->local, &a, order);
	if (f == FL_NO_FRAME) {
		claim(p, order);
		f = fl_buddy_alloc_best(&p->local, &a, order, ret_order);
	}
	if (f == FL_NO_FRAME)
		return f;
	n = 1u << *ret_order;
	for (u32 i = 0; i < n; i++) {
		fl_page_clear_flags(&p->pages.page[f + i], FL_PG_LOCAL_FREE);
		p->pages.next[f + i] = p->pages.prev[f + i] = 0;
	}
	fl_count(p, pgalloc, n);
	if (fl_frames_available(p) < p->low)
		p->kick(p);
	return f;
}

void fl_frame_set_slot(struct fl_pager *p, u32 frame, u32 slot)
{
	p->pages.slot[frame] = slot;
}

void fl_frame_clear_slot(struct fl_pager *p, u32 frame)
{
	u32 slot = p->pages.slot[frame];

	if (slot == FL_NO_SLOT)
		return;
	p->pages.slot[frame] = FL_NO_SLOT;
	fl_swap_put(&p->machine, slot);
}

void fl_frame_unlist(struct fl_pager *p, u32 frame)
{
	fl_policy_take(&p->policy, frame);
	fl_page_clear_flags(&p->pages.page[frame], FL_PG_ACTIVE | FL_PG_INACTIVE);
}

void fl_frame_activate(struct fl_pager *p, u32 frame)
{
	struct fl_page *pg = &p->pages.page[frame];

	fl_policy_mapped(&p->policy, frame, fl_page_vpn(*pg));
	fl_page_clear_flags(pg, FL_PG_INACTIVE);
	fl_page_set_flags(pg, FL_PG_ACTIVE);
	if (fl_age_join(&p->age, p->policy.nr_mapped))
		fl_age_mark(&p->age, fl_now_ms(p->machine.t));
}

void fl_frame_deactivate(struct fl_pager *p, u32 frame)
{
	fl_policy_aside(&p->policy, frame);
	fl_page_set_flags(&p->pages.page[frame], FL_PG_INACTIVE);
}

void fl_frame_evicted(struct fl_pager *p, u32 frame)
{
	fl_policy_evicted(&p->policy, frame, fl_page_vpn(p->pages.page[frame]));
	fl_frame_free(p, frame);
}

void fl_frame_free(struct fl_pager *p, u32 frame)
{
	struct fl_buddy_arrays a = local_arrays(p);
	struct fl_page *pg = &p->pages.page[frame];
	u32 keep = fl_page_flags(*pg) & FL_PG_POPULATED;

	fl_policy_gone(&p->policy, frame);
	fl_count(p, swap_ra_waste, fl_page_has(*pg, FL_PG_READAHEAD));
	fl_frame_clear_slot(p, frame);
	fl_count(p, pgfree, 1);
	if (!keep && p->local.nr_free >= LOCAL_MAX) {
		pg->key = 0;
		fl_zone_put(&p->machine, frame, 0);
		return;
	}
	*pg = fl_page_make(0, keep | FL_PG_LOCAL_FREE);
	fl_buddy_free(&p->local, &a, frame, 0);
}

bool fl_frame_drop(struct fl_pager *p, u32 frame)
{
	struct fl_page *pg = &p->pages.page[frame];

	fl_frame_unlist(p, frame);
	if (!fl_page_has(*pg, FL_PG_COW)) {
		fl_frame_free(p, frame);
		return true;
	}
	/* shared by fork: another process may go on with it under this number,
	 * so it cannot wait in our free lists, and has no storage of ours */
	fl_policy_gone(&p->policy, frame);
	fl_frame_clear_slot(p, frame);
	fl_frames_empty(p, frame, 1);
	pg->key = 0;
	fl_count(p, pgfree, 1);
	return fl_zone_put_shared(&p->machine, frame);
}

void fl_frames_empty(struct fl_pager *p, u32 frame, u32 n)
{
	for (u32 i = 0; i < n;) {
		u32 run = 0;

		while (i + run < n &&
			fl_page_has(p->pages.page[frame + i + run], FL_PG_POPULATED)) {
			fl_page_clear_flags(
				&p->pages.page[frame + i + run], FL_PG_POPULATED | FL_PG_ZEROED);
			run++;
		}
		if (run)
			p->host->ops->discard(p->host, fl_slot_addr(p, frame + i), run);
		i += run ? run : 1;
	}
}

int fl_frames_ready(struct fl_pager *p, u32 frame, u32 n)
{
	for (u32 i = 0; i < n;) {
		struct fl_page *pg = &p->pages.page[frame + i];
		u32 run = 0;
		int r;

		if (fl_page_has(*pg, FL_PG_POPULATED)) {
			if (!fl_page_has(*pg, FL_PG_ZEROED))
				memset((void *)fl_slot_addr(p, frame + i), 0, FL_PAGE_SIZE);
			fl_page_set_flags(pg, FL_PG_ZEROED);
			i++;
			continue;
		}
		while (i + run < n &&
			!fl_page_has(p->pages.page[frame + i + run], FL_PG_POPULATED))
			run++;
		r = p->host->ops->populate(p->host, fl_slot_addr(p, frame + i), run);
		if (r < 0)
			return r;
		for (u32 k = 0; k < run; k++)
			fl_page_set_flags(
				&p->pages.page[frame + i + k], FL_PG_POPULATED | FL_PG_ZEROED);
		i += run;
	}
	return 0;
}

int fl_frame_populated(struct fl_pager *p, u32 frame)
{
	struct fl_page *pg = &p->pages.page[frame];
	int r;

	if (fl_page_has(*pg, FL_PG_POPULATED)) {
		fl_page_clear_flags(pg, FL_PG_ZEROED);
		return 0;
	}
	r = p->host->ops->populate(p->host, fl_slot_addr(p, frame), 1);
	if (r == 0)
		fl_page_set_flags(pg, FL_PG_POPULATED);
	return r;
}

u32 fl_frames_give_back(struct fl_pager *p, u32 n)
{
	struct fl_buddy_arrays a = local_arrays(p);
	u32 given = 0;

	while (given < n && p->local.nr_free) {
		u32 order, want = n - given, top = 0, f;

		while (top < FL_MAX_ORDER && (2u << top) <= want)
			top++;
		f = fl_buddy_take(&p->local, &a, top, &order);
		if (f == FL_NO_FRAME) {
			/* only blocks larger than wanted are left */
			f = fl_buddy_alloc(&p->local, &a, 0);
			order = 0;
		}
		if (f == FL_NO_FRAME)
			break;
		fl_frames_empty(p, f, 1u << order);
		for (u32 i = 0; i < 1u << order; i++) {
			p->pages.page[f + i].key = 0;
			p->pages.next[f + i] = p->pages.prev[f + i] = 0;
		}
		fl_zone_put(&p->machine, f, order);
		given += 1u << order;
	}
	return given;
}

void fl_frames_settle(struct fl_pager *p)
{
	u32 over = fl_zone_overdraft(&p->machine);

	if (over)
		fl_frames_give_back(p, over);
}
