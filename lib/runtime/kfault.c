/* Faults that the kernel resolves itself; see kfault.h. */
#include "runtime/kfault.h"
#include "runtime/limits.h"
#include "arch/x86_64/syscall.h"
#include "base/own.h"
#include "base/procfs.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define DATA_BYTES (8 * FL_PAGE_SIZE)
#define RING_BYTES (FL_PAGE_SIZE + DATA_BYTES)
#define EVENTS_MAX 1024u /* two for each thread on each CPU */

/* The ring has both kinds of events, told apart by their length. */
struct record {
	struct perf_event_header head;
	u64 addr;
};

struct major_record {
	struct record r;
	u64 cpu;
};

struct lost_record {
	struct perf_event_header head;
	u64 id, lost;
};

static struct {
	enum { OFF, ON, REFUSED } state;
	u64 area;	/* the rings, side by side */
	u32 nr_rings;
	u64 last_addr;	/* of a fault that was counted, for those that a ring has lost */
} seen;

/* The handler's, while it opens them. */
struct events {
	int *fd;	/* in its table: a minor and a major one for each thread on each CPU */
	u32 n;
	u32 nr_cpus;
};

static long open_event(u64 config, u64 also, u32 tid, u32 cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = config,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_ADDR | also,
		.inherit = 1,
		.inherit_thread = 1,
		.watermark = 1,
		.wakeup_watermark = DATA_BYTES / 2,
	};
	long fd = fl_syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd != -EACCES)
		return fd;
	/* who may not know of the kernel's own events sees no fault within a system call */
	attr.exclude_kernel = 1;
	return fl_syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* A thread on all CPUs; those that it makes follow by themselves. 0, or -errno. */
static int open_thread(struct events *e, u32 tid)
{
	for (u32 cpu = 0;; cpu++) {
		long minor = open_event(PERF_COUNT_SW_PAGE_FAULTS_MIN, 0, tid, cpu), major;

		if (minor == -ENODEV)
			continue; /* that CPU is off */
		if (minor == -EINVAL && cpu)
			return 0; /* there is no such CPU */
		if (minor < 0)
			return (int)minor;
		e->fd[e->n++] = (int)minor;
		major = open_event(PERF_COUNT_SW_PAGE_FAULTS_MAJ, PERF_SAMPLE_CPU, tid, cpu);
		if (major < 0)
			return (int)major;
		e->fd[e->n++] = (int)major;
		if (e->n + 2 > EVENTS_MAX)
			return -EMFILE;
	}
}

static int open_events(struct events *e)
{
	struct fl_tasks tasks;
	int r = fl_tasks_open(&tasks);
	u32 tid;

	if (r < 0)
		return r;
	/* to the end, which closes the folder */
	while ((tid = fl_tasks_next(&tasks))) {
		if (r < 0 || tid == fl.handler_tid || tid == fl.kswapd_tid ||
			tid == fl.lease_tid)
			continue;
		r = open_thread(e, tid);
		if (r == -ESRCH)
			r = 0; /* it has ended meanwhile */
		if (r == 0 && !e->nr_cpus)
			e->nr_cpus = e->n / 2;
	}
	return r < 0 ? r : e->n ? 0 : -ESRCH;
}

static int map_rings(struct fl_handler *h, const struct events *e)
{
	u64 bytes = e->nr_cpus * RING_BYTES, at;
	long r = fl_syscall(SYS_mmap, fl_own_hint(bytes), bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct epoll_event ready = {.events = EPOLLIN};
	struct fl_range *range;

	if (fl_is_err(r))
		return (int)r;
	seen.area = at = (u64)r;
	seen.nr_rings = e->nr_cpus;
	range = fl_runtime_internal(at, at + bytes, false);
	if (!range)
		return -ENOMEM;
	range->not_inherited = true;
	for (u32 i = 0; i < e->nr_cpus; i++, at += RING_BYTES) {
		r = fl_syscall(SYS_mmap, at, RING_BYTES, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, e->fd[2 * i], 0);
		if (!fl_is_err(r))
			r = fl_syscall(SYS_epoll_ctl, h->kfault_fd, EPOLL_CTL_ADD, e->fd[2 * i], &ready);
		if (fl_is_err(r))
			return (int)r;
	}
	/* all that are of one CPU share its ring */
	for (u32 i = 0; i < e->n; i++) {
		r = 0;
		if (i % 2 || i / 2 >= e->nr_cpus)
			r = fl_syscall(SYS_ioctl, e->fd[i], PERF_EVENT_IOC_SET_OUTPUT,
				e->fd[i / 2 % e->nr_cpus * 2]);
		if (r < 0)
			return (int)r;
	}
	return 0;
}

static void unmap_rings(void)
{
	u64 bytes = seen.nr_rings * RING_BYTES;

	if (!seen.area)
		return;
	fl_syscall(SYS_munmap, seen.area, bytes);
	fl_runtime_not_internal(seen.area, seen.area + bytes);
	seen.area = 0;
	seen.nr_rings = 0;
}

/* The handler's thread. */
static void start(struct fl_ask *a)
{
	struct fl_handler *h = &fl.handler;
	struct fl_pager *p = h->pager;
	struct events e = {0};
	struct fl_limits limits;
	int r = -EPERM;

	(void)a;
	fl_lock(&p->lock);
	e.fd = fl_arena_alloc(p->arena, EVENTS_MAX * sizeof(*e.fd));
	fl_unlock(&p->lock);
	/* a filter may answer a call with death */
	if (e.fd && fl_syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
		h->kfault_fd = (int)fl_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
		r = h->kfault_fd < 0 ? h->kfault_fd : open_events(&e);
	}
	fl_lock(&p->lock);
	fl_limits_lift(&limits);
	if (r == 0)
		r = map_rings(h, &e);
	if (r < 0)
		unmap_rings();
	fl_limits_settle(&limits);
	seen.state = r < 0 ? REFUSED : ON;
	fl_unlock(&p->lock);
	/* where it has worked they stay open as long as this thread is there */
	for (u32 i = 0; r < 0 && i < e.n; i++)
		fl_syscall(SYS_close, e.fd[i]);
	if (r < 0 && h->kfault_fd >= 0) {
		fl_syscall(SYS_close, h->kfault_fd);
		h->kfault_fd = -1;
	}
	fl_lock(&p->lock);
	if (e.fd)
		fl_arena_free(p->arena, e.fd, EVENTS_MAX * sizeof(*e.fd));
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
	if (a && fl_ask(&fl.handler_asks, a, call_handler, 0))
		fl_ask_free(a);
	fl_unlock(&fl.pager.lock);
}

void fl_kfault_lost(void)
{
	/* rings are not inherited, and nothing else is there */
	seen.area = 0;
	seen.nr_rings = 0;
	fl.handler_asks.first = NULL;
}

void fl_kfault_again(void)
{
	if (seen.state != ON)
		return;
	fl_lock(&fl.pager.lock);
	fl_kfault_drain();
	unmap_rings();
	seen.state = OFF;
	fl_unlock(&fl.pager.lock);
	fl_kfault_start();
}

static void count(u64 addr, u64 n, bool major)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma = fl_vma_at(&p->mm, addr);

	seen.last_addr = addr;
	if (!vma || vma->owner != FL_OWNER_KERNEL ||
		(vma->flags & (FL_VM_FILE | FL_VM_SHARED)) != (FL_VM_FILE | FL_VM_SHARED))
		return;
	vma->faults += n;
	vma->major_faults += major ? n : 0;
	fl_count(p, pgfault_shared_file, n);
	if (major)
		fl_count(p, pgmajfault_shared_file, n);
}

/* A record may go on at the beginning of the ring: all are made of whole words. */
static u64 word(const struct perf_event_mmap_page *ring, u64 at)
{
	return *(const u64 *)((const char *)ring + FL_PAGE_SIZE + (at & (DATA_BYTES - 1)));
}

static void drain(struct perf_event_mmap_page *ring)
{
	u64 head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), at = ring->data_tail;
	union {
		u64 word;
		struct perf_event_header head;
	} r;

	for (; at < head && (r.word = word(ring, at)) && r.head.size; at += r.head.size)
		if (r.head.type == PERF_RECORD_LOST)
			count(seen.last_addr,
				word(ring, at + __builtin_offsetof(struct lost_record, lost)), false);
		else if (r.head.type == PERF_RECORD_SAMPLE)
			count(word(ring, at + __builtin_offsetof(struct record, addr)), 1,
				r.head.size == sizeof(struct major_record));
	__atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
}

void fl_kfault_drain(void)
{
	if (seen.state == ON)
		for (u32 i = 0; i < seen.nr_rings; i++)
			drain((struct perf_event_mmap_page *)(seen.area + i * RING_BYTES));
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
}
