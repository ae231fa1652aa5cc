/*
 * Reading pages back from swap.
 *
 * A fault on a swapped page also reads a window of pages beside it in the
 * address space; eviction lays neighbours side by side in the swap file, so that
 * mostly one request brings them all. Those read ahead are set aside, and mapped
 * together when the first of them is touched. How large the window is follows
 * from the streams of faults seen before.
 *
 * A page that was read for a load is mapped write-protected and keeps its
 * slot: while it is not written, eviction need not write it either.
 */
#include "pager/pager.h"
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

#define RA_MAX	   32u	/* pages of a window */
#define RA_MAX_IOS 8u	/* requests for them, where they lie apart in swap */
#define RA_REMEMBERED 512u
#define STREAM_GAP 8u	/* pages that a stream may skip */

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

/* Does a fault at va go on from the stream's last window, up or down? */
static bool goes_up(const struct fl_stream *s, u64 va)
{
	return s->pages && va - s->high < STREAM_GAP * FL_PAGE_SIZE;
}

static bool goes_down(const struct fl_stream *s, u64 va)
{
	return s->pages && s->low - FL_PAGE_SIZE - va < STREAM_GAP * FL_PAGE_SIZE;
}

/*
 * How many pages to read for a fault at va, from *ret_first on. A fault that
 * continues a stream, or falls a little ahead of it, doubles its window; any other
 * begins a stream, with its own page alone, in place of the one that was of no use
 * for longest. Several streams are kept, because programs walk several structures
 * at a time; down too, as collectors do that sweep the newest objects first.
 */
u32 fl_pager_window(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 *ret_first)
{
	struct fl_stream *s = &p->streams[0];
	bool up = false, down = false;

	*ret_first = va;
	if (!p->readahead)
		return 1;
	p->stream_clock++;
	for (u32 i = 0; i < FL_STREAMS && !up && !down; i++) {
		struct fl_stream *t = &p->streams[i];

		up = goes_up(t, va);
		down = !up && goes_down(t, va);
		if (up || down || t->used < s->used)
			s = t;
	}
	s->pages = up || down ? fl_min(fl_max(2 * s->pages, 4u), RA_MAX) : 1;
	/* pages that come too early push out pages that are needed now */
	s->pages = fl_min(s->pages, fl_max(fl_frames_available(p) / 4, 1u));
	if (down)
		*ret_first = va - fl_min((u64)s->pages - 1, (va - vma->start) / FL_PAGE_SIZE) * FL_PAGE_SIZE;
	s->low = *ret_first;
	s->high = down ? va + FL_PAGE_SIZE : va + s->pages * FL_PAGE_SIZE;
	s->used = p->stream_clock;
	return (u32)((s->high - s->low) / FL_PAGE_SIZE);
}

/*
 * The block to read where pages lie beside each other in the swap file too: that
 * is the same request, a little longer. A power of two, larger the more of the
 * pages read ahead have been of use.
 */
static u32 around(struct fl_pager *p)
{
	u32 n;

	if (!p->readahead)
		return 1;
	if (p->ra_pages >= RA_REMEMBERED) {
		p->ra_pages /= 2;
		p->ra_hits /= 2;
	}
	n = p->ra_hits * 2 >= p->ra_pages ? 8 : p->ra_hits * 3 >= p->ra_pages ? 4 : 1;
	/* where it is of no use, try again now and then */
	if (n == 1 && ++p->ra_probe % 32 == 0)
		n = 4;
	while (n > 1 && n > fl_frames_available(p) / 8)
		n /= 2;
	return n;
}

void fl_pager_ra_hit(struct fl_pager *p, u32 n)
{
	fl_count(p, swap_ra_hit, n);
	p->ra_hits += n;
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

/*
 * Reads the page at va and those of its window that are in swap: neighbours there
 * too in one request, others in requests of their own, all in flight at once. Around a page alone, those of its block that lie beside it in
 * the swap file come with it. False when there is no frame for the page at va.
 */
static bool read_window(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 pg_flags)
{
	u64 first;
	u32 want = fl_pager_window(p, vma, va, &first), block = around(p), ios = 0;
	u32 lead = want == 1 ? before(p, vma, va, block) : 0;
	u32 more = first == va ? block - 1 - lead : 0;
	struct frames fr = {0, 0};
	struct fl_io *io = NULL;

	first -= lead * FL_PAGE_SIZE;
	want += lead;
	for (u32 i = 0; i < want + more; i++) {
		u64 at = first + i * FL_PAGE_SIZE, pte;
		u32 slot;

		if (at >= vma->end)
			break;
		pte = fl_pte_get(&p->mm, at);
		slot = fl_pte_payload(pte);
		if (i >= want && (fl_pte_state(pte) != FL_PTE_SWAP || slot != io->slot + io->npages))
			break;
		if (fl_pte_state(pte) != FL_PTE_SWAP)
			continue;
		if (io && slot != io->slot + io->npages) {
			if (++ios == RA_MAX_IOS)
				break;
			fl_pager_submit_read(p, io);
			io = NULL;
		}
		if (!io)
			io = fl_pager_new_read(p, slot);
		if (at == va)
			io->tid = p->fault_tid;
		if (!add_page(p, io, &fr, at, slot, i < want ? want - i : 1,
			    at == va ? pg_flags : FL_PG_READAHEAD))
			break;
		fl_count(p, swap_ra, at != va);
		p->ra_pages += at != va;
	}
	return_frames(p, &fr);
	if (io && io->npages)
		fl_pager_submit_read(p, io);
	else if (io)
		put_io(p, io);
	return fl_pte_state(fl_pte_get(&p->mm, va)) == FL_PTE_SWAPIN;
}

u32 fl_pager_read_range(struct fl_pager *p, u64 *start, u64 end, u32 most)
{
	struct frames fr = {0, 0};
	struct fl_io *io = NULL;
	u64 *ptep = NULL;
	u32 n = 0;

	for (; n < most && (ptep = fl_pt_next(&p->mm, start, end)); *start += FL_PAGE_SIZE) {
		u32 slot = fl_pte_payload(*ptep);

		if (fl_pte_state(*ptep) != FL_PTE_SWAP)
			continue;
		if (io && (slot != io->slot + io->npages || io->npages == FL_IO_PAGES)) {
			fl_pager_submit_read(p, io);
			io = NULL;
		}
		if (!io)
			io = fl_pager_new_read(p, slot);
		if (!add_page(p, io, &fr, *start, slot, most - n, FL_PG_READAHEAD))
			break;
		n++;
	}
	if (n < most && !ptep)
		*start = end;
	return_frames(p, &fr);
	if (io && io->npages)
		fl_pager_submit_read(p, io);
	else if (io)
		put_io(p, io);
	fl_count(p, swap_ra, n);
	p->ra_pages += n;
	return n;
}

enum fl_fault_result fl_pager_swapin(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte, u32 flags)
{
	u32 pg_flags = FL_PG_WANTED | (flags & FL_FAULT_WRITE ? FL_PG_DIRTY : 0);

	if (fl_pte_state(pte) == FL_PTE_SWAPIN) {
		struct fl_page *pg = &p->pages.page[fl_pte_payload(pte)];

		if (fl_page_has(*pg, FL_PG_READAHEAD))
			fl_pager_ra_hit(p, 1);
		fl_page_clear_flags(pg, FL_PG_READAHEAD);
		fl_page_set_flags(pg, pg_flags);
		return FL_FAULT_IO;
	}
	if (p->quiesce) { /* a fork waits for I/O to end: after it */
		fl_pager_defer(p, va, flags);
		return FL_FAULT_NOMEM;
	}
	if (!read_window(p, vma, va, pg_flags)) {
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
