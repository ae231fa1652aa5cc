/*
 * Shared anonymous memory that the program maps: from the kernel's inode to an object of
 * the tree's, and our own view of it (pager/shmem.h).
 *
 * The view is a second mapping of the same pages (mremap with an old size of 0), at an
 * address that follows from the object's entries, in one reserved range. A child of a fork
 * inherits it with everything else.
 */
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"
#include "pager/shmem.h"

#include <errno.h>
#include <sys/mman.h>

#define AREA_BYTES ((u64)FL_SHMEM_PAGES * FL_PAGE_SIZE)

/* Reserved when the first object is made. */
static bool have_area(struct fl_pager *p)
{
	struct fl_limits limits;
	long r;

	if (p->shmem_area)
		return true;
	fl_limits_lift(&limits);
	r = fl_syscall(SYS_mmap, NULL, AREA_BYTES, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!fl_is_err(r)) {
		fl_runtime_internal((u64)r, (u64)r + AREA_BYTES, false);
		p->shmem_area = (u64)r;
	}
	fl_limits_settle(&limits);
	return p->shmem_area;
}

/* Not in a core dump: it would bring in all that is in swap, as zeros. */
static bool make_view(struct fl_pager *p, const struct fl_shmem *s, u64 start)
{
	u64 bytes = (u64)s->npages * FL_PAGE_SIZE, at = fl_shmem_view(p, s, 0);

	return fl_syscall(SYS_mremap, start, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == (long)at &&
		fl_syscall(SYS_mprotect, at, bytes, PROT_READ | PROT_WRITE) == 0 &&
		fl_syscall(SYS_madvise, at, bytes, MADV_DONTDUMP) == 0;
}

void fl_shared_new(u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;
	struct fl_limits limits;
	struct fl_shmem *s;
	struct fl_vma v;

	if (!fl.uffd.host.can_share || end - start > AREA_BYTES || !have_area(p) ||
		fl_map_at(start, &v) < 0 || v.start != start || v.end != end || !v.ino)
		return;
	fl_mm_map(&p->mm, &v);
	fl_shmem_lock(&p->machine);
	s = fl_shmem_get(&p->machine, v.dev, v.ino, (end - start) >> FL_PAGE_SHIFT);
	if (s) {
		fl_shmem_map(&p->machine, s);
		fl_limits_lift(&limits); /* to the kernel the view is more for a moment */
		if (!make_view(p, s, start) || fl_uffd_register_shared(&fl.uffd, start, end) < 0)
			fl_shmem_drop(p, s); /* it is the kernel's then */
		fl_limits_settle(&limits);
	}
	fl_shmem_unlock(&p->machine);
}

bool fl_is_shared(const struct fl_vma *vma)
{
	struct fl_pager *p = &fl.pager;
	bool is;

	if (!p->shmem_area || !(vma->flags & FL_VM_SHARED))
		return false;
	fl_shmem_lock(&p->machine);
	is = fl_shmem_of(p, vma);
	fl_shmem_unlock(&p->machine);
	return is;
}

bool fl_any_shared(u64 start, u64 end)
{
	struct fl_vma *vma;

	if (fl.pager.shmem_area)
		fl_for_each_vma_range(&fl.pager.mm, vma, start, end)
			if (fl_is_shared(vma))
				return true;
	return false;
}

void fl_shared_register(void)
{
	struct fl_vma *vma;

	if (fl.pager.shmem_area)
		fl_for_each_vma(&fl.pager.mm, vma)
			if (fl_is_shared(vma))
				fl_uffd_register_shared(&fl.uffd, vma->start, vma->end);
}

void fl_shared_removed(u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma;

	if (!p->shmem_area)
		return;
	fl_shmem_lock(&p->machine);
	fl_for_each_vma_range(&p->mm, vma, start, end)
	{
		struct fl_shmem *s = fl_shmem_of(p, vma);

		for (u64 va = fl_max(start, vma->start); s && va < fl_min(end, vma->end); va += FL_PAGE_SIZE) {
			u64 i = vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT);

			if (i < s->npages && *fl_shmem_entry(&p->machine, s, (u32)i))
				fl_shmem_clear(&p->machine, fl_shmem_entry(&p->machine, s, (u32)i));
		}
	}
	fl_shmem_unlock(&p->machine);
}
