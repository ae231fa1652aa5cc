/*
 * mremap(2).
 *
 * The kernel moves the mapped pages; the ptes of the mirror follow, whatever
 * their state. The new range loses its registration and its pages' write
 * protection on the way: both are put back before the program knows the address.
 */
#include "interpose/mremap.h"

#include "pager/shmem.h"
#include "runtime/limits.h"

#include <errno.h>

/*
 * The kernel's one VMA may be several of the mirror, which knows more of what is mapped. These go
 * over all that are managed in a range.
 */
static bool registered(u64 start, u64 end)
{
	struct fl_vma *v;

	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if (v->owner == FL_OWNER_MANAGED ?
				fl_uffd_register(&fl.uffd, fl_max(v->start, start), fl_min(v->end, end),
					true) < 0 :
				fl_is_shared(v) && fl_uffd_register_shared(&fl.uffd, fl_max(v->start, start),
							   fl_min(v->end, end)) < 0)
			return false;
	return true;
}

static void unregister(u64 start, u64 end)
{
	struct fl_vma *v;

	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if (v->owner == FL_OWNER_MANAGED || fl_is_shared(v))
			fl_uffd_unregister(&fl.uffd, fl_max(v->start, start), fl_min(v->end, end));
}

/* The VMAs of the mirror go elsewhere, piece by piece; what is new behind them is like the last. */
static void move_vmas(u64 old, u64 bytes, u64 new, u64 new_bytes, bool keep_old)
{
	struct fl_pager *p = &fl.pager;

	for (u64 at = 0, n; at < bytes; at += n) {
		struct fl_vma *v = fl_vma_at(&p->mm, old + at);

		n = fl_min(v->end - (old + at), bytes - at);
		/* the kernel does so with all of a VMA of which a part is moved and stays; what is one
		 * to the program may be several to it */
		if (keep_old && (v->flags & FL_VM_LOCKED))
			fl_syscall(SYS_munlock, v->start, v->end - v->start);
		if (fl_vma_prealloc(&p->mm, FL_VMA_MAX_NODES) < 0)
			p->dead(p, "its tables cannot grow: the address space is full (ulimit -v?)");
		fl_mm_move(&p->mm, old + at, n, new + at, at + n == bytes ? new_bytes - at : n, keep_old);
	}
}

/* The mirror after a call that succeeded. There is no hole in what is kept of the old range. */
static void moved(u64 old, u64 old_bytes, u64 new, u64 new_bytes, bool keep_old)
{
	struct fl_pager *p = &fl.pager;

	if (new != old)
		fl_pager_forget(p, new, new + new_bytes);
	else if (new_bytes > old_bytes)
		fl_pager_forget(p, old + old_bytes, new + new_bytes);
	if (old_bytes > new_bytes) {
		fl_pager_forget(p, old + new_bytes, old + old_bytes);
		fl_mm_unmap(&p->mm, old + new_bytes, old + old_bytes);
		old_bytes = new_bytes;
	}
	if (new != old) {
		move_vmas(old, old_bytes, new, new_bytes, keep_old);
	} else if (new_bytes > old_bytes) {
		struct fl_vma *last = fl_vma_at(&p->mm, old + old_bytes - FL_PAGE_SIZE);
		u64 from = fl_max(last->start, old);

		fl_mm_move(&p->mm, from, old + old_bytes - from, from, new + new_bytes - from, false);
	}
	if (!registered(new, new + new_bytes) || (keep_old && !registered(old, old + old_bytes)))
		p->dead(p, "mremap: the moved memory cannot be registered with userfaultfd");
	if (new == old)
		fl_pager_reprotect(p, old, old + old_bytes);
	else if (fl_pager_moved(p, old, new, old_bytes) < 0)
		p->dead(p, "its tables cannot grow: the address space is full (ulimit -v?)");
}

/* Where the program leaves the new place open, a range stays if it can. True: that is the result. */
static bool stays(const struct fl_call *c, long *ret)
{
	struct fl_call in_place = *c;

	if (c->a[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return false;
	in_place.a[3] &= ~(u64)MREMAP_MAYMOVE;
	*ret = fl_call_kernel(&in_place);
	return *ret != -ENOMEM || !(c->a[3] & MREMAP_MAYMOVE);
}

static long move(const struct fl_call *c, const struct fl_vma *vma)
{
	const u64 known = MREMAP_MAYMOVE | MREMAP_DONTUNMAP; /* without a place */

	/* with DONTUNMAP the place is a wish, and judged by the kernel as one with FIXED */
	if ((c->a[3] & MREMAP_DONTUNMAP) && c->a[4])
		return fl_call_kernel(c);
	/* to a place of our choice several would be moved as well */
	if (c->a[3] == known && fl_page_up(c->a[1]) == fl_page_up(c->a[2]) &&
		vma->end - c->a[0] < fl_page_up(c->a[1]))
		return -EFAULT;
	return (c->a[3] & MREMAP_MAYMOVE) && !(c->a[3] & ~known) ? fl_place_mremap(c, vma) :
								   fl_call_kernel(c);
}

/*
 * Moves a managed range. Where the kernel can merge the moved VMA with a
 * registered neighbour, it takes the registration from both: the neighbour's
 * pages in swap would read as zeros to another thread. A range that is not
 * registered merges with none of ours, so it is unregistered first; nobody but
 * the caller may touch memory that is being moved away.
 */
static long move_ours(const struct fl_call *c, const struct fl_vma *vma, u64 old, u64 old_bytes)
{
	long ret;

	if (stays(c, &ret))
		return ret;
	unregister(old, old + old_bytes);
	ret = move(c, vma);
	if (fl_is_err(ret)) {
		registered(old, old + old_bytes);
		fl_pager_reprotect(&fl.pager, old, old + old_bytes);
	}
	return ret;
}

static long move_kernels(const struct fl_call *c, const struct fl_vma *vma)
{
	long ret;

	return stays(c, &ret) ? ret : move(c, vma);
}

long fl_mremap_one(const struct fl_call *c, struct fl_range *ret_populate)
{
	u64 old = c->a[0], old_bytes = fl_page_up(c->a[1]), new_bytes = fl_page_up(c->a[2]);
	u64 flags = c->a[3], kept = fl_min(old_bytes, new_bytes); /* behind that there may be holes */
	struct fl_vma *v = fl_vma_at(&fl.pager.mm, old);
	bool known = v && old_bytes && !(old & ~FL_PAGE_MASK) && old_bytes <= TASK_SIZE - old &&
		fl_first_hole(old, old + kept) == old + kept;
	bool over_file = (flags & MREMAP_FIXED) && fl_any_filemap(c->a[4], c->a[4] + new_bytes);
	bool ours = known && (fl_any_managed(old, old + old_bytes) || fl_any_shared(old, old + old_bytes));
	bool over_shared = (flags & MREMAP_FIXED) && fl_any_shared(c->a[4], c->a[4] + new_bytes);
	bool locked = ours && new_bytes > old_bytes &&
		(v->flags & (FL_VM_LOCKED | FL_VM_LOCKONFAULT)) == FL_VM_LOCKED;
	long ret;

	/* more than the twins of files may be long */
	if (ours && new_bytes >= FL_TWIN_MAX && new_bytes <= TASK_SIZE && fl_is_filemap(v) &&
		!(flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)))
		return -ENOMEM;
	/* where one VMA ends and another begins is the kernel's to know, of files; and what their
	 * twins cannot follow is its own too */
	if (ours && new_bytes <= TASK_SIZE && fl_any_filemap(old, old + old_bytes) &&
		(v->end < old + old_bytes ||
			!fl_filemap_grow(v, old + old_bytes, fl_max(new_bytes, old_bytes) - old_bytes))) {
		fl_filemap_leave(old, old + old_bytes, false);
		v = fl_vma_at(&fl.pager.mm, old);
		ours = fl_any_managed(old, old + old_bytes);
	}
	/* what is locked and grows is faulted in within the call, but for this */
	if (locked)
		fl_syscall(SYS_mlock2, old, old_bytes, 1 /* MLOCK_ONFAULT */);
	ret = ours  ? move_ours(c, v, old, old_bytes) :
	      known ? move_kernels(c, v) :
		      fl_call_kernel(c);
	if (locked && fl_is_err(ret))
		*ret_populate = (struct fl_range){.start = old, .end = old + old_bytes};
	else if (locked)
		*ret_populate = (struct fl_range){.start = (u64)ret, .end = (u64)ret + new_bytes};
	if (!fl_is_err(ret) && known) {
		moved(old, old_bytes, (u64)ret, new_bytes, flags & MREMAP_DONTUNMAP);
	} else if (!fl_is_err(ret) || (flags & MREMAP_FIXED)) {
		/* a second view of shared memory, what the mirror has not seen grow, a range
		 * with holes that stays where it is; or an error, but what was at the new
		 * place is gone all the same */
		if (!fl_is_err(ret) && (u64)ret != old) {
			fl_pager_forget(&fl.pager, (u64)ret, (u64)ret + new_bytes);
			fl_mm_unmap(&fl.pager.mm, (u64)ret, (u64)ret + new_bytes);
		}
		fl_resync(false);
		fl_shared_register();
	}
	if (over_shared)
		fl_shmem_forget_unused(&fl.pager);
	if (over_file || (ours && old_bytes > new_bytes))
		fl_filemap_forget_unused();
	return ret;
}

/* Does this kernel move several VMAs at once, as Linux 6.17 and newer do? */
static bool kernel_moves_several(void)
{
	static enum { UNKNOWN, YES, NO } known;
	const u64 flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, n = 2 * FL_PAGE_SIZE;
	struct fl_limits limits;
	long from, to, ret = -ENOMEM;

	if (known != UNKNOWN)
		return known == YES;
	fl_limits_lift(&limits);
	from = fl_syscall(SYS_mmap, NULL, n, PROT_NONE, flags, -1, 0);
	to = fl_syscall(SYS_mmap, NULL, n, PROT_NONE, flags, -1, 0);
	if (!fl_is_err(from) && !fl_is_err(to) &&
		fl_syscall(SYS_mprotect, from, FL_PAGE_SIZE, PROT_READ) == 0) {
		ret = fl_syscall(SYS_mremap, from, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		known = fl_is_err(ret) ? NO : YES;
	}
	if (!fl_is_err(from) && fl_is_err(ret))
		fl_syscall(SYS_munmap, from, n);
	if (!fl_is_err(to))
		fl_syscall(SYS_munmap, to, n);
	fl_limits_settle(&limits);
	return known == YES;
}

/*
 * A call that is to move several VMAs as they lie, holes between them included. The kernel
 * does so, but not with memory that is registered with a userfaultfd.
 */
static bool moves_several(const struct fl_call *c)
{
	u64 old = c->a[0], bytes = fl_page_up(c->a[1]), to = c->a[4], flags = c->a[3];
	struct fl_vma *v = fl_vma_at(&fl.pager.mm, old);

	return (flags & ~(u64)MREMAP_DONTUNMAP) == (MREMAP_MAYMOVE | MREMAP_FIXED) && bytes &&
		bytes == fl_page_up(c->a[2]) && !((old | to) & ~FL_PAGE_MASK) &&
		bytes <= TASK_SIZE - old && bytes <= TASK_SIZE && to <= TASK_SIZE - bytes &&
		(old >= to + bytes || to >= old + bytes) && v && v->end - old < bytes &&
		kernel_moves_several();
}

/* VMA by VMA, as the kernel would: what was moved before one that cannot be stays moved. */
static long move_several(const struct fl_call *c)
{
	struct fl_range none;
	u64 old = c->a[0], end = old + fl_page_up(c->a[1]);
	long ret;

	for (u64 at = old; at < end;) {
		struct fl_vma *v = fl_vma_find(&fl.pager.mm, at);
		struct fl_call piece = *c;

		if (!v || v->start >= end)
			break;
		if ((v->flags & FL_VM_SYSV) && (at > old || v->end < end))
			return -EFAULT;
		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			return -ENOMEM;
		piece.a[0] = fl_max(v->start, at);
		at = fl_min(v->end, end);
		piece.a[1] = piece.a[2] = at - piece.a[0];
		piece.a[4] = c->a[4] + (piece.a[0] - old);
		ret = fl_mremap_one(&piece, &none);
		if (fl_is_err(ret))
			return ret;
	}
	return (long)c->a[4];
}

enum fl_action fl_hook_mremap(struct fl_call *c)
{
	struct fl_range populate = {0};
	long ret;

	if (!fl_enter_range(c->a[0], c->a[0] + fl_page_up(c->a[1])))
		return fl_done(c, -ENOMEM);
	if (c->a[3] & MREMAP_FIXED)
		fl_pager_see_writes(&fl.pager, c->a[4], c->a[4] + fl_page_up(c->a[2]));
	ret = fl_mremap_is_several(c) ? -EFAULT :
	      moves_several(c)	      ? move_several(c) :
	      fl_mremap_is_file(c)    ? fl_mremap_pieces(c, &populate) :
					fl_mremap_one(c, &populate);
	/* the mirror knows better what is one */
	if (ret == -EFAULT && fl_mremap_is_one(c))
		ret = fl_mremap_pieces(c, &populate);
	fl_leave();
	if (populate.end)
		fl_syscall(SYS_mlock, populate.start, populate.end - populate.start);
	return fl_done(c, ret);
}
