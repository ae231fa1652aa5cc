/*
 * The zone: the tree's frames. A buddy allocator and a count of users a frame,
 * under zone_lock, mirrored in the holder's bitmap in the same section.
 *
 * A holder killed inside a section leaves the lock; whoever takes it over
 * rebuilds counts and free lists from the bitmaps, which are the truth.
 */
#include "machine/machine.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"

#include <string.h>

/* Others look at refs without the lock, and would write to a frame that seems to have
 * one user for a moment: so each count is made first and stored once. */
static void rebuild(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;
	u32 fresh = t->zone.fresh, used = 0;
	u16 users[FL_COUNT_BITS];

	memset(v->zone.order, 0, fresh);
	fl_buddy_init_used(&t->zone, t->nframes, fresh);
	for (u32 from = 0; from < fresh; from += FL_COUNT_BITS) {
		u32 n = fl_min(fresh - from, FL_COUNT_BITS);

		fl_count_holders(v, 0, from, users);
		for (u32 i = 0; i < n; i++) {
			__atomic_store_n(&v->refs[from + i], users[i], __ATOMIC_RELEASE);
			used += users[i] != 0;
		}
	}
	for (u32 f = 0; f < fresh; f++)
		if (!v->refs[f])
			fl_buddy_free(&t->zone, &v->zone, f, 0);
	__atomic_store_n(&t->frames_used, used, __ATOMIC_RELAXED);
}

void fl_zone_lock(struct fl_machine_view *v)
{
	if (fl_shlock(&v->t->zone_lock))
		rebuild(v);
}

void fl_zone_unlock(struct fl_machine_view *v)
{
	fl_shunlock(&v->t->zone_lock);
}

static u32 spent(const struct fl_machine *t);

u32 fl_zone_alloc_best(struct fl_machine_view *v, u32 order, u32 *ret_order)
{
	struct fl_machine *t = v->t;
	u32 f, n, room;

	fl_zone_lock(v);
	room = fl_zone_free_frames(v);
	while (order && 1u << order > room)
		order--;
	f = room ? fl_buddy_alloc_best(&t->zone, &v->zone, order, ret_order) : FL_NO_FRAME;
	if (f != FL_NO_FRAME) {
		n = 1u << *ret_order;
		for (u32 i = 0; i < n; i++) {
			v->refs[f + i] = 1;
			fl_bit_set(v->held_frames, f + i);
		}
		v->self->held += n;
		t->frames_used += n;
		t->frames_peak = fl_max(t->frames_peak, spent(t));
	}
	fl_zone_unlock(v);
	return f;
}

void fl_zone_announce(struct fl_machine_view *v)
{
	__atomic_add_fetch(&v->t->freed_seq, 1, __ATOMIC_SEQ_CST);
	/* who waits longer says so again: one that is killed leaves nothing behind */
	if (__atomic_load_n(&v->t->starved, __ATOMIC_SEQ_CST) &&
		__atomic_exchange_n(&v->t->starved, 0, __ATOMIC_SEQ_CST))
		fl_futex_wake(&v->t->freed_seq, 1 << 30, true);
}

/* zone_lock held. True when the frame is free now. */
static bool drop(struct fl_machine_view *v, u32 f)
{
	if (!fl_bit_clear(v->held_frames, f) || !v->refs[f])
		__builtin_trap(); /* a frame given back that was not held */
	v->self->held--;
	if (--v->refs[f])
		return false;
	v->t->frames_used--;
	return true;
}

void fl_zone_put(struct fl_machine_view *v, u32 frame, u32 order)
{
	fl_zone_lock(v);
	for (u32 i = 0; i < 1u << order; i++)
		if (!drop(v, frame + i))
			__builtin_trap(); /* a block of which a frame is shared */
	fl_buddy_free(&v->t->zone, &v->zone, frame, order);
	fl_zone_unlock(v);
	fl_zone_announce(v);
}

void fl_zone_give(struct fl_machine_view *v, struct fl_machine_view *to, const u32 *frames, u32 n)
{
	fl_zone_lock(v);
	for (u32 i = 0; i < n; i++) {
		if (!fl_bit_clear(v->held_frames, frames[i]) || v->refs[frames[i]] != 1)
			__builtin_trap(); /* a frame given away that was not held, or not alone */
		fl_bit_set(to->held_frames, frames[i]);
	}
	v->self->held -= n;
	to->self->held += n;
	fl_zone_unlock(v);
}

void fl_zone_put_each(struct fl_machine_view *v, const u32 *frames, u32 n)
{
	if (!n)
		return;
	fl_zone_lock(v);
	for (u32 i = 0; i < n; i++)
		if (drop(v, frames[i]))
			fl_buddy_free(&v->t->zone, &v->zone, frames[i], 0);
	fl_zone_unlock(v);
	fl_zone_announce(v);
}

bool fl_zone_put_shared(struct fl_machine_view *v, u32 frame)
{
	bool last;

	fl_zone_lock(v);
	last = drop(v, frame);
	if (last)
		fl_buddy_free(&v->t->zone, &v->zone, frame, 0);
	fl_zone_unlock(v);
	if (last)
		fl_zone_announce(v);
	return last;
}

void fl_zone_dup(struct fl_machine_view *child, const u32 *frames, u32 n)
{
	fl_zone_lock(child);
	for (u32 i = 0; i < n; i++) {
		/* its only user may have written to it since it was in swap */
		if (child->refs[frames[i]]++ == 1)
			fl_swap_unpublish(child, frames[i]);
		fl_bit_set(child->held_frames, frames[i]);
	}
	child->self->held += n;
	fl_zone_unlock(child);
}

u32 fl_zone_refs(const struct fl_machine_view *v, u32 frame)
{
	return __atomic_load_n(&v->refs[frame], __ATOMIC_ACQUIRE);
}

/* Frames in use, and what compressed pages take beside them. */
static u32 spent(const struct fl_machine *t)
{
	return __atomic_load_n(&t->frames_used, __ATOMIC_RELAXED) + fl_zpool_charge(&t->zpool);
}

u32 fl_zone_free_frames(const struct fl_machine_view *v)
{
	return v->t->nframes - fl_min(v->t->nframes, spent(v->t));
}

u32 fl_zone_overdraft(struct fl_machine_view *v)
{
	u32 now = spent(v->t);

	if (now <= v->t->nframes)
		return 0;
	fl_zone_lock(v);
	v->t->frames_peak = fl_max(v->t->frames_peak, now);
	fl_zone_unlock(v);
	return now - v->t->nframes;
}

void fl_zone_release_all(struct fl_machine_view *v)
{
	u32 words, freed = 0;

	fl_zone_lock(v);
	words = (v->t->zone.fresh + 63) / 64;
	for (u32 w = 0; w < words; w++)
		while (v->held_frames[w]) {
			u32 f = w * 64 + (u32)__builtin_ctzll(v->held_frames[w]);

			if (drop(v, f)) {
				fl_buddy_free(&v->t->zone, &v->zone, f, 0);
				freed++;
			}
		}
	fl_zone_unlock(v);
	if (freed)
		fl_zone_announce(v);
}
