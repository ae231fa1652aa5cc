/*
 * Asking the other processes of the tree for frames.
 *
 * There is no list of all pages of the tree: each process has its own, because only
 * it can take its pages out of itself. So each says how old its oldest page is (the
 * tail of its active list), and who needs memory asks those whose tails are much
 * older than its own. That makes the lists together behave as one: a process that
 * sleeps gives its memory to one that works. As lru_gen or the workingset code let
 * Linux compare memory cgroups by age; see mm/workingset.c.
 *
 * The asked process answers in its own time; one that is stopped, never.
 */
#include "machine/machine.h"
#include "machine/shmem.h"

/* Not worth a wakeup, unless there is nothing else. */
#define LEAST_HELD 128u
/* A tail that is twice as old as ours, and this much, is colder than ours. */
#define COLDER_MS  500u

/* Of shared memory too, if it was shared out. */
static u32 can_give(const struct fl_proc *p)
{
	return p->held + __atomic_load_n(&p->shmem_share, __ATOMIC_RELAXED);
}

static bool may_give(const struct fl_machine_view *v, const struct fl_proc *p, u32 least)
{
	return p != v->self && p->state == FL_PROC_LIVE && can_give(p) > least &&
		!__atomic_load_n(&p->wanted, __ATOMIC_RELAXED); /* asked already */
}

static void ask(struct fl_proc *p, u32 n)
{
	__atomic_store_n(&p->wanted, n, __ATOMIC_RELAXED);
	fl_proc_ring(p);
}

static bool is_colder(const struct fl_machine_view *v, const struct fl_proc *p, u32 now)
{
	u32 ours = now - v->self->tail_ms, theirs = now - p->tail_ms;

	if ((s32)ours < 0 || (s32)theirs < 0)
		return false;
	return theirs > 2 * ours + COLDER_MS || (p->held > 4 * v->self->held && theirs >= ours);
}

u32 fl_machine_beg_colder(struct fl_machine_view *v, u32 n)
{
	u32 now = fl_now_ms(v->t), asked = 0;

	while (n) {
		struct fl_proc *coldest = NULL;
		u32 share;

		for (u32 i = 0; i < v->t->nr_procs; i++) {
			struct fl_proc *p = &v->procs[i];

			if (may_give(v, p, LEAST_HELD) && is_colder(v, p, now) &&
				(!coldest || p->tail_ms < coldest->tail_ms))
				coldest = p;
		}
		if (!coldest)
			break;
		share = fl_min(n, fl_max(coldest->held / 4, 1u));
		ask(coldest, share);
		n -= share;
		asked++;
	}
	return asked;
}

u32 fl_machine_beg(struct fl_machine_view *v, u32 n)
{
	u32 asked = 0;
	u64 total = 0;

	if (__atomic_load_n(&v->t->shmem.held, __ATOMIC_RELAXED))
		fl_shmem_share_out(v);
	for (u32 i = 0; i < v->t->nr_procs; i++)
		if (may_give(v, &v->procs[i], 0))
			total += can_give(&v->procs[i]);
	for (u32 i = 0; i < v->t->nr_procs && total; i++) {
		struct fl_proc *p = &v->procs[i];

		if (!may_give(v, p, 0))
			continue;
		ask(p, (u32)((u64)n * can_give(p) / total) + 1);
		asked++;
	}
	return asked;
}

u32 fl_machine_beg_shared(struct fl_machine_view *v)
{
	u32 asked = 0;

	for (u32 i = 0; i < v->t->nr_procs; i++) {
		struct fl_proc *p = &v->procs[i];

		if (p == v->self || p->state != FL_PROC_LIVE || !p->shares || !p->held)
			continue;
		__atomic_store_n(&p->shed, 1, __ATOMIC_RELAXED);
		fl_proc_ring(p);
		asked++;
	}
	return asked;
}

bool fl_machine_wait(struct fl_machine_view *v, u32 seq, u64 timeout_ns)
{
	struct fl_machine *t = v->t;

	__atomic_store_n(&t->starved, 1, __ATOMIC_SEQ_CST);
	fl_futex_wait(&t->freed_seq, seq, timeout_ns, true);
	return __atomic_load_n(&t->freed_seq, __ATOMIC_ACQUIRE) != seq;
}
