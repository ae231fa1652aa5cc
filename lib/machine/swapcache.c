/*
 * Which frames that fork shares are in swap already.
 *
 * A process that evicts a shared page writes it, and frees the frame for itself
 * only; memory is won when the last holder has done so. The others need not write
 * the page again: all see the same content until one of them writes, and who writes
 * gets another frame. So the first writes down the slot by the frame's number, and
 * the others count it once more. What Linux finds through anon_vma and the swap
 * cache (mm/rmap.c, mm/swap_state.c), with the frame number as the key.
 *
 * An entry is good while slot and frame name each other and the slot is in use.
 * The slot forgets its frame when it is allocated; the frame forgets its slot when
 * fork makes it shared anew (fl_zone_dup), since its only user may have written to
 * it before. Nobody asks about a frame that it does not hold with FL_PG_COW set,
 * and so none that has changed. Entries are hints: nothing is lost with them.
 */
#include "machine/machine.h"
#include "machine/internal.h"

/* swap_lock held. */
static u32 lookup(const struct fl_machine_view *v, u32 frame)
{
	u32 slot = __atomic_load_n(&v->frame_slot[frame], __ATOMIC_RELAXED);

	return slot != FL_NO_SLOT && v->slot_frame[slot] == frame && v->slots.count[slot] ? slot :
											  FL_NO_SLOT;
}

void fl_swap_unpublish(struct fl_machine_view *v, u32 frame)
{
	__atomic_store_n(&v->frame_slot[frame], FL_NO_SLOT, __ATOMIC_RELAXED);
	__atomic_and_fetch(&v->published[frame / 64], ~(1ull << frame % 64), __ATOMIC_RELAXED);
}

void fl_swap_publish(struct fl_machine_view *v, u32 frame, u32 slot)
{
	fl_swap_lock(v);
	v->slot_frame[slot] = frame;
	__atomic_store_n(&v->frame_slot[frame], slot, __ATOMIC_RELAXED);
	__atomic_or_fetch(&v->published[frame / 64], 1ull << frame % 64, __ATOMIC_RELAXED);
	fl_swap_unlock(v);
}

u32 fl_swap_get_published(struct fl_machine_view *v, u32 frame)
{
	u32 slot;

	fl_swap_lock(v);
	slot = lookup(v, frame);
	/* what nobody has in swap any more is to be written again */
	if (slot == FL_NO_SLOT)
		fl_swap_unpublish(v, frame);
	/* a process counts for a slot once */
	if (slot != FL_NO_SLOT && fl_bit_get(v->held_slots, slot))
		slot = FL_NO_SLOT;
	if (slot != FL_NO_SLOT) {
		fl_slot_dup(&v->t->slots, &v->slots, slot);
		fl_bit_set(v->held_slots, slot);
	}
	fl_swap_unlock(v);
	return slot;
}

bool fl_swap_published(const struct fl_machine_view *v, u32 frame)
{
	return __atomic_load_n(&v->published[frame / 64], __ATOMIC_RELAXED) >> frame % 64 & 1;
}

u32 fl_published_next(const struct fl_machine_view *v, u32 frame)
{
	u32 words = (v->t->zone.fresh + 63) / 64;

	for (u32 w = frame / 64; w < words; w++, frame = w * 64) {
		u64 bits = __atomic_load_n(&v->published[w], __ATOMIC_RELAXED) & v->held_frames[w] &
			~0ull << frame % 64;

		if (bits)
			return w * 64 + (u32)__builtin_ctzll(bits);
	}
	return FL_NO_FRAME;
}
