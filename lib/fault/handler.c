/* The fault handler's loop; see handler.h. */
#include "fault/handler.h"
#include "arch/x86_64/syscall.h"
#include "base/procfs.h"
#include "fault/uffd-compat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#define MESSAGES     16
#define SAMPLE_EVERY 64	/* faults */
#define SAMPLE_NS    100000000u
#define BREATHE_EVERY_US 20000u
#define BREATH_NS	 50000u
#define PAUSE_US	 1000u
#define FEW_NS		 1000000u

static void take_fault(struct fl_handler *h, const struct uffd_msg *m)
{
	struct fl_pager *p = h->pager;
	u64 start = fl_cycles();
	u32 flags = 0;

	if (m->event != UFFD_EVENT_PAGEFAULT)
		return;
	if (m->arg.pagefault.flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP))
		flags |= FL_FAULT_WRITE;
	if (m->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)
		flags |= FL_FAULT_WP;
	fl_lock(&p->lock);
	p->submit_to = &p->reads;
	p->fault_tid = m->arg.pagefault.feat.ptid;
	fl_follow_wake(&h->follow, &p->mm, p->fault_tid);
	fl_pager_fault(p, m->arg.pagefault.address, flags);
	fl_count(p, pgfault, 1);
	if (++h->faults_since_sample >= SAMPLE_EVERY) {
		h->faults_since_sample = 0;
		h->sample(h);
	}
	fl_pager_update_stats(p);
	fl_count(p, fault_ns, fl_cycles_to_ns(p->machine.t, fl_cycles() - start));
	fl_unlock(&p->lock);
}

static bool take_faults(struct fl_handler *h)
{
	struct uffd_msg msgs[MESSAGES];
	long n = fl_syscall(SYS_read, h->uffd->fd, msgs, sizeof(msgs));

	if (n == -EBADF)
		h->pager->dead(h->pager, "its userfaultfd has been closed");
	if (n <= 0)
		return false;
	for (long i = 0; i < n / (long)sizeof(msgs[0]); i++)
		take_fault(h, &msgs[i]);
	return true;
}

/* Begins the reads that faults wait for, together and with the lock let go, and
 * takes up those that have ended. */
static void take_reads(struct fl_handler *h)
{
	struct fl_pager *p = h->pager;
	struct fl_io *io;

	while (p->reads.in_flight && (io = p->backend->reap(&p->reads, false))) {
		u64 start = io->start_cycles;
		u32 tid = io->tid; /* the request is gone when it is done */

		fl_lock(&p->lock);
		fl_follow_wake(&h->follow, &p->mm, tid);
		fl_pager_read_done(p, io);
		if (tid) /* else nobody has waited: it was read ahead */
			fl_count(p, fault_ns, fl_cycles_to_ns(p->machine.t, fl_cycles() - start));
		fl_pager_update_stats(p);
		fl_unlock(&p->lock);
	}
}

/* Is anything but this thread running or waiting for a CPU? The machine's count. */
static bool others_run(void)
{
	char buf[64];
	const char *at = buf;

	if (fl_read_file("/proc/loadavg", buf, sizeof(buf)) <= 0)
		return true;
	/* three averages, then "running/all" */
	for (u32 field = 0; *at && field < 3; at++)
		field += *at == ' ';
	return fl_read_number(&at) != 1;
}

/*
 * Lets the CPU go now and then. This thread and the one whose faults it resolves hand it
 * to each other without a pause, and where they are in a scheduling group of their own (a
 * session's autogroup, a cgroup) Linux 6.18 has been seen to run nothing else on that CPU
 * for minutes: kernel threads that end I/O, too, for which another of our processes waited.
 * A group all of whose threads sleep cannot do that.
 */
static void breathe(struct fl_handler *h)
{
	static const struct timespec pause = {0, BREATH_NS};
	const struct fl_machine *t = h->pager->machine.t;
	u64 now = fl_cycles();

	if (now - h->busy_cycles > PAUSE_US * t->cycles_per_us)
		h->breath_cycles = now; /* it has just had a pause */
	h->busy_cycles = now;
	if (now - h->breath_cycles < BREATHE_EVERY_US * t->cycles_per_us)
		return;
	if (others_run())
		fl_syscall(SYS_nanosleep, &pause, NULL);
	h->breath_cycles = fl_cycles();
}

/* Nothing has happened for a while: count what is not managed, if there were
 * faults since, and let the thread go that was kept on our CPU. */
static void quiet(struct fl_handler *h)
{
	struct fl_pager *p = h->pager;

	fl_lock(&p->lock);
	if (h->follow.tid &&
		fl_cycles_to_ns(p->machine.t, fl_cycles() - h->follow.used_cycles) >=
			FL_FOLLOW_IDLE_NS)
		fl_follow_restore(&h->follow);
	if (h->faults_since_sample && fl_now_ns() - h->sampled_ns >= SAMPLE_NS) {
		h->faults_since_sample = 0;
		h->sample(h);
	}
	fl_unlock(&p->lock);
}

/* A tool holds our memory still: until it hangs up, or for too long. */
static void thaw_when_done(struct fl_handler *h, bool hung_up)
{
	if (!hung_up && fl_now_ns() < h->thaw_ns)
		return;
	fl_unlock(&h->pager->lock);
	fl_syscall(SYS_close, h->client_fd);
	h->client_fd = -1;
}

void fl_handler_run(void *handler)
{
	struct fl_handler *h = handler;
	struct fl_pager *p = h->pager;

	fl_follow_start(&h->follow);
	h->nfds = FL_HANDLER_FDS;
	while (!__atomic_load_n(&h->stop, __ATOMIC_SEQ_CST)) {
		struct pollfd fds[FL_HANDLER_FDS] = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {h->stop_fd, POLLIN, 0}, {h->kfault_fd, POLLIN, 0}};
		struct timespec tick = {0, h->follow.tid ? FL_FOLLOW_IDLE_NS : SAMPLE_NS};
		bool frozen = h->client_fd >= 0, few = h->nfds < FL_HANDLER_FDS;

		if (few) /* what is not waited for is looked after */
			tick.tv_nsec = FEW_NS;
		if (frozen) {
			/* nothing else wakes who holds still */
			fds[0] = (struct pollfd){h->client_fd, POLLIN, 0};
			fds[3].fd = fds[4].fd = -1;
		} else {
			fds[0] = (struct pollfd){h->uffd->fd, POLLIN, 0};
			fds[1] = (struct pollfd){h->control_fd, POLLIN, 0};
			if (p->reads.in_flight)
				fds[2] = (struct pollfd){p->backend->poll_fd(&p->reads), POLLIN, 0};
			if (p->reads.done) /* finished within submit: nothing will poll */
				take_reads(h);
		}
		long n = fl_syscall(SYS_ppoll, fds, h->nfds,
			few || frozen || h->faults_since_sample || h->follow.tid ? &tick : NULL, NULL, 8);

		/* more than the program's limit of open files, which may be 0 */
		if (n == -EINVAL && h->nfds) {
			h->nfds--;
			continue;
		}
		if (frozen) {
			thaw_when_done(h, fds[0].revents);
			continue;
		}
		if (n == 0 && !few) {
			quiet(h);
			continue;
		}
		if (fds[0].revents || !h->nfds)
			take_faults(h);
		breathe(h);
		if (p->reads.in_flight)
			take_reads(h);
		if (n == 0)
			quiet(h);
		if (fds[3].revents || fds[4].revents || few)
			h->serve(h);
		if (fds[1].revents)
			h->client_fd = h->control(h);
	}
}
