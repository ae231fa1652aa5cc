/*
 * Shared anonymous memory that the program maps: from the kernel's inode to an object of
 * the tree's, and our own view of it (pager/shmem.h).
 *
 * The view is a second mapping of the same pages (mremap with an old size of 0). A child of a
 * fork inherits it with everything else.
 */
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"
#include "base/own.h"
#include "pager/shmem.h"

#include <errno.h>
#include <sys/mman.h>

#define MOST_BYTES ((u64)FL_SHMEM_PAGES * FL_PAGE_SIZE)

static bool have_views(struct fl_pager *p)
{
	if (!p->shmem_view)
		p->shmem_view = fl_arena_alloc(p->arena, FL_NR_SHMEM * sizeof(u64));
	return p->shmem_view;
}

/* Not in a core dump: it would bring in all that is in swap, as zeros. False: there is none. */
static bool make_view(struct fl_pager *p, const struct fl_shmem *s, u64 start)
{
	u64 bytes = (u64)s->npages * FL_PAGE_SIZE;
	/* the place first: mremap takes no hint */
	long at = fl_syscall(SYS_mmap, fl_own_hint(bytes), bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fl_is_err(at))
		return false;
	if (fl_syscall(SYS_mremap, start, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at ||
		fl_syscall(SYS_mprotect, at, bytes, PROT_READ | PROT_WRITE) != 0 ||
		fl_syscall(SYS_madvise, at, bytes, MADV_DONTDUMP) != 0) {
		fl_syscall(SYS_munmap, at, bytes);
		return false;
	}
	fl_runtime_internal((u64)at, (u64)at + bytes, false);
	p->shmem_view[s - p->machine.shmems] = (u64)at;
	return true;
}

void fl_shared_unmap_view(u64 start, u64 end)
{
	struct fl_limits limits;

	fl_limits_lift(&limits);
	fl_syscall(SYS_munmap, start, end - start);
	fl_runtime_not_internal(start, end);
	fl_limits_settle(&limits);
}

void fl_shared_new(u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;
	struct fl_limits limits;
	struct fl_shmem *s;
	struct fl_vma v;

	if (!fl.uffd.host.can_share || end - start > MOST_BYTES || !have_views(p) ||
		fl_map_at(start, &v) < 0 || v.start != start || v.end != end || !v.ino)
		return;
	fl_mm_map(&p->mm, &v);
	fl_shmem_lock(&p->machine);
	s = fl_shmem_get(&p->machine, v.dev, v.ino, (end - start) >> FL_PAGE_SHIFT);
	if (s) {
		fl_shmem_map(&p->machine, s);
		fl_limits_lift(&limits); /* to the kernel the view is more for a moment */
		/* else it is the kernel's */
		if (!make_view(p, s, start))
			fl_shmem_unmap(&p->machine, s);
		else if (fl_uffd_register_shared(&fl.uffd, start, end) < 0)
			fl_shmem_drop(p, s);
		fl_limits_settle(&limits);
	}
	fl_shmem_unlock(&p->machine);
}

bool fl_is_shared(const struct fl_vma *vma)
{
	struct fl_pager *p = &fl.pager;
	bool is;

	if (!p->shmem_view || !(vma->flags & FL_VM_SHARED))
		return false;
	fl_shmem_lock(&p->machine);
	is = fl_shmem_of(p, vma);
	fl_shmem_unlock(&p->machine);
	return is;
}

bool fl_any_shared(u64 start, u64 end)
{
	struct fl_vma *vma;

	if (fl.pager.shmem_view)
		fl_for_each_vma_range(&fl.pager.mm, vma, start, end)
			if (fl_is_shared(vma))
				return true;
	return false;
}

void fl_shared_register(void)
{
	struct fl_vma *vma;

	if (fl.pager.shmem_view)
		fl_for_each_vma(&fl.pager.mm, vma)
			if (fl_is_shared(vma))
				fl_uffd_register_shared(&fl.uffd, vma->start, vma->end);
}

void fl_shared_removed(u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma;

	if (!p->shmem_view)
		return;
	fl_shmem_lock(&p->machine);
	fl_for_each_vma_range(&p->mm, vma, start, end)
	{
		struct fl_shmem *s = fl_shmem_of(p, vma);
		u64 from = fl_max(start, vma->start), to = fl_min(end, vma->end);

		from = vma->pgoff + ((from - vma->start) >> FL_PAGE_SHIFT);
		to = vma->pgoff + ((to - vma->start) >> FL_PAGE_SHIFT);
		if (s && from < s->npages)
			fl_shmem_clear(&p->machine, s, (u32)from, (u32)fl_min(to, (u64)s->npages));
	}
	fl_shmem_unlock(&p->machine);
}
