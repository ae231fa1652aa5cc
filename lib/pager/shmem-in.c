/*
 * Reading shared anonymous memory back from swap; see shmem.h.
 *
 * Pages are read into a buffer, as they may be another's to read meanwhile, and copied into our
 * view of the object when the read has ended, if they are still ours to read then.
 */
#include "pager/shmem.h"

#include <string.h>

/* One that is under way. */
struct fl_shmem_read {
	struct fl_shmem_read *next; /* of those that are, or are not */
	char *pages;
	u64 va;
	struct fl_shmem *s; /* may be another object by the end, and the entries too */
	u64 *entry;
	u32 first, n, slot;
	u32 frame[FL_SHMEM_CLUSTER];
};

static struct fl_shmem_read *get_read(struct fl_pager *p)
{
	struct fl_shmem_read *r = p->free_shmem_reads;

	if (r) {
		p->free_shmem_reads = r->next;
		return r;
	}
	r = fl_arena_alloc(p->arena, sizeof(*r));
	if (r)
		r->pages = fl_arena_alloc(p->arena, FL_SHMEM_CLUSTER * FL_PAGE_SIZE);
	return r && r->pages ? r : NULL;
}

static void put_read(struct fl_pager *p, struct fl_shmem_read *r)
{
	for (struct fl_shmem_read **at = &p->shmem_reads; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			break;
		}
	r->next = p->free_shmem_reads;
	p->free_shmem_reads = r;
}

/* Do we read one of these pages already? Others have not waited for it, and it may be in the
 * same slot again, with another content. */
static bool is_being_read(const struct fl_pager *p, const struct fl_shmem_run *run)
{
	const u64 *e = fl_shmem_entry(&p->machine, run->s, run->first);

	for (const struct fl_shmem_read *r = p->shmem_reads; r; r = r->next)
		if (e < r->entry + r->n && r->entry < e + run->n)
			return true;
	return false;
}

enum fl_fault_result fl_shmem_swap_in(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags)
{
	struct fl_machine_view *v = &p->machine;
	struct fl_shmem_read *r;
	struct fl_shmem_run run;
	struct fl_io *io;
	u64 first;

	if (p->quiesce) { /* a fork waits for I/O to end: after it */
		fl_pager_defer(p, va, flags);
		return FL_FAULT_NOMEM;
	}
	run = fl_shmem_around(p, vma, s, va, fl_pager_window(p, vma, va, &first) > 1 ? FL_SHMEM_CLUSTER : 1);
	if (is_being_read(p, &run)) {
		fl_pager_defer(p, va, flags | FL_FAULT_LATER);
		p->kick(p);
		return FL_FAULT_NOMEM;
	}
	r = get_read(p);
	if (!r)
		return fl_pager_no_memory(p, va, flags);
	r->n = fl_shmem_frames(p, r->frame, run.n);
	if (!r->n) {
		put_read(p, r);
		return fl_pager_no_memory(p, va, flags);
	}
	r->next = p->shmem_reads;
	p->shmem_reads = r;
	fl_shmem_shorten(&run, va, r->n);
	r->va = va;
	r->s = s;
	r->first = run.first;
	r->entry = fl_shmem_entry(v, s, run.first);
	r->slot = fl_shmem_payload(*r->entry);
	io = fl_pager_new_read(p, r->slot);
	io->shared = r;
	io->tid = p->fault_tid;
	io->npages = r->n;
	fl_shmem_busy(v, FL_SHMEM_IN, r->entry, r->n);
	for (u32 i = 0; i < r->n; i++) {
		io->iov[i] = (struct iovec){r->pages + i * FL_PAGE_SIZE, FL_PAGE_SIZE};
		fl_shmem_set(v, s, r->first + i, fl_shmem_make_own(v, FL_SHMEM_IN, r->slot + i));
	}
	fl_pager_submit_read(p, io);
	fl_count(p, swap_ra, r->n - 1);
	fl_count(p, pgmajfault, 1);
	return FL_FAULT_IO;
}

static bool is_ours(const struct fl_pager *p, const struct fl_shmem_read *r, u32 i)
{
	return r->entry[i] == fl_shmem_make_own(&p->machine, FL_SHMEM_IN, r->slot + i);
}

/* The program may have unmapped the object meanwhile, and taken our view with it. */
static bool can_fill(const struct fl_pager *p, const struct fl_shmem_read *r)
{
	bool ours = false;

	for (u32 i = 0; i < r->n; i++)
		ours |= is_ours(p, r, i);
	return ours && fl_shmem_is_mapped(&p->machine, r->s);
}

/* The object is the kernel's by now: nothing of it has a frame. Slots that are free now. */
static u32 fill_kept(struct fl_pager *p, const struct fl_shmem_read *r, u32 *ret_slots)
{
	u32 n = 0;

	for (u32 i = 0; i < r->n; i++) {
		if (!is_ours(p, r, i))
			continue;
		memcpy((void *)fl_shmem_view(p, r->s, r->first + i), r->pages + i * FL_PAGE_SIZE, FL_PAGE_SIZE);
		fl_shmem_set(&p->machine, r->s, r->first + i, 0);
		ret_slots[n++] = r->slot + i;
	}
	return n;
}

/* Frames are given before entries name them; see shmem-entry.c. */
static void fill(struct fl_pager *p, struct fl_shmem_read *r, bool mapped)
{
	struct fl_machine_view *v = &p->machine;
	u32 at[FL_SHMEM_CLUSTER], frames[FL_SHMEM_CLUSTER], slots[FL_SHMEM_CLUSTER], n = 0;

	for (u32 i = 0; i < r->n; i++) {
		if (is_ours(p, r, i) && mapped && !r->s->kept) {
			at[n] = i;
			slots[n] = r->slot + i;
			frames[n++] = r->frame[i];
			continue;
		}
		if (is_ours(p, r, i) && !mapped) /* for others to read */
			fl_shmem_set(v, r->s, r->first + i, fl_shmem_make(FL_SHMEM_SWAP, r->slot + i));
		fl_frame_free(p, r->frame[i]);
	}
	fl_shmem_give(p, frames, n);
	for (u32 i = 0; i < n; i++) {
		memcpy((void *)fl_shmem_view(p, r->s, r->first + at[i]), r->pages + at[i] * FL_PAGE_SIZE,
			FL_PAGE_SIZE);
		fl_shmem_set(v, r->s, r->first + at[i],
			fl_shmem_make(FL_SHMEM_RESIDENT, frames[i]) | FL_SHMEM_MAPPED);
	}
	if (r->s->kept && mapped)
		n = fill_kept(p, r, slots);
	fl_shmem_put_slots(v, slots, n);
}

void fl_shmem_read_done(struct fl_pager *p, struct fl_io *io)
{
	struct fl_machine_view *v = &p->machine;
	struct fl_shmem_read *r = io->shared;
	bool mapped, all = true;

	io->shared = NULL;
	fl_shmem_lock(v);
	for (u32 i = 0; i < r->n; i++)
		all &= is_ours(p, r, i);
	mapped = !io->error && can_fill(p, r);
	fl_shmem_unlock(v);
	/* a slot that has been given back meanwhile, with its page, may hold nothing; then who waits for
	 * another of these pages has its fault again */
	if (io->error && all)
		p->dead(p, "the swap file cannot be read");
	/* room for them, which is what takes time, changes nothing that anybody sees */
	if (mapped)
		p->host->ops->populate(p->host, fl_shmem_view(p, r->s, r->first), r->n);
	fl_shmem_lock(v);
	fill(p, r, mapped);
	fl_shmem_idle(v, FL_SHMEM_IN);
	fl_shmem_unlock(v);
	put_read(p, r);
	fl_shmem_arrived(p, r->va);
	fl_io_end(p, io);
}
