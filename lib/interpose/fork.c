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
#include "runtime/limits.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>

struct clone3_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

/* The call that makes the process, with the new stack left out. */
struct fork {
	struct fl_call kernel;
	u64 flags;	/* CLONE_* */
	u64 stack;	/* what the program wants the child to have, 0: its own */
	u64 *tid_arg;	/* where the kernel is told to write the child's number; NULL: nowhere */
	u64 tid_at;	/* where the program wants that, 0: nowhere */
	u64 *flags_arg;	/* where the kernel finds the flags */
	u64 child_tid_at; /* where the program wants the number in the child, 0: nowhere */
	u64 *pidfd_arg, pidfd_at; /* the same of the descriptor that is asked for */
	u32 pidfd;
};

/*
 * What the kernel would write to managed memory while the process is made is kept from it,
 * and written when paging works: pages are write-protected then, or in swap, and the
 * thread that could resolve the fault waits for us, or is not there yet. In the child
 * shared memory is not even registered: the kernel would put a page of zeros there.
 */
static void keep_from_kernel(struct fork *f)
{
	const struct fl_mm *mm = &fl.pager.mm;
	struct fl_vma *vma = f->child_tid_at ? fl_vma_at(mm, f->child_tid_at) : NULL;

	if (vma && (vma->owner == FL_OWNER_MANAGED || fl_is_shared(vma)))
		*f->flags_arg &= ~(u64)CLONE_CHILD_SETTID;
	else
		f->child_tid_at = 0;
	vma = f->pidfd_at ? fl_vma_at(mm, f->pidfd_at) : NULL;
	if (vma && (vma->owner == FL_OWNER_MANAGED || fl_is_shared(vma)))
		*f->pidfd_arg = (u64)&f->pidfd;
	else
		f->pidfd_at = 0;
}

/* As the kernel would have written it, which does not mind a bad address. No lock held:
 * the page may have to be brought in. */
static void tell(u64 tid_at, u32 tid)
{
	if (tid_at)
		fl_poke(tid_at, &tid, sizeof(tid));
}

static enum fl_action fork_with(struct fl_call *c, struct fork *f)
{
	struct fl_pager *p = &fl.pager;
	struct fl_limits limits;
	struct fl_vma *vma;
	bool to_both;
	long ret;
	int r;

	fl_lock(&p->lock);
	if (f->flags & CLONE_FILES)
		fl_runtime_close_shared();
	fl_pager_wait_idle(p);
	fl_limits_lift(&limits);
	r = fl_pager_fork_prepare(p, &fl.child_view);
	if (r < 0) {
		fl_limits_settle(&limits);
		if (p->nr_deferred)
			p->kick(p);
		fl_unlock(&p->lock);
		return fl_done(c, r == -ENOMEM ? r : -EAGAIN);
	}
	fl_follow_restore(&fl.handler.follow);
	if (f->tid_arg)
		*f->tid_arg = (u64)fl_proc_born_at(&fl.child_view);
	/* in memory that both see the number is there before the child runs */
	vma = f->tid_at ? fl_vma_at(&p->mm, f->tid_at) : NULL;
	to_both = vma && (vma->flags & FL_VM_SHARED);
	keep_from_kernel(f);
	ret = fl_call_kernel(&f->kernel);
	if (ret == 0) {
		fl_runtime_child(f->flags & CLONE_FILES, &limits);
		if (to_both)
			tell(f->tid_at, *fl_proc_born_at(&p->machine));
		tell(f->child_tid_at, fl_gettid());
		c->new_sp = f->stack;
		return fl_done(c, 0);
	}
	if (ret < 0) {
		fl_proc_abandon(&p->machine, &fl.child_view);
	} else {
		fl_proc_born(&fl.child_view, (u32)ret);
		fl_proc_unmap_child(&fl.child_view);
	}
	fl_limits_settle(&limits);
	if (p->nr_deferred)
		p->kick(p);
	fl_unlock(&p->lock);
	if (ret > 0) {
		tell(f->tid_at, (u32)ret);
		tell(f->pidfd_at, f->pidfd);
	}
	return fl_done(c, ret);
}

/* A thread, or a process that borrows our memory: the kernel makes it, with the
 * program's own CPU mask. */
static enum fl_action new_thread(u64 flags, u64 tls, u64 tid_at)
{
	fl_lock(&fl.pager.lock);
	fl_follow_restore(&fl.handler.follow);
	fl_mm_borrowed(flags);
	if (!(flags & CLONE_THREAD))
		fl_exec_make_room();
	if (flags & CLONE_THREAD) {
		fl.had_threads = true;
		if (!(flags & CLONE_FILES)) /* nobody looks at its own descriptors */
			fl_pins_begin();
		fl_sample_new_thread(&fl.pager);
	}
	if ((flags & CLONE_THREAD) && (flags & CLONE_SETTLS) && (flags & CLONE_PARENT_SETTID))
		fl_follow_thread(&fl.handler.follow, &fl.arena, tls, tid_at, 0);
	fl_unlock(&fl.pager.lock);
	return FL_NATIVE;
}

enum fl_action fl_hook_clone(struct fl_call *c)
{
	struct fork f = {.kernel = *c, .flags = c->a[0], .stack = c->a[1]};

	if (c->a[0] & CLONE_VM)
		return new_thread(c->a[0], c->a[4], c->a[2]);
	f.kernel.a[1] = 0;
	f.flags_arg = &f.kernel.a[0];
	f.child_tid_at = c->a[0] & CLONE_CHILD_SETTID ? c->a[3] : 0;
	f.pidfd_arg = &f.kernel.a[2];
	f.pidfd_at = c->a[0] & CLONE_PIDFD ? c->a[2] : 0;
	/* this call has one argument for both numbers */
	if (!(c->a[0] & CLONE_PIDFD)) {
		f.kernel.a[0] |= CLONE_PARENT_SETTID;
		f.tid_arg = &f.kernel.a[2];
		f.tid_at = c->a[0] & CLONE_PARENT_SETTID ? c->a[2] : 0;
	}
	return fork_with(c, &f);
}

enum fl_action fl_hook_fork(struct fl_call *c)
{
	struct fork f = {.kernel = {.nr = SYS_clone, .a = {SIGCHLD | CLONE_PARENT_SETTID}}};

	f.tid_arg = &f.kernel.a[2];
	return fork_with(c, &f);
}

/* Fields that we do not know are a newer kernel's: to be zero, as for an older one.
 * False if the kernel is to say what is wrong. */
static bool read_args(struct fl_call *c, struct clone3_args *args, bool *ret_newer)
{
	u64 bytes = c->a[1], word;

	*ret_newer = false;
	memset(args, 0, sizeof(*args));
	if (bytes < CLONE_ARGS_SIZE_VER0 || bytes > FL_PAGE_SIZE ||
		!fl_peek(c->a[0], args, fl_min(bytes, sizeof(*args))))
		return false;
	for (u64 at = sizeof(*args); at < bytes; at += sizeof(word)) {
		word = 0;
		if (!fl_peek(c->a[0] + at, &word, fl_min(bytes - at, sizeof(word))))
			return false;
		*ret_newer |= word != 0;
	}
	return true;
}

enum fl_action fl_hook_clone3(struct fl_call *c)
{
	struct clone3_args args;
	struct fork f = {.kernel = *c};
	bool newer;

	if (!read_args(c, &args, &newer))
		return FL_NATIVE;
	if (args.flags & CLONE_VM)
		return new_thread(args.flags, args.tls, args.parent_tid);
	if (newer)
		return fl_done(c, -E2BIG);
	if (args.stack && args.stack_size) { /* else it is an error, or none is given */
		f.stack = args.stack + args.stack_size;
		args.stack = args.stack_size = 0;
	}
	f.flags = args.flags;
	f.tid_at = args.flags & CLONE_PARENT_SETTID ? args.parent_tid : 0;
	f.tid_arg = &args.parent_tid;
	f.flags_arg = &args.flags;
	f.child_tid_at = args.flags & CLONE_CHILD_SETTID ? args.child_tid : 0;
	f.pidfd_arg = &args.pidfd;
	f.pidfd_at = args.flags & CLONE_PIDFD ? args.pidfd : 0;
	args.flags |= CLONE_PARENT_SETTID;
	f.kernel.a[0] = (u64)&args;
	f.kernel.a[1] = fl_min(c->a[1], sizeof(args));
	return fork_with(c, &f);
}
