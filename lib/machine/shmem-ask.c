/*
 * Asking all processes that may have pages of shared memory in their page tables to unmap
 * them; see shmem.h. One question at a time: who has not answered the last one when the next
 * is asked does not matter any more.
 */
#include "machine/shmem.h"
#include "machine/internal.h"

#define SKIP_MS 100u /* an object of which somebody does not answer */

u32 fl_shmem_ask(struct fl_machine_view *v, const struct fl_shmem *s, u32 index, u32 n)
{
	struct fl_machine *t = v->t;
	u32 seq = t->zap_seq + 1;

	t->zap_object = (u32)(s - v->shmems);
	t->zap_index = index;
	t->zap_n = n;
	t->zap_refused = 0;
	__atomic_store_n(&t->zap_seq, seq, __ATOMIC_RELEASE);
	for (u32 i = 0; i < t->nr_procs; i++) {
		struct fl_proc *p = &v->procs[i];

		if (p == v->self || !fl_bit_get(s->active, i))
			continue;
		__atomic_store_n(&p->zap_asked, seq, __ATOMIC_RELEASE);
		fl_proc_ring(p);
	}
	/* those that wait for memory look up */
	__atomic_add_fetch(&t->freed_seq, 1, __ATOMIC_SEQ_CST);
	fl_futex_wake(&t->freed_seq, 1 << 30, true);
	return seq;
}

bool fl_shmem_asked(struct fl_machine_view *v, u32 *ret_object, u32 *ret_index, u32 *ret_n,
	u32 *ret_seq)
{
	struct fl_machine *t = v->t;
	u32 seq = __atomic_load_n(&t->zap_seq, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&v->self->zap_asked, __ATOMIC_ACQUIRE) != seq || v->self->zap_done == seq)
		return false;
	*ret_object = t->zap_object;
	*ret_index = t->zap_index;
	*ret_n = t->zap_n;
	*ret_seq = seq;
	return true;
}

void fl_shmem_answer(struct fl_machine_view *v, u32 seq, bool done)
{
	struct fl_machine *t = v->t;

	if (!done)
		__atomic_store_n(&t->zap_refused, seq, __ATOMIC_RELEASE);
	__atomic_store_n(&v->self->zap_done, seq, __ATOMIC_RELEASE);
	__atomic_add_fetch(&t->zap_answers, 1, __ATOMIC_SEQ_CST);
	fl_futex_wake(&t->zap_answers, 1, true);
}

/* Whether somebody who was asked, and lives, has not answered. */
static bool missing(const struct fl_machine_view *v, u32 seq)
{
	for (u32 i = 0; i < v->t->nr_procs; i++) {
		const struct fl_proc *p = &v->procs[i];

		if (__atomic_load_n(&p->zap_asked, __ATOMIC_ACQUIRE) == seq &&
			__atomic_load_n(&p->zap_done, __ATOMIC_ACQUIRE) != seq &&
			p->state == FL_PROC_LIVE && !fl_proc_is_gone(p))
			return true;
	}
	return false;
}

bool fl_shmem_await(struct fl_machine_view *v, u32 seq, u64 timeout_ns)
{
	struct fl_machine *t = v->t;
	u64 end = fl_now_ns() + timeout_ns, now;

	for (;;) {
		u32 answers = __atomic_load_n(&t->zap_answers, __ATOMIC_ACQUIRE);
		bool refused = __atomic_load_n(&t->zap_refused, __ATOMIC_ACQUIRE) == seq;
		bool all = !refused && !missing(v, seq);

		/* who was asked something else since does not seem to be missing */
		if (__atomic_load_n(&t->zap_seq, __ATOMIC_ACQUIRE) != seq)
			return false;
		if (all || refused)
			return all;
		now = fl_now_ns();
		if (now >= end)
			break;
		/* one that dies does not answer: look again now and then */
		fl_futex_wait(&t->zap_answers, answers, fl_min(end - now, 2000000ull), true);
	}
	v->shmems[t->zap_object].skip_until_ms = fl_now_ms(t) + SKIP_MS;
	return false;
}
