/*
 * How much anonymous memory is not ours: stacks, libraries' data, ld.so's own.
 *
 * The kernel's count of the process's anonymous pages, less the frames whose
 * storage exists, less nothing else. Taken now and then with the lock held, so
 * that no frame is between the two counts.
 *
 * With it what else a process says of itself and may change at any time: its
 * name, and how many threads it has.
 */
#include "runtime/kfault.h"
#include "arch/x86_64/entry.h"
#include "base/procfs.h"

#include <string.h>

static u64 anon_pages(void)
{
	char buf[128];
	const char *s = buf;
	u64 resident, shared;

	if (fl_read_file("/proc/self/statm", buf, sizeof(buf)) <= 0)
		return 0;
	fl_read_number(&s);
	resident = fl_read_number(&s);
	shared = fl_read_number(&s);
	return resident > shared ? resident - shared : 0;
}

static u64 bookkeeping_bytes(void)
{
	struct fl_pager *p = &fl.pager;
	u64 per_frame = sizeof(struct fl_page) + 4 + 4 + 1 + 4 + 4 + 1 + 2;

	return fl.arena.used_bytes + fl_hook_stacks_bytes() +
		p->machine.self->held * per_frame + p->mm.swap_ents * 2;
}

/* The program's name is its main thread's: prctl(2) would give our own. */
static void sample_comm(struct fl_proc *self)
{
	char comm[32];
	long n = fl_read_file("/proc/self/comm", comm, sizeof(comm));

	if (n <= 0)
		return;
	if (comm[n - 1] == '\n')
		comm[--n] = 0;
	n = fl_min(n, (long)sizeof(self->comm) - 1);
	memcpy(self->comm, comm, n);
	self->comm[n] = 0;
}

/*
 * The kernel's mm_users, but for processes that borrow the memory (vfork, clone
 * with CLONE_VM): they are processes of their own in every list.
 */
static void sample_threads(struct fl_pager *p)
{
	struct fl_proc *self = p->machine.self;
	u32 others = self->helpers, tasks = fl_nr_tasks();

	if (!tasks)
		return;
	/* the first thread stays in the list when it has left before the others */
	others += fl.first_left && fl_task_is_zombie(self->pid);
	if (tasks <= others)
		return;
	p->mm.mm_users = tasks - others;
	fl_proc_threads(self, p->mm.mm_users);
}

void fl_sample(struct fl_handler *h)
{
	struct fl_pager *p = h->pager;
	struct fl_proc_stats *s = &p->machine.self->stats;
	u64 anon = anon_pages() * FL_PAGE_SIZE;
	u64 ours = (u64)p->machine.self->held * FL_PAGE_SIZE;

	h->sampled_ns = fl_now_ns();
	fl_kfault_drain();
	fl_proc_unmanaged(p->machine.t, p->machine.self, anon > ours ? anon - ours : 0);
	s->bookkeeping_bytes = bookkeeping_bytes();
	s->bookkeeping_peak_bytes = fl_max(s->bookkeeping_peak_bytes, s->bookkeeping_bytes);
	sample_comm(p->machine.self);
	sample_threads(p);
	fl_pager_update_stats(p);
	fl_maybe_start_kswapd();
}

/* If it cannot be made after all the peak is one too high. */
void fl_sample_new_thread(struct fl_pager *p)
{
	sample_threads(p);
	fl_proc_threads(p->machine.self, ++p->mm.mm_users);
}
