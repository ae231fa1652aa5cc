/*
 * The swap file's slots, shared by the tree: the swap map under swap_lock, the
 * holder's bitmap, and the file growing ahead of its use.
 *
 * The file is preallocated as it grows, so that a full disk is met here, where
 * a page is still in memory, and not in the middle of a write.
 */
#include "machine/machine.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

#define GROW_SLOTS 4096u /* 16 MiB */

static void rebuild(struct fl_machine_view *v);

/* Nobody holds the slot any more: nor does it hold anything. */
static void forget(struct fl_machine_view *v, u32 slot)
{
	if (v->zpool.z)
		fl_zpool_clear(&v->zpool, slot);
}

void fl_swap_lock(struct fl_machine_view *v)
{
	if (fl_shlock(&v->t->swap_lock))
		rebuild(v);
}

void fl_swap_unlock(struct fl_machine_view *v)
{
	fl_shunlock(&v->t->swap_lock);
}

/* Its owner died within a section: the bitmaps are the truth. */
static void rebuild(struct fl_machine_view *v)
{
	struct fl_slots *s = &v->t->slots;
	u16 users[FL_COUNT_BITS];

	memset(v->slots.used, 0, s->nr_slots / FL_SLOT_CLUSTER);
	s->nr_used = 0;
	for (u32 from = 0; from < s->nr_slots; from += FL_COUNT_BITS) {
		u32 n = fl_min(s->nr_slots - from, FL_COUNT_BITS);

		fl_count_holders(v, v->t->held_slots_at, from, users);
		for (u32 i = 0; i < n; i++) {
			__atomic_store_n(&v->slots.count[from + i], users[i], __ATOMIC_RELAXED);
			v->slots.used[(from + i) / FL_SLOT_CLUSTER] += users[i] != 0;
			s->nr_used += users[i] != 0;
			if (!users[i]) /* given back, but for what it held */
				forget(v, from + i);
		}
	}
}

/* swap_lock held. A smaller step when a large one does not fit the disk. */
static int grow(struct fl_machine_view *v)
{
	struct fl_slots *s = &v->t->slots;
	u32 have = s->nr_slots, step;
	long r = -ENOSPC;

	for (step = GROW_SLOTS; step >= FL_SLOT_CLUSTER; step /= 2) {
		if (have + step > s->max_slots)
			continue;
		if (v->zpool.z) { /* what goes on to the file is written when that has room */
			fl_slots_grow(s, have + step);
			return 0;
		}
		r = fl_syscall(SYS_fallocate, v->swap_fd, 0, (u64)have * FL_PAGE_SIZE,
			(u64)step * FL_PAGE_SIZE);
		if (r == -EOPNOTSUPP)
			r = fl_syscall(SYS_ftruncate, v->swap_fd, (u64)(have + step) * FL_PAGE_SIZE);
		if (r == 0) {
			fl_slots_grow(s, have + step);
			return 0;
		}
	}
	return (int)r;
}

u32 fl_swap_alloc(struct fl_machine_view *v, u32 want, u32 *ret_slot, int *ret_err)
{
	struct fl_machine *t = v->t;
	u32 n;

	*ret_err = 0;
	fl_swap_lock(v);
	/* grow while clusters are still empty: what is written in fragments is
	 * read back in fragments */
	if (t->slots.nr_slots - t->slots.nr_used < t->slots.nr_slots / 2 + FL_SLOT_CLUSTER)
		*ret_err = grow(v);
	n = fl_slots_alloc(&t->slots, &v->slots, want, ret_slot);
	for (u32 i = 0; i < n; i++) {
		fl_bit_set(v->held_slots, *ret_slot + i);
		v->slot_frame[*ret_slot + i] = FL_NO_FRAME;
	}
	t->slots_peak = fl_max(t->slots_peak, t->slots.nr_used);
	if (!n && !*ret_err)
		*ret_err = -ENOSPC;
	t->swap_full = n ? 0 : (u32)-*ret_err;
	fl_swap_unlock(v);
	return n;
}

static void put(struct fl_machine_view *v, u32 slot)
{
	if (!fl_bit_clear(v->held_slots, slot))
		__builtin_trap(); /* a slot given back that was not held */
	if (fl_slot_put(&v->t->slots, &v->slots, slot))
		forget(v, slot);
}

bool fl_swap_trim(struct fl_machine_view *v, bool all)
{
	bool some = v->zpool.z && fl_zpool_trim(&v->zpool, all);

	if (some)
		fl_zone_announce(v);
	return some;
}

void fl_swap_put(struct fl_machine_view *v, u32 slot)
{
	fl_swap_lock(v);
	put(v, slot);
	fl_swap_unlock(v);
	fl_swap_trim(v, false);
}

void fl_swap_put_each(struct fl_machine_view *v, const u32 *slots, u32 n)
{
	if (!n)
		return;
	fl_swap_lock(v);
	for (u32 i = 0; i < n; i++)
		put(v, slots[i]);
	fl_swap_unlock(v);
	fl_swap_trim(v, false);
}

void fl_swap_dup(struct fl_machine_view *child, const u32 *slots, u32 n)
{
	fl_swap_lock(child);
	for (u32 i = 0; i < n; i++) {
		fl_slot_dup(&child->t->slots, &child->slots, slots[i]);
		fl_bit_set(child->held_slots, slots[i]);
	}
	fl_swap_unlock(child);
}

void fl_swap_give(struct fl_machine_view *v, struct fl_machine_view *to, const u32 *slots, u32 n)
{
	if (!n)
		return;
	fl_swap_lock(v);
	for (u32 i = 0; i < n; i++) {
		if (!fl_bit_clear(v->held_slots, slots[i]))
			__builtin_trap(); /* a slot given away that was not held */
		fl_bit_set(to->held_slots, slots[i]);
	}
	fl_swap_unlock(v);
}

u32 fl_swap_count(const struct fl_machine_view *v, u32 slot)
{
	return __atomic_load_n(&v->slots.count[slot], __ATOMIC_RELAXED);
}

void fl_swap_release_all(struct fl_machine_view *v)
{
	u32 words;

	fl_swap_lock(v);
	words = (v->t->slots.nr_slots + 63) / 64;
	for (u32 w = 0; w < words; w++)
		while (v->held_slots[w])
			put(v, w * 64 + (u32)__builtin_ctzll(v->held_slots[w]));
	fl_swap_unlock(v);
	fl_swap_trim(v, false);
}
