/*
 * What the words of a snapshot mean (struct fl_snap_page.pte, struct page), and their names.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PTE_H
#define FL_TOOLS_PTE_H

#include "base/types.h"

/* faultline/snapshot.h has the picture. */
#define PTE_STATE   7u
#define PTE_NONE    0u
#define PTE_ZERO    1u
#define PTE_PRESENT 2u
#define PTE_SOFT    3u
#define PTE_SWAP    4u
#define PTE_SWAPIN  5u

#define PTE_DIRTY    (1u << 3)
#define PTE_ACCESSED (1u << 4)
#define PTE_WP	     (1u << 5)
#define PTE_COW	     (1u << 6)
#define PTE_FLAGS    0xff8u

static inline u32 pte_payload(u64 pte)
{
	return (u32)(pte >> 12);
}

static inline bool pte_has_frame(u64 pte)
{
	u64 state = pte & PTE_STATE;

	return state == PTE_PRESENT || state == PTE_SOFT || state == PTE_SWAPIN;
}

/* "present": one word; "in swap" and the like are pte_meaning. */
const char *pte_state_name(u64 pte);
const char *pte_meaning(u64 pte);

/* The list that a struct page with these flags is on: 1 active, 2 inactive, 0 none. */
u32 page_lru(u32 page_flags);

/* A set of bits and their names. */
struct bit_name {
	u64 bit;
	const char *name;
};

extern const struct bit_name pte_flag_names[];	/* ends with bit 0 */
extern const struct bit_name page_flag_names[]; /* struct page of Faultline */

/* "DIRTY|WP", "0" for none; bits without a name as a number. */
void bits_print(u64 bits, const struct bit_name *names);
/* ["DIRTY", "WP"] */
void bits_print_json(u64 bits, const struct bit_name *names);

#endif
