/* Faults on shared anonymous memory; see shmem.h. */
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

struct fl_shmem *fl_shmem_of(const struct fl_pager *p, const struct fl_vma *vma)
{
	struct fl_shmem *s;

	if (!p->shmem_view || !(vma->flags & FL_VM_SHARED))
		return NULL;
	s = fl_shmem_find(&p->machine, vma->dev, vma->ino);
	return s && fl_shmem_is_mapped(&p->machine, s) ? s : NULL;
}

/* Is the page d, which lies by pages behind the one that is e, of use together with it? */
static bool goes_with(u64 e, u64 d, s32 by)
{
	if (fl_shmem_state(d) != fl_shmem_state(e))
		return false;
	/* in swap: side by side there too; in memory: what nobody uses is not to seem in use */
	return fl_shmem_state(e) != FL_SHMEM_SWAP ? (d & FL_SHMEM_MAPPED) >= (e & FL_SHMEM_MAPPED) :
						    fl_shmem_payload(d) == fl_shmem_payload(e) + (u32)by;
}

struct fl_shmem_run fl_shmem_around(const struct fl_pager *p, const struct fl_vma *vma,
	struct fl_shmem *s, u64 va, u32 max)
{
	u32 at = (u32)(vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT));
	u32 lo = fl_max(at & ~(max - 1), (u32)vma->pgoff), hi = (at & ~(max - 1)) + max, a = at, b = at;
	const u64 *e = fl_shmem_entry(&p->machine, s, at);

	hi = (u32)fl_min((u64)hi, vma->pgoff + fl_vma_pages(vma));
	hi = fl_min(hi, s->npages);
	while (a > lo && goes_with(*e, e[(s32)(a - 1 - at)], (s32)(a - 1 - at)))
		a--;
	while (b + 1 < hi && goes_with(*e, e[b + 1 - at], (s32)(b + 1 - at)))
		b++;
	return (struct fl_shmem_run){s, a, b + 1 - a, va - (u64)(at - a) * FL_PAGE_SIZE};
}

/*
 * Puts pages that are RESIDENT by now into the program; the one at va at least runs its threads
 * again. fresh: they are thought to be nowhere yet. The lock of shared memory need not be held:
 * who wants to take them out must ask us, and waits for the mm lock.
 */
static void put_in(struct fl_pager *p, const struct fl_shmem_run *r, u64 va, bool fresh)
{
	const struct fl_host_ops *ops = p->host->ops;
	/* a guard page (MADV_GUARD_INSTALL) would be mapped over, so that none but the faulting
	 * page may be mapped where there are any */
	u32 from = p->guards ? (u32)((va - r->va) / FL_PAGE_SIZE) : 0, to = p->guards ? from + 1 : r->n;
	u32 done = from;

	while (done < to) {
		u64 at = r->va + done * FL_PAGE_SIZE;
		int err;

		done += fresh ? ops->zero_shared(p->host, at, to - done, &err) :
				ops->map_shared(p->host, at, to - done, &err);
		if (!err || done == to)
			continue;
		at = r->va + done * FL_PAGE_SIZE;
		/* there, or mapped, after all; or dropped by a call that no hook saw, and zeros
		 * from now on */
		if (fresh && err == -EEXIST)
			ops->map_shared(p->host, at, 1, &err);
		else if (!fresh && err == -EFAULT)
			ops->zero_shared(p->host, at, 1, &err);
		if (err && err != -EEXIST)
			break; /* the mapping went away under us */
		done++;
	}
	ops->wake(p->host, va, 1);
}

void fl_shmem_give(struct fl_pager *p, const u32 *f, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		fl_frames_empty(p, f[i], 1);
		p->pages.page[f[i]].key = 0;
	}
	fl_shmem_give_frames(&p->machine, f, n);
}

static void set_resident(struct fl_pager *p, const struct fl_shmem_run *r, u32 i, u32 f)
{
	fl_shmem_set(&p->machine, r->s, r->first + i, fl_shmem_make(FL_SHMEM_RESIDENT, f) | FL_SHMEM_MAPPED);
}

/* How many pages to fill, or map, for one fault. What nobody asked for costs an eviction, or
 * keeps pages that are not in use; but where faults follow each other it will be asked for. */
static u32 cluster(struct fl_pager *p, u64 va, bool plenty)
{
	u64 ahead = va - p->shmem_next;

	p->shmem_run = ahead <= FL_PAGE_SIZE ? fl_min(2 * p->shmem_run + 2, FL_SHMEM_CLUSTER) : 2;
	if (plenty || p->shmem_run >= FL_SHMEM_CLUSTER)
		return FL_SHMEM_CLUSTER;
	return p->shmem_run >= 4 ? 4 : 2;
}

u32 fl_shmem_frames(struct fl_pager *p, u32 *ret, u32 n)
{
	u32 i, order;

	for (i = 0; i < n && (i == 0 || fl_frames_available(p) > p->low / 4); i++) {
		ret[i] = fl_frames_alloc(p, 0, &order);
		if (ret[i] == FL_NO_FRAME)
			break;
	}
	return i;
}

void fl_shmem_shorten(struct fl_shmem_run *r, u64 va, u32 n)
{
	u32 skip = fl_min((u32)((va - r->va) / FL_PAGE_SIZE), r->n - n);

	r->first += skip;
	r->va += skip * FL_PAGE_SIZE;
	r->n = n;
}

/* In *ret which pages are zeros now, to be put in when the lock is let go. */
static enum fl_fault_result zero_fill(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags, struct fl_shmem_run *ret)
{
	u32 max = p->guards ? 1 : cluster(p, va, fl_frames_available(p) >= 2 * p->high), f[FL_SHMEM_CLUSTER];
	struct fl_shmem_run r = fl_shmem_around(p, vma, s, va, max);
	u32 n = fl_shmem_frames(p, f, r.n);

	if (!n)
		return fl_pager_no_memory(p, va, flags);
	fl_shmem_shorten(&r, va, n);
	fl_shmem_give(p, f, n);
	for (u32 i = 0; i < r.n; i++)
		set_resident(p, &r, i, f[i]);
	p->shmem_next = r.va + r.n * FL_PAGE_SIZE;
	fl_count(p, fault_around, r.n - 1);
	*ret = r;
	return FL_FAULT_DONE;
}

/* An object that is the kernel's: as it would have it, without frames. What is in its inode is
 * mapped, else it is zeros. */
static void fill_kept(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s, u64 va,
	struct fl_shmem_run *ret)
{
	u32 max = p->guards ? 1 : cluster(p, va, false);

	*ret = fl_shmem_around(p, vma, s, va, max > 2 ? max : 1);
	p->shmem_next = ret->va + ret->n * FL_PAGE_SIZE;
}

/* It is in memory, and maybe on its way out: it stays, and what is mapped with it. */
static void touch(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s, u64 va, struct fl_shmem_run *ret)
{
	u32 index = (u32)(vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT));
	u64 e = *fl_shmem_entry(&p->machine, s, index);
	bool unused = fl_shmem_state(e) == FL_SHMEM_OUT || !(e & FL_SHMEM_MAPPED);
	u32 max = FL_SHMEM_CLUSTER;

	if (unused) {
		fl_count(p, pgfault_soft, 1);
		fl_count(p, pgactivate, 1);
		max = cluster(p, va, false) == FL_SHMEM_CLUSTER ? FL_SHMEM_CLUSTER : 1;
		fl_shmem_set(&p->machine, s, index, fl_shmem_make(FL_SHMEM_RESIDENT, fl_shmem_payload(e)));
	}
	*ret = fl_shmem_around(p, vma, s, va, max);
	for (u32 i = 0; i < ret->n; i++)
		set_resident(p, ret, i, fl_shmem_payload(*fl_shmem_entry(&p->machine, s, ret->first + i)));
	if (unused)
		p->shmem_next = ret->va + ret->n * FL_PAGE_SIZE;
}

/* Registered, and no object of ours: what the kernel would have done. */
static enum fl_fault_result not_ours(struct fl_pager *p, u64 va)
{
	int err;

	if (!p->host->ops->map_shared(p->host, va, 1, &err) && err == -EFAULT)
		p->host->ops->copy(p->host, va, p->zeros, 1, false, &err);
	p->host->ops->wake(p->host, va, 1);
	return FL_FAULT_DONE;
}

/* What the entry becomes, and in *ret which pages are to be put in then; ret->n is 0. */
static enum fl_fault_result fault(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags, struct fl_shmem_run *ret, bool *ret_fresh)
{
	u32 index = (u32)(vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT));
	bool again = flags & FL_FAULT_LATER;

	flags &= ~FL_FAULT_LATER;
	if (index >= s->npages) /* past its end: the kernel sends SIGBUS */
		return FL_FAULT_DONE;
	for (;;) {
		switch (fl_shmem_state(*fl_shmem_entry(&p->machine, s, index))) {
		case FL_SHMEM_NONE:
			*ret_fresh = true;
			if (s->kept) {
				fill_kept(p, vma, s, va, ret);
				return FL_FAULT_DONE;
			}
			return zero_fill(p, vma, s, va, flags, ret);
		case FL_SHMEM_SWAP: return fl_shmem_swap_in(p, vma, s, va, flags);
		case FL_SHMEM_IN:
		case FL_SHMEM_PUNCH: /* another is at it, if it is not stopped, or killed */
			if (fl_shmem_take_over(&p->machine, s, index))
				continue;
			fl_pager_defer(p, va, flags | FL_FAULT_LATER);
			if (!again) /* else kswapd is at it, and looks again by itself */
				p->kick(p);
			return FL_FAULT_NOMEM;
		default: touch(p, vma, s, va, ret); return FL_FAULT_DONE;
		}
	}
}

enum fl_fault_result fl_shmem_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 flags)
{
	enum fl_fault_result ret;
	struct fl_shmem_run r = {NULL, 0, 0, 0};
	struct fl_shmem *s;
	bool first = false, fresh = false;

	/* the first of this process: kswapd is not to be made with the tree's lock held, as at a
	 * limit on processes that takes time */
	if (!p->shmem_run) {
		p->shmem_run = 1;
		p->kick(p);
	}
	fl_shmem_lock(&p->machine);
	s = fl_shmem_of(p, vma);
	if (s) {
		first = fl_shmem_activate(&p->machine, s);
		ret = fault(p, vma, s, va, flags, &r, &fresh);
	}
	fl_shmem_unlock(&p->machine);
	if (!s)
		ret = not_ours(p, va);
	else if (r.n)
		put_in(p, &r, va, fresh);
	else if (ret == FL_FAULT_DONE)
		p->host->ops->wake(p->host, va, 1);
	if (first) /* there must be somebody to answer when the page is asked for */
		p->kick(p);
	fl_count(p, pgfault_shmem, !(flags & FL_FAULT_LATER));
	return ret;
}

void fl_shmem_arrived(struct fl_pager *p, u64 va)
{
	const struct fl_vma *vma = fl_vma_at(&p->mm, va);
	struct fl_shmem_run r = {NULL, 0, 0, 0};
	struct fl_shmem *s;

	fl_shmem_lock(&p->machine);
	s = vma ? fl_shmem_of(p, vma) : NULL;
	if (s) {
		u64 index = vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT);
		u64 e = index < s->npages ? *fl_shmem_entry(&p->machine, s, (u32)index) : 0;

		if (fl_shmem_state(e) == FL_SHMEM_RESIDENT || fl_shmem_state(e) == FL_SHMEM_OUT)
			touch(p, vma, s, va, &r);
	}
	fl_shmem_unlock(&p->machine);
	if (r.n)
		put_in(p, &r, va, false);
	else
		p->host->ops->wake(p->host, va, 1);
}
