/*
 * One fault.
 *
 *   no VMA of ours     woken: the kernel decides (SIGSEGV, or the mapping is gone)
 *   never touched      zero-fill: a block of frames is moved in (fault-around)
 *   set aside          soft fault: the frame is moved back, a second chance
 *   of a file          copied from the kernel's page cache: filemap.c
 *   in swap            read, then moved or copied in: swapin.c
 *   shared memory      shmem.c
 *   write-protected    shared by fork: copy; held clean: dirty from now on: cow.c
 *
 * Moving needs a destination that is readable, writable and not executable,
 * as the pool is; other VMAs get a copy, and the frame's slot is emptied.
 */
#include "pager/filemap.h"
#include "pager/shmem.h"

#include <errno.h>

/* Pages that are copied in are there twice for a moment: no more than this at
 * once, of the few frames that the budget keeps back for it. */
#define COPY_PAGES 8u

#define RWX (FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC)

static bool can_move(const struct fl_pager *p, const struct fl_vma *vma)
{
	return p->host->can_move && (vma->flags & RWX) == (FL_VM_READ | FL_VM_WRITE) &&
		!(vma->flags & FL_VM_LOCKED);
}

static void set_pte(struct fl_pager *p, u64 va, u64 pte)
{
	if (fl_pte_set(&p->mm, va, pte) < 0)
		p->dead(p, "its tables cannot grow: the address space is full (ulimit -v?)");
}

void fl_pager_mapped(struct fl_pager *p, u64 va, u32 frame, u32 extra_flags, u64 pte_flags)
{
	p->pages.page[frame] = fl_page_make(va, FL_PG_MAPPED | extra_flags);
	fl_frame_activate(p, frame);
	set_pte(p, va, fl_pte_make(FL_PTE_PRESENT, frame, pte_flags));
}

void fl_pager_adopt(struct fl_pager *p, u64 va)
{
	u32 order, f = fl_frames_alloc(p, 0, &order);

	if (f == FL_NO_FRAME)
		return; /* stays unknown: counted as not managed, tried again at the next fault */
	fl_frames_empty(p, f, 1);
	fl_pager_mapped(p, va, f, FL_PG_DIRTY, FL_PTE_DIRTY | FL_PTE_ACCESSED);
}

/* The order of the largest aligned block around va that lies in the VMA and
 * was never touched. */
static u32 around(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 max_order)
{
	u32 o;

	for (o = 0; o < max_order; o++) {
		u64 size = FL_PAGE_SIZE << (o + 1), start = va & ~(size - 1), at = start;

		if (start < vma->start || start + size > vma->end)
			break;
		if (fl_pt_next(&p->mm, &at, start + size) &&
			!(at == va && (at += FL_PAGE_SIZE,
					      !fl_pt_next(&p->mm, &at, start + size))))
			break;
	}
	return o;
}

enum fl_fault_result fl_pager_no_memory(struct fl_pager *p, u64 va, u32 flags)
{
	fl_count(p, allocstall, 1);
	fl_pager_defer(p, va, flags);
	p->kick(p);
	return FL_FAULT_NOMEM;
}

/* Gives frames [from, n) of a block back that found no use. */
static void unused(struct fl_pager *p, u32 frame, u32 from, u32 n)
{
	for (u32 i = from; i < n; i++)
		fl_frame_free(p, frame + i);
}

static enum fl_fault_result zero_fill(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 flags)
{
	bool move = can_move(p, vma);
	u32 order = p->around_order, got, n, done = 0, f;
	u64 start;

	/* under pressure memory that nobody asked for costs an eviction */
	if (fl_frames_available(p) < 2 * p->high)
		order = fl_min(order, 1u);
	if (!(vma->flags & FL_VM_WRITE) || (vma->flags & FL_VM_FILE) || p->guards)
		order = 0;
	/* what MOVE does not take is copied from p->zeros, 16 pages */
	order = fl_min(order, move ? FL_MAX_ORDER : 4u);
	order = around(p, vma, va, order);
	f = fl_frames_alloc(p, order, &got);
	if (f == FL_NO_FRAME)
		return fl_pager_no_memory(p, va, flags);
	n = 1u << got;
	start = va & ~((FL_PAGE_SIZE << got) - 1);
	if (move && fl_frames_ready(p, f, n) < 0) {
		unused(p, f, 0, n);
		return fl_pager_no_memory(p, va, flags);
	}
	if (!move)
		fl_frames_empty(p, f, n);

	while (done < n) {
		u64 at = start + done * FL_PAGE_SIZE;
		int err = 0;
		u32 k = move ? p->host->ops->move(p->host, at, fl_slot_addr(p, f + done), n - done, &err) :
			       p->host->ops->copy(p->host, at, p->zeros, n - done, false, &err);

		for (u32 i = 0; i < k; i++)
			fl_pager_mapped(p, at + i * FL_PAGE_SIZE, f + done + i, FL_PG_DIRTY,
				FL_PTE_DIRTY | FL_PTE_ACCESSED);
		done += k;
		if (done == n)
			break;
		at = start + done * FL_PAGE_SIZE;
		if (err == -EAGAIN)
			continue;
		if (err == -EEXIST) {
			/* something is there: made by a system call that no hook saw */
			fl_frames_empty(p, f + done, 1);
			if (p->host->ops->present(p->host, at))
				fl_pager_mapped(p, at, f + done, FL_PG_DIRTY,
					FL_PTE_DIRTY | FL_PTE_ACCESSED);
			else
				fl_frame_free(p, f + done); /* a guard page */
			p->host->ops->wake(p->host, at, 1);
			done++;
			continue;
		}
		if (move && n - done <= 16) {
			/* this VMA does not take moved pages after all */
			fl_frames_empty(p, f + done, n - done);
			move = false;
			continue;
		}
		unused(p, f, done, n); /* the mapping went away under us */
		p->host->ops->wake(p->host, start, n);
		break;
	}
	fl_count(p, pgfault_zero, 1);
	fl_count(p, fault_around, n - 1);
	return FL_FAULT_DONE;
}

bool fl_pager_track_clean(struct fl_pager *p, u32 n)
{
	/* A write fault costs more than writing the page to swap again. Where
	 * most pages are written after all, only a few are tried. */
	bool worth = p->clean_writes * 4 < p->clean_maps + 64;

	if (!worth && (n > 1 || ++p->clean_skipped % 16))
		return false;
	p->clean_maps += n;
	if (p->clean_maps >= 1024) {
		p->clean_maps /= 2;
		p->clean_writes /= 2;
	}
	return true;
}

u32 fl_pager_map_run(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 f, u32 n, bool clean)
{
	u64 pte_flags = FL_PTE_ACCESSED | (clean ? FL_PTE_WP : FL_PTE_DIRTY);
	u32 done = 0, k;
	bool move = !clean && can_move(p, vma);
	int err = 0;

	while (done < n) {
		u64 at = va + done * FL_PAGE_SIZE, slot = fl_slot_addr(p, f + done);

		k = move ? p->host->ops->move(p->host, at, slot, n - done, &err) :
			   p->host->ops->copy(p->host, at, (void *)slot,
				   fl_min(n - done, COPY_PAGES), clean, &err);
		for (u32 i = done; i < done + k; i++) {
			fl_frame_unlist(p, f + i);
			if (!clean)
				fl_frame_clear_slot(p, f + i);
			if (!move)
				continue;
			fl_pager_mapped(p, va + i * FL_PAGE_SIZE, f + i, FL_PG_DIRTY, pte_flags);
		}
		if (!move && k) {
			fl_frames_empty(p, f + done, k);
			for (u32 i = done; i < done + k; i++)
				fl_pager_mapped(p, va + i * FL_PAGE_SIZE, f + i,
					clean ? fl_page_flags(p->pages.page[f + i]) & FL_PG_FILE :
						FL_PG_DIRTY,
					pte_flags);
		}
		done += k;
		if (done == n || err == -EAGAIN || (k && !err))
			continue;
		if (!move)
			break;
		move = false; /* this VMA does not take moved pages after all */
	}
	if (done < n)
		p->host->ops->wake(p->host, va + done * FL_PAGE_SIZE, n - done);
	return done;
}

/* Is the page at va in frame f, read ahead, and does it wait in the pool? */
static bool read_with(const struct fl_pager *p, u64 va, u32 f)
{
	u64 pte = fl_pte_get(&p->mm, va);

	return fl_pte_state(pte) == FL_PTE_SOFT && fl_pte_payload(pte) == f &&
		fl_page_has(p->pages.page[f], FL_PG_READAHEAD | FL_PG_INACTIVE);
}

/* The pages beside this one, in the address space and in frames, that were read
 * together with it: they are mapped with it. */
static u32 readahead_run(const struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 f,
	u32 *ret_before)
{
	u32 n = 1, before = 0;

	while (va + n * FL_PAGE_SIZE < vma->end && n < FL_IO_PAGES / 2 &&
		read_with(p, va + n * FL_PAGE_SIZE, f + n))
		n++;
	while (va - before * FL_PAGE_SIZE > vma->start && before < f && before < FL_IO_PAGES / 2 &&
		read_with(p, va - (before + 1) * FL_PAGE_SIZE, f - before - 1))
		before++;
	*ret_before = before;
	return n + before;
}

static enum fl_fault_result soft_fault(struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte,
	u32 flags)
{
	u32 f = fl_pte_payload(pte), n = 1, before = 0;
	struct fl_page *pg = &p->pages.page[f];
	bool clean, ahead = fl_page_has(*pg, FL_PG_READAHEAD);

	if (fl_page_has(*pg, FL_PG_WRITEBACK)) {
		fl_page_set_flags(pg, FL_PG_WANTED);
		return FL_FAULT_IO;
	}
	if (ahead)
		n = readahead_run(p, vma, va, f, &before);
	clean = !(flags & FL_FAULT_WRITE) && fl_page_is_clean(p, f) &&
		(fl_page_has(*pg, FL_PG_FILE) || fl_pager_track_clean(p, n));
	fl_pager_map_run(p, vma, va - before * FL_PAGE_SIZE, f - before, n, clean);
	fl_count(p, pgfault_soft, 1);
	fl_count(p, pgactivate, n);
	if (ahead)
		fl_pager_ra_used(p, vma, va, before, n - before - 1);
	return FL_FAULT_DONE;
}

/* The page is there by our books. Mostly it is: another thread was first. */
static enum fl_fault_result present_fault(struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte,
	u32 flags)
{
	u32 f = fl_pte_payload(pte);

	fl_count(p, pgfault_spurious, 1);
	if (p->host->ops->present(p->host, va)) {
		p->host->ops->wake(p->host, va, 1);
		return FL_FAULT_DONE;
	}
	/* dropped by a system call that no hook saw: as if it had never been touched */
	fl_frame_drop(p, f);
	fl_pte_set(&p->mm, va, 0);
	return fl_is_filemap(vma) ? fl_filemap_fault(p, vma, va, flags) :
				    zero_fill(p, vma, va, flags);
}

enum fl_fault_result fl_pager_fault(struct fl_pager *p, u64 va, u32 flags)
{
	struct fl_vma *vma;
	u64 pte;

	va = fl_page_down(va);
	vma = fl_vma_at(&p->mm, va);
	if (vma && (vma->flags & FL_VM_SHARED) && p->shmem_view)
		return fl_shmem_fault(p, vma, va, flags);
	flags &= ~FL_FAULT_LATER;
	if (!vma || vma->owner != FL_OWNER_MANAGED) {
		if (flags & FL_FAULT_WP)
			p->host->ops->protect(p->host, va, 1, false);
		p->host->ops->wake(p->host, va, 1);
		return FL_FAULT_DONE;
	}
	if (!vma->anon && !(vma->flags & FL_VM_FILE)) {
		if (flags & FL_FAULT_WRITE)
			fl_vma_written(&p->mm, vma);
		else
			vma->only_read = true;
	}
	pte = fl_pte_get(&p->mm, va);
	switch (fl_pte_state(pte)) {
	case FL_PTE_PRESENT:
		if (flags & FL_FAULT_WP)
			return fl_pager_write_fault(p, vma, va, pte, flags);
		return present_fault(p, vma, va, pte, flags);
	case FL_PTE_SOFT:
		return soft_fault(p, vma, va, pte, flags);
	case FL_PTE_SWAP:
	case FL_PTE_SWAPIN:
		return fl_pager_swapin(p, vma, va, pte, flags);
	case FL_PTE_NONE:
		if (fl_is_filemap(vma))
			return fl_filemap_fault(p, vma, va, flags);
		/* fall through */
	default:
		return zero_fill(p, vma, va, flags);
	}
}

void fl_pager_defer(struct fl_pager *p, u64 va, u32 flags)
{
	struct fl_deferred *d = p->free_deferred;

	if (d)
		p->free_deferred = d->next;
	else
		d = fl_arena_alloc(p->arena, sizeof(*d));
	if (!d)
		p->dead(p, "its own memory is full");
	*d = (struct fl_deferred){NULL, va, flags, p->fault_tid ? p->fault_tid : p->deferred_tid};
	*p->deferred_tail = d;
	p->deferred_tail = &d->next;
	p->nr_deferred++;
	p->nr_later += (flags & FL_FAULT_LATER) != 0;
}

void fl_pager_run_deferred(struct fl_pager *p, struct fl_queue *q)
{
	struct fl_deferred *d = p->deferred, *next;

	p->submit_to = q;
	p->fault_tid = 0;
	p->deferred = NULL;
	p->deferred_tail = &p->deferred;
	p->nr_deferred = p->nr_later = 0;
	for (; d; d = next) {
		next = d->next;
		p->deferred_tid = d->tid;
		fl_pager_fault(p, d->va, d->flags); /* may defer again */
		d->next = p->free_deferred;
		p->free_deferred = d;
	}
}
