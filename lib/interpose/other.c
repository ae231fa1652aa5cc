/*
 * Calls that map memory which stays with the kernel, calls that must not meet
 * the fault handler at work, and calls that would close descriptors of ours.
 */
#include "interpose/hooks.h"

#include "machine/handoff.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/shm.h>

/* What SHM_REMAP has replaced is not to be taken for what is there now. */
static void attached(int id, u64 at)
{
	struct shmid_ds ds;
	u64 end;

	if (fl_syscall(SYS_shmctl, id, IPC_STAT, &ds) < 0)
		return;
	end = at + fl_page_up(ds.shm_segsz);
	fl_pager_forget(&fl.pager, at, end);
	fl_mm_unmap(&fl.pager.mm, at, end);
}

/* shmat, shmdt, io_setup, io_destroy: rare, and told best by
 * /proc/self/maps. */
enum fl_action fl_hook_other(struct fl_call *c)
{
	long ret;

	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	if (c->nr == SYS_io_setup)
		fl_pins_begin();
	ret = fl_call_kernel(c);
	if (c->nr == SYS_shmat && !fl_is_err(ret))
		attached((int)c->a[0], (u64)ret);
	if (!fl_is_err(ret))
		fl_resync(false);
	fl_leave();
	return fl_done(c, ret);
}

/* Calls that read, set or hand on the CPU mask of a thread, which the fault
 * handler may have narrowed. */
enum fl_action fl_hook_barrier(struct fl_call *c)
{
	fl_lock(&fl.pager.lock);
	fl_follow_restore(&fl.handler.follow);
	if (c->nr == SYS_vfork) {
		fl_mm_borrowed(CLONE_VFORK);
		fl_exec_make_room();
	}
	fl_unlock(&fl.pager.lock);
	return FL_NATIVE;
}

enum fl_action fl_hook_close(struct fl_call *c)
{
	int fd = (int)c->a[0];

	/* to the program these numbers are not open */
	if (fd >= fl.fd_base && fd < fl.fd_base + FL_FDS_RESERVED)
		return fl_done(c, -EBADF);
	return FL_NATIVE;
}

/* Onto a number of ours: as if the limit of open files were below it. */
enum fl_action fl_hook_dup(struct fl_call *c)
{
	int to = (int)c->a[1];

	if (to >= fl.fd_base && to < fl.fd_base + FL_FDS_RESERVED)
		return fl_done(c, -EBADF);
	return FL_NATIVE;
}

enum fl_action fl_hook_close_range(struct fl_call *c)
{
	u32 first = (u32)c->a[0], last = (u32)c->a[1];
	u32 ours = (u32)fl.fd_base, past = ours + FL_FDS_RESERVED;
	long ret = 0;

	if (first > last || last < ours || first >= past)
		return FL_NATIVE;
	if (first < ours)
		ret = fl_syscall(SYS_close_range, first, ours - 1, c->a[2]);
	if (ret == 0 && last >= past)
		ret = fl_syscall(SYS_close_range, past, last, c->a[2]);
	return fl_done(c, ret);
}
