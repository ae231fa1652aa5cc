/*
 * How much anonymous memory is not ours: stacks, libraries' data, ld.so's own.
 *
 * The kernel's count of the process's anonymous pages, less the frames whose
 * storage exists, less nothing else. Taken now and then with the lock held, so
 * that no frame is between the two counts.
 */
#include "runtime/runtime.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/syscall.h"

#include <fcntl.h>

static u64 number(const char **s)
{
	u64 v = 0;

	while (**s == ' ')
		++*s;
	for (; **s >= '0' && **s <= '9'; ++*s)
		v = v * 10 + (u64)(**s - '0');
	return v;
}

static u64 anon_pages(void)
{
	char buf[128];
	const char *s = buf;
	long fd = fl_syscall(SYS_openat, AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC), n;
	u64 resident, shared;

	if (fd < 0)
		return 0;
	n = fl_syscall(SYS_read, fd, buf, sizeof(buf) - 1);
	fl_syscall(SYS_close, fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
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
	fl_pager_update_stats(p);
	fl_maybe_start_kswapd();
}
