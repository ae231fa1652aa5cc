/* Faults on shared anonymous memory; see shmem.h. */
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

struct fl_shmem *fl_shmem_of(const struct fl_pager *p, const struct fl_vma *vma)
{
	struct fl_shmem *s;

	if (!p->shmem_area || !(vma->flags & FL_VM_SHARED))
		return NULL;
	s = fl_shmem_find(&p->machine, vma->dev, vma->ino);
	return s && fl_shmem_is_mapped(&p->machine, s) ? s : NULL;
}

/* Pages of the object [first, first + n) and where the first of them is in the program. */
struct run {
	struct fl_shmem *s;
	u32 first, n;
	u64 va;
};

static u64 *entry(const struct fl_pager *p, const struct run *r, u32 i)
{
	return fl_shmem_entry(&p->machine, r->s, r->first + i);
}

/* The pages around the fault whose entries are in this state, at most max, in the block of
 * max pages that it lies in. In swap: side by side there too. */
static struct run around(const struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 max)
{
	u32 at = (u32)(vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT));
	u32 lo = fl_max(at & ~(max - 1), (u32)vma->pgoff), hi = (at & ~(max - 1)) + max, a = at, b = at;
	u64 e = *fl_shmem_entry(&p->machine, s, at);
	bool swap = fl_shmem_state(e) == FL_SHMEM_SWAP;

	hi = (u32)fl_min((u64)hi, vma->pgoff + fl_vma_pages(vma));
	hi = fl_min(hi, s->npages);
	for (; a > lo; a--) {
		u64 d = *fl_shmem_entry(&p->machine, s, a - 1);

		if (fl_shmem_state(d) != fl_shmem_state(e) ||
			(swap && fl_shmem_payload(d) + (at - a + 1) != fl_shmem_payload(e)))
			break;
	}
	for (; b + 1 < hi; b++) {
		u64 d = *fl_shmem_entry(&p->machine, s, b + 1);

		if (fl_shmem_state(d) != fl_shmem_state(e) ||
			(swap && fl_shmem_payload(d) != fl_shmem_payload(e) + (b + 1 - at)))
			break;
	}
	return (struct run){s, a, b + 1 - a, va - (u64)(at - a) * FL_PAGE_SIZE};
}

/* Maps what is in memory; the page at va at least runs its threads again. */
static void map(struct fl_pager *p, const struct run *r, u64 va)
{
	/* a guard page (MADV_GUARD_INSTALL) would be mapped over, so that none but the faulting
	 * page may be mapped where there are any */
	u32 from = p->guards ? (u32)((va - r->va) / FL_PAGE_SIZE) : 0, to = p->guards ? from + 1 : r->n;

	for (u32 done = from; done < to;) {
		u64 at = r->va + done * FL_PAGE_SIZE;
		int err;
		u32 k = p->host->ops->map_shared(p->host, at, to - done, &err);

		done += k;
		if (done == to || (k && !err))
			continue;
		if (err == -EFAULT) /* dropped by a call that no hook saw: zeros from now on */
			fl_shmem_clear(&p->machine, entry(p, r, done));
		else if (err != -EEXIST)
			break; /* the mapping went away under us */
		done++;
	}
	p->host->ops->wake(p->host, va, 1);
}

/* A frame that is the shared memory's from now on, without storage of ours. */
static void give(struct fl_pager *p, u32 f)
{
	fl_frames_empty(p, f, 1);
	p->pages.page[f].key = 0;
	fl_shmem_give_frame(&p->machine, f);
}

static void resident(struct fl_pager *p, u64 *e, u32 f)
{
	give(p, f);
	__atomic_store_n(e, fl_shmem_make(FL_SHMEM_RESIDENT, f) | FL_SHMEM_YOUNG, __ATOMIC_RELEASE);
}

/* How many pages to fill for one fault. Under pressure memory that nobody asked for costs an
 * eviction; but where faults follow each other it will be asked for. */
static u32 block(struct fl_pager *p, u64 va)
{
	u64 ahead = va - p->shmem_next;

	p->shmem_run = ahead <= FL_PAGE_SIZE ? fl_min(2 * p->shmem_run + 2, FL_SHMEM_CLUSTER) : 2;
	if (fl_frames_available(p) >= 2 * p->high)
		return FL_SHMEM_CLUSTER;
	return p->shmem_run >= FL_SHMEM_CLUSTER ? FL_SHMEM_CLUSTER : p->shmem_run >= 4 ? 4 : 2;
}

static enum fl_fault_result zero_fill(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags)
{
	u32 max = block(p, va), order = 0, got, f;
	struct run r = around(p, vma, s, va, max);

	if (r.n == max) /* a block, aligned: its frames can be taken as one */
		while (1u << order < max)
			order++;
	f = fl_frames_alloc(p, order, &got);
	if (f == FL_NO_FRAME)
		return fl_pager_no_memory(p, va, flags);
	if (1u << got < r.n) {
		r.first += (u32)((va - r.va) / FL_PAGE_SIZE) & ~((1u << got) - 1);
		r.va += ((va - r.va) / FL_PAGE_SIZE & ~((1ull << got) - 1)) * FL_PAGE_SIZE;
		r.n = 1u << got;
	}
	if (p->host->ops->populate(p->host, fl_shmem_view(p, s, r.first), r.n) < 0) {
		for (u32 i = 0; i < 1u << got; i++)
			fl_frame_free(p, f + i);
		return fl_pager_no_memory(p, va, flags);
	}
	for (u32 i = 0; i < r.n; i++)
		resident(p, entry(p, &r, i), f + i);
	p->shmem_next = r.va + r.n * FL_PAGE_SIZE;
	map(p, &r, va);
	fl_count(p, fault_around, r.n - 1);
	return FL_FAULT_DONE;
}

/* As many frames as there are, at most n; each by itself, for later. */
static u32 frames(struct fl_pager *p, u32 *ret, u32 n)
{
	u32 i, order;

	for (i = 0; i < n && (i == 0 || fl_frames_available(p) > p->low); i++) {
		ret[i] = fl_frames_alloc(p, 0, &order);
		if (ret[i] == FL_NO_FRAME)
			break;
	}
	return i;
}

/*
 * Reads the page, and, where faults follow each other in the address space, those beside it
 * both in the object and in the swap file. Whether they are of use is never seen: they are
 * mapped with it. The lock of shared memory is let go meanwhile; the mm lock is not, so this
 * process does nothing else.
 */
static enum fl_fault_result swap_in(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags)
{
	u64 first, view;
	u32 want = fl_pager_window(p, vma, va, &first);
	struct run r = around(p, vma, s, va, want > 1 ? FL_SHMEM_CLUSTER : 1);
	u32 f[FL_SHMEM_CLUSTER], skip = (u32)((va - r.va) / FL_PAGE_SIZE), n = frames(p, f, r.n), slot;

	if (!p->shmem_bounce)
		p->shmem_bounce = fl_arena_alloc(p->arena, FL_SHMEM_CLUSTER * FL_PAGE_SIZE);
	if (!n || !p->shmem_bounce) {
		for (u32 i = 0; i < n; i++)
			fl_frame_free(p, f[i]);
		return fl_pager_no_memory(p, va, flags);
	}
	/* fewer frames than pages: those from the faulting one on */
	if (n < r.n) {
		skip = fl_min(skip, r.n - n);
		r.first += skip;
		r.va += skip * FL_PAGE_SIZE;
		r.n = n;
	}
	slot = fl_shmem_payload(*entry(p, &r, 0));
	fl_shmem_busy(&p->machine, FL_SHMEM_IN, entry(p, &r, 0), r.n);
	for (u32 i = 0; i < r.n; i++)
		__atomic_store_n(entry(p, &r, i), fl_shmem_make_own(&p->machine, FL_SHMEM_IN, slot + i),
			__ATOMIC_RELEASE);
	fl_shmem_unlock(&p->machine);
	if (fl_pager_read_slots_now(p, slot, r.n, p->shmem_bounce) < 0)
		p->dead(p, "the swap file cannot be read");
	fl_count(p, pswpin, r.n);
	fl_count(p, swapin_ios, 1);
	fl_count(p, swap_ra, r.n - 1);
	fl_count(p, pgmajfault, 1);
	fl_shmem_lock(&p->machine);
	view = fl_shmem_view(p, s, r.first);
	for (u32 i = 0; i < r.n; i++) {
		if (*entry(p, &r, i) != fl_shmem_make_own(&p->machine, FL_SHMEM_IN, slot + i)) {
			fl_frame_free(p, f[i]); /* given up meanwhile, or taken over */
			continue;
		}
		memcpy((void *)(view + i * FL_PAGE_SIZE), (char *)p->shmem_bounce + i * FL_PAGE_SIZE,
			FL_PAGE_SIZE);
		resident(p, entry(p, &r, i), f[i]);
		fl_shmem_put_slot(&p->machine, slot + i);
	}
	fl_shmem_idle(&p->machine, FL_SHMEM_IN);
	r = around(p, vma, s, va, FL_SHMEM_CLUSTER);
	if (fl_shmem_state(*entry(p, &r, 0)) == FL_SHMEM_RESIDENT)
		map(p, &r, va);
	else
		p->host->ops->wake(p->host, va, 1);
	return FL_FAULT_DONE;
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

static enum fl_fault_result fault(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags)
{
	u32 index = (u32)(vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT));
	struct run r;
	u64 *e;

	if (index >= s->npages) { /* past its end: the kernel sends SIGBUS */
		p->host->ops->wake(p->host, va, 1);
		return FL_FAULT_DONE;
	}
	e = fl_shmem_entry(&p->machine, s, index);
	switch (fl_shmem_state(*e)) {
	case FL_SHMEM_NONE: return zero_fill(p, vma, s, va, flags);
	case FL_SHMEM_SWAP: return swap_in(p, vma, s, va, flags);
	case FL_SHMEM_IN: /* another process reads it, if it is not stopped, or killed */
		if (fl_shmem_take_over(&p->machine, e))
			return swap_in(p, vma, s, va, flags);
		fl_pager_defer(p, va, flags);
		p->kick(p);
		return FL_FAULT_NOMEM;
	case FL_SHMEM_OUT: /* it stays */
		*e = fl_shmem_make(FL_SHMEM_RESIDENT, fl_shmem_payload(*e)) | FL_SHMEM_YOUNG;
		fl_count(p, pgfault_soft, 1);
		fl_count(p, pgactivate, 1);
		break;
	default: break;
	}
	r = around(p, vma, s, va, FL_SHMEM_CLUSTER);
	map(p, &r, va);
	return FL_FAULT_DONE;
}

enum fl_fault_result fl_shmem_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 flags)
{
	enum fl_fault_result ret;
	struct fl_shmem *s;
	bool first = false;

	fl_shmem_lock(&p->machine);
	s = fl_shmem_of(p, vma);
	if (s)
		first = fl_shmem_activate(&p->machine, s);
	ret = s ? fault(p, vma, s, va, flags) : not_ours(p, va);
	fl_shmem_unlock(&p->machine);
	if (first) /* there must be somebody to answer when the page is asked for */
		p->kick(p);
	fl_count(p, pgfault_shmem, 1);
	return ret;
}
