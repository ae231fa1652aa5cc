/* Faults that the kernel resolves itself; see kfault.h. */
#include "runtime/kfault-ring.h"
#include "runtime/kfault.h"
#include "runtime/limits.h"
#include "arch/x86_64/syscall.h"
#include "base/own.h"
#include "base/procfs.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define RING_BYTES (FL_PAGE_SIZE + FL_KFAULT_DATA_BYTES)
#ifndef PERF_FORMAT_LOST
#define PERF_FORMAT_LOST (1U << 4)
#endif
#define PATIENCE_NS 1000000000u
#define EVENTS_MAX 1024u /* two for each thread on each CPU */

static struct {
	enum { OFF, ON, REFUSED } state;
	u64 area;	/* the rings, side by side */
	u32 nr_rings;
	struct fl_kfault_ring *ring;
	/* in the handler's table: a minor and a major event for each thread on each CPU */
	int *fd;
	u32 nr_events;
} seen;

static long open_event(u64 config, u64 also, u32 tid, u32 cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = config,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR | also,
		.read_format = PERF_FORMAT_LOST,
		.inherit = 1,
		.inherit_thread = 1,
		.watermark = 1,
		.wakeup_watermark = FL_KFAULT_DATA_BYTES / 2,
	};
	long fd = fl_syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	/* who may not know of the kernel's own events sees no fault within a system call */
	if (fd == -EACCES) {
		attr.exclude_kernel = 1;
		fd = fl_syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	}
	return fd;
}

/* A thread on all CPUs; those that it makes follow by themselves. 0, or -errno. */
static int open_thread(u32 tid)
{
	for (u32 cpu = 0;; cpu++) {
		long minor = open_event(PERF_COUNT_SW_PAGE_FAULTS_MIN, 0, tid, cpu), major;

		if (minor == -ENODEV)
			continue; /* that CPU is off */
		if (minor == -EINVAL && cpu)
			return 0; /* there is no such CPU */
		if (minor < 0)
			return (int)minor;
		seen.fd[seen.nr_events++] = (int)minor;
		major = open_event(PERF_COUNT_SW_PAGE_FAULTS_MAJ, PERF_SAMPLE_CPU, tid, cpu);
		if (major < 0)
			return (int)major;
		seen.fd[seen.nr_events++] = (int)major;
		if (seen.nr_events + 2 > EVENTS_MAX)
			return -EMFILE;
	}
}

static int open_events(void)
{
	struct fl_tasks tasks;
	int r = fl_tasks_open(&tasks);
	u32 tid;

	if (r < 0)
		return r;
	/* to the end, which closes the folder */
	while ((tid = fl_tasks_next(&tasks))) {
		u32 had = seen.nr_events;

		if (r < 0 || tid == fl.handler_tid || tid == fl.kswapd_tid ||
			tid == fl.lease_tid)
			continue;
		r = open_thread(tid);
		/* it has ended meanwhile: with all of its events or none */
		if (r == -ESRCH || (r == 0 && seen.nr_rings && seen.nr_events - had != 2 * seen.nr_rings)) {
			while (seen.nr_events > had)
				fl_syscall(SYS_close, seen.fd[--seen.nr_events]);
			r = 0;
		}
		if (r == 0 && !seen.nr_rings)
			seen.nr_rings = seen.nr_events / 2;
	}
	return r < 0 ? r : seen.nr_rings ? 0 : -ESRCH;
}

static long wait_for(struct fl_handler *h, int fd)
{
	struct epoll_event ready = {.events = EPOLLIN, .data.fd = fd};

	return fl_syscall(SYS_epoll_ctl, h->kfault_fd, EPOLL_CTL_ADD, fd, &ready);
}

/* An event whose threads have all ended is hung up, and would be ready for ever. */
static void forget_hung_up(struct fl_handler *h)
{
	struct epoll_event ready[16];
	long n;

	if (h->kfault_fd < 0)
		return;
	n = fl_syscall(SYS_epoll_pwait, h->kfault_fd, ready, fl_array_size(ready), 0, NULL, 8);
	for (long i = 0; i < n; i++)
		if (ready[i].events & (EPOLLHUP | EPOLLERR))
			fl_syscall(SYS_epoll_ctl, h->kfault_fd, EPOLL_CTL_DEL, ready[i].data.fd, NULL);
}

static int map_rings(struct fl_handler *h)
{
	u64 bytes = seen.nr_rings * RING_BYTES, at;
	long r = fl_syscall(SYS_mmap, fl_own_hint(bytes), bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct fl_range *range;

	if (fl_is_err(r))
		return (int)r;
	seen.area = at = (u64)r;
	range = fl_runtime_internal(at, at + bytes, false);
	if (!range)
		return -ENOMEM;
	range->not_inherited = true;
	for (u32 i = 0; i < seen.nr_rings; i++, at += RING_BYTES) {
		r = fl_syscall(SYS_mmap, at, RING_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, seen.fd[2 * i], 0);
		if (!fl_is_err(r))
			r = wait_for(h, seen.fd[2 * i]);
		if (fl_is_err(r))
			return (int)r;
	}
	/* all that are of one CPU share its ring */
	for (u32 i = 0; i < seen.nr_events; i++) {
		r = 0;
		if (i % 2 || i / 2 >= seen.nr_rings)
			r = fl_syscall(SYS_ioctl, seen.fd[i], PERF_EVENT_IOC_SET_OUTPUT,
				seen.fd[i / 2 % seen.nr_rings * 2]);
		/* all of a ring are told of it: the thread that it was made for may end first */
		if (r == 0 && i % 2 == 0 && i / 2 >= seen.nr_rings)
			r = wait_for(h, seen.fd[i]);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

/* Lock held. */
static bool allocate(void)
{
	seen.fd = fl_arena_alloc(&fl.arena, EVENTS_MAX * sizeof(*seen.fd));
	seen.ring = fl_arena_alloc(&fl.arena, EVENTS_MAX / 2 * sizeof(*seen.ring));
	seen.nr_rings = seen.nr_events = 0;
	return seen.fd && seen.ring;
}

/* All but the descriptors. Lock held. */
static void forget(void)
{
	u64 bytes = seen.nr_rings * RING_BYTES;

	if (seen.area) {
		fl_syscall(SYS_munmap, seen.area, bytes);
		fl_runtime_not_internal(seen.area, seen.area + bytes);
	}
	if (seen.fd)
		fl_arena_free(&fl.arena, seen.fd, EVENTS_MAX * sizeof(*seen.fd));
	if (seen.ring)
		fl_arena_free(&fl.arena, seen.ring, EVENTS_MAX / 2 * sizeof(*seen.ring));
	seen.fd = NULL;
	seen.ring = NULL;
	seen.area = 0;
	seen.nr_rings = seen.nr_events = 0;
}

static void close_all(struct fl_handler *h)
{
	for (u32 i = 0; i < seen.nr_events; i++)
		fl_syscall(SYS_close, seen.fd[i]);
	if (h->kfault_fd >= 0)
		fl_syscall(SYS_close, h->kfault_fd);
	h->kfault_fd = -1;
}

/* The handler's thread. */
static void start(struct fl_ask *a)
{
	struct fl_handler *h = &fl.handler;
	struct fl_pager *p = h->pager;
	struct fl_limits limits;
	int r = -EPERM;
	bool room;

	(void)a;
	fl_lock(&p->lock);
	if (seen.state != OFF) /* two have asked at the same time */
		return;
	room = allocate();
	fl_unlock(&p->lock);
	/* a filter may answer a call with death */
	if (room && fl_syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
		h->kfault_fd = (int)fl_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
		r = h->kfault_fd < 0 ? h->kfault_fd : open_events();
	}
	fl_lock(&p->lock);
	fl_limits_lift(&limits);
	if (r == 0)
		r = map_rings(h);
	if (r < 0) {
		close_all(h);
		forget();
	}
	fl_limits_settle(&limits);
	seen.state = r < 0 ? REFUSED : ON;
}

static long call_handler(void)
{
	u64 one = 1;

	return fl_syscall(SYS_write, fl.handler.stop_fd, &one, sizeof(one));
}

void fl_kfault_start(void)
{
	struct fl_ask *a;

	if (__atomic_load_n(&seen.state, __ATOMIC_RELAXED) != OFF || fl.handler.stop_fd < 0 ||
		fl_is_borrowed())
		return;
	fl_lock(&fl.pager.lock);
	a = fl_ask_new(sizeof(*a), start);
	if (a && fl_ask(&fl.handler_asks, a, call_handler, PATIENCE_NS))
		fl_ask_free(a);
	fl_unlock(&fl.pager.lock);
}

void fl_kfault_lost(void)
{
	seen.area = 0; /* rings are not inherited, and nothing else is there */
	forget();
	fl.handler_asks.first = NULL;
}

void fl_kfault_again(void)
{
	if (seen.state != ON)
		return;
	fl_lock(&fl.pager.lock);
	fl_kfault_drain();
	forget();
	seen.state = OFF;
	fl_unlock(&fl.pager.lock);
	fl_kfault_start();
}

void fl_kfault_drain(void)
{
	if (seen.state == ON)
		for (u32 i = 0; i < seen.nr_rings; i++)
			fl_kfault_ring_drain((struct perf_event_mmap_page *)(seen.area + i * RING_BYTES), &seen.ring[i]);
}

/* What a ring has lost is in it when the next fault is: of the last ones only the events know. The
 * handler's thread, lock held. */
static void ask_for_lost(void)
{
	u64 value[2]; /* faults, and lost ones */

	for (u32 i = 0; i < seen.nr_rings; i++) {
		u64 lost = 0;

		for (u32 k = 2 * i; k < seen.nr_events; k += k % 2 ? 2 * seen.nr_rings - 1 : 1)
			if (fl_syscall(SYS_read, seen.fd[k], value, sizeof(value)) == sizeof(value))
				lost += value[1];
		fl_kfault_ring_lost(&seen.ring[i], lost);
	}
}

static void settle(struct fl_ask *a)
{
	(void)a;
	fl_lock(&fl.pager.lock);
	fl_kfault_drain();
	if (seen.state == ON)
		ask_for_lost();
}

void fl_kfault_settle(void)
{
	struct fl_ask *a;

	if (__atomic_load_n(&seen.state, __ATOMIC_RELAXED) != ON)
		return;
	fl_lock(&fl.pager.lock);
	a = fl_ask_new(sizeof(*a), settle);
	if (a && fl_ask(&fl.handler_asks, a, call_handler, PATIENCE_NS))
		fl_ask_free(a);
	fl_unlock(&fl.pager.lock);
}

void fl_kfault_serve(struct fl_handler *h)
{
	u64 times;

	if (h->stop_fd >= 0)
		fl_syscall(SYS_read, h->stop_fd, &times, sizeof(times));
	fl_lock(&h->pager->lock);
	fl_asks_serve(&fl.handler_asks);
	fl_kfault_drain();
	fl_unlock(&h->pager->lock);
	forget_hung_up(h);
}

void fl_kfault_look(void)
{
	settle(NULL);
	fl_unlock(&fl.pager.lock);
}
