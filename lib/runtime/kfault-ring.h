/*
 * One ring of faults that the kernel has resolved, of one CPU: kfault.h.
 *
 * Context: mm lock held.
 */
#ifndef FL_RUNTIME_KFAULT_RING_H
#define FL_RUNTIME_KFAULT_RING_H

#include "base/types.h"

#include <linux/perf_event.h>

#define FL_KFAULT_DATA_BYTES (8 * FL_PAGE_SIZE)

struct fl_kfault_ring {
	u64 last_addr;	/* of the last fault in it */
	bool last_counted; /* which was one that we count */
	u64 lost, reported; /* as counted; as its records say */
};

/* Counts what is in it, and empties it. */
void fl_kfault_ring_drain(struct perf_event_mmap_page *ring, struct fl_kfault_ring *r);

/* In all it has lost so many, by what is in it or by what the events know. They are like the last that
 * it had before, also if that mapping is gone. */
void fl_kfault_ring_lost(struct fl_kfault_ring *r, u64 lost);

#endif
