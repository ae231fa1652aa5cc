/*
 * Writes to pages that are write-protected: copy-on-write, and the first write to a page
 * that was held clean.
 *
 * A page that another process uses too gets a new frame; the kernel makes the copy as
 * soon as the protection is lifted. One that nobody else uses any more is taken over
 * as it is, and its neighbours with it: after a child has gone, its parent's pages are
 * all of this kind, and one fault for each would cost more than the fork.
 *
 * As do_wp_page and wp_page_reuse in mm/memory.c.
 */
#include "pager/pager.h"

#define REUSE_PAGES 16u

/* Is the page at va shared no more, with nothing in swap that would be lost? Its frame,
 * or FL_NO_FRAME. */
static u32 reusable_at(struct fl_pager *p, u64 va)
{
	u64 pte = fl_pte_get(&p->mm, va);
	u32 f = fl_pte_payload(pte);

	if (fl_pte_state(pte) != FL_PTE_PRESENT || !fl_pte_has(pte, FL_PTE_COW) ||
		fl_page_has(p->pages.page[f], FL_PG_FILE) || p->pages.slot[f] != FL_NO_SLOT ||
		fl_zone_refs(&p->machine, f) > 1 ||
		fl_swap_published(&p->machine, f))
		return FL_NO_FRAME;
	return f;
}

/* The frame is ours, and stays where it is on its list. */
static void reuse(struct fl_pager *p, u64 va, u32 f)
{
	struct fl_page *pg = &p->pages.page[f];

	fl_frame_clear_slot(p, f);
	fl_page_clear_flags(pg, FL_PG_COW | FL_PG_SHEDDING | FL_PG_FILE);
	fl_page_set_flags(pg, FL_PG_DIRTY);
	fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_PRESENT, f, FL_PTE_DIRTY | FL_PTE_ACCESSED));
}

static void reuse_run(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 f)
{
	u32 n = 1;

	reuse(p, va, f);
	fl_frame_activate(p, f);
	for (u64 at = va + FL_PAGE_SIZE; n < REUSE_PAGES && at < vma->end; at += FL_PAGE_SIZE, n++) {
		f = reusable_at(p, at);
		if (f == FL_NO_FRAME)
			break;
		reuse(p, at, f);
	}
	/* else the kernel would take them for shared until each is written to */
	if (p->host->ops->protect(p->host, va, n, false) == 0 && n > 1)
		p->host->ops->own(p->host, va, n);
	fl_count(p, cow_reuse, n);
}

static enum fl_fault_result cow_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 pte,
	u32 flags)
{
	u32 f = fl_pte_payload(pte), g, order;

	if (fl_zone_refs(&p->machine, f) > 1) {
		g = fl_frames_alloc(p, 0, &order);
		if (g == FL_NO_FRAME)
			return fl_pager_no_memory(p, va, flags);
		fl_frames_empty(p, g, 1);
		fl_frame_drop(p, f);
		fl_pager_mapped(p, va, g, FL_PG_DIRTY, FL_PTE_DIRTY | FL_PTE_ACCESSED);
		p->host->ops->protect(p->host, va, 1, false);
	} else {
		reuse_run(p, vma, va, f);
	}
	fl_count(p, pgfault_cow, 1);
	return FL_FAULT_DONE;
}

enum fl_fault_result fl_pager_write_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va,
	u64 pte, u32 flags)
{
	u32 f = fl_pte_payload(pte);
	u64 *ptep = fl_pte_lookup(&p->mm, va);
	bool of_file = fl_page_has(p->pages.page[f], FL_PG_FILE);

	if (fl_pte_has(pte, FL_PTE_COW))
		return cow_fault(p, vma, va, pte, flags);
	fl_frame_clear_slot(p, f);
	fl_page_clear_flags(&p->pages.page[f], FL_PG_FILE);
	fl_page_set_flags(&p->pages.page[f], FL_PG_DIRTY);
	*ptep = fl_pte_with(fl_pte_without(*ptep, FL_PTE_WP), FL_PTE_DIRTY);
	p->host->ops->protect(p->host, va, 1, false);
	if (fl_pte_has(pte, FL_PTE_WP)) {
		fl_count(p, pgfault_wp, 1);
		p->clean_writes += !of_file;
	} else {
		fl_count(p, pgfault_spurious, 1);
	}
	return FL_FAULT_DONE;
}
