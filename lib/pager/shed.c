/* Evicting pages that other processes use too; see shed.h. */
#include "pager/shed.h"
#include "pager/copyout.h"
#include "pager/pageout.h"

#define SIDE (FL_BOUNCE_PAGES / 2) /* pages written with one on either side of it */

/* The page is in the program no more: in slot, or zeros where that is FL_NO_SLOT.
 * True when that freed the frame. */
static bool given_up(struct fl_pager *p, u32 f, u64 va, u32 slot)
{
	bool freed;

	p->pages.slot[f] = FL_NO_SLOT; /* the pte has it now */
	fl_policy_evicted(&p->policy, f, va >> FL_PAGE_SHIFT);
	freed = fl_frame_drop(p, f);
	if (slot == FL_NO_SLOT) {
		fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_ZERO, 0, 0));
		fl_count(p, swap_zero, 1);
		fl_count(p, pgsteal, 1);
	} else {
		fl_pager_swapped(p, va, slot);
	}
	p->shed += !freed;
	return freed;
}

/* Gives up a page whose content is in slot. False when the kernel keeps it: it has the memory
 * locked. Then the slot stays the frame's. */
static bool drop(struct fl_pager *p, u32 f, u64 va, u32 slot, u32 *freed)
{
	if (p->host->ops->discard(p->host, va, 1) < 0) {
		p->pages.slot[f] = slot;
		return false;
	}
	*freed += given_up(p, f, va, slot);
	return true;
}

/* A slot of ours with the frame's content, if there is one. */
static u32 slot_of(struct fl_pager *p, u32 f)
{
	u32 slot = p->pages.slot[f];

	if (slot == FL_NO_SLOT)
		return fl_swap_get_published(&p->machine, f);
	fl_swap_publish(&p->machine, f, slot);
	return slot;
}

/*
 * Do the kernel's books say the same of a frame that several processes hold? Not where a
 * device was writing to the page at the fork: then the child got a copy, and what is here
 * is not what the others have.
 */
static bool is_shared(struct fl_pager *p, u32 f, u64 va)
{
	return fl_zone_refs(&p->machine, f) < 2 || p->host->ops->shared(p->host, va);
}

/* Is the page at va shared, and to be written? Its frame, or FL_NO_FRAME. */
static u32 writable_at(struct fl_pager *p, u64 va)
{
	u64 pte = fl_pte_get(&p->mm, va);
	u32 f = fl_pte_payload(pte);

	if (fl_pte_state(pte) != FL_PTE_PRESENT ||
		!fl_page_has(p->pages.page[f], FL_PG_COW | FL_PG_ACTIVE) ||
		fl_page_has_any(p->pages.page[f], FL_PG_SHEDDING | FL_PG_FILE) ||
		p->pages.slot[f] != FL_NO_SLOT || fl_zone_refs(&p->machine, f) < 2 || fl_swap_published(&p->machine, f) ||
		!is_shared(p, f, va))
		return FL_NO_FRAME;
	return f;
}

/* The page at va and those beside it, as far as they are shared too. */
static u32 gather(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 *frames, u64 *ret_first)
{
	u64 at = va;
	u32 n = 0;

	while (at > vma->start && va - at < SIDE * FL_PAGE_SIZE &&
		writable_at(p, at - FL_PAGE_SIZE) != FL_NO_FRAME)
		at -= FL_PAGE_SIZE;
	*ret_first = at;
	for (; at < vma->end && n < FL_BOUNCE_PAGES; at += FL_PAGE_SIZE, n++) {
		frames[n] = writable_at(p, at);
		if (frames[n] == FL_NO_FRAME)
			break;
	}
	return n;
}

/* Begins to write n pages from first on. How many: fewer where swap is fragmented. */
static u32 write_pages(struct fl_pager *p, struct fl_queue *q, const u32 *frames, u32 n)
{
	struct fl_io *io;
	u32 slot;
	int err;

	n = fl_swap_alloc(&p->machine, n, &slot, &err);
	if (!n)
		return 0;
	io = fl_io_get(p);
	io->write = true;
	io->slot = slot;
	io->npages = n;
	for (u32 i = 0; i < n; i++) {
		((u32 *)io->owner)[i] = frames[i];
		io->iov[i] = (struct iovec){(char *)p->bounce + i * FL_PAGE_SIZE, FL_PAGE_SIZE};
		fl_frame_activate(p, frames[i]); /* out of the way until it is written */
		fl_page_set_flags(&p->pages.page[frames[i]], FL_PG_SHEDDING);
	}
	p->shed_io = io;
	p->ios_in_flight++;
	fl_count(p, pswpout, n);
	fl_count(p, swapout_ios, 1);
	p->backend->submit(q, io);
	return n;
}

/* Copies the pages to where they can be written from. How many are to be written, from
 * frames[0] on: a page of zeros ends the run, and at its head is given up at once. */
static u32 copy_pages(struct fl_pager *p, const struct fl_vma *vma, u64 first, const u32 *frames,
	u32 n, enum fl_shed *ret)
{
	for (u32 i = 0; i < n; i++) {
		u64 va = first + i * FL_PAGE_SIZE;
		void *to = (char *)p->bounce + i * FL_PAGE_SIZE;

		if (!p->host->ops->present(p->host, va)) {
			/* dropped by a system call that no hook saw */
			if (i)
				return i;
			fl_page_gone(p, frames[0], va);
			*ret = FL_SHED_LEFT;
			return 0;
		}
		if (p->host->ops->fetch(p->host, to, va, vma->flags & FL_VM_READ) < 0)
			return i;
		if (!fl_page_is_zero(to))
			continue;
		if (!i && p->host->ops->discard(p->host, va, 1) == 0)
			*ret = given_up(p, frames[0], va, FL_NO_SLOT) ? FL_SHED_GONE : FL_SHED_LEFT;
		return i;
	}
	return n;
}

enum fl_shed fl_shed(struct fl_pager *p, struct fl_queue *q, u32 f, u64 va,
	const struct fl_vma *vma)
{
	enum fl_shed ret = FL_SHED_REFUSED;
	u32 frames[FL_BOUNCE_PAGES], n, slot, freed = 0;
	u64 first;

	if (fl_page_has(p->pages.page[f], FL_PG_SHEDDING) || !is_shared(p, f, va))
		return FL_SHED_REFUSED;
	slot = slot_of(p, f);
	if (slot != FL_NO_SLOT) {
		if (!p->host->ops->present(p->host, va)) {
			p->pages.slot[f] = slot;
			fl_page_gone(p, f, va);
			return FL_SHED_LEFT;
		}
		return drop(p, f, va, slot, &freed) ? freed ? FL_SHED_GONE : FL_SHED_LEFT : FL_SHED_REFUSED;
	}
	if (p->shed_io)
		return FL_SHED_BUSY;
	if (!p->bounce)
		p->bounce = fl_arena_alloc(p->arena, FL_BOUNCE_PAGES * FL_PAGE_SIZE);
	n = p->bounce ? gather(p, vma, va, frames, &first) : 0;
	n = copy_pages(p, vma, first, frames, n, &ret);
	if (n && write_pages(p, q, frames, n))
		ret = FL_SHED_LEFT;
	return ret;
}

/* The frame is in slot now. Another process may have written it at the same time: then
 * both use the slot of the one that was ready first, and the page is in swap once. */
static u32 one_slot(struct fl_pager *p, u32 f, u32 slot)
{
	u32 first = fl_swap_get_published(&p->machine, f);

	if (first == FL_NO_SLOT) {
		fl_swap_publish(&p->machine, f, slot);
		return slot;
	}
	fl_swap_put(&p->machine, slot);
	return first;
}

u32 fl_shed_done(struct fl_pager *p, struct fl_io *io)
{
	u32 freed = 0;

	p->shed_io = NULL;
	for (u32 i = 0; i < io->npages; i++) {
		u32 f = ((u32 *)io->owner)[i], slot = io->slot + i;
		struct fl_page *pg = &p->pages.page[f];
		u64 va = fl_page_va(*pg);

		if (!fl_page_has(*pg, FL_PG_SHEDDING) || io->error ||
			fl_vma_at(&p->mm, va)->flags & FL_VM_LOCKED) {
			/* written to meanwhile, unmapped, locked, or not written */
			fl_page_clear_flags(pg, FL_PG_SHEDDING);
			fl_swap_put(&p->machine, slot);
			continue;
		}
		fl_page_clear_flags(pg, FL_PG_SHEDDING);
		slot = one_slot(p, f, slot);
		drop(p, f, va, slot, &freed);
	}
	fl_frames_settle(p);
	if (io->error) {
		p->machine.t->swap_full = (u32)-io->error;
		p->write_errors++;
	}
	fl_io_end(p, io);
	return freed;
}

u32 fl_shed_published(struct fl_pager *p, u32 want, bool all)
{
	u32 freed = 0, looked = 0;

	if (fl_pager_held(p))
		return 0;
	for (u32 f = 0; (f = fl_published_next(&p->machine, f)) != FL_NO_FRAME; f++) {
		struct fl_page *pg = &p->pages.page[f];
		u64 va = fl_page_va(*pg);
		u32 slot;

		/* faults are let in between */
		if (++looked % FL_BATCH_PAGES == 0) {
			fl_unlock(&p->lock);
			fl_lock(&p->lock);
			if (p->quiesce)
				break;
			va = fl_page_va(*pg);
		}
		if (!all && freed >= want)
			break;
		if (!all && fl_zone_refs(&p->machine, f) > 1)
			continue;
		if (!fl_page_has(*pg, FL_PG_COW | FL_PG_ACTIVE) ||
			fl_page_has(*pg, FL_PG_SHEDDING) ||
			fl_vma_at(&p->mm, va)->flags & FL_VM_LOCKED ||
			!p->host->ops->present(p->host, va) || !is_shared(p, f, va))
			continue;
		slot = slot_of(p, f);
		if (slot == FL_NO_SLOT)
			continue;
		drop(p, f, va, slot, &freed);
	}
	return freed;
}
