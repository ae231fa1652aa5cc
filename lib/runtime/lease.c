/*
 * Leases on files that are mapped and managed.
 *
 * A read lease (fcntl(2), F_SETLEASE) is given only while nobody has the file open for writing, and
 * whoever then opens it so, or truncates it, waits until we have let go: by then all that was never
 * written is the kernel's, and follows the file. The kernel tells by a signal to a thread of its own,
 * which has all signals blocked and waits for this one, also when it is asked for something. What was
 * sent to the process as a whole would be taken, too, so it is a signal that no program uses: glibc keeps
 * it to itself, and sends it to threads (pthread_cancel).
 *
 * The descriptors are in the table of that thread: the program cannot see or close them, and its
 * record locks are not lost when they are closed. To open a file may take as long as somebody likes who
 * is asked for permission (fanotify(7)), and who may be of this very process: so no fault waits for this
 * thread, and nobody longer than PATIENCE_NS.
 */
#include "runtime/filemap.h"
#include "arch/x86_64/syscall.h"
#include "arch/x86_64/thread.h"
#include "base/log.h"
#include "machine/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define XFS_MAGIC    0x58465342
#define F2FS_MAGIC   0xf2f52010
#define BCACHEFS_MAGIC 0xca451a4e
#define EXFAT_MAGIC  0x2011bab0
#define SQUASHFS_MAGIC_ 0x73717368
#define LEASE_SIGNAL 32
#define NOEXEC	     8 /* ST_NOEXEC of statvfs(3) */
#define FILES_MAX    256u /* at once: they are in a list that every fault on one goes through */

#define PATIENCE_NS  2000000000u

struct request {
	struct fl_ask ask; /* the first */
	u32 tid;	/* the thread whose descriptor it is */
	int fd;
	u64 dev, ino;
	enum fl_why why;
};

/* Does every change of a file go through this kernel, by an open(2) or truncate(2) of it? Not with
 * overlayfs: what was opened before a file is written to for the first time is another inode. */
static bool is_local(u64 type)
{
	switch (type) {
	case EXT4_SUPER_MAGIC:
	case XFS_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_MAGIC:
	case BCACHEFS_MAGIC:
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
	case MSDOS_SUPER_MAGIC:
	case EXFAT_MAGIC:
	case SQUASHFS_MAGIC_:
	case EROFS_SUPER_MAGIC_V1:
	case ISOFS_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Opens the file once more, for itself, with a lease. Fills in what is known of it. */
static enum fl_why open_leased(const char *path, struct fl_file *file)
{
	struct f_owner_ex owner = {F_OWNER_TID, (pid_t)fl_gettid()};
	struct statfs fs;
	struct stat st;
	long fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r;
	enum fl_why why;

	if (fd < 0)
		return FL_WHY_NO_LEASE;
	why = FL_WHY_NO_LEASE;
	if (fl_syscall(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_dev != file->dev ||
		st.st_ino != file->ino || fl_syscall(SYS_fstatfs, fd, &fs) < 0)
		goto out;
	/* that memfd_create(2) has opened it for writing the kernel does not count */
	if (fs.f_type == TMPFS_MAGIC && !st.st_nlink)
		goto out;
	/* the owner first, or the signal would go to the program */
	if (fl_syscall(SYS_fcntl, fd, F_SETOWN_EX, &owner) < 0 ||
		fl_syscall(SYS_fcntl, fd, F_SETSIG, LEASE_SIGNAL) < 0)
		goto out;
	r = fl_syscall(SYS_fcntl, fd, F_SETLEASE, F_RDLCK);
	why = r == -EAGAIN ? FL_WHY_WRITERS : r == -EACCES ? FL_WHY_OWNER : FL_WHY_NO_LEASE;
	/* how long it is, now that nobody can change that */
	if (r < 0 || fl_syscall(SYS_fstat, fd, &st) < 0)
		goto out;
	file->lease = (int)fd;
	file->pages = fl_page_up((u64)st.st_size) >> FL_PAGE_SHIFT;
	file->noexec = fs.f_flags & NOEXEC;
	return 0;
out:
	fl_syscall(SYS_close, fd);
	return why;
}

static bool too_many(const struct fl_pager *p)
{
	u32 n = 0;

	for (const struct fl_file *file = p->files; file; file = file->next)
		n++;
	return n >= FILES_MAX;
}

static void take(struct fl_ask *a)
{
	struct request *rq = (struct request *)a;
	struct fl_file new = {.dev = rq->dev, .ino = rq->ino, .lease = -1}, *file;
	struct fl_pager *p = &fl.pager;
	char path[64];

	fl_format(path, sizeof(path), "/proc/self/task/%u/fd/%d", rq->tid, rq->fd);
	rq->why = open_leased(path, &new);
	fl_lock(&p->lock);
	file = fl_file_find(p, rq->dev, rq->ino);
	if (!rq->why && !file && too_many(p)) {
		fl_syscall(SYS_close, new.lease);
		rq->why = FL_WHY_NO_ROOM;
	} else if (!rq->why && !file) {
		file = fl_arena_alloc(p->arena, sizeof(*file));
		if (!file)
			p->dead(p, "its own memory is full");
		*file = new;
		file->next = p->files;
		p->files = file;
	} else if (!rq->why && file->lease < 0) { /* some of it is mapped still */
		file->lease = new.lease;
		file->pages = new.pages;
		file->noexec = new.noexec;
	} else if (!rq->why) { /* another thread was first */
		fl_syscall(SYS_close, new.lease);
	}
	if (!rq->why && !a->forsaken)
		file->asked++;
	else if (!rq->why)
		fl_filemap_forget_unused();
}

/* What is mapped of a file is as old as the last lease: somebody may have written in between. */
static void renew(struct fl_ask *a)
{
	struct fl_pager *p = &fl.pager;
	char path[64];

	fl_lock(&p->lock);
	for (struct fl_file *file = p->files; file; file = file->next) {
		struct fl_file new = *file;

		if (file->lease >= 0)
			continue;
		fl_format(path, sizeof(path), "/proc/self/map_files/%lx-%lx", file->twin,
			file->twin + ((file->hi - file->lo) << FL_PAGE_SHIFT));
		fl_unlock(&p->lock);
		open_leased(path, &new);
		fl_lock(&p->lock);
		if (a->forsaken) { /* and the file may be gone */
			if (new.lease >= 0)
				fl_syscall(SYS_close, new.lease);
			return;
		}
		file->lease = new.lease;
		file->pages = new.pages;
		if (file->lease >= 0)
			fl_filemap_forget(file);
		else
			fl_filemap_return(file);
	}
}

/* Leases that somebody waits for. Lock held. */
static void give_up_broken(struct fl_pager *p)
{
	for (struct fl_file *file = p->files; file; file = file->next) {
		if (file->lease < 0 ||
			fl_syscall(SYS_fcntl, file->lease, F_GETLEASE) == F_RDLCK)
			continue;
		fl_filemap_return(file);
		fl_syscall(SYS_close, file->lease);
		file->lease = -1;
	}
	if (p->files)
		fl_filemap_forget_unused();
}

static void close_dropped(struct fl_pager *p)
{
	struct fl_file *file;

	while ((file = fl.dropped_files)) {
		fl.dropped_files = file->next;
		fl_syscall(SYS_close, file->lease);
		fl_arena_free(p->arena, file, sizeof(*file));
	}
}

static void serve(struct fl_pager *p)
{
	fl_lock(&p->lock);
	fl_asks_serve(&fl.lease_asks);
	close_dropped(p);
	give_up_broken(p);
	fl_unlock(&p->lock);
}

static void run(void *pager)
{
	static const struct timespec look = {1, 0};
	u64 set = 1ull << (LEASE_SIGNAL - 1);

	fl_fd_private(fl.fd_base, fl.uffd.fd);
	while (!__atomic_load_n(&fl.handler.stop, __ATOMIC_SEQ_CST)) {
		serve(pager);
		/* the signal does not come where the user has as many pending as may be */
		fl_syscall(SYS_rt_sigtimedwait, &set, NULL, &look, sizeof(set));
	}
}

long fl_lease_call(void)
{
	return fl_syscall(SYS_tgkill, fl.pid, fl.lease_tid, LEASE_SIGNAL);
}

/* Lock held. */
static bool have_thread(void)
{
	long r;

	if (fl.lease_tid)
		return true;
	if (!fl.lease_stack)
		fl.lease_stack = fl_arena_alloc(&fl.arena, FL_THREAD_STACK);
	if (!fl.lease_stack)
		return false;
	fl_follow_restore(&fl.handler.follow); /* it would inherit a narrowed affinity */
	r = fl_thread_start(fl.lease_stack, run, &fl.pager, "fl-lease");
	if (r < 0)
		return false;
	fl.lease_tid = (u32)r;
	fl.pager.machine.self->helpers++;
	return true;
}

enum fl_why fl_lease_take(int fd, u64 dev, u64 ino)
{
	struct fl_pager *p = &fl.pager;
	struct request *rq;
	struct fl_file *file;
	struct statfs fs;
	enum fl_why why = FL_WHY_NO_LEASE;

	if (fl_is_borrowed())
		return why;
	/* before it is opened: that could wait for a server */
	if (fl_syscall(SYS_fstatfs, fd, &fs) < 0 || !is_local((u64)fs.f_type))
		return FL_WHY_FILE_SYSTEM;
	fl_lock(&p->lock);
	file = fl_file_find(p, dev, ino);
	if (file && file->lease >= 0) {
		file->asked++;
		fl_unlock(&p->lock);
		return 0;
	}
	rq = have_thread() ? (struct request *)fl_ask_new(sizeof(*rq), take) : NULL;
	if (rq) {
		rq->tid = fl_gettid();
		rq->fd = fd;
		rq->dev = dev;
		rq->ino = ino;
		if (fl_ask(&fl.lease_asks, &rq->ask, fl_lease_call, PATIENCE_NS)) {
			why = rq->why;
			fl_ask_free(&rq->ask);
		}
	}
	fl_unlock(&p->lock);
	return why;
}

void fl_lease_renew(void)
{
	struct fl_pager *p = &fl.pager;
	struct fl_ask *a;

	fl_lock(&p->lock);
	a = p->files && have_thread() ? fl_ask_new(sizeof(*a), renew) : NULL;
	if (a && fl_ask(&fl.lease_asks, a, fl_lease_call, PATIENCE_NS))
		fl_ask_free(a);
	for (struct fl_file *file = p->files; file; file = file->next)
		if (file->lease < 0)
			fl_filemap_return(file);
	fl_unlock(&p->lock);
}

static void close_now(struct fl_ask *a)
{
	(void)a;
	fl_lock(&fl.pager.lock);
	close_dropped(&fl.pager);
}

void fl_lease_wait(void)
{
	struct fl_ask *a = fl_ask_new(sizeof(*a), close_now);

	if (a && fl_ask(&fl.lease_asks, a, fl_lease_call, PATIENCE_NS))
		fl_ask_free(a);
}

void fl_lease_lost(void)
{
	struct fl_pager *p = &fl.pager;
	struct fl_file *file;

	while ((file = fl.dropped_files)) {
		fl.dropped_files = file->next;
		fl_arena_free(p->arena, file, sizeof(*file));
	}
	for (file = p->files; file; file = file->next) {
		file->lease = -1;
		file->asked = 0;
	}
	fl.lease_asks.first = NULL;
	fl.lease_tid = 0;
}

void fl_lease_drop(struct fl_file *file)
{
	struct fl_file **at = &fl.pager.files;

	if (file->asked)
		return; /* a thread is about to map it */
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	fl_twin_drop(file);
	if (file->lease < 0) {
		fl_arena_free(fl.pager.arena, file, sizeof(*file));
		return;
	}
	file->next = fl.dropped_files;
	fl.dropped_files = file;
	fl_lease_call();
}
