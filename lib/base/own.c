/*
 * Our own part of the address space.
 *
 * Mappings are made downwards from below the stack, or upwards from a third of the address space;
 * programs lie at two thirds of it or at its bottom. Half is the place that the fewest come near.
 * It is only a hint: where something is there already the kernel chooses.
 */
#include "base/own.h"

#define OWN_START (1UL << 46)
#define OWN_BYTES (8UL << 40) /* then from the start again: who was there first may be gone */

#define RANDOM_MASK ((1UL << 40) - 1)

static u64 own_start, own_next;

void fl_own_init(u64 random)
{
	own_start = OWN_START + (random & RANDOM_MASK & FL_PAGE_MASK);
	own_next = 0;
}

u64 fl_own_hint(u64 bytes)
{
	u64 at;

	if (!own_start)
		return 0;
	/* a page between them: what runs over an end is noticed */
	at = __atomic_fetch_add(&own_next, fl_page_up(bytes) + FL_PAGE_SIZE, __ATOMIC_RELAXED);
	return own_start + at % OWN_BYTES;
}
