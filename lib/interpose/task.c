/*
 * /proc/self/task, without Faultline's own threads.
 *
 * Programs look there to learn whether they have one thread, and may go on only then. So the number
 * of the folder's links and what is listed in it are corrected. Which folder it is the kernel says:
 * by device and inode, whatever the name it was asked for by.
 */
#include "base/log.h"
#include "base/procfs.h"
#include "interpose/hooks.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TASK_MODE 0555u /* what the stub of patch.c lets through */

static bool is_our_own(u32 tid)
{
	return tid && (tid == fl.handler_tid || tid == fl.kswapd_tid || tid == fl.lease_tid);
}

/* Also the kernel's threads that work for our io_uring: they are named after who has it. */
static bool is_ours(u32 tid)
{
	static const char worker[] = "iou-wrk-";
	char path[64], comm[32];
	const char *of = comm + sizeof(worker) - 1;

	if (is_our_own(tid))
		return true;
	fl_format(path, sizeof(path), "/proc/self/task/%u/comm", tid);
	return fl_read_file(path, comm, sizeof(comm)) > (long)sizeof(worker) &&
		!memcmp(comm, worker, sizeof(worker) - 1) && is_our_own((u32)fl_read_number(&of));
}

/* How many of the folder's entries are ours; lock held. */
static u32 count_ours(void)
{
	struct fl_tasks tasks;
	u32 ours = 0, tid;

	if (fl_tasks_open(&tasks) < 0)
		return fl.pager.machine.self->helpers;
	while ((tid = fl_tasks_next(&tasks)))
		ours += is_ours(tid);
	return ours;
}

u32 fl_program_threads(void)
{
	u32 tasks = fl_nr_tasks();

	return tasks ? tasks - count_ours() : 0;
}

/* Is it the folder? Then its links without our threads are in ret_links. */
static bool is_task_folder(u64 dev, u64 ino, u64 *ret_links)
{
	struct stat st;
	long r;

	fl_lock(&fl.pager.lock); /* with which threads of ours are made */
	r = fl_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0);
	r = r == 0 && st.st_dev == dev && st.st_ino == ino;
	*ret_links = r ? st.st_nlink - count_ours() : 0;
	fl_unlock(&fl.pager.lock);
	return r;
}

/* newfstatat, stat, lstat, fstat. */
enum fl_action fl_hook_stat(struct fl_call *c)
{
	struct stat *st = (struct stat *)(c->nr == SYS_newfstatat ? c->a[2] : c->a[1]);
	long ret = fl_call_kernel(c);
	u64 links;

	if (ret == 0 && (st->st_mode & 07777) == TASK_MODE && S_ISDIR(st->st_mode) &&
		is_task_folder(st->st_dev, st->st_ino, &links))
		st->st_nlink = links;
	return fl_done(c, ret);
}

enum fl_action fl_hook_statx(struct fl_call *c)
{
	struct statx *st = (struct statx *)c->a[4];
	long ret = fl_call_kernel(c);
	u64 links;

	if (ret == 0 && (st->stx_mode & 07777) == TASK_MODE && S_ISDIR(st->stx_mode) &&
		is_task_folder(makedev(st->stx_dev_major, st->stx_dev_minor), st->stx_ino, &links))
		st->stx_nlink = (u32)links;
	return fl_done(c, ret);
}

/* Takes our threads out of a list. The length that is left. */
static long leave_out(char *list, long bytes)
{
	struct fl_dirent *d;
	long to = 0;

	for (long at = 0; at < bytes; at += d->reclen) {
		u16 reclen;

		const char *name;

		d = (struct fl_dirent *)(list + at);
		name = d->name;
		if (is_ours((u32)fl_read_number(&name)))
			continue;
		reclen = d->reclen;
		memmove(list + to, d, reclen);
		to += reclen;
	}
	return to;
}

enum fl_action fl_hook_getdents64(struct fl_call *c)
{
	struct stat st;
	u64 links;
	long ret;

	do {
		ret = fl_call_kernel(c);
		if (ret <= 0 || fl_syscall(SYS_fstat, c->a[0], &st) < 0 ||
			!is_task_folder(st.st_dev, st.st_ino, &links))
			break;
		ret = leave_out((char *)c->a[1], ret);
	} while (!ret); /* which would be the end */
	return fl_done(c, ret);
}
