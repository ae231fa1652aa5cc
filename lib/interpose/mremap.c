/*
 * mremap(2).
 *
 * The kernel moves the mapped pages; the ptes of the mirror follow, whatever
 * their state. The new range loses its registration and its pages' write
 * protection on the way: both are put back before the program knows the address.
 */
#include "interpose/hooks.h"

#include "pager/shmem.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* The mirror is up to date: it tells whether the range is private memory or shared. */
static bool registered(u64 start, u64 end)
{
	const struct fl_vma *v = fl_vma_at(&fl.pager.mm, start);

	if (v && (v->flags & FL_VM_SHARED))
		return fl_uffd_register_shared(&fl.uffd, start, end) == 0;
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
	fl_uffd_unregister(&fl.uffd, old, old + old_bytes);
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

enum fl_action fl_hook_mremap(struct fl_call *c)
{
	u64 old = c->a[0], old_bytes = fl_page_up(c->a[1]), new_bytes = fl_page_up(c->a[2]);
	u64 flags = c->a[3];
	struct fl_vma *v;
	bool one, ours, shared;
	long ret;

	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	shared = (flags & MREMAP_FIXED) && fl_any_shared(c->a[4], c->a[4] + new_bytes);
	v = fl_vma_at(&fl.pager.mm, old);
	one = v && old_bytes && !(old & ~FL_PAGE_MASK) && v->end >= old + old_bytes;
	ours = one && (v->owner == FL_OWNER_MANAGED || fl_is_shared(v));
	ret = ours ? move_ours(c, v, old, old_bytes) :
	      one  ? move_kernels(c, v) :
		     fl_call_kernel(c);
	if (!fl_is_err(ret) && one)
		moved(old, old_bytes, (u64)ret, new_bytes, flags & MREMAP_DONTUNMAP, ours);
	else if (!fl_is_err(ret) || (flags & MREMAP_FIXED)) {
		/* over several VMAs, or a second view of shared memory; or what was
		 * at the new place is gone all the same */
		fl_resync(false);
		fl_shared_register();
	}
	if (shared)
		fl_shmem_forget_unused(&fl.pager);
	fl_leave();
	return fl_done(c, ret);
}
