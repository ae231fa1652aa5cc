/*
 * Who lives: the keeper of a record.
 *
 * It is a thread that lives exactly as long as the program image: Faultline's
 * fault handler. exec(2), exit(2) and SIGKILL all end it. Its tid stands in the
 * record as in a robust futex that it holds, so the kernel itself writes
 * FUTEX_OWNER_DIED there when the thread ends. Reading that needs no system
 * call, and means the same in every pid namespace, where numbers do not.
 *
 * A child that is just being made has no keeper yet. Until it has, its first
 * thread is the keeper; before that, for some instructions, only its number
 * tells, to those for whom it is the same number.
 */
#include "machine/machine.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/stat.h>

u64 fl_pid_namespace(bool again)
{
	static u64 ns;
	static bool asked; /* a tool has no record, and so never came through here before */
	struct stat st;

	again |= !asked;
	asked = true;
	if (again)
		ns = fl_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &st, 0) < 0 ?
			0 : (u64)st.st_ino;
	if (again)
		fl_shlock_namespace(ns);
	return ns;
}

/* A fork that takes longer than this is none. */
#define FORK_NS 60000000000ull

static const struct fl_proc *table;

static bool owner_gone(u32 record)
{
	const struct fl_proc *p = &table[record];

	return p->state == FL_PROC_DEAD ? fl_proc_has_ended(p) : fl_proc_is_gone(p);
}

/* The word is not in a list of its own: it is the one that is being taken, for ever. */
static void hold(struct robust_list_head *list, u32 *word)
{
	list->list.next = &list->list;
	list->futex_offset = 0;
	list->list_op_pending = (struct robust_list *)word;
	fl_syscall(SYS_set_robust_list, list, sizeof(*list));
	__atomic_store_n(word, fl_gettid(), __ATOMIC_RELEASE);
}

void fl_proc_judge(struct fl_machine_view *v)
{
	table = v->procs;
	fl_shlock_judge(owner_gone);
}

void fl_proc_keep(struct fl_machine_view *v)
{
	static struct robust_list_head list;

	table = v->procs;
	hold(&list, &v->self->keeper);
	fl_shlock_identity((u32)(v->self - v->procs), owner_gone);
}

void fl_proc_write(struct fl_machine_view *v)
{
	static struct robust_list_head list;

	hold(&list, &v->self->writer);
}

static bool marked(const u32 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED;
}

/*
 * A record that is being set up is its maker's, until there is a child. The order
 * matters: a maker who is gone cannot make a child any more, so a number that is
 * still missing then never comes.
 */
static bool new_is_gone(const struct fl_proc *p)
{
	u32 born = __atomic_load_n(&p->born, __ATOMIC_ACQUIRE);
	/* where the parent did not live to say when: this long after it began, at most */
	u64 born_ns = p->born_ns ? p->born_ns : p->stats.start_ns + FORK_NS;

	if (!born && fl_thread_is_gone_since(p->maker, p->stats.start_ns))
		born = __atomic_load_n(&p->born, __ATOMIC_ACQUIRE);
	else if (!born)
		return false;
	/* settled meanwhile: then that thread may have ended, and the process not */
	return (!born || fl_thread_is_gone_since(born, born_ns)) &&
		__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) == FL_PROC_NEW;
}

bool fl_proc_is_gone(const struct fl_proc *p)
{
	u32 state = __atomic_load_n(&p->state, __ATOMIC_ACQUIRE);
	struct fl_proc who = {.life = __atomic_load_n(&p->life, __ATOMIC_ACQUIRE)};
	u32 keeper = __atomic_load_n(&p->keeper, __ATOMIC_ACQUIRE);
	u64 here = fl_pid_namespace(false);

	if (state != FL_PROC_LIVE && state != FL_PROC_NEW)
		return false;
	/* the writer ends after its I/O has: a write that is under way would land in
	 * a slot that is somebody else's by then */
	if (p->writer && !marked(&p->writer))
		return false;
	if (keeper & FUTEX_OWNER_DIED)
		return true;
	if (state == FL_PROC_LIVE && keeper == who.keeper_tid)
		return false;
	/* a child sets up what it needs before libc runs in it */
	if (state == FL_PROC_NEW && keeper)
		return false;
	/* The keeper has not begun yet, or there is none, for want of threads: a child's
	 * first thread marks nothing once libc has taken its robust list. Then numbers
	 * tell, to those who understand them. */
	if (!here || p->pid_ns != here)
		return false;
	if (state == FL_PROC_NEW)
		return new_is_gone(p);
	return who.pid && who.keeper_tid &&
		fl_syscall(SYS_tgkill, who.pid, who.keeper_tid, 0) == -ESRCH;
}

bool fl_proc_has_ended(const struct fl_proc *p)
{
	u32 keeper = __atomic_load_n(&p->keeper, __ATOMIC_ACQUIRE);
	u64 here = fl_pid_namespace(false);

	if (p->writer && !marked(&p->writer))
		return false;
	if (!keeper || (keeper & FUTEX_OWNER_DIED))
		return true;
	/* a child that went on without us: libc has taken its first thread's list */
	return here && p->pid_ns == here && fl_thread_is_gone(keeper);
}
