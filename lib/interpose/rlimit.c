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

static long change(const struct fl_call *c, enum fl_limit which, const struct fl_proc *p,
	struct rlimit *new, struct rlimit *old)
{
	long ret;

	if (new)
		fl_limit_to_kernel(which, &p->limit[which], new);
	ret = fl_syscall(SYS_prlimit64, c->nr == SYS_prlimit64 ? c->a[0] : 0,
		fl_limit_resource(which), new, old);
	if (ret == 0)
		fl_limit_to_view(&p->limit[which], old);
	return ret;
}

enum fl_action fl_hook_rlimit(struct fl_call *c)
{
	bool of_any = c->nr == SYS_prlimit64;
	u64 new_at = of_any ? c->a[2] : c->nr == SYS_setrlimit ? c->a[1] : 0;
	u64 old_at = of_any ? c->a[3] : c->nr == SYS_getrlimit ? c->a[1] : 0;
	enum fl_limit which = fl_limit_of((u32)c->a[of_any ? 1 : 0]);
	bool borrowed = fl_is_borrowed();
	const struct fl_proc *p;
	struct rlimit new, old;
	long ret;

	if (which == FL_NR_LIMITS || (!new_at && !old_at) ||
		(new_at && (!fl_peek(new_at, &new, sizeof(new)) || new.rlim_cur > new.rlim_max)))
		return FL_NATIVE; /* another resource, or an error */
	if (!borrowed)
		fl_lock(&fl.pager.lock);
	p = fl_record_of(of_any ? (u32)c->a[0] : 0);
	if (p)
		ret = change(c, which, p, new_at ? &new : NULL, &old);
	if (!borrowed)
		fl_unlock(&fl.pager.lock);
	if (!p)
		return FL_NATIVE;
	if (ret == 0 && old_at && !fl_poke(old_at, &old, sizeof(old)))
		ret = -EFAULT;
	return fl_done(c, ret);
}
