/*
 * Reading pages back from swap.
 *
 * A fault on a swapped page also reads a window of pages beside it in the
 * address space; eviction lays neighbours side by side in the swap file, so that
 * mostly one request brings them all. Those read ahead are set aside, and mapped
 * together when the first of them is touched. Which pages these are says the
 * prefetcher (readahead.c, reclaim/prefetch.h).
 *
 * A page that was read for a load is mapped write-protected and keeps its
 * slot: while it is not written, eviction need not write it either.
 */
#include "pager/pager.h"
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>


struct fl_io *fl_io_get(struct fl_pager *p)
{
	struct fl_io *io = p->free_ios;

	if (io)
		p->free_ios = io->next;
	else
		io = fl_arena_alloc(p->arena, sizeof(*io));
	if (io && !io->owner)
		io->owner = fl_arena_alloc(p->arena, sizeof(u32) * FL_IO_PAGES);
	if (!io || !io->owner)
		p->dead(p, "its own memory is full");
	io->next = NULL;
	return io;
}

static void put_io(struct fl_pager *p, struct fl_io *io)
{
	io->next = p->free_ios;
	p->free_ios = io;
}

void fl_io_end(struct fl_pager *p, struct fl_io *io)
{
	put_io(p, io);
	fl_io_ended(p);
}

void fl_io_ended(struct fl_pager *p)
{
	if (--p->ios_in_flight)
		return;
	__atomic_add_fetch(&p->idle_seq, 1, __ATOMIC_RELEASE);
	fl_futex_wake(&p->idle_seq, 1 << 30, false);
}

/* The frames of one request: neighbours where there are any. */
struct frames {
	u32 next, left;
};

static u32 take_frame(struct fl_pager *p, struct frames *fr, u32 want)
{
	if (!fr->left) {
		u32 order = 0;

		while (order < 5 && 2u << order <= want)
			order++;
		fr->next = fl_frames_alloc(p, order, &order);
		if (fr->next == FL_NO_FRAME)
			return FL_NO_FRAME;
		fr->left = 1u << order;
	}
	fr->left--;
	return fr->next++;
}

static void return_frames(struct fl_pager *p, struct frames *fr)
{
	for (; fr->left; fr->left--)
		fl_frame_free(p, fr->next++);
}

/* Takes the page at va into the request. False when there is no frame. */
static bool add_page(struct fl_pager *p, struct fl_io *io, struct frames *fr, u64 va, u32 slot,
	u32 want, u32 flags)
{
	u32 f = take_frame(p, fr, want);

	if (f == FL_NO_FRAME)
		return false;
	if (fl_frame_populated(p, f) < 0) {
		fl_frame_free(p, f);
		return false;
	}
	fl_frame_set_slot(p, f, slot);
	p->pages.page[f] = fl_page_make(va, FL_PG_POPULATED | FL_PG_READING | flags);
	fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_SWAPIN, f, 0));
	io->iov[io->npages].iov_base = (void *)fl_slot_addr(p, f);
	io->iov[io->npages].iov_len = FL_PAGE_SIZE;
	/* join() in the backend rewrites iov: remember the frames by their numbers */
	((u32 *)io->owner)[io->npages++] = f;
	return true;
}

struct fl_io *fl_pager_new_read(struct fl_pager *p, u32 slot)
{
	struct fl_io *io = fl_io_get(p);

	io->write = false;
	io->slot = slot;
	io->npages = 0;
	io->tid = 0;
	io->shared = NULL;
	return io;
}

void fl_pager_submit_read(struct fl_pager *p, struct fl_io *io)
{
	if (p->submit_to == &p->reads && !p->reads_open) {
		p->backend->open(&p->reads, p->machine.swap_fd);
		p->reads_open = true;
		p->queue_opened(p, &p->reads);
	}
	fl_count(p, pswpin, io->npages);
	fl_count(p, swapin_ios, 1);
	p->ios_in_flight++;
	io->start_cycles = fl_cycles();
	p->backend->submit(p->submit_to, io);
}

/* How many pages lie before va both in memory and in the swap file, up to the
 * start of its block of n. */
static u32 before(const struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 n)
{
	u64 stop = fl_max(vma->start, va & ~(u64)(n * FL_PAGE_SIZE - 1));
	u32 slot = fl_pte_payload(fl_pte_get(&p->mm, va)), k = 0;

	while (va - k * FL_PAGE_SIZE > stop) {
		u64 pte = fl_pte_get(&p->mm, va - (k + 1) * FL_PAGE_SIZE);

		if (fl_pte_state(pte) != FL_PTE_SWAP || fl_pte_payload(pte) != slot - k - 1)
			break;
		k++;
	}
	return k;
}

/* Reads that are being put together: neighbours in the swap file are one request. */
struct reading {
	struct frames frames;
	struct fl_io *io;
	u32 ios_left; /* requests that may be made */
	u64 wanted; /* the page that a thread waits for, 0: none */
	u32 flags;  /* its FL_PG_* */
};

/* Adds the page at va, if it is in swap; want more may follow. False: no more can be had. */
static bool read_page(struct fl_pager *p, struct reading *r, u64 va, u32 want)
{
	u64 pte = fl_pte_get(&p->mm, va);
	u32 slot = fl_pte_payload(pte);
	bool ahead = va != r->wanted;

	if (fl_pte_state(pte) != FL_PTE_SWAP)
		return true;
	if (r->io && (slot != r->io->slot + r->io->npages || r->io->npages == FL_IO_PAGES)) {
		if (!--r->ios_left)
			return false;
		fl_pager_submit_read(p, r->io);
		r->io = NULL;
	}
	if (!r->io)
		r->io = fl_pager_new_read(p, slot);
	if (!ahead)
		r->io->tid = p->fault_tid;
	if (!add_page(p, r->io, &r->frames, va, slot, want, ahead ? FL_PG_READAHEAD : r->flags))
		return false;
	fl_count(p, swap_ra, ahead);
	p->ra_pages += ahead;
	return true;
}

static void end_reading(struct fl_pager *p, struct reading *r)
{
	return_frames(p, &r->frames);
	if (r->io && r->io->npages)
		fl_pager_submit_read(p, r->io);
	else if (r->io)
		put_io(p, r->io);
	r->io = NULL;
}

/* Reads the pages of a plan, upwards, as eviction lays them in the swap file. */
static void read_plan(struct fl_pager *p, struct reading *r, struct fl_plan plan)
{
	bool down = plan.step < 0;
	u64 va = (down ? plan.first + (u64)((s64)(plan.n - 1) * plan.step) : plan.first) << FL_PAGE_SHIFT;
	u64 step = (u64)(down ? -plan.step : plan.step) << FL_PAGE_SHIFT;

	for (; plan.n && read_page(p, r, va, plan.n); plan.n--)
		va += step;
}

/*
 * Reads the page at va and those of its window that are in swap: neighbours there
 * too in one request, others in requests of their own, all in flight at once. Around
 * a page alone, those of its block that lie beside it in the swap file come with it.
 */
static void read_window(struct fl_pager *p, struct reading *r, struct fl_vma *vma, u64 va)
{
	u64 first = va;
	u32 want = fl_prefetch_plans(&p->prefetch) ? 1 : fl_pager_window(p, vma, va, &first);
	u32 block = fl_pager_around(p), lead = want == 1 ? before(p, vma, va, block) : 0;
	u32 more = first == va ? block - 1 - lead : 0;

	first -= lead * FL_PAGE_SIZE;
	want += lead;
	for (u32 i = 0; i < want + more; i++) {
		u64 at = first + i * FL_PAGE_SIZE, pte;

		if (at >= vma->end)
			break;
		pte = fl_pte_get(&p->mm, at);
		if (i >= want && (fl_pte_state(pte) != FL_PTE_SWAP ||
				fl_pte_payload(pte) != r->io->slot + r->io->npages))
			break;
		if (!read_page(p, r, at, i < want ? want - i : 1))
			break;
	}
}

/* Reads what a fault at va needs, and what the prefetcher says besides. False when there is no
 * frame for the page at va. */
static bool read_for(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 pg_flags)
{
	struct reading r = {.ios_left = FL_RA_MAX_IOS, .wanted = va, .flags = pg_flags};
	struct fl_access a = fl_pager_access(p, vma, va);
	struct fl_plan plan = fl_prefetch_plan(&p->prefetch, &a);

	if (plan.step) {
		if (read_page(p, &r, va, plan.n + 1))
			read_plan(p, &r, plan);
	} else {
		read_window(p, &r, vma, va);
	}
	end_reading(p, &r);
	return fl_pte_state(fl_pte_get(&p->mm, va)) == FL_PTE_SWAPIN;
}

void fl_pager_ra_used(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 before, u32 after)
{
	struct fl_access a = fl_pager_access(p, vma, va);
	struct reading r = {.ios_left = FL_RA_MAX_IOS};

	fl_pager_ra_hit(p, 1 + before + after);
	a.hit = true;
	a.before = before;
	a.after = after;
	if (p->quiesce)
		return;
	read_plan(p, &r, fl_prefetch_plan(&p->prefetch, &a));
	end_reading(p, &r);
}

/* Fewer requests than a queue takes: more would be waited for with the lock held. */
#define RANGE_IOS 32u

u32 fl_pager_read_range(struct fl_pager *p, u64 *start, u64 end, u32 most)
{
	struct reading r = {.ios_left = RANGE_IOS};
	u64 *ptep = NULL;
	u32 n = 0;

	for (; n < most && (ptep = fl_pt_next(&p->mm, start, end)); *start += FL_PAGE_SIZE) {
		if (fl_pte_state(*ptep) != FL_PTE_SWAP)
			continue;
		if (!read_page(p, &r, *start, most - n))
			break;
		n++;
	}
	if (n < most && !ptep)
		*start = end;
	end_reading(p, &r);
	return n;
}

enum fl_fault_result fl_pager_swapin(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte, u32 flags)
{
	u32 pg_flags = FL_PG_WANTED | (flags & FL_FAULT_WRITE ? FL_PG_DIRTY : 0);

	if (fl_pte_state(pte) == FL_PTE_SWAPIN) {
		struct fl_page *pg = &p->pages.page[fl_pte_payload(pte)];

		bool ahead = fl_page_has(*pg, FL_PG_READAHEAD);

		fl_page_clear_flags(pg, FL_PG_READAHEAD);
		fl_page_set_flags(pg, pg_flags);
		if (ahead)
			fl_pager_ra_used(p, vma, va, 0, 0);
		return FL_FAULT_IO;
	}
	if (p->quiesce) { /* a fork waits for I/O to end: after it */
		fl_pager_defer(p, va, flags);
		return FL_FAULT_NOMEM;
	}
	if (!read_for(p, vma, va, pg_flags)) {
		fl_count(p, allocstall, 1);
		fl_pager_defer(p, va, flags);
		p->kick(p);
		return FL_FAULT_NOMEM;
	}
	fl_count(p, pgmajfault, 1);
	return FL_FAULT_IO;
}

/* One page has arrived: set aside, or mapped for who waits for it. */
static void arrived(struct fl_pager *p, u32 f)
{
	struct fl_page *pg = &p->pages.page[f];
	u64 va = fl_page_va(*pg);
	bool wanted = fl_page_has(*pg, FL_PG_WANTED), write = fl_page_has(*pg, FL_PG_DIRTY);

	if (fl_page_has(*pg, FL_PG_ORPHAN)) {
		*pg = fl_page_make(0, FL_PG_POPULATED);
		fl_frame_free(p, f);
		return;
	}
	fl_page_clear_flags(pg, FL_PG_READING | FL_PG_WANTED | FL_PG_DIRTY);
	fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_SOFT, f, 0));
	fl_frame_deactivate(p, f);
	if (wanted)
		fl_pager_map_run(p, fl_vma_at(&p->mm, va), va, f, 1,
			!write && fl_pager_track_clean(p, 1));
}

void fl_pager_read_done(struct fl_pager *p, struct fl_io *io)
{
	if (io->shared) {
		fl_shmem_read_done(p, io);
		return;
	}
	if (io->error)
		p->dead(p, "the swap file cannot be read");
	/* backwards: the pages read ahead are set aside before the faulting one
	 * runs its thread again */
	for (u32 i = io->npages; i--;)
		arrived(p, ((u32 *)io->owner)[i]);
	fl_io_end(p, io);
}

int fl_pager_read_slots_now(struct fl_pager *p, u32 slot, u32 n, void *to)
{
	struct iovec iov = {to, n * FL_PAGE_SIZE};

	p->now.fd = p->machine.swap_fd;
	return p->backend->now(&p->now, false, slot, &iov, 1, n);
}
