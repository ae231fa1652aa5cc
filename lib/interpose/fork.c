/*
 * fork(2), and clone(2) without CLONE_VM, at the very instruction.
 *
 * The child comes to life on its copy of the hook stack, holding the lock its
 * parent held, and sets up its own paging before libc's part of fork runs: that
 * part walks malloc's arenas, where pages may be in swap.
 *
 * Threads and vfork share the address space: they go straight to the kernel.
 */
#include "interpose/hooks.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

struct clone3_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

/* kernel: makes the process, with the new stack left out. stack: what the
 * program wants the child to have, 0: its own. */
static enum fl_action fork_with(struct fl_call *c, struct fl_call *kernel, u64 stack)
{
	struct fl_pager *p = &fl.pager;
	long ret;
	int r;

	fl_lock(&p->lock);
	fl_pager_wait_idle(p);
	r = fl_pager_fork_prepare(p, &fl.child_view);
	if (r < 0) {
		if (p->nr_deferred)
			p->kick(p);
		fl_unlock(&p->lock);
		return fl_done(c, r == -ENOMEM ? r : -EAGAIN);
	}
	fl_follow_restore(&fl.handler.follow);
	ret = fl_call_kernel(kernel);
	if (ret == 0) {
		fl_runtime_child();
		c->new_sp = stack;
		return fl_done(c, 0);
	}
	if (ret < 0) {
		fl_proc_abandon(&p->machine, &fl.child_view);
	} else {
		fl_proc_born(&fl.child_view, (u32)ret);
		fl_proc_unmap_child(&fl.child_view);
	}
	if (p->nr_deferred)
		p->kick(p);
	fl_unlock(&p->lock);
	return fl_done(c, ret);
}

/* A thread, or a process that borrows our memory: the kernel makes it, with the
 * program's own CPU mask. */
static enum fl_action new_thread(u64 flags, u64 tls, u64 tid_at)
{
	fl_lock(&fl.pager.lock);
	fl_follow_restore(&fl.handler.follow);
	fl_mm_borrowed(flags);
	if ((flags & CLONE_THREAD) && (flags & CLONE_SETTLS) && (flags & CLONE_PARENT_SETTID))
		fl_follow_thread(&fl.handler.follow, &fl.arena, tls, tid_at, 0);
	fl_unlock(&fl.pager.lock);
	return FL_NATIVE;
}

enum fl_action fl_hook_clone(struct fl_call *c)
{
	struct fl_call kernel = *c;

	if (c->a[0] & CLONE_VM)
		return new_thread(c->a[0], c->a[4], c->a[2]);
	kernel.a[1] = 0;
	return fork_with(c, &kernel, c->a[1]);
}

enum fl_action fl_hook_fork(struct fl_call *c)
{
	struct fl_call kernel = {.nr = SYS_clone, .a = {SIGCHLD}};

	return fork_with(c, &kernel, 0);
}

enum fl_action fl_hook_clone3(struct fl_call *c)
{
	struct clone3_args args;
	struct fl_call kernel = *c;
	u64 stack;

	if (c->a[1] < 64 || c->a[1] > sizeof(args))
		return FL_NATIVE; /* an error, or newer than we know */
	memset(&args, 0, sizeof(args));
	memcpy(&args, (void *)c->a[0], c->a[1]);
	if (args.flags & CLONE_VM)
		return new_thread(args.flags, args.tls, args.parent_tid);
	stack = args.stack ? args.stack + args.stack_size : 0;
	args.stack = args.stack_size = 0;
	kernel.a[0] = (u64)&args;
	return fork_with(c, &kernel, stack);
}
