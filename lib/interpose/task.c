/*
 * /proc/self/task, without Faultline's own threads.
 *
 * Programs look there to learn whether they have one thread, and may go on only then. So the number
 * of the folder's links and what is listed in it are corrected. Which folder it is the kernel says:
 * by device and inode, whatever the name it was asked for by.
 */
#include "interpose/hooks.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TASK_MODE 0555u /* what the stub of patch.c lets through */

struct dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
};

/* Is it the folder? Then its links without our threads are in ret_links. */
static bool is_task_folder(u64 dev, u64 ino, u64 *ret_links)
{
	struct stat st;
	long r;

	fl_lock(&fl.pager.lock); /* with which threads of ours are made */
	r = fl_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0);
	*ret_links = st.st_nlink - fl.pager.machine.self->helpers;
	fl_unlock(&fl.pager.lock);
	return r == 0 && st.st_dev == dev && st.st_ino == ino;
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

static bool is_tid(const char *name, u32 tid)
{
	u32 n = 0;

	for (; *name >= '0' && *name <= '9'; name++)
		n = n * 10 + (u32)(*name - '0');
	return !*name && n == tid;
}

/* Takes our threads out of a list. The length that is left. */
static long leave_out(char *list, long bytes)
{
	struct dirent64 *d;
	long to = 0;

	for (long at = 0; at < bytes; at += d->reclen) {
		u16 reclen;

		d = (struct dirent64 *)(list + at);
		if (is_tid(d->name, fl.handler_tid) || is_tid(d->name, fl.kswapd_tid))
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
