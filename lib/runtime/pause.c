/*
 * Without our threads for a moment.
 *
 * Some calls are only for a process with a single thread: unshare(2) and setns(2) of a user
 * namespace. So our threads end, the call is made, and new ones begin. Meanwhile nobody
 * resolves faults: there is one thread, and it is in the hook with the mm lock held.
 *
 * The calling thread stands in as the record's keeper, or others would find us dead: after
 * the handler has become it, which it does as the first thing, but maybe late.
 */
#include "runtime/filemap.h"
#include "arch/x86_64/syscall.h"
#include "base/procfs.h"

#include <time.h>

#define LOOK_NS 50000
#define LOOKS	4000u

/* The thread's descriptor table is gone with it, the ring with that; its mappings are ours. */
static void forget_queue(struct fl_pager *p, struct fl_queue *q)
{
	struct iovec maps[FL_QUEUE_MAPS];
	u32 n = p->backend->mappings(q, maps);

	for (u32 i = 0; i < n; i++)
		fl_syscall(SYS_munmap, maps[i].iov_base, maps[i].iov_len);
	q->in_flight = 0;
}

static bool is_gone(u32 tid)
{
	return !tid || fl_syscall(SYS_tgkill, fl.pid, tid, 0) < 0;
}

/* Both, and then the kernel's own workers for their rings, which end by themselves. */
static void wait_until_alone(void)
{
	static const struct timespec look = {0, LOOK_NS};

	while (!is_gone(fl.handler_tid) || !is_gone(fl.kswapd_tid) ||
		!is_gone(fl.lease_tid))
		fl_syscall(SYS_nanosleep, &look, NULL);
	for (u32 i = 0; i < LOOKS && fl_nr_tasks() > 1; i++)
		fl_syscall(SYS_nanosleep, &look, NULL);
}

static void wait_for_keeper(const struct fl_proc *self)
{
	static const struct timespec look = {0, LOOK_NS};

	while (__atomic_load_n(&self->keeper, __ATOMIC_ACQUIRE) != fl.handler_tid)
		fl_syscall(SYS_nanosleep, &look, NULL);
}

bool fl_threads_end(struct fl_pause *pause)
{
	struct fl_pager *p = &fl.pager;
	u64 one = 1;

	if (fl.handler.stop_fd < 0 || fl.handler.nfds < FL_HANDLER_FDS || fl.mm_shared)
		return false;
	wait_for_keeper(p->machine.self);
	fl_pager_wait_idle(p);
	p->quiesce++;
	fl_follow_restore(&fl.handler.follow);
	fl_syscall(SYS_get_robust_list, 0, &pause->robust, &pause->robust_bytes);
	pause->kswapd = fl.kswapd_started;
	fl_proc_settle(&p->machine, fl.pid, fl_gettid());
	fl_proc_keep(&p->machine);
	__atomic_store_n(&fl.handler.stop, 1, __ATOMIC_SEQ_CST);
	fl_syscall(SYS_write, fl.handler.stop_fd, &one, sizeof(one));
	fl_proc_ring(p->machine.self);
	if (fl.lease_tid)
		fl_lease_call();
	fl_unlock(&p->lock);
	wait_until_alone();
	fl_lock(&p->lock);
	if (p->reads_open)
		forget_queue(p, &p->reads);
	if (pause->kswapd)
		forget_queue(p, &fl.writes);
	p->reads_open = fl.kswapd_started = false;
	fl.uffd.pagemap_fd = -1;
	fl_lease_lost();
	fl_rings_child();
	return true;
}

void fl_threads_again(const struct fl_pause *pause)
{
	struct fl_pager *p = &fl.pager;
	u64 ones;
	int r;

	__atomic_store_n(&fl.handler.stop, 0, __ATOMIC_SEQ_CST);
	fl_syscall(SYS_read, fl.handler.stop_fd, &ones, sizeof(ones));
	r = fl_start_handler_thread();
	if (r < 0)
		p->dead(p, "no thread can be made for its faults: is a limit on processes (ulimit -u) in force?");
	fl_proc_settle(&p->machine, fl.pid, (u32)r);
	fl_syscall(SYS_set_robust_list, pause->robust, pause->robust_bytes);
	p->machine.self->helpers = 1;
	p->quiesce--;
	if (pause->kswapd)
		p->kick(p);
}
