/*
 * /proc/self/task, without Faultline's own threads.
 *
 * Programs look there to learn whether they have one thread, and may go on only then. So the number
 * of the folder's links and what is listed in it are corrected. Which folder it is the kernel says:
 * by device and inode, whatever the name it was asked for by.
 */
#include "base/log.h"
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

static u32 number(const char *s)
{
	u32 n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (u32)(*s - '0');
	return n;
}

static bool is_our_own(u32 tid)
{
	return tid && (tid == fl.handler_tid || tid == fl.kswapd_tid);
}

/* Also the kernel's threads that work for our io_uring: they are named after who has it. */
static bool is_ours(const char *name)
{
	static const char worker[] = "iou-wrk-";
	char path[64], comm[32];
	long fd, n;

	if (is_our_own(number(name)))
		return true;
	fl_format(path, sizeof(path), "/proc/self/task/%u/comm", number(name));
	fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = fl_syscall(SYS_read, fd, comm, sizeof(comm) - 1);
	fl_syscall(SYS_close, fd);
	comm[n > 0 ? n : 0] = 0;
	return !memcmp(comm, worker, sizeof(worker) - 1) && is_our_own(number(comm + sizeof(worker) - 1));
}

/* How many of the folder's entries are ours; lock held. */
static u32 count_ours(void)
{
	char list[1024];
	long fd = fl_syscall(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
	u32 ours = 0;

	if (fd < 0)
		return fl.pager.machine.self->helpers;
	while ((n = fl_syscall(SYS_getdents64, fd, list, sizeof(list))) > 0)
		for (long at = 0; at < n; at += ((struct dirent64 *)(list + at))->reclen)
			ours += is_ours(((struct dirent64 *)(list + at))->name);
	fl_syscall(SYS_close, fd);
	return ours;
}

u32 fl_program_threads(void)
{
	struct stat st;

	return fl_syscall(SYS_stat, "/proc/self/task", &st) < 0 ? 0 : (u32)st.st_nlink - 2 - count_ours();
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
	struct dirent64 *d;
	long to = 0;

	for (long at = 0; at < bytes; at += d->reclen) {
		u16 reclen;

		d = (struct dirent64 *)(list + at);
		if (is_ours(d->name))
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
