/* Pages through userfaultfd(2); see uffd.h. */
#include "fault/uffd.h"
#include "arch/x86_64/syscall.h"
#include "fault/uffd-compat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static struct fl_uffd *uffd_of(struct fl_host *h)
{
	return (struct fl_uffd *)h;
}

/*
 * One ioctl covers one VMA of the kernel's, and the kernel keeps VMAs apart
 * that the mirror has merged (their anon_vmas differ). A call that fails as a
 * whole is tried in halves.
 */
static u32 uffd_move(struct fl_host *h, u64 dst, u64 src, u32 n, int *ret_error)
{
	struct fl_uffd *u = uffd_of(h);
	u32 done = 0, step = n;

	*ret_error = 0;
	while (done < n) {
		step = fl_min(step, n - done);
		struct uffdio_move m = {
			.dst = dst + (u64)done * FL_PAGE_SIZE,
			.src = src + (u64)done * FL_PAGE_SIZE,
			.len = (u64)step * FL_PAGE_SIZE,
		};
		long r = fl_syscall(SYS_ioctl, u->fd, UFFDIO_MOVE, &m);

		++*u->nr_move;
		if (m.move > 0) {
			done += (u32)(m.move / (s64)FL_PAGE_SIZE);
			step = n - done;
		} else if (r == -EINVAL && step > 1) {
			step /= 2;
		} else if (r < 0) {
			*ret_error = m.move < 0 ? (int)m.move : (int)r;
			break;
		}
	}
	return done;
}

static u32 uffd_copy(struct fl_host *h, u64 dst, const void *src, u32 n, bool wp, int *ret_error)
{
	struct fl_uffd *u = uffd_of(h);
	u32 done = 0, step = n;

	*ret_error = 0;
	while (done < n) {
		step = fl_min(step, n - done);
		struct uffdio_copy c = {
			.dst = dst + (u64)done * FL_PAGE_SIZE,
			.src = (u64)src + (u64)done * FL_PAGE_SIZE,
			.len = (u64)step * FL_PAGE_SIZE,
			.mode = wp ? UFFDIO_COPY_MODE_WP : 0,
		};
		long r = fl_syscall(SYS_ioctl, u->fd, UFFDIO_COPY, &c);

		++*u->nr_copy;
		if (c.copy > 0) {
			done += (u32)(c.copy / (s64)FL_PAGE_SIZE);
			step = n - done;
		} else if ((r == -EINVAL || r == -ENOENT) && step > 1) {
			step /= 2;
		} else if (r < 0) {
			*ret_error = c.copy < 0 ? (int)c.copy : (int)r;
			break;
		}
	}
	return done;
}

/* Tries to fill a range of shared memory. In *ret_bytes how much of it was, or -errno. */
typedef long fill_range(int fd, struct uffdio_range range, s64 *ret_bytes);

static long continue_range(int fd, struct uffdio_range range, s64 *ret_bytes)
{
	struct uffdio_continue c = {.range = range};
	long r = fl_syscall(SYS_ioctl, fd, UFFDIO_CONTINUE, &c);

	*ret_bytes = c.mapped;
	return r;
}

static long zero_range(int fd, struct uffdio_range range, s64 *ret_bytes)
{
	struct uffdio_zeropage z = {.range = range};
	long r = fl_syscall(SYS_ioctl, fd, UFFDIO_ZEROPAGE, &z);

	*ret_bytes = z.zeropage;
	return r;
}

static u32 fill_shared(struct fl_host *h, u64 va, u32 n, int *ret_error, fill_range *fill)
{
	u32 done = 0, step = n;

	*ret_error = 0;
	while (done < n) {
		s64 bytes;
		long r;

		step = fl_min(step, n - done);
		r = fill(uffd_of(h)->fd, (struct uffdio_range){va + (u64)done * FL_PAGE_SIZE,
			(u64)step * FL_PAGE_SIZE}, &bytes);
		if (bytes > 0) {
			done += (u32)(bytes / (s64)FL_PAGE_SIZE);
			step = n - done;
		} else if (r == -ENOENT && step > 1) {
			/* the kernel keeps VMAs apart that are one to us: MADV_RANDOM, mbind(2),
			 * protection keys */
			step /= 2;
		} else if (r < 0 && r != -EAGAIN) {
			*ret_error = bytes < 0 ? (int)bytes : (int)r;
			break;
		}
	}
	return done;
}

static u32 uffd_map_shared(struct fl_host *h, u64 va, u32 n, int *ret_error)
{
	return fill_shared(h, va, n, ret_error, continue_range);
}

static u32 uffd_zero_shared(struct fl_host *h, u64 va, u32 n, int *ret_error)
{
	return fill_shared(h, va, n, ret_error, zero_range);
}

static int uffd_punch(struct fl_host *h, u64 va, u64 n)
{
	(void)h;
	return (int)fl_syscall(SYS_madvise, va, n * FL_PAGE_SIZE, MADV_REMOVE);
}

/* Before Linux 6.3 one call covers one VMA of the kernel's; else see uffd_move. */
static int uffd_protect(struct fl_host *h, u64 va, u64 n, bool on)
{
	struct uffdio_writeprotect w = {
		.range = {va, n * FL_PAGE_SIZE},
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};
	long r;

	do
		r = fl_syscall(SYS_ioctl, uffd_of(h)->fd, UFFDIO_WRITEPROTECT, &w);
	while (r == -EAGAIN);
	if (r == -ENOENT && n > 1) {
		int a = uffd_protect(h, va, n / 2, on);
		int b = uffd_protect(h, va + n / 2 * FL_PAGE_SIZE, n - n / 2, on);

		return a < 0 ? a : b;
	}
	return (int)r;
}

static void uffd_wake(struct fl_host *h, u64 va, u64 n)
{
	struct uffdio_range r = {va, n * FL_PAGE_SIZE};

	fl_syscall(SYS_ioctl, uffd_of(h)->fd, UFFDIO_WAKE, &r);
}

static int uffd_discard(struct fl_host *h, u64 va, u64 n)
{
	(void)h;
	return (int)fl_syscall(SYS_madvise, va, n * FL_PAGE_SIZE, MADV_DONTNEED);
}

static int uffd_populate(struct fl_host *h, u64 slot, u64 n)
{
	long r = fl_syscall(SYS_madvise, slot, n * FL_PAGE_SIZE, MADV_POPULATE_WRITE);

	if (r == -EINVAL) { /* before Linux 5.14 */
		for (u64 i = 0; i < n; i++)
			*(volatile char *)(slot + i * FL_PAGE_SIZE) = 0;
		r = 0;
	}
	return (int)r;
}

static int uffd_fetch(struct fl_host *h, void *to, u64 va, bool readable)
{
	long fd, r;

	(void)h;
	if (readable) {
		memcpy(to, (void *)va, FL_PAGE_SIZE);
		return 0;
	}
	/* not kept open: the caller's table of descriptors may be the program's */
	fd = fl_syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (int)fd;
	r = fl_syscall(SYS_pread64, fd, to, FL_PAGE_SIZE, va);
	fl_syscall(SYS_close, fd);
	return r == (long)FL_PAGE_SIZE ? 0 : -EIO;
}

static bool uffd_present(struct fl_host *h, u64 va)
{
	unsigned char in = 0;

	return fl_syscall(SYS_mincore, va, FL_PAGE_SIZE, &in) == 0 && (in & 1);
}

static void uffd_read_in(struct fl_host *h, u64 va, u64 n)
{
	(void)h;
	/* before Linux 5.14 there is no such advice, and whoever copies the page waits */
	fl_syscall(SYS_madvise, va, n * FL_PAGE_SIZE, MADV_WILLNEED);
	fl_syscall(SYS_madvise, va, n * FL_PAGE_SIZE, MADV_POPULATE_READ);
}

static void uffd_own(struct fl_host *h, u64 va, u32 n)
{
	unsigned char in[64];

	(void)h;
	/* a page that is not there would be a fault of ours, for which we would wait */
	if (n > sizeof(in) || fl_syscall(SYS_mincore, va, n * FL_PAGE_SIZE, in) < 0)
		return;
	for (u32 i = 0; i < n; i++)
		if (!(in[i] & 1))
			return;
	fl_syscall(SYS_madvise, va, n * FL_PAGE_SIZE, MADV_POPULATE_WRITE);
}

/* Of kswapd's thread only: the descriptor is in its table. */
static bool uffd_shared(struct fl_host *h, u64 va)
{
	struct fl_uffd *u = uffd_of(h);
	u64 entry;

	if (u->pagemap_fd < 0 || fl_syscall(SYS_pread64, u->pagemap_fd, &entry, sizeof(entry),
					 va / FL_PAGE_SIZE * sizeof(entry)) != sizeof(entry))
		return true;
	return !(entry & PM_MMAP_EXCLUSIVE);
}

static const struct fl_host_ops uffd_ops = {
	.move = uffd_move,
	.copy = uffd_copy,
	.map_shared = uffd_map_shared,
	.zero_shared = uffd_zero_shared,
	.punch = uffd_punch,
	.protect = uffd_protect,
	.wake = uffd_wake,
	.discard = uffd_discard,
	.populate = uffd_populate,
	.fetch = uffd_fetch,
	.own = uffd_own,
	.shared = uffd_shared,
	.read_in = uffd_read_in,
	.present = uffd_present,
};

static long new_uffd(int dev_fd)
{
	long fd = fl_syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), dev;

	if (fd >= 0)
		return fd;
	if (dev_fd >= 0) {
		long r = fl_syscall(SYS_ioctl, dev_fd, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);

		if (r >= 0)
			return r;
	}
	dev = fl_syscall(SYS_openat, AT_FDCWD, "/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev >= 0) {
		long r = fl_syscall(SYS_ioctl, dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);

		fl_syscall(SYS_close, dev);
		return r < 0 ? fd : r;
	}
	return fd;
}

/* Asks for all of these features, which the kernel has, or does not. A failed handshake
 * leaves the descriptor unusable. The descriptor, or -errno. */
static int open_with(int dev_fd, u64 features)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID | features,
	};
	long fd = new_uffd(dev_fd), r;

	if (fd < 0)
		return (int)fd;
	r = fl_syscall(SYS_ioctl, fd, UFFDIO_API, &api);
	if (r < 0)
		fl_syscall(SYS_close, fd);
	return (int)(r < 0 ? r : fd);
}

int fl_uffd_open(struct fl_uffd *u, int dev_fd, bool copy_only)
{
	static const u64 shared = UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MINOR_SHMEM;
	static const u64 wanted[] = {UFFD_FEATURE_MOVE | shared, UFFD_FEATURE_MOVE, shared, 0};
	static u64 nowhere[2];
	int r = -EINVAL;

	u->host.ops = &uffd_ops;
	if (!u->nr_move) {
		u->nr_move = &nowhere[0];
		u->nr_copy = &nowhere[1];
	}
	for (u32 i = copy_only ? 2 : 0; i < fl_array_size(wanted) && r == -EINVAL; i++) {
		r = open_with(dev_fd, wanted[i]);
		u->host.can_move = wanted[i] & UFFD_FEATURE_MOVE;
		u->host.can_share = wanted[i] & UFFD_FEATURE_MINOR_SHMEM;
	}
	if (r < 0)
		return r;
	u->fd = r;
	return 0;
}

int fl_uffd_register_shared(struct fl_uffd *u, u64 start, u64 end)
{
	struct uffdio_register reg = {
		.range = {start, end - start},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
	};

	return (int)fl_syscall(SYS_ioctl, u->fd, UFFDIO_REGISTER, &reg);
}

int fl_uffd_register(struct fl_uffd *u, u64 start, u64 end, bool missing)
{
	struct uffdio_register reg = {
		.range = {start, end - start},
		.mode = UFFDIO_REGISTER_MODE_WP | (missing ? UFFDIO_REGISTER_MODE_MISSING : 0),
	};

	return (int)fl_syscall(SYS_ioctl, u->fd, UFFDIO_REGISTER, &reg);
}

int fl_uffd_unregister(struct fl_uffd *u, u64 start, u64 end)
{
	struct uffdio_range range = {start, end - start};

	return (int)fl_syscall(SYS_ioctl, u->fd, UFFDIO_UNREGISTER, &range);
}
