/* Evicting shared anonymous memory; see shmem.h. */
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"
#include "pager/copyout.h"
#include "pager/robust.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define INACTIVE_PART 8u	  /* of all pages: unmapped before they are taken out */
#define REFUSALS      8u	  /* in a row: locked, or held; the hand goes on behind them */
#define ANSWER_NS     20000000ull /* how long others may take to unmap them */

/* What is being taken out. */
struct out {
	struct fl_shmem_batch b;
	u32 slot[FL_SHMEM_BATCH]; /* FL_NO_SLOT: all zeros, or not written */
	bool zero[FL_SHMEM_BATCH], going[FL_SHMEM_BATCH];
};

/* Unmaps pages of an object wherever the program has it. False if it is locked, or a
 * thread is on its way out: the kernel writes to words of it then, if they are there. Nor where a
 * device may write to it, or another process does. */
static bool unmap(struct fl_pager *p, struct fl_shmem *s, u32 index, u32 n)
{
	struct fl_vma *vma;

	if (fl_shmem_leave_pinned(p, s, false) || fl_shmem_leave_poked(p, s) || fl_pager_held(p) ||
		fl_robust_held(p, s, index, n, false))
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
	/* pinned, or taken, before its page was gone; who does so now has to fault first */
	return !fl_shmem_leave_pinned(p, s, true) && !fl_shmem_leave_poked(p, s) &&
		!fl_robust_held(p, s, index, n, true);
}

void fl_shmem_serve(struct fl_pager *p)
{
	u32 object, index, n, seq;

	if (!p->shmem_view || !fl_shmem_asked(&p->machine, &object, &index, &n, &seq))
		return;
	fl_shmem_answer(&p->machine, seq, unmap(p, &p->machine.shmems[object], index, n));
}

/* Unmaps pages in all processes; the mm lock is let go while others answer. False: there are
 * none to unmap. */
static bool unmap_some(struct fl_pager *p)
{
	struct fl_machine_view *v = &p->machine;
	struct fl_shmem_unmapping u;
	bool some, gone;

	fl_shmem_lock(v);
	some = fl_shmem_unmap_begin(v, &u);
	fl_shmem_unlock(v);
	if (!some)
		return false;
	gone = unmap(p, u.s, u.index, u.n);
	if (u.asked) {
		fl_unlock(&p->lock);
		gone = fl_shmem_await(v, u.seq, ANSWER_NS) && gone;
		fl_lock(&p->lock);
	}
	fl_shmem_lock(v);
	fl_shmem_unmap_end(v, &u, gone);
	fl_shmem_unlock(v);
	fl_count(p, pgscan, u.n);
	return true;
}

static u64 view_of(const struct fl_pager *p, const struct out *o, u32 i)
{
	return fl_shmem_view(p, o->b.s, o->b.index[i]);
}

/* Slots for pages that are not all zeros. 0 or -errno. */
static int find_slots(struct fl_pager *p, struct out *o)
{
	u32 want = 0, got = 0, slot = 0;
	int err = 0;

	for (u32 i = 0; i < o->b.n; i++) {
		o->zero[i] = fl_page_is_zero((void *)view_of(p, o, i));
		want += !o->zero[i];
	}
	for (u32 i = 0; i < o->b.n; i++) {
		if (o->zero[i])
			continue;
		if (!got)
			got = fl_swap_alloc(&p->machine, want, &slot, &err);
		if (!got)
			return err;
		o->slot[i] = slot++;
		got--;
		want--;
	}
	return 0;
}

/* One request for pages that lie side by side in swap, if not in the object. 0 or -errno. */
static int write_run(struct fl_pager *p, u32 slot, struct iovec *iov, u32 n, u64 bytes)
{
	int err = p->backend->now(p->writes, true, slot, iov, n, (u32)(bytes / FL_PAGE_SIZE));

	return err == -EIO ? -ENOSPC : err;
}

/* Lock let go, if the device reads: where the program has unmapped the object, this fails. 0 or -errno. */
static int write_out(struct fl_pager *p, const struct out *o)
{
	struct iovec iov[FL_SHMEM_BATCH];
	u32 n = 0, first = 0, next = 0;
	u64 bytes = 0;
	int err = 0;

	for (u32 i = 0; i < o->b.n && !err; i++) {
		u64 at = view_of(p, o, i);

		if (o->slot[i] == FL_NO_SLOT)
			continue;
		if (bytes && o->slot[i] != next) {
			err = write_run(p, first, iov, n, bytes);
			n = 0;
			bytes = 0;
		}
		if (!bytes)
			first = o->slot[i];
		if (n && (u64)iov[n - 1].iov_base + iov[n - 1].iov_len == at)
			iov[n - 1].iov_len += FL_PAGE_SIZE;
		else
			iov[n++] = (struct iovec){(void *)at, FL_PAGE_SIZE};
		bytes += FL_PAGE_SIZE;
		next = o->slot[i] + 1;
	}
	return err || !bytes ? err : write_run(p, first, iov, n, bytes);
}

/*
 * Pages that nobody has touched meanwhile are in their slots now, and leave memory. The entry
 * says so first: who is killed in between leaves a page that is there twice, and never one that
 * is nowhere. An entry that is still OUT by us is ours, whatever became of the object.
 */
static u32 mark_going(struct fl_pager *p, struct out *o, bool written)
{
	struct fl_machine_view *v = &p->machine;
	u32 given[FL_SHMEM_BATCH], unused[FL_SHMEM_BATCH], nr_given = 0, nr_unused = 0, n = 0;

	written = written && fl_shmem_is_mapped(v, o->b.s);
	for (u32 i = 0; i < o->b.n; i++) {
		bool out = o->b.entry[o->b.index[i]] == fl_shmem_make_own(v, FL_SHMEM_OUT, o->b.frame[i]);

		o->going[i] = out && written && (o->zero[i] || o->slot[i] != FL_NO_SLOT);
		n += o->going[i];
		if (o->slot[i] == FL_NO_SLOT)
			;
		else if (o->going[i])
			given[nr_given++] = o->slot[i];
		else
			unused[nr_unused++] = o->slot[i];
		if (out && !o->going[i])
			fl_shmem_set(v, o->b.s, o->b.index[i],
				fl_shmem_make(FL_SHMEM_RESIDENT, o->b.frame[i]) | FL_SHMEM_MAPPED);
	}
	fl_swap_put_each(v, unused, nr_unused);
	fl_shmem_give_slots(v, given, nr_given);
	for (u32 i = 0; i < o->b.n; i++)
		if (o->going[i])
			fl_shmem_punch(v, o->b.s, o->b.index[i], o->zero[i] ? FL_NO_SLOT : o->slot[i]);
	return n;
}

static void punch(struct fl_pager *p, const struct out *o)
{
	for (u32 i = 0; i < o->b.n;) {
		u32 run = 1;

		if (!o->going[i]) {
			i++;
			continue;
		}
		while (i + run < o->b.n && o->going[i + run] && o->b.index[i + run] == o->b.index[i] + run)
			run++;
		p->host->ops->punch(p->host, view_of(p, o, i), run);
		i += run;
	}
}

/* Frames freed. The mm lock is held throughout, so the object stays mapped. */
static u32 finish(struct fl_pager *p, struct out *o, bool written)
{
	struct fl_machine_view *v = &p->machine;
	u32 n, zeros = 0;

	fl_shmem_lock(v);
	n = mark_going(p, o, written);
	fl_shmem_unlock(v);
	if (n)
		punch(p, o);
	fl_shmem_lock(v);
	for (u32 i = 0; i < o->b.n; i++) {
		if (!o->going[i])
			continue;
		zeros += o->zero[i];
		fl_shmem_leave(v, o->b.s, o->b.index[i]);
	}
	fl_shmem_idle(v, FL_SHMEM_OUT);
	fl_shmem_unlock(v);
	fl_count(p, pgsteal, n);
	fl_count(p, swap_zero, zeros);
	fl_count(p, pswpout, n - zeros);
	return n;
}

/* Takes up to want pages that are unmapped out. Frames freed; *ret_some: were there any? */
static u32 take_out(struct fl_pager *p, u32 want, bool *ret_some)
{
	struct out o;
	bool written = false;
	u32 freed;

	fl_shmem_lock(&p->machine);
	*ret_some = fl_shmem_take_inactive(&p->machine, want, &o.b);
	fl_shmem_unlock(&p->machine);
	if (!*ret_some)
		return 0;
	for (u32 i = 0; i < o.b.n; i++) {
		o.slot[i] = FL_NO_SLOT;
		o.zero[i] = false;
	}
	/* who forks or exits waits for writes that are under way: the slots are ours until
	 * then, and somebody else's afterwards */
	p->ios_in_flight++;
	if (find_slots(p, &o) == 0) {
		/* nor may it go away where this thread reads it itself */
		if (!p->backend->work)
			fl_unlock(&p->lock);
		written = write_out(p, &o) == 0;
		if (!p->backend->work)
			fl_lock(&p->lock);
		fl_count(p, swapout_ios, 1);
	}
	freed = finish(p, &o, written);
	fl_io_ended(p);
	return freed;
}

u32 fl_shmem_reclaim(struct fl_pager *p, u32 want)
{
	u32 freed = 0, refused = 0;

	/* those whose faults wait come first */
	while (p->shmem_view && freed < want && !p->quiesce && !(freed && p->nr_deferred)) {
		u32 got = 0, resident, inactive, batch = fl_min(fl_max(want - freed, FL_SHMEM_CLUSTER), FL_SHMEM_BATCH);
		bool some = false, more = false;

		fl_shmem_serve(p);
		fl_shmem_mine(&p->machine, &resident, &inactive);
		if (inactive < fl_max(batch, resident / INACTIVE_PART))
			more = unmap_some(p);
		if (!p->quiesce)
			got = take_out(p, batch, &some);
		freed += got;
		refused = got ? 0 : refused + 1;
		if (refused == REFUSALS || (!some && !more))
			break;
	}
	return freed;
}
