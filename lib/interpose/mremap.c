/*
 * mremap(2).
 *
 * The kernel moves the mapped pages; the ptes of the mirror follow, whatever
 * their state. The new range loses its registration and its pages' write
 * protection on the way: both are put back before the program knows the address.
 */
#include "interpose/hooks.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define TASK_SIZE ((1ull << 47) - FL_PAGE_SIZE)

static bool registered(u64 start, u64 end)
{
	return fl_uffd_register(&fl.uffd, start, end, true) == 0;
}

/* The mirror after a call that succeeded. */
static void moved(u64 old, u64 old_bytes, u64 new, u64 new_bytes, bool keep_old, bool ours)
{
	struct fl_pager *p = &fl.pager;

	if (new != old)
		fl_pager_forget(p, new, new + new_bytes);
	else if (new_bytes > old_bytes)
		fl_pager_forget(p, old + old_bytes, new + new_bytes);
	if (old_bytes > new_bytes)
		fl_pager_forget(p, old + new_bytes, old + old_bytes);
	fl_mm_move(&p->mm, old, old_bytes, new, new_bytes, keep_old);
	if (!ours)
		return;
	if (!registered(new, new + new_bytes) || (keep_old && !registered(old, old + old_bytes)))
		p->dead(p, "mremap: the moved memory cannot be registered with userfaultfd");
	if (new != old && fl_pager_moved(p, old, new, fl_min(old_bytes, new_bytes)) < 0)
		p->dead(p, "its tables cannot grow: the address space is full (ulimit -v?)");
}

/*
 * Moves a managed range. Where the kernel can merge the moved VMA with a
 * registered neighbour, it takes the registration from both: the neighbour's
 * pages in swap would read as zeros to another thread. A range that is not
 * registered merges with none of ours, so it is unregistered first; nobody but
 * the caller may touch memory that is being moved away.
 */
static long move(const struct fl_call *c, u64 old, u64 old_bytes)
{
	struct fl_call in_place = *c;
	long ret;

	if (!(c->a[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
		/* as the kernel does, without moving where that is possible */
		in_place.a[3] &= ~(u64)MREMAP_MAYMOVE;
		ret = fl_call_kernel(&in_place);
		if (ret != -ENOMEM || !(c->a[3] & MREMAP_MAYMOVE))
			return ret;
	}
	fl_uffd_unregister(&fl.uffd, old, old + old_bytes);
	ret = fl_call_kernel(c);
	if (fl_is_err(ret)) {
		registered(old, old + old_bytes);
		fl_pager_reprotect(&fl.pager, old, old + old_bytes);
	}
	return ret;
}

/* One VMA, or what the kernel will refuse. Lock held, room for one operation. */
static long move_one(const struct fl_call *c)
{
	u64 old = c->a[0], old_bytes = fl_page_up(c->a[1]), new_bytes = fl_page_up(c->a[2]);
	u64 flags = c->a[3];
	struct fl_vma *v = fl_vma_at(&fl.pager.mm, old);
	bool one = v && old_bytes && !(old & ~FL_PAGE_MASK) && v->end - old >= old_bytes;
	bool ours = one && v->owner == FL_OWNER_MANAGED;
	long ret = ours ? move(c, old, old_bytes) : fl_call_kernel(c);

	if (!fl_is_err(ret) && one)
		moved(old, old_bytes, (u64)ret, new_bytes, flags & MREMAP_DONTUNMAP, ours);
	else if (!fl_is_err(ret) || (flags & MREMAP_FIXED))
		/* over several VMAs, or a second view of shared memory; or what was
		 * at the new place is gone all the same */
		fl_resync(false);
	return ret;
}

/* Does this kernel move several VMAs at once, as Linux 6.17 and newer do? */
static bool kernel_moves_several(void)
{
	static enum { UNKNOWN, YES, NO } known;
	const u64 flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, n = 2 * FL_PAGE_SIZE;
	long from, to, ret = -ENOMEM;

	if (known != UNKNOWN)
		return known == YES;
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
		fl_any_managed(old, old + bytes) && kernel_moves_several();
}

/* VMA by VMA, as the kernel would: what was moved before one that cannot be stays moved. */
static long move_several(const struct fl_call *c)
{
	u64 old = c->a[0], end = old + fl_page_up(c->a[1]);
	long ret;

	for (u64 at = old; at < end;) {
		struct fl_vma *v = fl_vma_find(&fl.pager.mm, at);
		struct fl_call piece = *c;

		if (!v || v->start >= end)
			break;
		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			return -ENOMEM;
		piece.a[0] = fl_max(v->start, at);
		at = fl_min(v->end, end);
		piece.a[1] = piece.a[2] = at - piece.a[0];
		piece.a[4] = c->a[4] + (piece.a[0] - old);
		ret = move_one(&piece);
		if (fl_is_err(ret))
			return ret;
	}
	return (long)c->a[4];
}

enum fl_action fl_hook_mremap(struct fl_call *c)
{
	long ret;

	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	ret = moves_several(c) ? move_several(c) : move_one(c);
	fl_leave();
	return fl_done(c, ret);
}
