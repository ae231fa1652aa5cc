/*
 * Reclaim.
 *
 * There is no reference bit in user space; moving a page out of the program is
 * one, as on the VAX. The pages that the policy picks (reclaim/policy.h) are moved
 * out of the program into their home slots, in runs, and are inactive then. One
 * that is touched there comes back by one move (a soft fault). One that is not is
 * freed: at once if its copy in swap is right or it is all zeros, else when its
 * write to swap, in a cluster with its neighbours, has ended.
 *
 * As shrink_active_list and shrink_inactive_list in mm/vmscan.c.
 */
#include "pager/pager.h"
#include "pager/copyout.h"
#include "pager/filemap.h"
#include "pager/pageout.h"
#include "pager/shed.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

#define MAX_IOS	    4u	/* write requests in flight from one round */

static void rotate(struct fl_pager *p, u32 f)
{
	fl_count(p, pgrotated, 1);
	fl_frame_activate(p, f);
}

static void set_aside(struct fl_pager *p, u32 f, u64 va)
{
	struct fl_page *pg = &p->pages.page[f];

	fl_page_clear_flags(pg, FL_PG_MAPPED | FL_PG_ZEROED | FL_PG_COW | FL_PG_READAHEAD);
	fl_page_set_flags(pg, FL_PG_POPULATED);
	fl_frame_deactivate(p, f);
	fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_SOFT, f, 0));
	fl_count(p, pgdeactivate, 1);
}

/* The page is in the program no more: what the books say goes too. */
void fl_page_gone(struct fl_pager *p, u32 f, u64 va)
{
	fl_frame_drop(p, f);
	fl_pte_set(&p->mm, va, 0);
}

void fl_pager_hold(struct fl_pager *p, u32 tid)
{
	/* more at once than this: the oldest has long been gone */
	if (p->nr_leaving == FL_MAX_LEAVING)
		memmove(p->leaving, p->leaving + 1, --p->nr_leaving * sizeof(u32));
	p->leaving[p->nr_leaving++] = tid;
}

bool fl_pager_held(struct fl_pager *p)
{
	u32 n = 0;

	if (!p->nr_leaving)
		return false;
	for (u32 i = 0; i < p->nr_leaving; i++)
		if (fl_syscall(SYS_tgkill, p->machine.self->pid, p->leaving[i], 0) == 0)
			p->leaving[n++] = p->leaving[i];
	p->nr_leaving = n;
	return n != 0;
}

/* Moves a run of pages out. */
static void move_out(struct fl_pager *p, u32 f, u64 va, u32 n)
{
	while (n) {
		int err = 0;
		u32 k = p->host->ops->move(p->host, fl_slot_addr(p, f), va, n, &err);

		for (u32 i = 0; i < k; i++)
			set_aside(p, f + i, va + i * FL_PAGE_SIZE);
		f += k;
		va += k * FL_PAGE_SIZE;
		n -= k;
		if (!n)
			break;
		if (err == -ENOENT)
			fl_page_gone(p, f, va);
		else
			rotate(p, f); /* pinned by a device, or busy: later */
		f++;
		va += FL_PAGE_SIZE;
		n--;
	}
}

/* A page that fork shares, picked from the active ones. False: not to be had before the last
 * request has ended. */
static bool shed(struct fl_pager *p, struct fl_queue *q, u32 f, u64 va, const struct fl_vma *vma,
	u32 *freed)
{
	fl_policy_put_back(&p->policy, f);
	fl_page_set_flags(&p->pages.page[f], FL_PG_ACTIVE);
	switch (fl_shed(p, q, f, va, vma)) {
	case FL_SHED_BUSY:
		return false;
	case FL_SHED_GONE:
		++*freed;
		return true;
	case FL_SHED_LEFT:
		return true;
	default:
		rotate(p, f);
		return true;
	}
}

/* Takes up to nr of the active pages. Returns how many it looked at, and in
 * *ret_busy whether it could not go on; adds to *freed. */
static u32 shrink_active(struct fl_pager *p, struct fl_queue *q, u32 nr, u32 *freed, bool *ret_busy)
{
	const u64 rwx = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC;
	u32 looked = 0, run_f = 0, run_n = 0;
	u64 run_va = 0;
	struct fl_vma *run_vma = NULL;
	bool movable;

	*ret_busy = false;
	if (fl_pager_held(p))
		return 0;
	for (; looked < nr && p->policy.nr_mapped; looked++) {
		u32 f = fl_policy_pick_mapped(&p->policy);
		struct fl_page *pg = &p->pages.page[f];
		u64 va = fl_page_va(*pg);
		struct fl_vma *vma = fl_vma_at(&p->mm, va);

		fl_page_clear_flags(pg, FL_PG_ACTIVE);
		if (run_n && f == run_f + run_n && va == run_va + run_n * FL_PAGE_SIZE &&
			vma == run_vma && !fl_page_has(*pg, FL_PG_COW)) {
			run_n++;
			continue;
		}
		if (run_n)
			move_out(p, run_f, run_va, run_n);
		run_n = 0;
		if (vma->flags & FL_VM_LOCKED) {
			rotate(p, f);
			continue;
		}
		movable = p->host->can_move && !fl_page_has(*pg, FL_PG_COW) &&
			(vma->flags & rwx) == (FL_VM_READ | FL_VM_WRITE);
		if (fl_page_has(*pg, FL_PG_FILE) && !movable) {
			if (!fl_filemap_drop(p, f, va, freed))
				rotate(p, f);
			continue;
		}
		/* one that is being shed stays until that has ended, though its other
		 * users may have gone meanwhile */
		if (fl_page_has(*pg, FL_PG_SHEDDING) ||
			(fl_page_has(*pg, FL_PG_COW) &&
				(fl_zone_refs(&p->machine, f) > 1 ||
					fl_swap_published(&p->machine, f)))) {
			if (!shed(p, q, f, va, vma, freed)) {
				*ret_busy = true;
				break;
			}
		} else if (movable) {
			run_f = f;
			run_va = va;
			run_n = 1;
			run_vma = vma;
		} else {
			switch (fl_copy_out(p, f, va, vma)) {
			case FL_COPIED: set_aside(p, f, va); break;
			case FL_NOT_COPIED: rotate(p, f); break;
			case FL_NOT_THERE: fl_page_gone(p, f, va); break;
			}
		}
	}
	if (run_n)
		move_out(p, run_f, run_va, run_n);
	fl_count(p, pgscan, looked);
	return looked;
}

/* Sets the pages of one VMA aside that are in the program, and can be moved. */
static void set_range_aside(struct fl_pager *p, u64 start, u64 end)
{
	u64 *ptep, run_va = 0;
	u32 run_f = 0, run_n = 0;

	for (u64 va = start; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE) {
		u32 f = fl_pte_payload(*ptep);

		if (fl_pte_state(*ptep) != FL_PTE_PRESENT || fl_pte_has(*ptep, FL_PTE_COW) ||
			fl_page_has_any(p->pages.page[f], FL_PG_COW | FL_PG_SHEDDING))
			continue;
		fl_frame_unlist(p, f);
		if (run_n && f == run_f + run_n && va == run_va + run_n * FL_PAGE_SIZE) {
			run_n++;
			continue;
		}
		if (run_n)
			move_out(p, run_f, run_va, run_n);
		run_f = f;
		run_va = va;
		run_n = 1;
	}
	if (run_n)
		move_out(p, run_f, run_va, run_n);
}

u32 fl_pager_deactivate(struct fl_pager *p, u64 start, u64 end, bool first_out)
{
	const u64 flags = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC | FL_VM_LOCKED;
	struct fl_vma *vma = fl_vma_at(&p->mm, start);
	u64 *ptep;
	u32 n = 0;

	if (p->host->can_move && (vma->flags & flags) == (FL_VM_READ | FL_VM_WRITE) &&
		!fl_pager_held(p))
		set_range_aside(p, start, end);
	for (u64 va = start; first_out && (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE) {
		u32 f = fl_pte_payload(*ptep);

		if (fl_pte_state(*ptep) != FL_PTE_SOFT || !fl_page_has(p->pages.page[f], FL_PG_INACTIVE))
			continue;
		fl_policy_first_out(&p->policy, f);
		n++;
	}
	return n;
}

static u32 io_done(struct fl_pager *p, struct fl_io *io)
{
	if (io == p->shed_io)
		return fl_shed_done(p, io);
	if (io->write)
		return fl_write_done(p, io);
	fl_pager_read_done(p, io);
	return 0;
}

u32 fl_pager_drain(struct fl_pager *p, struct fl_queue *q)
{
	u32 freed = 0;

	while (q->in_flight) {
		struct fl_io *io;

		fl_unlock(&p->lock);
		fl_queue_work(q);
		io = p->backend->reap(q, true);
		fl_lock(&p->lock);
		if (io)
			freed += io_done(p, io);
	}
	return freed;
}

static u32 inactive_target(struct fl_pager *p)
{
	const uint64_t *counter = p->machine.self->stats.counter;

	return fl_policy_aside_target(
		&p->policy, (u32)counter[FL_C_pgmajfault], (u32)counter[FL_C_pgfault_soft]);
}

/*
 * One step: sets active pages aside, then frees those that have been so for longest.
 * Returns frames freed, in *ret_wait whether only the end of a request leads on, and
 * in *ret_done whether there is nothing left to look at.
 */
static u32 step(struct fl_pager *p, struct fl_queue *q, u32 want, u32 *budget, u32 *batch,
	u32 *err_rounds, bool *ret_wait, bool *ret_done)
{
	u32 ahead = inactive_target(p) + fl_min(want, FL_BATCH_PAGES), freed = 0, got, submitted;
	bool busy = false;
	int err = 0;

	*ret_wait = *ret_done = false;
	if (p->policy.nr_aside < ahead) {
		u32 had = p->policy.nr_aside;
		u32 looked = shrink_active(p, q, fl_min(FL_BATCH_PAGES, *budget), &freed, &busy);

		*budget -= fl_min(*budget, fl_max(looked, 1u));
		if (busy) {
			*ret_wait = true;
			return freed;
		}
		/* two batches in for one out, until the list is long enough;
		 * waiting faults are let in between batches */
		if (p->policy.nr_aside > had && p->policy.nr_mapped && p->policy.nr_aside < ahead &&
			(p->policy.nr_aside < fl_min(want, FL_BATCH_PAGES) || ++*batch % 2))
			return freed;
	}
	got = fl_shrink_inactive(p, q, want - fl_min(freed, want), &submitted, &err);
	if (!got && !submitted) {
		if (err && ++*err_rounds > 1)
			*ret_done = true;
		if (!p->policy.nr_aside && !p->policy.nr_mapped)
			*ret_done = true;
		*budget -= fl_min(*budget, 1u);
	}
	*ret_wait = !submitted;
	return freed + got;
}

void fl_pager_pageout(struct fl_pager *p, struct fl_queue *q)
{
	u32 submitted, got, errors = p->write_errors;
	struct fl_io *io;
	int err = 0;

	while (p->pageout && p->policy.nr_aside && !p->quiesce && p->write_errors == errors) {
		got = fl_shrink_inactive(p, q, fl_min(p->pageout, FL_BATCH_PAGES), &submitted, &err);
		p->pageout -= fl_min(p->pageout, got + submitted);
		if (!got && !submitted)
			break;
		fl_unlock(&p->lock);
		fl_queue_work(q);
		io = q->in_flight >= MAX_IOS ? p->backend->reap(q, true) : NULL;
		fl_lock(&p->lock);
		for (; io; io = p->backend->reap(q, false))
			io_done(p, io);
	}
	if (!p->quiesce)
		p->pageout = 0; /* before the lock is let go, and more is asked for */
	fl_pager_drain(p, q);
}

u32 fl_pager_reclaim(struct fl_pager *p, struct fl_queue *q, u32 want)
{
	u32 budget = 2 * (p->policy.nr_mapped + p->policy.nr_aside) + FL_BATCH_PAGES;
	u32 freed = 0, err_rounds = 0, batch = 0, errors = p->write_errors, shed = p->shed;
	bool wait, done = false;
	struct fl_io *io;

	/* what others have written already costs nothing */
	if (p->machine.self->shares)
		freed = fl_shed_published(p, want, false);
	while (freed + (p->shed - shed) < want && budget && !done && !p->quiesce &&
		p->write_errors == errors) {
		freed += step(p, q, want - fl_min(want, freed), &budget, &batch, &err_rounds, &wait,
			&done);
		fl_unlock(&p->lock);
		fl_queue_work(q);
		/* keep a few requests in flight; gather what has ended */
		io = q->in_flight ? p->backend->reap(q, q->in_flight >= MAX_IOS || wait) : NULL;
		fl_lock(&p->lock);
		for (; io; io = p->backend->reap(q, false))
			freed += io_done(p, io);
	}
	return freed + fl_pager_drain(p, q);
}
