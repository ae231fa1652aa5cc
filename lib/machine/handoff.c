/* Descriptors at reserved numbers; see handoff.h. */
#include "machine/handoff.h"
#include "machine/machine.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/resource.h>

int fl_fd_base(void)
{
	struct rlimit rl = {1024, 1024};

	fl_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl);
	/* higher numbers would make the kernel's table larger, and fork dearer */
	u64 limit = fl_min((u64)rl.rlim_cur, 1024u);

	return limit > 2 * FL_FDS_RESERVED ? (int)limit - FL_FDS_RESERVED - 8 : FL_FDS_RESERVED;
}

void fl_fd_raise_limit(int base, struct rlimit *ret_old)
{
	u64 want = (u64)base + FL_FDS_RESERVED;
	struct rlimit rl;

	*ret_old = (struct rlimit){0, 0};
	if (fl_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &rl) < 0 || rl.rlim_cur >= want)
		return;
	*ret_old = rl;
	/* above the hard limit only with CAP_SYS_RESOURCE */
	rl = (struct rlimit){want, fl_max((u64)rl.rlim_max, want)};
	if (fl_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &rl, NULL) < 0)
		ret_old->rlim_max = 0;
}

void fl_fd_restore_limit(const struct rlimit *old)
{
	if (old->rlim_max)
		fl_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, old, NULL);
}

int fl_fd_place(int base, enum fl_fd which, int fd, bool cloexec)
{
	int to = base + (int)which;
	long r;

	if (fd == to) {
		r = fl_syscall(SYS_fcntl, fd, F_SETFD, cloexec ? FD_CLOEXEC : 0);
		return r < 0 ? (int)r : fd;
	}
	r = fl_syscall(SYS_dup3, fd, to, cloexec ? O_CLOEXEC : 0);
	if (r < 0)
		return (int)r;
	fl_syscall(SYS_close, fd);
	return to;
}

/* Closes the numbers from first to last, but for keep. 0 or -errno. */
static int close_but(u32 first, u32 last, int keep, u32 flags)
{
	u32 k = (u32)keep;
	long r = 0;

	if (keep < 0 || k < first || k > last)
		return (int)fl_syscall(SYS_close_range, first, last, flags);
	if (k > first)
		r = fl_syscall(SYS_close_range, first, k - 1, flags);
	if (r >= 0 && k < last)
		r = fl_syscall(SYS_close_range, k + 1, last, flags);
	return (int)r;
}

int fl_fd_private(int base, int keep)
{
	u32 past = (u32)base + FL_FDS_RESERVED;
	bool low = keep >= 0 && keep < base;
	/* with the range to be closed nothing of the program's is held, not for a moment */
	int r = low ? close_but(past, ~0u, -1, CLOSE_RANGE_UNSHARE) :
		      close_but(0, (u32)base - 1, -1, CLOSE_RANGE_UNSHARE);

	if (r < 0)
		return r;
	if (low)
		close_but(0, (u32)base - 1, keep, 0);
	else
		close_but(past, ~0u, keep, 0);
	if (keep == 2)
		return 0;
	r = (int)fl_syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_CLOEXEC);
	if (r >= 0 && r != 2) {
		fl_syscall(SYS_dup3, r, 2, O_CLOEXEC);
		fl_syscall(SYS_close, r);
	}
	return 0;
}

int fl_fd_import(const char *value)
{
	struct fl_machine *t;
	u64 v = 0;
	bool ok;
	long r;

	for (; value && *value >= '0' && *value <= '9'; value++)
		v = v * 10 + (u64)(*value - '0');
	if (!value || *value || !v || v > 1 << 20)
		return -1;
	r = fl_syscall(SYS_mmap, NULL, FL_PAGE_SIZE, PROT_READ, MAP_SHARED, v + FL_FD_MEM, 0);
	if (fl_is_err(r))
		return -1;
	t = (struct fl_machine *)r;
	ok = t->magic == FL_MACHINE_MAGIC && t->version == FL_MACHINE_VERSION;
	fl_syscall(SYS_munmap, t, FL_PAGE_SIZE);
	return ok && fl_syscall(SYS_fcntl, v + FL_FD_SWAP, F_GETFD) >= 0 ? (int)v : -1;
}
