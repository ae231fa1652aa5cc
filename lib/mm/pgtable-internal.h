/*
 * Words and indices of the page table; for pgtable*.c only.
 *
 * Context: as in mm/pgtable.h.
 */
#ifndef FL_MM_PGTABLE_INTERNAL_H
#define FL_MM_PGTABLE_INTERNAL_H

#include "mm/pgtable.h"

#define PT_USED_MASK (FL_PT_TABLE_BYTES - 1)

/* log2 of the bytes one entry of a table at @level covers. */
static inline u32 pt_shift(u32 level)
{
	return FL_PAGE_SHIFT + 9 * (FL_PT_PTE - level);
}

static inline u32 pt_index(u64 va, u32 level)
{
	return (va >> pt_shift(level)) & (FL_PT_ENTRIES - 1);
}

/* The table a word points to; not for a word that is 0. */
static inline u64 *pt_table(u64 word)
{
	return (u64 *)(uintptr_t)(word & ~PT_USED_MASK);
}

/* The nonzero entries in the table a word points to. */
static inline u32 pt_used(u64 word)
{
	return word & PT_USED_MASK;
}

/* Add (@sign 1) or take away (@sign -1) one pte in the counters. */
static inline void pt_account(struct fl_mm *mm, u64 pte, int sign)
{
	switch (fl_pte_state(pte)) {
	case FL_PTE_ZERO:
		mm->zero_pages += sign;
		break;
	case FL_PTE_PRESENT:
		mm->rss_anon += sign;
		break;
	case FL_PTE_SOFT:
		mm->soft_pages += sign;
		break;
	case FL_PTE_SWAP:
		mm->swap_ents += sign;
		break;
	case FL_PTE_SWAPIN:
		mm->swapin_pages += sign;
		break;
	default:
		break;
	}
}

#endif
