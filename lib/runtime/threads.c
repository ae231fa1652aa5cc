/* The handler's thread, and kswapd's: made when it first has something to do. */
#include "runtime/kfault.h"
#include "arch/x86_64/syscall.h"
#include "arch/x86_64/thread.h"
#include "machine/handoff.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <time.h>

/* With fewer frames than this a process is not worth asking for any. */
#define KSWAPD_FRAMES 256u
#define RETRY_NS      10000000
#define RETRIES	      500

static u64 fl_tcb(void)
{
	u64 tcb;

	__asm__("mov %%fs:0x10, %0" : "=r"(tcb));
	return tcb;
}

static void handler(void *arg)
{
	fl_proc_keep(&fl.pager.machine);
	fl_fd_private(fl.fd_base, fl.uffd.fd);
	fl_handler_run(arg);
}

int fl_start_handler_thread(void)
{
	long r;

	fl.handler.kfault_fd = -1;
	r = fl_thread_start(fl.handler_stack, handler, &fl.handler, "fl-fault");
	fl.handler_tid = r < 0 ? 0 : (u32)r;
	fl.kswapd_tid = 0; /* there is none yet */
	return (int)r;
}

/* By which the handler is told to end; in its own table too, so it is made before. */
static int make_stop_fd(void)
{
	long fd;

	if (fl.pager.machine.self->files_of)
		return -1; /* the number of it is the parent's */
	fd = fl_syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fd < 0 ? -1 : fl_fd_place(fl.fd_base, FL_FD_STOP, (int)fd, true);
}

int fl_start_handler(void)
{
	struct fl_handler *h = &fl.handler;

	h->pager = &fl.pager;
	h->uffd = &fl.uffd;
	/* none where the number of it is the parent's */
	h->control_fd = fl.pager.machine.self->files_of ? -1 : fl_control_open();
	h->control = fl_control_serve;
	h->client_fd = -1;
	h->stop = 0;
	h->stop_fd = make_stop_fd();
	h->serve = fl_kfault_serve;
	h->sample = fl_sample;
	h->faults_since_sample = 0;
	/* threads other than this one are not inherited by a child */
	if (!h->follow.threads)
		fl_follow_thread(&h->follow, &fl.arena, fl_tcb(), 0, fl_gettid());
	else
		fl_follow_only(&h->follow, fl_tcb(), fl_gettid());
	return fl_start_handler_thread();
}

static void kswapd(void *arg)
{
	struct fl_pager *p = arg;
	struct fl_proc *self = p->machine.self;

	fl_fd_private(fl.fd_base, fl.uffd.fd);
	fl_proc_write(&p->machine);
	fl_lock(&p->lock);
	fl.uffd.pagemap_fd = (int)fl_syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	fl.writes.ops->open(&fl.writes, p->machine.swap_fd);
	p->queue_opened(p, &fl.writes);
	fl_unlock(&p->lock);
	while (!__atomic_load_n(&fl.handler.stop, __ATOMIC_SEQ_CST)) {
		u32 seq = __atomic_load_n(&self->doorbell, __ATOMIC_ACQUIRE);
		u64 wait = fl_kswapd_round(p, &fl.writes), look = fl_runtime_look();

		if (wait == ~0ull)
			wait = look;
		else if (wait && look)
			wait = fl_min(wait, look);
		else if (!wait)
			continue;
		fl_proc_wait(self, seq, wait);
	}
}

/* At a limit on processes others may end soon. */
static void start_kswapd(struct fl_pager *p)
{
	struct timespec pause = {0, RETRY_NS};
	long r;

	fl.kswapd_started = true;
	for (u32 i = 0; (r = fl_thread_start(fl.kswapd_stack, kswapd, p, "fl-kswapd")) < 0; i++) {
		if (i == RETRIES)
			p->dead(p, "no thread can be made for reclaim: is a limit on processes (ulimit -u) in force?");
		fl_syscall(SYS_nanosleep, &pause, NULL);
	}
	fl.kswapd_tid = (u32)r;
	p->machine.self->helpers++;
}

void fl_kick_kswapd(struct fl_pager *p)
{
	if (!fl.kswapd_started)
		start_kswapd(p);
	fl_proc_ring(p->machine.self);
}

void fl_maybe_start_kswapd(void)
{
	u32 least = fl_min(KSWAPD_FRAMES, fl.pager.machine.t->nframes / 64);

	if (!fl.kswapd_started && fl.pager.machine.self->held > least)
		start_kswapd(&fl.pager);
}
