/* Evicting shared anonymous memory; see shmem.h. */
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"
#include "pager/copyout.h"
#include "pager/robust.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define OUT_PAGES 64u	      /* taken out together */
#define REFUSALS  8u	      /* in a row: locked, or held; the hand goes on behind them */
#define ANSWER_NS 20000000ull /* how long others may take to unmap them */

/* What is being taken out. */
struct out {
	struct fl_shmem *s;
	u32 index, n, seq;
	u64 *entry; /* of the first: the object may be another's by the end */
	u32 frame[OUT_PAGES];
	u32 slot[OUT_PAGES]; /* FL_NO_SLOT: all zeros, or not written */
	bool zero[OUT_PAGES];
};

/* Unmaps pages of an object wherever the program has it. False if it is locked, or a
 * thread is on its way out: the kernel writes to words of it then, if they are there. */
static bool unmap(struct fl_pager *p, const struct fl_shmem *s, u32 index, u32 n)
{
	struct fl_vma *vma;

	if (fl_pager_held(p) || fl_robust_held(p, s, index, n, false))
		return false;
	fl_for_each_vma(&p->mm, vma)
	{
		u64 from, to;

		if (!(vma->flags & FL_VM_SHARED) || vma->ino != s->ino || vma->dev != s->dev)
			continue;
		from = fl_max((u64)index, vma->pgoff);
		to = fl_min((u64)index + n, vma->pgoff + fl_vma_pages(vma));
		if (from >= to)
			continue;
		if (vma->flags & FL_VM_LOCKED)
			return false;
		/* a lock that the mirror does not know of: a second view of locked memory is */
		if (p->host->ops->discard(p->host, vma->start + (from - vma->pgoff) * FL_PAGE_SIZE, to - from) < 0)
			return false;
	}
	/* one that was taken before its page was gone; who takes one now has to fault first */
	return !fl_robust_held(p, s, index, n, true);
}

void fl_shmem_serve(struct fl_pager *p)
{
	u32 object, index, n, seq;

	if (!p->shmem_area || !fl_shmem_asked(&p->machine, &object, &index, &n, &seq))
		return;
	fl_shmem_answer(&p->machine, seq, unmap(p, &p->machine.shmems[object], index, n));
}

/* Marks the pages. False where there are none, or somebody else is at it. */
static bool begin(struct fl_pager *p, struct out *o, u32 want)
{
	struct fl_machine_view *v = &p->machine;

	fl_shmem_lock(v);
	o->s = fl_shmem_evict_begin(v, fl_min(fl_max(want, FL_SHMEM_CLUSTER), OUT_PAGES), &o->index, &o->n);
	if (o->s) {
		o->entry = fl_shmem_entry(v, o->s, o->index);
		fl_shmem_busy(v, FL_SHMEM_OUT, o->entry, o->n);
		for (u32 i = 0; i < o->n; i++) {
			o->frame[i] = fl_shmem_payload(o->entry[i]);
			o->slot[i] = FL_NO_SLOT;
			o->zero[i] = false;
			o->entry[i] = fl_shmem_make_own(v, FL_SHMEM_OUT, o->frame[i]);
		}
		o->seq = fl_shmem_ask(v, o->s, o->index, o->n);
	}
	fl_shmem_unlock(v);
	return o->s;
}

/* Slots for pages that are not all zeros. 0 or -errno. */
static int find_slots(struct fl_pager *p, struct out *o)
{
	int err = 0;

	for (u32 i = 0; i < o->n; i++)
		o->zero[i] = fl_page_is_zero((void *)fl_shmem_view(p, o->s, o->index + i));
	for (u32 i = 0; i < o->n && !err;) {
		u32 run = 0, got, slot;

		while (i + run < o->n && !o->zero[i + run])
			run++;
		if (!run) {
			i++;
			continue;
		}
		got = fl_swap_alloc(&p->machine, run, &slot, &err);
		for (u32 k = 0; k < got; k++)
			o->slot[i + k] = slot + k;
		i += got;
		if (got)
			err = 0;
	}
	return err;
}

/* Lock let go: where the program has unmapped the object, this fails. 0 or -errno. */
static int write_out(struct fl_pager *p, const struct out *o)
{
	for (u32 i = 0; i < o->n;) {
		struct iovec iov = {(void *)fl_shmem_view(p, o->s, o->index + i), FL_PAGE_SIZE};
		u32 run = 1;
		long r;

		if (o->slot[i] == FL_NO_SLOT) {
			i++;
			continue;
		}
		while (i + run < o->n && o->slot[i + run] == o->slot[i] + run)
			run++;
		iov.iov_len = run * FL_PAGE_SIZE;
		do
			r = fl_syscall(SYS_pwritev, p->machine.swap_fd, &iov, 1,
				(u64)o->slot[i] * FL_PAGE_SIZE, 0);
		while (r == -EINTR);
		if (r != (long)iov.iov_len)
			return r < 0 ? (int)r : -ENOSPC;
		i += run;
	}
	return 0;
}

/*
 * The page, which is in its slot now, leaves memory. The entry says so first: who is killed
 * in between leaves a page that is there twice, and never one that is nowhere.
 */
static bool take_out(struct fl_pager *p, struct out *o, u32 i)
{
	struct fl_machine_view *v = &p->machine;
	bool zero = o->zero[i];

	if (!zero)
		fl_shmem_give_slot(v, o->slot[i]);
	__atomic_store_n(&o->entry[i], zero ? 0 : fl_shmem_make(FL_SHMEM_SWAP, o->slot[i]), __ATOMIC_RELEASE);
	if (p->host->ops->punch(p->host, fl_shmem_view(p, o->s, o->index + i), 1) == 0) {
		fl_shmem_put_frame(v, o->frame[i]);
		fl_count(p, pgsteal, 1);
		fl_count(p, swap_zero, zero);
		fl_count(p, pswpout, !zero);
		return true;
	}
	__atomic_store_n(&o->entry[i], fl_shmem_make(FL_SHMEM_RESIDENT, o->frame[i]), __ATOMIC_RELEASE);
	if (!zero)
		fl_shmem_put_slot(v, o->slot[i]);
	return false;
}

/* Those that nobody has touched meanwhile are gone now; the others stay. Frames freed.
 * An entry that is still OUT by us is ours, whatever became of the object. */
static u32 finish(struct fl_pager *p, struct out *o, bool written)
{
	struct fl_machine_view *v = &p->machine;
	u32 freed = 0;

	fl_shmem_lock(v);
	written = written && fl_shmem_is_mapped(v, o->s);
	for (u32 i = 0; i < o->n; i++) {
		bool out = o->entry[i] == fl_shmem_make_own(v, FL_SHMEM_OUT, o->frame[i]);

		if (out && written && (o->zero[i] || o->slot[i] != FL_NO_SLOT)) {
			freed += take_out(p, o, i);
			continue;
		}
		if (out)
			o->entry[i] = fl_shmem_make(FL_SHMEM_RESIDENT, o->frame[i]);
		if (o->slot[i] != FL_NO_SLOT)
			fl_swap_put(v, o->slot[i]);
	}
	fl_shmem_idle(v, FL_SHMEM_OUT);
	fl_shmem_evict_end(v);
	fl_shmem_unlock(v);
	return freed;
}

u32 fl_shmem_reclaim(struct fl_pager *p, u32 want)
{
	struct out o;
	u32 freed = 0, refused = 0;

	while (p->shmem_area && freed < want && !p->quiesce && begin(p, &o, want - freed)) {
		bool gone = unmap(p, o.s, o.index, o.n), written = false;
		u32 got;

		fl_count(p, pgscan, o.n);
		fl_unlock(&p->lock);
		gone = fl_shmem_await(&p->machine, o.seq, ANSWER_NS) && gone;
		fl_lock(&p->lock);
		/* who forks or exits waits for writes that are under way: the slots are ours until
		 * then, and somebody else's afterwards */
		p->ios_in_flight++;
		if (gone && !p->quiesce && fl_shmem_is_mapped(&p->machine, o.s) && find_slots(p, &o) == 0) {
			fl_unlock(&p->lock);
			written = write_out(p, &o) == 0;
			fl_lock(&p->lock);
			fl_count(p, swapout_ios, 1);
		}
		got = finish(p, &o, written);
		fl_io_ended(p);
		freed += got;
		refused = got ? 0 : refused + 1;
		if (refused == REFUSALS)
			break;
	}
	return freed;
}

/* Without a frame the page is not counted, until somebody who is managed touches it. */
static void keep(struct fl_pager *p, struct fl_shmem *s, u32 index)
{
	u64 *e = fl_shmem_entry(&p->machine, s, index);
	u32 slot = fl_shmem_payload(*e);

	/* whoever is at it will see that it is not any more */
	if (fl_shmem_state(*e) == FL_SHMEM_OUT)
		*e = fl_shmem_make(FL_SHMEM_RESIDENT, slot);
	if (fl_shmem_state(*e) != FL_SHMEM_SWAP && fl_shmem_state(*e) != FL_SHMEM_IN)
		return;
	if (fl_pager_read_slots_now(p, slot, 1, p->zeros) < 0)
		p->dead(p, "the swap file cannot be read");
	memcpy((void *)fl_shmem_view(p, s, index), p->zeros, FL_PAGE_SIZE);
	__atomic_store_n(e, 0, __ATOMIC_RELEASE);
	fl_shmem_put_slot(&p->machine, slot);
}

void fl_shmem_keep_all(struct fl_pager *p)
{
	struct fl_machine_view *v = &p->machine;

	if (!p->shmem_area)
		return;
	fl_shmem_lock(v);
	for (u32 i = 0; i < v->t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];

		if (!s->npages || !fl_shmem_is_mapped(v, s))
			continue;
		s->kept = 1;
		for (u32 k = 0; k < s->npages; k++)
			keep(p, s, k);
	}
	fl_shmem_unlock(v);
}

void fl_shmem_drop(struct fl_pager *p, struct fl_shmem *s)
{
	/* our own view of it goes too, and with the last one the kernel's memory */
	fl_syscall(SYS_mmap, fl_shmem_view(p, s, 0), (u64)s->npages * FL_PAGE_SIZE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	fl_shmem_unmap(&p->machine, s);
}

void fl_shmem_forget_unused(struct fl_pager *p)
{
	struct fl_machine_view *v = &p->machine;
	struct fl_vma *vma;

	if (!p->shmem_area)
		return;
	fl_shmem_lock(v);
	for (u32 i = 0; i < v->t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];
		bool used = false;

		if (!s->npages || !fl_shmem_is_mapped(v, s))
			continue;
		fl_for_each_vma(&p->mm, vma)
			used |= (vma->flags & FL_VM_SHARED) && vma->ino == s->ino && vma->dev == s->dev;
		if (used)
			continue;
		fl_shmem_drop(p, s);
	}
	fl_shmem_unlock(v);
}
