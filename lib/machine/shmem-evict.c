/*
 * Which pages of shared memory are unmapped, and which are taken out; see shmem.h.
 *
 * Two hands go over the entries of all objects, as over the active and the inactive list of a
 * zone: the first unmaps, the second takes out what has stayed unmapped. A process can do
 * either only with objects that it has mapped itself, so each hand passes over the others.
 * Taking out needs nobody else, and several processes do it at a time. Asking others is one
 * process's at a time, and not needed where nobody else has touched the object.
 */
#include "machine/shmem.h"
#include "machine/internal.h"

#define LATE_MS	 250u /* an evictor that is stopped, or whose disk is slow */

enum hand { UNMAP, TAKE_OUT };
static const enum fl_shmem_kind looks_for[] = {
	[UNMAP] = FL_SHMEM_OF_MAPPED, [TAKE_OUT] = FL_SHMEM_OF_INACTIVE};

static u32 self_of(const struct fl_machine_view *v)
{
	return (u32)(v->self - v->procs);
}

static bool somebody_is_at_it(const struct fl_machine_view *v, u32 now)
{
	const struct fl_proc *p;

	if (!v->t->shmem_evictor || v->t->shmem_evictor == self_of(v) + 1 ||
		now - v->t->shmem_evict_ms >= LATE_MS)
		return false;
	p = &v->procs[v->t->shmem_evictor - 1];
	return p->state == FL_PROC_LIVE && !fl_proc_is_gone(p);
}

static bool others_active(const struct fl_machine_view *v, const struct fl_shmem *s)
{
	u32 self = self_of(v);

	for (u32 w = 0; w < FL_NR_PROCS / 64; w++)
		if (s->active[w] & ~(w == self / 64 ? 1ull << self % 64 : 0))
			return true;
	return false;
}

static bool is_mine(const struct fl_machine_view *v, const struct fl_shmem *s)
{
	return s->npages && s->resident && !s->kept && fl_shmem_is_mapped(v, s);
}

void fl_shmem_mine(const struct fl_machine_view *v, u32 *ret_resident, u32 *ret_inactive)
{
	*ret_resident = *ret_inactive = 0;
	for (u32 i = 0; i < v->t->nr_shmem; i++)
		if (is_mine(v, &v->shmems[i])) {
			*ret_resident += v->shmems[i].resident;
			*ret_inactive += v->shmems[i].inactive;
		}
}

/* The object and page at which the hand finds something to do. */
static struct fl_shmem *find(struct fl_machine_view *v, enum hand hand, u32 *ret_index)
{
	struct fl_machine *t = v->t;
	u32 now = fl_now_ms(t), *at = &t->shmem_hand[hand];
	bool busy = hand == UNMAP && somebody_is_at_it(v, now);

	/* once round, and the first one's beginning */
	for (u32 i = 0; i <= t->nr_shmem; i++, ++*at) {
		struct fl_shmem *s;

		if (*at >= t->nr_shmem)
			*at = 0;
		s = &v->shmems[*at];
		if (!is_mine(v, s) || (busy && others_active(v, s)) ||
			(hand == UNMAP && (s32)(now - s->skip_until_ms) < 0))
			continue;
		*ret_index = fl_shmem_next(v, s, s->hand[hand], looks_for[hand]);
		if (*ret_index < s->npages)
			return s;
		s->hand[hand] = 0;
	}
	return NULL;
}

bool fl_shmem_unmap_begin(struct fl_machine_view *v, struct fl_shmem_unmapping *u)
{
	u32 end;

	u->s = find(v, UNMAP, &u->index);
	if (!u->s)
		return false;
	end = fl_shmem_chunk_end(u->s, u->index);
	u->n = fl_min(end - u->index, u->s->grain);
	u->entry = fl_shmem_entry(v, u->s, u->index);
	u->s->hand[UNMAP] = u->index + u->n;
	fl_shmem_busy(v, FL_SHMEM_OUT, u->entry, u->n);
	for (u32 i = 0; i < u->n; i++)
		if (fl_shmem_is_of(u->entry[i], looks_for[UNMAP]))
			fl_shmem_set(v, u->s, u->index + i,
				fl_shmem_make_own(v, FL_SHMEM_OUT, fl_shmem_payload(u->entry[i])));
	u->asked = others_active(v, u->s);
	if (u->asked) {
		v->t->shmem_evict_ms = fl_now_ms(v->t);
		__atomic_store_n(&v->t->shmem_evictor, self_of(v) + 1, __ATOMIC_RELEASE);
		u->seq = fl_shmem_ask(v, u->s, u->index, u->n);
	}
	return true;
}

void fl_shmem_unmap_end(struct fl_machine_view *v, const struct fl_shmem_unmapping *u, bool gone)
{
	bool ours = false;

	for (u32 i = 0; i < u->n; i++) {
		u32 frame = fl_shmem_payload(u->entry[i]);

		if (u->entry[i] != fl_shmem_make_own(v, FL_SHMEM_OUT, frame))
			continue;
		ours = true;
		fl_shmem_set(v, u->s, u->index + i,
			fl_shmem_make(FL_SHMEM_RESIDENT, frame) | (gone ? 0 : FL_SHMEM_MAPPED));
	}
	/* what is locked, or looked at by the kernel, is kept with all that is unmapped with it */
	if (ours)
		u->s->grain = gone ? fl_min(2 * u->s->grain, FL_SHMEM_CHUNK) : fl_max(u->s->grain / 2, 16u);
	fl_shmem_idle(v, FL_SHMEM_OUT);
	if (v->t->shmem_evictor == self_of(v) + 1)
		__atomic_store_n(&v->t->shmem_evictor, 0, __ATOMIC_RELEASE);
}

bool fl_shmem_take_inactive(struct fl_machine_view *v, u32 want, struct fl_shmem_batch *b)
{
	u32 at, end;

	b->s = find(v, TAKE_OUT, &at);
	b->n = 0;
	if (!b->s)
		return false;
	b->entry = fl_shmem_entry(v, b->s, 0);
	end = fl_shmem_chunk_end(b->s, at);
	fl_shmem_busy(v, FL_SHMEM_OUT, b->entry + at, end - at);
	for (; at < end && b->n < fl_min(want, FL_SHMEM_BATCH); at++) {
		u32 frame = fl_shmem_payload(b->entry[at]);

		if (!fl_shmem_is_of(b->entry[at], looks_for[TAKE_OUT]))
			continue;
		b->index[b->n] = at;
		b->frame[b->n++] = frame;
		fl_shmem_set(v, b->s, at, fl_shmem_make_own(v, FL_SHMEM_OUT, frame));
	}
	b->s->hand[TAKE_OUT] = at;
	return true;
}

/* A process that could give frames of the object: not self, which has tried. */
static struct fl_proc *giver(const struct fl_machine_view *v, const struct fl_shmem *s, u32 turn)
{
	for (u32 i = 0; i < v->t->nr_procs; i++) {
		u32 k = (turn + i) % v->t->nr_procs;

		if (fl_bit_get(s->mapped, k) && &v->procs[k] != v->self && v->procs[k].state == FL_PROC_LIVE)
			return &v->procs[k];
	}
	return NULL;
}

void fl_shmem_share_out(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;

	fl_shmem_lock(v);
	for (u32 i = 0; i < t->nr_procs; i++)
		v->procs[i].shmem_share = 0;
	t->shmem_turn++;
	for (u32 i = 0; i < t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];
		struct fl_proc *p = s->npages && s->resident && !s->kept ? giver(v, s, t->shmem_turn) : NULL;

		if (p)
			p->shmem_share += s->resident;
	}
	fl_shmem_unlock(v);
}
