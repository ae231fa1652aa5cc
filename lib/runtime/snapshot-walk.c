/*
 * One page for the tools: the way to it through the page table, and the frame at its end.
 *
 * A page is asked for by its address, or by its frame: which page of this process that is, only
 * the process's own reverse map knows.
 */
#include "runtime/runtime.h"
#include "faultline/snapshot.h"

_Static_assert(FL_SNAP_LEVELS == (int)FL_PT_LEVELS, "the levels of a walk are the page table's");
_Static_assert(FL_SNAP_NO_FRAME == FL_NO_FRAME, "no frame has one number");

static void fill_frame(u32 frame, struct fl_snap_walk *ret)
{
	struct fl_pager *p = &fl.pager;
	struct fl_page page = p->pages.page[frame];

	ret->frame = frame;
	ret->page_flags = fl_page_flags(page);
	ret->page_va = fl_page_va(page);
	ret->home = fl_slot_addr(p, frame);
	ret->slot = p->pages.slot[frame];
	ret->refs = fl_zone_refs(&p->machine, frame);
	if (!fl_page_has_any(page, FL_PG_ACTIVE | FL_PG_INACTIVE))
		return;
	ret->lru_next = fl_idx_next(p->pages.next, frame);
	ret->lru_prev = fl_idx_next(p->pages.prev, frame);
}

/* The address of the frame's page, if it is the frame of one here. */
static bool find_frame(u32 frame, u64 *ret_va)
{
	struct fl_pager *p = &fl.pager;
	u64 pte;

	if (frame >= p->machine.t->nframes)
		return false;
	*ret_va = fl_page_va(p->pages.page[frame]);
	pte = fl_pte_get(&p->mm, *ret_va);
	return fl_pte_has_frame(pte) && fl_pte_payload(pte) == frame;
}

void fl_snapshot_walk(const struct fl_ctl_request *rq, struct fl_snap_walk *ret)
{
	struct fl_pt_walk walk;
	u64 va = rq->va;

	*ret = (struct fl_snap_walk){
		.va = va, .frame = FL_NO_FRAME, .lru_next = FL_NO_FRAME, .lru_prev = FL_NO_FRAME};
	if (rq->frame != FL_NO_FRAME && !find_frame(rq->frame, &va))
		return;
	ret->va = va;
	fl_pt_walk_addr(&fl.pager.mm, va, &walk);
	for (u32 i = 0; i < FL_PT_LEVELS; i++)
		ret->level[i] = (struct fl_snap_level){
			walk.table[i], walk.entry[i], walk.index[i], walk.used[i]};
	if (walk.nr_levels < FL_PT_LEVELS)
		return;
	ret->pte = fl_snapshot_pte(walk.entry[FL_PT_PTE]);
	ret->level[FL_PT_PTE].entry = ret->pte;
	if (fl_pte_has_frame(ret->pte))
		fill_frame(fl_pte_payload(ret->pte), ret);
}
