/*
 * Taking pages of shared memory out of all processes that map them; see shmem.h.
 *
 * The clock hand goes over the entries of all objects. A page that came since the hand
 * was last here is passed over once.
 */
#include "machine/shmem.h"
#include "machine/internal.h"

#define LOOK_AT	 (1u << 18) /* entries a call, most of which are empty */
#define SKIP_MS	 100u	    /* an object of which somebody does not answer */
#define LATE_MS	 250u	    /* an evictor that is stopped, or whose disk is slow */

static bool somebody_is_at_it(const struct fl_machine_view *v, u32 now)
{
	const struct fl_proc *p;

	if (!v->t->shmem_evictor || now - v->t->shmem_evict_ms >= LATE_MS)
		return false;
	p = &v->procs[v->t->shmem_evictor - 1];
	return p->state == FL_PROC_LIVE && !fl_proc_is_gone(p);
}

/* The run at index, if there is one; how far the hand goes in *ret_looked. */
static u32 run_at(const struct fl_machine_view *v, struct fl_shmem *s, u32 index, u32 max,
	u32 *ret_looked)
{
	u32 n = 0;

	for (*ret_looked = 0; index + n < s->npages && n < max; ++*ret_looked) {
		u64 *e = fl_shmem_entry(v, s, index + n);

		if (fl_shmem_state(*e) != FL_SHMEM_RESIDENT)
			break;
		if (*e & FL_SHMEM_YOUNG) {
			*e &= ~FL_SHMEM_YOUNG;
			break;
		}
		n++;
	}
	*ret_looked += *ret_looked == n && n < max;
	return n;
}

struct fl_shmem *fl_shmem_evict_begin(struct fl_machine_view *v, u32 max, u32 *ret_index, u32 *ret_n)
{
	struct fl_machine *t = v->t;
	u32 now = fl_now_ms(t), looked = 0, objects = 0;

	if (somebody_is_at_it(v, now))
		return NULL;
	/* twice round at most: once for what is young */
	while (looked < LOOK_AT && objects <= 2 * t->nr_shmem) {
		struct fl_shmem *s = &v->shmems[t->shmem_hand];
		u32 step;

		if (t->shmem_hand >= t->nr_shmem) {
			t->shmem_hand = t->shmem_hand_index = 0;
			objects++;
			continue;
		}
		if (t->shmem_hand_index >= s->npages || s->kept ||
			(s32)(now - s->skip_until_ms) < 0 || !fl_shmem_is_mapped(v, s)) {
			t->shmem_hand++;
			t->shmem_hand_index = 0;
			objects++;
			looked++;
			continue;
		}
		*ret_n = run_at(v, s, t->shmem_hand_index, max, &step);
		*ret_index = t->shmem_hand_index;
		t->shmem_hand_index += fl_max(step, *ret_n);
		looked += step;
		if (*ret_n) {
			t->shmem_evict_ms = now;
			__atomic_store_n(&t->shmem_evictor, (u32)(v->self - v->procs) + 1, __ATOMIC_RELEASE);
			return s;
		}
	}
	return NULL;
}

void fl_shmem_evict_end(struct fl_machine_view *v)
{
	if (v->t->shmem_evictor == (u32)(v->self - v->procs) + 1)
		__atomic_store_n(&v->t->shmem_evictor, 0, __ATOMIC_RELEASE);
}

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
