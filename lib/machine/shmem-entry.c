/*
 * The entries of shared anonymous memory, what they name, and how many they are; see shmem.h.
 *
 * Who dies between two steps leaves a frame or slot that no entry names, which is found
 * (shmem-repair.c), and never one that two name.
 */
#include "machine/shmem.h"
#include "machine/internal.h"

static u64 *entries(const struct fl_machine_view *v)
{
	return (u64 *)((char *)v->t + v->t->shmem_entries_at);
}

struct fl_machine_view fl_shmem_holder(const struct fl_machine_view *v)
{
	struct fl_machine_view h = *v;

	h.self = &v->t->shmem;
	h.held_frames = (u64 *)((char *)v->t + v->t->shmem_held_at);
	h.held_slots = (u64 *)((char *)h.held_frames + v->t->held_slots_at);
	return h;
}

u64 *fl_shmem_entry(const struct fl_machine_view *v, const struct fl_shmem *s, u32 index)
{
	return entries(v) + s->first + index;
}

/* Objects begin at a chunk's border. */
struct fl_shmem_chunk *fl_shmem_chunk_of(const struct fl_machine_view *v, const struct fl_shmem *s, u32 index)
{
	return (struct fl_shmem_chunk *)((char *)v->t + v->t->shmem_chunks_at) +
		(s->first + index) / FL_SHMEM_CHUNK;
}

/* By the frame's number: where a page is that is being punched out. */
static u32 *slot_noted(const struct fl_machine_view *v, u32 frame)
{
	return (u32 *)((char *)v->t + v->t->shmem_slots_at) + frame;
}

u32 fl_shmem_slot(const struct fl_machine_view *v, u64 e)
{
	switch (fl_shmem_state(e)) {
	case FL_SHMEM_SWAP:
	case FL_SHMEM_IN: return fl_shmem_payload(e);
	case FL_SHMEM_PUNCH: return *slot_noted(v, fl_shmem_payload(e));
	default: return FL_NO_SLOT;
	}
}

static int change(u64 was, u64 e, enum fl_shmem_kind kind)
{
	return fl_shmem_is_of(e, kind) - fl_shmem_is_of(was, kind);
}

void fl_shmem_set(struct fl_machine_view *v, struct fl_shmem *s, u32 index, u64 e)
{
	struct fl_shmem_chunk *c = fl_shmem_chunk_of(v, s, index);
	u64 *at = fl_shmem_entry(v, s, index), was = *at;

	__atomic_store_n(at, e, __ATOMIC_RELEASE);
	c->used = (u16)(c->used + change(was, e, FL_SHMEM_OF_ALL));
	c->mapped = (u16)(c->mapped + change(was, e, FL_SHMEM_OF_MAPPED));
	c->inactive = (u16)(c->inactive + change(was, e, FL_SHMEM_OF_INACTIVE));
	s->resident += (u32)fl_shmem_has_frame(e) - (u32)fl_shmem_has_frame(was);
	s->inactive += (u32)change(was, e, FL_SHMEM_OF_INACTIVE);
}

u32 fl_shmem_chunk_end(const struct fl_shmem *s, u32 index)
{
	return fl_min((index / FL_SHMEM_CHUNK + 1) * FL_SHMEM_CHUNK, s->npages);
}

static u32 nr_of(const struct fl_shmem_chunk *c, enum fl_shmem_kind kind)
{
	return kind == FL_SHMEM_OF_MAPPED   ? c->mapped :
	       kind == FL_SHMEM_OF_INACTIVE ? c->inactive :
					      c->used;
}

u32 fl_shmem_next(const struct fl_machine_view *v, const struct fl_shmem *s, u32 from,
	enum fl_shmem_kind kind)
{
	while (from < s->npages) {
		u32 end = fl_shmem_chunk_end(s, from);

		if (nr_of(fl_shmem_chunk_of(v, s, from), kind))
			for (; from < end; from++)
				if (fl_shmem_is_of(*fl_shmem_entry(v, s, from), kind))
					return from;
		from = end;
	}
	return s->npages;
}

void fl_shmem_give_frames(struct fl_machine_view *v, const u32 *frames, u32 n)
{
	struct fl_machine_view h = fl_shmem_holder(v);

	fl_zone_give(v, &h, frames, n);
	v->t->shmem_peak = fl_max(v->t->shmem_peak, v->t->shmem.held);
}

void fl_shmem_put_frames(struct fl_machine_view *v, const u32 *frames, u32 n)
{
	struct fl_machine_view h = fl_shmem_holder(v);

	fl_zone_put_each(&h, frames, n);
}

void fl_shmem_give_slots(struct fl_machine_view *v, const u32 *slots, u32 n)
{
	struct fl_machine_view h = fl_shmem_holder(v);

	fl_swap_give(v, &h, slots, n);
	v->t->shmem_swapped += n;
}

void fl_shmem_put_slots(struct fl_machine_view *v, const u32 *slots, u32 n)
{
	struct fl_machine_view h = fl_shmem_holder(v);

	fl_swap_put_each(&h, slots, n);
	v->t->shmem_swapped -= n;
}

void fl_shmem_punch(struct fl_machine_view *v, struct fl_shmem *s, u32 index, u32 slot)
{
	u32 frame = fl_shmem_payload(*fl_shmem_entry(v, s, index));

	*slot_noted(v, frame) = slot;
	fl_shmem_set(v, s, index, fl_shmem_make_own(v, FL_SHMEM_PUNCH, frame));
}

void fl_shmem_leave(struct fl_machine_view *v, struct fl_shmem *s, u32 index)
{
	u64 e = *fl_shmem_entry(v, s, index);
	u32 slot = fl_shmem_slot(v, e), frame = fl_shmem_payload(e);

	fl_shmem_set(v, s, index, slot == FL_NO_SLOT ? 0 : fl_shmem_make(FL_SHMEM_SWAP, slot));
	fl_shmem_put_frames(v, &frame, 1);
}

void fl_shmem_clear(struct fl_machine_view *v, struct fl_shmem *s, u32 from, u32 to)
{
	u32 frames[64], slots[64], nr_frames = 0, nr_slots = 0;

	for (u32 i = from; (i = fl_shmem_next(v, s, i, FL_SHMEM_OF_ALL)) < to; i++) {
		u64 e = *fl_shmem_entry(v, s, i);
		u32 slot = fl_shmem_slot(v, e);

		if (slot != FL_NO_SLOT)
			slots[nr_slots++] = slot;
		if (fl_shmem_state(e) == FL_SHMEM_PUNCH) {
			*slot_noted(v, fl_shmem_payload(e)) = FL_NO_SLOT;
		} else {
			if (fl_shmem_has_frame(e))
				frames[nr_frames++] = fl_shmem_payload(e);
			fl_shmem_set(v, s, i, 0);
		}
		if (nr_frames == fl_array_size(frames)) {
			fl_shmem_put_frames(v, frames, nr_frames);
			nr_frames = 0;
		}
		if (nr_slots == fl_array_size(slots)) {
			fl_shmem_put_slots(v, slots, nr_slots);
			nr_slots = 0;
		}
	}
	fl_shmem_put_frames(v, frames, nr_frames);
	fl_shmem_put_slots(v, slots, nr_slots);
}

u32 fl_shmem_keep(struct fl_machine_view *v, struct fl_shmem *s)
{
	u32 frames[64], n = 0, kept = 0;

	s->kept = 1;
	for (u32 i = 0; (i = fl_shmem_next(v, s, i, FL_SHMEM_OF_ALL)) < s->npages; i++) {
		u64 e = *fl_shmem_entry(v, s, i);

		if (fl_shmem_state(e) != FL_SHMEM_RESIDENT && fl_shmem_state(e) != FL_SHMEM_OUT)
			continue;
		/* who is taking it out sees that it is not theirs any more */
		fl_shmem_set(v, s, i, 0);
		frames[n++] = fl_shmem_payload(e);
		kept++;
		if (n == fl_array_size(frames)) {
			fl_shmem_put_frames(v, frames, n);
			n = 0;
		}
	}
	fl_shmem_put_frames(v, frames, n);
	return kept;
}
