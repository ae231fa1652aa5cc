/*
 * madvise(2).
 *
 * Advice that drops pages drops them here too, resident or swapped. Advice on
 * when to reclaim managed memory is ours to follow, and must not reach the
 * kernel: it would reclaim pages behind the mirror's back.
 */
#include "interpose/filemap.h"
#include "fault/uffd-compat.h"

#include <errno.h>
#include <sys/mman.h>

#define ADV_COLD	   20
#define ADV_PAGEOUT	   21
#define ADV_DONTNEED_LOCKED 24
#define ADV_COLLAPSE	   25
#define ADV_GUARD_INSTALL  102
#define HUGE_PAGE	   (2ull << 20)

/* Would the kernel refuse it for this part of the VMA? The errno, or 0. */
static int refuses(const struct fl_vma *v, u64 start, u64 end, u64 advice)
{
	u64 huge = fl_min((v->start + HUGE_PAGE - 1) / HUGE_PAGE, v->end / HUGE_PAGE);
	bool file = v->flags & FL_VM_FILE;

	switch (advice) {
	case MADV_FREE:
		return v->flags & FL_VM_LOCKED || file ? -EINVAL : 0;
	case ADV_COLD:
	case ADV_PAGEOUT:
		return v->flags & FL_VM_LOCKED ? -EINVAL : 0;
	case MADV_REMOVE:
		return v->flags & FL_VM_LOCKED || !file ? -EINVAL : -EACCES;
	case MADV_WIPEONFORK:
		return file ? -EINVAL : 0;
	case ADV_COLLAPSE:
		/* no room for a huge page in the VMA, or the part is all within one */
		return (v->flags & FL_VM_NOHUGEPAGE) || huge == v->end / HUGE_PAGE ||
			(start + HUGE_PAGE - 1) / HUGE_PAGE > end / HUGE_PAGE ? -EINVAL : 0;
	default:
		return 0;
	}
}

/* What was never written of a file is the page cache's to read. */
static void will_need(u64 start, u64 end)
{
	const struct fl_vma *v = fl_vma_at(&fl.pager.mm, start);
	const struct fl_file *file = fl_is_filemap(v) ? fl_file_find(&fl.pager, v->dev, v->ino) : NULL;

	if (file && file->twin)
		fl_syscall(SYS_madvise, fl_file_twin(file, v, start), end - start, MADV_WILLNEED);
	fl_pager_will_need(&fl.pager, start, end);
}

/* One piece of the range, managed. */
static void advise_ours(u64 start, u64 end, u64 advice)
{
	struct fl_pager *p = &fl.pager;

	switch (advice) {
	case MADV_FREE: /* at once */
		fl_pager_harvest(p, start, end);
		fl_syscall(SYS_madvise, start, end - start, MADV_DONTNEED);
		fl_pager_forget(p, start, end);
		break;
	case ADV_COLD:
		fl_pager_deactivate(p, start, end, false);
		break;
	case MADV_WIPEONFORK:
		fl_syscall(SYS_madvise, start, end - start, advice);
		break;
	case MADV_WILLNEED:
		will_need(start, end);
		break;
	case ADV_PAGEOUT:
		p->pageout += fl_pager_deactivate(p, start, end, true);
		if (p->pageout)
			p->kick(p);
		break;
	default:
		/* COLLAPSE: there are no huge pages; MERGEABLE: shared by content, a
		 * page could not be moved any more */
		break;
	}
}

/* Advice that we follow ourselves where memory is managed, VMA by VMA as the kernel goes. */
static long advise_each(const struct fl_call *c, u64 start, u64 end)
{
	u64 at = start;
	int refused;
	long ret = fl_syscall(SYS_madvise, start, 0, c->a[2]);

	if (ret < 0)
		return ret; /* not known to this kernel */
	if (fl_first_hole(start, end) < end) {
		fl_resync_stacks(); /* it may have been filled since, without a call */
		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			return -ENOMEM;
	}

	while (at < end) {
		struct fl_vma *v = fl_vma_find(&fl.pager.mm, at);
		u64 to;

		if (!v || v->start >= end)
			return -ENOMEM;
		if (v->start > at) {
			ret = -ENOMEM; /* a hole: the rest is done all the same */
			at = v->start;
		}
		to = fl_min(v->end, end);
		if (v->owner != FL_OWNER_MANAGED) {
			long r = fl_syscall(SYS_madvise, at, to - at, c->a[2]);

			if (r < 0)
				return r;
		} else if ((refused = refuses(v, at, to, c->a[2]))) {
			return refused;
		} else {
			advise_ours(at, to, c->a[2]);
		}
		at = to;
	}
	return ret;
}

/* Shared, and such as can be written to; of a file of which that is not seen here it is not sure. */
static bool may_remove(const struct fl_vma *v)
{
	return (v->flags & FL_VM_SHARED) && ((v->flags & FL_VM_WRITE) || fl_is_shared(v));
}

/* Where a call that was refused has stopped: before the first VMA that refuses the advice. What
 * lies before it has taken it. */
static u64 stopped_at(u64 start, u64 end, u64 advice)
{
	u64 refused = FL_VM_HUGETLB;
	struct fl_vma *v;

	if (advice == MADV_DONTNEED || advice == ADV_GUARD_INSTALL || advice == MADV_REMOVE)
		refused |= FL_VM_LOCKED;
	if (advice == MADV_WIPEONFORK)
		refused = FL_VM_FILE | FL_VM_SHARED;
	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if ((v->flags & refused) || (advice == MADV_REMOVE && !may_remove(v)))
			return fl_max(v->start, start);
	return start;
}

static long dont_need(const struct fl_call *c, u64 start, u64 end)
{
	struct fl_vma *v = fl_vma_at(&fl.pager.mm, start);
	long ret;

	/* in one managed VMA the call cannot fail, as advice that an older kernel does not know
	 * can: take the frames back first */
	if (c->a[2] == MADV_DONTNEED && v && v->end >= end && v->owner == FL_OWNER_MANAGED && !(v->flags & FL_VM_LOCKED))
		fl_pager_harvest(&fl.pager, start, end);
	ret = fl_call_kernel(c);
	if (ret == -EINVAL)
		end = stopped_at(start, end, c->a[2]);
	if (ret == 0 || ret == -ENOMEM || ret == -EINVAL)
		for (u64 at = start; at < end;) {
			v = fl_vma_find(&fl.pager.mm, at);
			if (!v || v->start >= end)
				break;
			if (v->owner == FL_OWNER_MANAGED)
				fl_pager_forget(&fl.pager, fl_max(at, v->start), fl_min(v->end, end));
			at = v->end;
		}
	return ret;
}

static void flag(u64 start, u64 end, u64 advice)
{
	struct fl_mm *mm = &fl.pager.mm;

	switch (advice) {
	case MADV_NORMAL: fl_mm_change(mm, start, end, 0, FL_VM_RAND_READ | FL_VM_SEQ_READ); break;
	case MADV_RANDOM: fl_mm_change(mm, start, end, FL_VM_RAND_READ, FL_VM_SEQ_READ); break;
	case MADV_SEQUENTIAL: fl_mm_change(mm, start, end, FL_VM_SEQ_READ, FL_VM_RAND_READ); break;
	case MADV_DONTFORK: fl_mm_change(mm, start, end, FL_VM_DONTFORK, 0); break;
	case MADV_DOFORK: fl_mm_change(mm, start, end, 0, FL_VM_DONTFORK); break;
	case MADV_WIPEONFORK: fl_mm_change(mm, start, end, FL_VM_WIPEONFORK, 0); break;
	case MADV_KEEPONFORK: fl_mm_change(mm, start, end, 0, FL_VM_WIPEONFORK); break;
	case MADV_DONTDUMP: fl_mm_change(mm, start, end, FL_VM_DONTDUMP, 0); break;
	case MADV_DODUMP: fl_mm_change(mm, start, end, 0, FL_VM_DONTDUMP); break;
	case MADV_HUGEPAGE: fl_mm_change(mm, start, end, FL_VM_HUGEPAGE, FL_VM_NOHUGEPAGE); break;
	case MADV_NOHUGEPAGE: fl_mm_change(mm, start, end, FL_VM_NOHUGEPAGE, FL_VM_HUGEPAGE); break;
	case MADV_MERGEABLE: fl_mm_change(mm, start, end, FL_VM_MERGEABLE, 0); break;
	case MADV_UNMERGEABLE: fl_mm_change(mm, start, end, 0, FL_VM_MERGEABLE); break;
	default: break;
	}
}

enum fl_action fl_hook_madvise(struct fl_call *c)
{
	u64 start = c->a[0], end = start + fl_page_up(c->a[1]), advice = c->a[2];
	long ret;

	/* populating faults pages in, so no lock may be held; an empty or
	 * misaligned range is the kernel's to judge */
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE ||
		(start & ~FL_PAGE_MASK) || end <= start)
		return FL_NATIVE;
	if (!fl_enter_range(start, end))
		return fl_done(c, -ENOMEM);
	switch (advice) {
	case MADV_FREE:
	case MADV_WILLNEED:
	case ADV_COLD:
	case ADV_PAGEOUT:
	case ADV_COLLAPSE:
	case MADV_MERGEABLE:
		ret = fl_any_managed(start, end) ? advise_each(c, start, end) : fl_call_kernel(c);
		break;
	case MADV_REMOVE:
	case MADV_WIPEONFORK:
		ret = fl_any_filemap(start, end) ? advise_each(c, start, end) : fl_call_kernel(c);
		break;
	case MADV_DONTNEED:
	case ADV_DONTNEED_LOCKED:
	case ADV_GUARD_INSTALL:
		/* what goes back to the kernel later would take its guards with it */
		if (advice == ADV_GUARD_INSTALL)
			fl_filemap_leave(start, end, false);
		fl.pager.guards |= advice == ADV_GUARD_INSTALL;
		ret = dont_need(c, start, end);
		break;
	default:
		ret = fl_call_kernel(c);
	}
	/* with ENOMEM there are holes, and the rest has taken it */
	if (ret == -EINVAL || ret == -EACCES)
		end = stopped_at(start, end, advice);
	if ((ret == 0 || ret == -ENOMEM || ret == -EINVAL) && start < end)
		flag(start, end, advice);
	if (advice == MADV_REMOVE && (ret == 0 || ret == -ENOMEM || ret == -EINVAL || ret == -EACCES))
		fl_shared_removed(start, end);
	fl_leave();
	return fl_done(c, ret);
}
