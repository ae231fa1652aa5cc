/*
 * exit_group(2): the process gives its memory back before it goes.
 *
 * The kernel would unmap it in a moment anyway; but then the tree would learn of the
 * death only when somebody looks for dead processes, and a parent would copy pages
 * that it shares with nobody any more. So the pages go first, then the frames and
 * slots, then the process, with the mm lock held until it is gone: a thread that
 * touches its memory now waits for a page, until it dies.
 *
 * Not where other threads may be at work, nor where another process may live in this
 * address space: vfork(2) in another thread, or clone(CLONE_VM). Then the frames come
 * back when the process is found dead, as after SIGKILL.
 */
#include "interpose/hooks.h"

#include <linux/sched.h>
#include <sys/mman.h>

void fl_mm_borrowed(u64 clone_flags)
{
	u32 tid = fl_gettid();

	if (clone_flags & CLONE_THREAD)
		return;
	/* one that waits in vfork cannot be the one that exits */
	if ((clone_flags & CLONE_VFORK) && (!fl.vfork_tid || fl.vfork_tid == tid))
		fl.vfork_tid = tid;
	else
		fl.mm_shared = true;
}

/* The kernel marks the mutexes of a dying thread, in memory that must be there for that. */
static bool has_robust_mutexes(void)
{
	u64 head = 0, first = 0;
	size_t bytes;

	return fl_syscall(SYS_get_robust_list, 0, &head, &bytes) == 0 && head &&
		fl_peek(head, &first, sizeof(first)) && first != head;
}

/* One thread, in an address space of its own. */
static bool alone(void)
{
	return !fl.had_threads && !fl.mm_shared && (!fl.vfork_tid || fl.vfork_tid == fl_gettid());
}

static void zap(struct fl_pager *p)
{
	struct fl_vma *vma;

	fl_for_each_vma(&p->mm, vma)
	{
		u64 at = vma->start;

		if (vma->owner != FL_OWNER_MANAGED || !fl_pt_next(&p->mm, &at, vma->end))
			continue;
		/* not unmapped: a thread that runs still waits for a page that is
		 * missing, and would die of a mapping that is */
		if (vma->flags & FL_VM_LOCKED)
			fl_syscall(SYS_munlock, vma->start, vma->end - vma->start);
		fl_syscall(SYS_madvise, vma->start, vma->end - vma->start, MADV_DONTNEED);
	}
	fl_syscall(SYS_munmap, p->pool, fl.pool_bytes);
}

enum fl_action fl_hook_exit_group(struct fl_call *c)
{
	struct fl_pager *p = &fl.pager;

	if (fl_is_borrowed())
		return FL_NATIVE;
	fl_kfault_settle();
	if (!alone() || has_robust_mutexes())
		return FL_NATIVE;
	fl_lock(&p->lock);
	fl_pager_wait_idle(p);
	zap(p);
	fl_proc_leave(&p->machine);
	/* from here, with the lock: the stack that the program came on may be gone */
	for (;;)
		fl_syscall(SYS_exit_group, c->a[0]);
}
