/* Between the files of lib/machine only. */
#ifndef FL_MACHINE_INTERNAL_H
#define FL_MACHINE_INTERNAL_H

#include "machine/machine.h"

/* Everything that the view's bitmaps name goes back; the bitmaps end empty.
 * proc_lock held; these take zone_lock and swap_lock. */
void fl_zone_release_all(struct fl_machine_view *v);
void fl_swap_release_all(struct fl_machine_view *v);

/* The bitmaps of record proc, mapped; *ret_map is to be unmapped (held_stride).
 * NULL if there is no memory for it. */
const u64 *fl_held_of(const struct fl_machine_view *v, u32 proc, u64 **ret_map);

/* From now on this process can tell who of the tree has died with a lock, also without a record. */
void fl_proc_judge(struct fl_machine_view *v);

/* Frames have become free, or may be allocated again. */
void fl_zone_announce(struct fl_machine_view *v);

void fl_zone_lock(struct fl_machine_view *v);
void fl_zone_unlock(struct fl_machine_view *v);
void fl_swap_lock(struct fl_machine_view *v);
void fl_swap_unlock(struct fl_machine_view *v);
/* The frame has no slot that others could use; zone_lock or swap_lock held: the entry is
 * a hint, and lost at worst. */
void fl_swap_unpublish(struct fl_machine_view *v, u32 frame);

/* The number of this process's pid namespace, 0 if /proc does not tell; asked again
 * or as it was last. */
u64 fl_pid_namespace(bool again);

/* How many processes hold each of FL_COUNT_BITS frames or slots from from on, a multiple
 * of it; offset: of the bitmap in each process's. Reads the file and maps nothing: it
 * must not fail where there is no address space left. The lock of what is counted is held. */
#define FL_COUNT_BITS 2048u
void fl_count_holders(const struct fl_machine_view *v, u64 offset, u32 from, u16 *ret_users);

void fl_stats_fold(struct fl_proc_stats *to, const struct fl_proc_stats *from);

static inline void fl_bit_set(u64 *map, u32 i)
{
	map[i / 64] |= 1ull << i % 64;
}

static inline bool fl_bit_clear(u64 *map, u32 i)
{
	bool was = map[i / 64] >> i % 64 & 1;

	map[i / 64] &= ~(1ull << i % 64);
	return was;
}

static inline bool fl_bit_get(const u64 *map, u32 i)
{
	return map[i / 64] >> i % 64 & 1;
}

#endif
