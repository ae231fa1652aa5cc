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
#include "runtime/runtime.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/syscall.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static u64 number(const char **s)
{
	u64 v = 0;

	while (**s == ' ')
		++*s;
	for (; **s >= '0' && **s <= '9'; ++*s)
		v = v * 10 + (u64)(**s - '0');
	return v;
}

/* The file's beginning, as a string. Its length, 0 if there is none. */
static u32 read_file(const char *path, char *buf, u32 size)
{
	long fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return 0;
	n = fl_syscall(SYS_read, fd, buf, size - 1);
	fl_syscall(SYS_close, fd);
	n = n > 0 ? n : 0;
	buf[n] = 0;
	return (u32)n;
}

static u64 anon_pages(void)
{
	char buf[128];
	const char *s = buf;
	u64 resident, shared;

	if (!read_file("/proc/self/statm", buf, sizeof(buf)))
		return 0;
	number(&s);
	resident = number(&s);
	shared = number(&s);
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
	u32 n = read_file("/proc/self/comm", comm, sizeof(comm));

	if (!n)
		return;
	if (comm[n - 1] == '\n')
		comm[--n] = 0;
	n = fl_min(n, (u32)sizeof(self->comm) - 1);
	memcpy(self->comm, comm, n);
	self->comm[n] = 0;
}

/*
 * The kernel's mm_users, but for processes that borrow the memory (vfork, clone
 * with CLONE_VM): they are processes of their own in every list. A folder has a link
 * for each folder in it, and two for itself.
 */
static void sample_threads(struct fl_pager *p)
{
	struct fl_proc *self = p->machine.self;
	u32 others = 2 + self->helpers;
	struct stat st;

	if (fl_syscall(SYS_stat, "/proc/self/task", &st) < 0)
		return;
	/* the first thread stays in the list when it has left before the others */
	others += fl.first_left && fl_task_is_zombie(self->pid);
	if (st.st_nlink <= others)
		return;
	p->mm.mm_users = (u32)st.st_nlink - others;
	fl_proc_threads(self, p->mm.mm_users);
}

void fl_sample(struct fl_handler *h)
{
	struct fl_pager *p = h->pager;
	struct fl_proc_stats *s = &p->machine.self->stats;
	u64 anon = anon_pages() * FL_PAGE_SIZE;
	u64 ours = (u64)p->machine.self->held * FL_PAGE_SIZE;

	h->sampled_ns = fl_now_ns();
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
