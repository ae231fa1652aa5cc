/*
 * The end of a process whose threads leave one by one.
 *
 * To the kernel a process lives while any of its threads does, Faultline's too.
 * So once the first thread has left, kswapd looks now and then whether one of
 * the program's remains, and ends the process with the first thread's status
 * when none does, as the kernel would.
 */
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LOOK_MIN_NS 1000000u  /* after a thread has left */
#define LOOK_MAX_NS 64000000u /* when none has for a while */

/* The threads of the process, those that are zombies too. 0: not to be known. */
static u32 count_threads(void)
{
	struct stat st;

	if (fl_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) < 0)
		return 0;
	return (u32)st.st_nlink - 2;
}

void fl_runtime_left(u32 tid, int status)
{
	bool first = tid == (u32)fl_syscall(SYS_getpid);

	if (first && !fl.had_threads)
		fl_syscall(SYS_exit_group, status); /* the only one */
	fl_lock(&fl.pager.lock);
	if (first) {
		fl.first_status = status;
		fl.first_left = true;
	}
	if (fl.first_left) {
		fl.look_ns = LOOK_MIN_NS;
		fl_kick_kswapd(&fl.pager);
	}
	fl_unlock(&fl.pager.lock);
}

/* The first thread stays a zombie, which nobody need wait for: its memory was
 * written to before it became one. Lock held. */
static void forget_first(struct fl_pager *p, u32 pid)
{
	u32 n = 0;

	for (u32 i = 0; i < p->nr_leaving; i++)
		if (p->leaving[i] != pid)
			p->leaving[n++] = p->leaving[i];
	p->nr_leaving = n;
}

u64 fl_runtime_look(void)
{
	u64 wait;

	if (!__atomic_load_n(&fl.first_left, __ATOMIC_ACQUIRE))
		return 0;
	fl_lock(&fl.pager.lock);
	/* our threads, this one among them, and the zombie */
	if (count_threads() == fl.pager.machine.self->helpers + 1)
		fl_syscall(SYS_exit_group, fl.first_status);
	if (fl_task_is_zombie((u32)fl_syscall(SYS_getpid)))
		forget_first(&fl.pager, (u32)fl_syscall(SYS_getpid));
	wait = fl.look_ns;
	fl.look_ns = fl_min(2 * wait, (u64)LOOK_MAX_NS);
	fl_unlock(&fl.pager.lock);
	return wait;
}
