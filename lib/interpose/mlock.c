/*
 * mlock(2) and its kin. Locking marks the VMAs first, under the lock, with
 * MLOCK_ONFAULT; the call proper, which faults every page in, follows without.
 */
#include "interpose/hooks.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

enum fl_action fl_hook_mlock(struct fl_call *c)
{
	u64 start = fl_page_down(c->a[0]), end = fl_page_up(c->a[0] + c->a[1]);
	long ret;

	if (end <= start || (c->nr == SYS_mlock2 && (c->a[2] & ~(u64)MLOCK_ONFAULT)))
		return FL_NATIVE;
	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	ret = fl_syscall(SYS_mlock2, c->a[0], c->a[1], MLOCK_ONFAULT);
	if (ret == 0)
		fl_mm_change(&fl.pager.mm, start, end, FL_VM_LOCKED, 0);
	fl_leave();
	return ret < 0 ? fl_done(c, ret) : FL_NATIVE;
}

enum fl_action fl_hook_munlock(struct fl_call *c)
{
	u64 start = fl_page_down(c->a[0]), end = fl_page_up(c->a[0] + c->a[1]);
	long ret;

	if (end <= start)
		return FL_NATIVE;
	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	ret = fl_call_kernel(c);
	if (ret == 0)
		fl_mm_change(&fl.pager.mm, start, end, 0, FL_VM_LOCKED | FL_VM_LOCKONFAULT);
	fl_leave();
	return fl_done(c, ret);
}

enum fl_action fl_hook_mlockall(struct fl_call *c)
{
	const u64 known = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
	u64 flags = c->a[0];
	struct fl_vma *v, *next;
	long ret = 0;

	if (!flags || (flags & ~known) || flags == MCL_ONFAULT)
		return FL_NATIVE;
	/*
	 * The kernel is not told of MCL_FUTURE: it would fault new mappings in
	 * before they are registered. The hooks of mmap and brk lock instead.
	 */
	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	if (flags & MCL_CURRENT)
		ret = fl_syscall(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT);
	if (ret == 0) {
		fl.mlock_future = flags & MCL_FUTURE;
		fl.mlock_future_onfault = flags & MCL_ONFAULT;
		for (v = fl.pager.mm.first; v && (flags & MCL_CURRENT); v = next) {
			u64 start = v->start, end = v->end;

			if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
				break;
			fl_mm_change(&fl.pager.mm, start, end, FL_VM_LOCKED, 0);
			next = fl_vma_find(&fl.pager.mm, end);
		}
	}
	fl_leave();
	if (ret == 0 && (flags & MCL_CURRENT) && !(flags & MCL_ONFAULT)) {
		/* our own reservations are far larger than memory: VMA by VMA */
		for (u64 at = 0;;) {
			u64 start, end;
			bool ours;

			fl_lock(&fl.pager.lock);
			v = fl_vma_find(&fl.pager.mm, at);
			start = v ? v->start : 0;
			end = v ? v->end : 0;
			ours = v && (v->flags & FL_VM_READ);
			fl_unlock(&fl.pager.lock);
			if (!end)
				break;
			if (ours)
				fl_syscall(SYS_mlock, start, end - start);
			at = end;
		}
	}
	return fl_done(c, ret);
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
		fl_mm_change(&fl.pager.mm, start, end, 0, FL_VM_LOCKED | FL_VM_LOCKONFAULT);
		next = fl_vma_find(&fl.pager.mm, end);
	}
	fl_leave();
	return fl_done(c, ret);
}
