/* From the inactive pages to the swap file; see pageout.h. */
#include "pager/pageout.h"
#include "pager/copyout.h"

#define CLUSTER_SIDE 15u /* pages written with one on either side of it */

void fl_pager_swapped(struct fl_pager *p, u64 va, u32 slot)
{
	fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_SWAP, slot, 0));
	fl_count(p, pgsteal, 1);
}

/* The frame's page is in swap now. */
static void swapped(struct fl_pager *p, u32 f)
{
	u64 va = fl_page_va(p->pages.page[f]);
	u32 slot = p->pages.slot[f];

	p->pages.slot[f] = FL_NO_SLOT; /* the pte has it now */
	fl_pager_swapped(p, va, slot);
	fl_frame_evicted(p, f);
}

static void submit(struct fl_pager *p, struct fl_queue *q, const u32 *frames, u32 n, u32 slot)
{
	struct fl_io *io = fl_io_get(p);

	io->write = true;
	io->slot = slot;
	io->npages = n;
	for (u32 i = 0; i < n; i++) {
		((u32 *)io->owner)[i] = frames[i];
		fl_frame_set_slot(p, frames[i], slot + i);
		fl_page_set_flags(&p->pages.page[frames[i]], FL_PG_WRITEBACK);
		io->iov[i] = (struct iovec){(void *)fl_slot_addr(p, frames[i]), FL_PAGE_SIZE};
	}
	p->ios_in_flight++;
	fl_count(p, pswpout, n);
	fl_count(p, swapout_ios, 1);
	p->backend->submit(q, io);
}

/* Is the page at va set aside, and to be written? Its frame, or FL_NO_FRAME. */
static u32 writable_at(struct fl_pager *p, u64 va)
{
	u64 pte = fl_pte_get(&p->mm, va);
	u32 f = fl_pte_payload(pte);

	if (fl_pte_state(pte) != FL_PTE_SOFT || !fl_page_has(p->pages.page[f], FL_PG_INACTIVE))
		return FL_NO_FRAME;
	if (fl_page_is_clean(p, f))
		return FL_NO_FRAME;
	return fl_page_is_zero((void *)fl_slot_addr(p, f)) ? FL_NO_FRAME : f;
}

/*
 * The page at va, which is off its list, and those beside it that are set aside
 * too: they are written side by side, and will be read back in one request. As
 * vm_pageout_cluster in FreeBSD's vm/vm_pageout.c.
 */
static u32 gather(struct fl_pager *p, u64 va, u32 f, u32 *frames, u32 max)
{
	u32 n = 0, back = 0, g;

	while (back < CLUSTER_SIDE && back + 1 < max &&
		writable_at(p, va - (back + 1) * FL_PAGE_SIZE) != FL_NO_FRAME)
		back++;
	for (u64 at = va - back * FL_PAGE_SIZE; n < max && n <= back + CLUSTER_SIDE;
		at += FL_PAGE_SIZE) {
		g = at == va ? f : writable_at(p, at);
		if (g == FL_NO_FRAME)
			break;
		if (at != va)
			fl_frame_unlist(p, g);
		frames[n++] = g;
	}
	return n;
}

u32 fl_shrink_inactive(struct fl_pager *p, struct fl_queue *q, u32 want, u32 *ret_submitted,
	int *ret_err)
{
	u32 frames[FL_BATCH_PAGES], n = 0, freed = 0, at = 0;

	*ret_submitted = 0;
	while (freed + n < want && n < FL_BATCH_PAGES && p->policy.nr_aside) {
		u32 f = fl_policy_pick_aside(&p->policy);
		struct fl_page *pg = &p->pages.page[f];

		fl_page_clear_flags(pg, FL_PG_INACTIVE);
		if (fl_page_has(*pg, FL_PG_FILE)) {
			fl_pte_set(&p->mm, fl_page_va(*pg), 0);
			fl_frame_evicted(p, f);
			fl_count(p, filemap_dropped, 1);
			fl_count(p, pgsteal, 1);
			freed++;
		} else if (fl_page_is_clean(p, f)) {
			swapped(p, f);
			fl_count(p, swap_clean, 1);
			freed++;
		} else if (fl_page_is_zero((void *)fl_slot_addr(p, f))) {
			fl_pte_set(&p->mm, fl_page_va(*pg), fl_pte_make(FL_PTE_ZERO, 0, 0));
			fl_frame_evicted(p, f);
			fl_count(p, swap_zero, 1);
			fl_count(p, pgsteal, 1);
			freed++;
		} else {
			n += gather(p, fl_page_va(*pg), f, frames + n,
				fl_min(FL_BATCH_PAGES, want - freed) - n);
		}
	}
	while (at < n) {
		u32 slot, got = fl_swap_alloc(&p->machine, n - at, &slot, ret_err);

		if (!got)
			break;
		submit(p, q, frames + at, got, slot);
		at += got;
	}
	*ret_submitted = at;
	while (at < n)
		fl_frame_deactivate(p, frames[--n]);
	return freed;
}

u32 fl_write_done(struct fl_pager *p, struct fl_io *io)
{
	u32 freed = 0;

	for (u32 i = 0; i < io->npages; i++) {
		u32 f = ((u32 *)io->owner)[i];
		struct fl_page *pg = &p->pages.page[f];
		bool wanted = fl_page_has(*pg, FL_PG_WANTED);

		fl_page_clear_flags(pg, FL_PG_WRITEBACK | FL_PG_WANTED);
		if (fl_page_has(*pg, FL_PG_ORPHAN)) {
			*pg = fl_page_make(0, FL_PG_POPULATED);
			fl_frame_free(p, f);
			freed++;
		} else if (io->error || wanted) {
			u64 va = fl_page_va(*pg);

			if (io->error)
				fl_frame_clear_slot(p, f);
			else
				fl_page_clear_flags(pg, FL_PG_DIRTY);
			fl_frame_deactivate(p, f);
			if (wanted)
				fl_pager_map_run(p, fl_vma_at(&p->mm, va), va, f, 1, false);
		} else {
			swapped(p, f);
			freed++;
		}
	}
	fl_frames_settle(p);
	if (io->error) {
		p->machine.t->swap_full = (u32)-io->error;
		p->write_errors++;
	}
	fl_io_end(p, io);
	return freed;
}
