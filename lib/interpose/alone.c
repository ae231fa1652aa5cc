/*
 * unshare(2) and setns(2), where they are only for a process with a single thread: of the
 * program's there is one, so ours end for as long as the call takes.
 */
#include "interpose/hooks.h"
#include "runtime/filemap.h"

#include <linux/sched.h>

#define NEEDS_ALONE (CLONE_NEWUSER | CLONE_NEWTIME | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

enum fl_action fl_hook_alone(struct fl_call *c)
{
	u64 flags = c->a[c->nr == SYS_setns ? 1 : 0];
	struct fl_pause pause;
	long ret;

	/* setns of 0: whatever the descriptor is of */
	if (!(flags & NEEDS_ALONE) && (c->nr == SYS_unshare || flags))
		return FL_NATIVE;
	fl_lock(&fl.pager.lock);
	/* nor are our threads its own where it is a child in its parent's memory (vfork) */
	if (fl_program_threads() != 1 || fl_is_borrowed() || !fl_threads_end(&pause)) {
		fl_unlock(&fl.pager.lock);
		return FL_NATIVE; /* and the kernel says what it says */
	}
	ret = fl_call_kernel(c);
	fl_threads_again(&pause);
	fl_unlock(&fl.pager.lock);
	fl_lease_renew();
	fl_kfault_again();
	return fl_done(c, ret);
}
