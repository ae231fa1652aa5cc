/*
 * mlock(2) and its kin.
 *
 * The kernel faults locked pages in within the call. No lock may be held then, but one must be while
 * VMAs change. So each call is made twice: first with the lock held and MLOCK_ONFAULT, which marks
 * the VMAs and touches no page, then as it was meant, without. New mappings after
 * mlockall(MCL_FUTURE) are treated alike: the kernel knows of it as MCL_ONFAULT, so that the
 * limits and their order are its own.
 */
#include "interpose/hooks.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

#define LOCK_FLAGS (FL_VM_LOCKED | FL_VM_LOCKONFAULT)

/* May so much be locked? As the kernel asks it. */
static bool within_limit(u64 pages)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};
	struct rlimit limit;

	if (fl_syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &limit) < 0 ||
		pages <= limit.rlim_cur >> FL_PAGE_SHIFT)
		return true;
	return fl_syscall(SYS_capget, &head, data) == 0 &&
		(data[0].effective >> CAP_IPC_LOCK & 1);
}

/* What would be locked in all if the range were. */
static u64 pages_with(u64 start, u64 end)
{
	u64 pages = fl.pager.mm.locked_vm + ((end - start) >> FL_PAGE_SHIFT);
	struct fl_vma *v;

	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if (v->flags & FL_VM_LOCKED)
			pages -= (fl_min(v->end, end) - fl_max(v->start, start)) >> FL_PAGE_SHIFT;
	return pages;
}

static void mark(u64 start, u64 end, bool onfault)
{
	fl_mm_change(&fl.pager.mm, start, end, onfault ? LOCK_FLAGS : FL_VM_LOCKED,
		onfault ? 0 : FL_VM_LOCKONFAULT);
}

enum fl_action fl_hook_mlock(struct fl_call *c)
{
	u64 start = fl_page_down(c->a[0]), end = fl_page_up(c->a[0] + c->a[1]), stop = start;
	bool onfault = c->nr == SYS_mlock2 && c->a[2] == MLOCK_ONFAULT;
	long ret;

	if (end <= start || (c->nr == SYS_mlock2 && (c->a[2] & ~(u64)MLOCK_ONFAULT)))
		return FL_NATIVE;
	if (!fl_enter_range(start, end))
		return fl_done(c, -ENOMEM);
	ret = fl_syscall(SYS_mlock2, c->a[0], c->a[1], MLOCK_ONFAULT);
	if (ret == 0)
		stop = end;
	else if (ret == -ENOMEM && within_limit(pages_with(start, end)))
		stop = fl_first_hole(start, end); /* what lies before it is locked */
	if (stop > start)
		mark(start, stop, onfault);
	fl_leave();
	return onfault || stop == start ? fl_done(c, ret) : FL_NATIVE;
}

enum fl_action fl_hook_munlock(struct fl_call *c)
{
	u64 start = fl_page_down(c->a[0]), end = fl_page_up(c->a[0] + c->a[1]);
	long ret;

	if (end <= start)
		return FL_NATIVE;
	if (!fl_enter_range(start, end))
		return fl_done(c, -ENOMEM);
	ret = fl_call_kernel(c);
	if (ret == -ENOMEM)
		end = fl_first_hole(start, end);
	if ((ret == 0 || ret == -ENOMEM) && end > start)
		fl_mm_change(&fl.pager.mm, start, end, 0, LOCK_FLAGS);
	fl_leave();
	return fl_done(c, ret);
}

/* Every VMA that there is, one by one: our own mappings are far larger than memory. */
static void mark_all(bool onfault)
{
	struct fl_vma *v = fl.pager.mm.first;

	while (v) {
		u64 start = v->start, end = v->end;

		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			break;
		if (fl_syscall(SYS_mlock2, start, end - start, MLOCK_ONFAULT) == 0)
			mark(start, end, onfault);
		v = fl_vma_find(&fl.pager.mm, end);
	}
}

static void populate_all(void)
{
	for (u64 at = 0, start, end;; at = end) {
		struct fl_vma *v;

		fl_lock(&fl.pager.lock);
		v = fl_vma_find(&fl.pager.mm, at);
		start = v ? v->start : 0;
		end = v ? v->end : 0;
		fl_unlock(&fl.pager.lock);
		if (!end)
			return;
		fl_syscall(SYS_mlock, start, end - start);
	}
}

enum fl_action fl_hook_mlockall(struct fl_call *c)
{
	const u64 known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	u64 flags = c->a[0];
	bool current = flags & MCL_CURRENT, onfault = flags & MCL_ONFAULT;
	long ret;

	if (!flags || (flags & ~known) || flags == MCL_ONFAULT)
		return FL_NATIVE;
	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	/* the limit is for the program's memory, not for ours */
	ret = current && !within_limit(fl.pager.mm.total_vm) ? -ENOMEM : 0;
	if (ret == 0 && (flags & MCL_FUTURE))
		ret = fl_syscall(SYS_mlockall, MCL_FUTURE | MCL_ONFAULT);
	else if (ret == 0 && fl.mlock_future)
		ret = fl_syscall(SYS_munlockall); /* nothing else ends it; all is locked below */
	if (ret == 0) {
		fl.mlock_future = flags & MCL_FUTURE;
		fl.mlock_future_onfault = onfault;
		if (current)
			mark_all(onfault);
	}
	fl_leave();
	if (ret == 0 && current && !onfault)
		populate_all();
	return fl_done(c, ret);
}

u64 fl_future_flags(void)
{
	return !fl.mlock_future ? 0 : fl.mlock_future_onfault ? LOCK_FLAGS : FL_VM_LOCKED;
}

void fl_future_populate(u64 start, u64 end)
{
	if (start < end && fl.mlock_future && !fl.mlock_future_onfault)
		fl_syscall(SYS_mlock, start, end - start);
}

enum fl_action fl_hook_munlockall(struct fl_call *c)
{
	struct fl_vma *v, *next;
	long ret;

	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	ret = fl_call_kernel(c);
	fl.mlock_future = false;
	for (v = fl.pager.mm.first; ret == 0 && v; v = next) {
		u64 start = v->start, end = v->end;

		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			break;
		fl_mm_change(&fl.pager.mm, start, end, 0, LOCK_FLAGS);
		next = fl_vma_find(&fl.pager.mm, end);
	}
	fl_leave();
	return fl_done(c, ret);
}
