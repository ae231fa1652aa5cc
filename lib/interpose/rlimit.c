/*
 * getrlimit(2), setrlimit(2) and prlimit(2) of RLIMIT_AS and RLIMIT_DATA: the program reads and
 * sets its own view, the kernel has other values (runtime/limits.h).
 *
 * Who may set what, and which errors come first, stays the kernel's: to raise both of what is
 * compared by the same amount changes no comparison. Another managed process of the tree has its
 * amount in its record. Anybody else's limits are as the kernel has them.
 */
#include "interpose/hooks.h"
#include "runtime/limits.h"

#include <errno.h>

/* The record of the process whose limits are asked for; NULL: it is not managed. */
static struct fl_proc *record_of(u32 pid)
{
	const struct fl_machine_view *v = &fl.pager.machine;

	if (!pid || pid == (u32)fl_syscall(SYS_getpid))
		return v->self;
	for (u32 i = 0; i < __atomic_load_n(&v->t->nr_procs, __ATOMIC_ACQUIRE); i++) {
		struct fl_proc *p = &v->procs[i];

		if (((p->pid == pid && p->state == FL_PROC_LIVE) ||
			    (p->born == pid && p->state == FL_PROC_NEW)) && p->pid_ns == v->self->pid_ns &&
			!fl_proc_is_gone(p))
			return p;
	}
	/* a thread may be named as well */
	return fl_syscall(SYS_tgkill, fl_syscall(SYS_getpid), pid, 0) == 0 ? v->self : NULL;
}

/* Of process pid, whose record that is: sets new (or NULL), and tells what was. One whose limits are
 * lifted for a moment gets it when they no longer are. limits_lock held, if not borrowed. */
static long change(u32 pid, struct fl_proc *p, enum fl_limit which, const struct rlimit *new,
	struct rlimit *old, bool borrowed)
{
	struct fl_limit_lifted *lifted = &p->lifted[which];
	struct rlimit k = new ? *new : (struct rlimit){0, 0}, now;
	int resource = fl_limit_resource(which);
	long ret;

	fl_limit_to_kernel(which, &p->limit[which], &k);
	if (!lifted->on || borrowed) {
		ret = fl_syscall(SYS_prlimit64, pid, resource, new ? &k : NULL, old);
		fl_limit_to_view(&p->limit[which], old);
		return ret;
	}
	*old = (struct rlimit){lifted->view.soft, lifted->view.hard};
	if (!new)
		return fl_syscall(SYS_prlimit64, pid, resource, NULL, &now);
	/* so that the kernel can judge it by what the process has */
	now = *old;
	fl_limit_to_kernel(which, &p->limit[which], &now);
	ret = fl_syscall(SYS_prlimit64, pid, resource, &now, NULL);
	if (ret == 0)
		ret = fl_syscall(SYS_prlimit64, pid, resource, &k, NULL);
	if (ret == 0)
		lifted->view = (struct fl_limit_value){new->rlim_cur, new->rlim_max};
	/* and lifted again, since it is in the middle of something */
	if (fl_syscall(SYS_prlimit64, pid, resource, NULL, &now) == 0) {
		now.rlim_cur = now.rlim_max;
		fl_syscall(SYS_prlimit64, pid, resource, &now, NULL);
		lifted->kernel = (struct fl_limit_value){now.rlim_cur, now.rlim_max};
	}
	return ret;
}

enum fl_action fl_hook_rlimit(struct fl_call *c)
{
	bool of_any = c->nr == SYS_prlimit64;
	u64 new_at = of_any ? c->a[2] : c->nr == SYS_setrlimit ? c->a[1] : 0;
	u64 old_at = of_any ? c->a[3] : c->nr == SYS_getrlimit ? c->a[1] : 0;
	enum fl_limit which = fl_limit_of((u32)c->a[of_any ? 1 : 0]);
	bool borrowed = fl_is_borrowed();
	struct fl_proc *p;
	struct rlimit new, old;
	long ret;

	if (which == FL_NR_LIMITS || (!new_at && !old_at) ||
		(new_at && (!fl_peek(new_at, &new, sizeof(new)) || new.rlim_cur > new.rlim_max)))
		return FL_NATIVE; /* another resource, or an error */
	if (!borrowed) {
		fl_lock(&fl.pager.lock);
		fl_shlock(&fl.pager.machine.t->limits_lock);
	}
	p = record_of(of_any ? (u32)c->a[0] : 0);
	if (p)
		ret = change(of_any ? (u32)c->a[0] : 0, p, which, new_at ? &new : NULL, &old, borrowed);
	if (!borrowed) {
		fl_shunlock(&fl.pager.machine.t->limits_lock);
		fl_unlock(&fl.pager.lock);
	}
	if (!p)
		return FL_NATIVE;
	if (ret == 0 && old_at && !fl_poke(old_at, &old, sizeof(old)))
		ret = -EFAULT;
	return fl_done(c, ret);
}
