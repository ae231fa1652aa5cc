/*
 * The swap map: how often each slot of the swap file is in use.
 *
 * As Linux's swap_map: a count a slot, shared by the process tree, because
 * after fork(2) several page tables name the same slot. Pure code over arrays
 * that the caller provides (zero-filled, populated on touch) and guards.
 *
 * Allocation is by clusters, as in mm/swapfile.c: an empty cluster is filled
 * from its start to its end, so that pages evicted one after the other lie
 * together in the file, and are written and read back in one request. Only when
 * no cluster is empty are the gaps of others filled.
 *
 * Context: any thread, fault path; the caller holds the swap lock.
 */
#ifndef FL_SWAP_SLOTS_H
#define FL_SWAP_SLOTS_H

#include "base/types.h"

#define FL_SLOT_CLUSTER 64u	/* slots a cluster: 256 KiB */
#define FL_NO_SLOT 0U
#define FL_SLOT_COUNT_MAX 0xffffu

struct fl_slots {
	u32 nr_slots;		/* the file holds this many now; slot 0 included */
	u32 max_slots;		/* and may grow to this many */
	u32 nr_used;
	u32 cursor;		/* slot to look at next */
};

struct fl_slot_arrays {
	u16 *count;		/* max_slots */
	u8 *used;		/* max_slots / FL_SLOT_CLUSTER: slots in use a cluster */
};

void fl_slots_init(struct fl_slots *s, u32 max_slots);

/* The file has grown to nr_slots (a multiple of FL_SLOT_CLUSTER). */
void fl_slots_grow(struct fl_slots *s, u32 nr_slots);

/* Takes up to want consecutive slots with count 1 each; returns how many (0:
 * none free below nr_slots) and the first in *ret_slot. */
u32 fl_slots_alloc(struct fl_slots *s, const struct fl_slot_arrays *a, u32 want, u32 *ret_slot);

/* One more user of a slot in use. */
void fl_slot_dup(struct fl_slots *s, const struct fl_slot_arrays *a, u32 slot);

/* One user less; true when that was the last. */
bool fl_slot_put(struct fl_slots *s, const struct fl_slot_arrays *a, u32 slot);

/* Recounts; 0, or -1 with *why set. */
int fl_slots_validate(const struct fl_slots *s, const struct fl_slot_arrays *a, const char **why);

#endif
