/*
 * The page table: one 64-bit entry for every page the program has touched.
 *
 * Four levels of 4096-byte tables as on x86-64: pgd, pud, pmd, pte, 9 bits of the address each,
 * 48 bits in all. The words of the three upper levels are the address of the next table with the
 * number of its nonzero entries in the low 12 bits, so that an empty table is noticed and freed
 * without a search; mm->pgd is such a word too. Memory and time cost by touched page, never by
 * reserved byte: 8 bytes for each page of a densely used region.
 *
 * A pte:
 *
 *	63      44 43                    12 11        7  6    5    4    3    2     0
 *	+---------+------------------------+-----------+----+----+----+----+-------+
 *	|    0    | frame or swap slot     |   spare   |COW | WP |ACC |DIRT| state |
 *	+---------+------------------------+-----------+----+----+----+----+-------+
 *
 * The states, and the ways between them, are drawn in mm/page.h. A pte of state NONE is all zero.
 *
 * Counters in struct fl_mm follow the state of the ptes, so state and payload change only through
 * fl_pte_set. Addresses are below FL_PT_MAX_ADDR; the offset within a page is ignored.
 *
 * Context: any thread including the fault path, with the mm lock held.
 */
#ifndef FL_MM_PGTABLE_H
#define FL_MM_PGTABLE_H

#include "base/types.h"
#include "mm/mm.h"

#define FL_PT_ENTRIES	  512UL
#define FL_PT_TABLE_BYTES 4096UL
#define FL_PT_MAX_ADDR	  (1UL << 48)

enum fl_pte_state {
	FL_PTE_NONE,	/* never touched, or given back */
	FL_PTE_ZERO,	/* not resident, known to be zeros; no payload */
	FL_PTE_PRESENT, /* mapped in the program; payload: frame */
	FL_PTE_SOFT,	/* not mapped, but the frame still holds the data; payload: frame */
	FL_PTE_SWAP,	/* the only copy is in a swap slot; payload: slot */
	FL_PTE_SWAPIN,	/* a read is filling the frame; payload: frame */
	FL_PTE_NR_STATES,
};

#define FL_PTE_STATE_MASK 7UL
#define FL_PTE_DIRTY	  (1UL << 3) /* differs from its copy in swap, or has none */
#define FL_PTE_ACCESSED	  (1UL << 4) /* used since the policy last looked */
#define FL_PTE_WP	  (1UL << 5) /* write protected through userfaultfd */
#define FL_PTE_COW	  (1UL << 6) /* shared by fork: copy before the first write */
#define FL_PTE_SPARE_1	  (1UL << 7) /* 7 to 11: for the caller */
#define FL_PTE_FLAGS_MASK 0xff8UL

#define FL_PTE_PAYLOAD_SHIFT 12
#define FL_PTE_PAYLOAD_MASK  (0xffffffffUL << FL_PTE_PAYLOAD_SHIFT)

static inline u64 fl_pte_make(enum fl_pte_state state, u32 payload, u64 flags)
{
	return (u64)state | ((u64)payload << FL_PTE_PAYLOAD_SHIFT) | (flags & FL_PTE_FLAGS_MASK);
}

static inline enum fl_pte_state fl_pte_state(u64 pte)
{
	return (enum fl_pte_state)(pte & FL_PTE_STATE_MASK);
}

static inline u32 fl_pte_payload(u64 pte)
{
	return (u32)(pte >> FL_PTE_PAYLOAD_SHIFT);
}

static inline u64 fl_pte_flags(u64 pte)
{
	return pte & FL_PTE_FLAGS_MASK;
}

/* fl_pte_has: whether every one of @flags is set. */
static inline bool fl_pte_has(u64 pte, u64 flags)
{
	return (pte & flags) == flags;
}

/* fl_pte_with, fl_pte_without: the same pte with flags added or taken away. */
static inline u64 fl_pte_with(u64 pte, u64 flags)
{
	return pte | (flags & FL_PTE_FLAGS_MASK);
}

static inline u64 fl_pte_without(u64 pte, u64 flags)
{
	return pte & ~(flags & FL_PTE_FLAGS_MASK);
}

/* fl_pte_has_frame: whether the payload is a frame this address space holds. */
static inline bool fl_pte_has_frame(u64 pte)
{
	enum fl_pte_state state = fl_pte_state(pte);

	return state == FL_PTE_PRESENT || state == FL_PTE_SOFT || state == FL_PTE_SWAPIN;
}

/* fl_pte_get: the pte of @va, 0 if it has none. */
u64 fl_pte_get(const struct fl_mm *mm, u64 va);

/*
 * fl_pte_lookup: where the pte of @va is, or NULL if there is no table for it. Through the pointer
 * the caller may change flags (FL_PTE_FLAGS_MASK) of a pte that is not NONE, nothing else. Valid
 * until a pte of the same 2 MiB region is cleared.
 */
u64 *fl_pte_lookup(const struct fl_mm *mm, u64 va);

/*
 * fl_pte_set: set the pte of @va, or clear it with @pte 0. Makes tables where they are missing and
 * frees those that become empty. Returns 0, or -ENOMEM having changed nothing; it cannot fail when
 * @pte is 0, when the pte was not NONE, or after fl_pt_prealloc.
 */
int fl_pte_set(struct fl_mm *mm, u64 va, u64 pte);

/*
 * fl_pt_prealloc: make the tables for @va, so that the next fl_pte_set there cannot fail. Returns 0
 * or -ENOMEM. The tables stay until a pte in the same 2 MiB region is cleared and none is left;
 * fl_pte_set(mm, va, 0) or fl_pt_trim takes the reservation back.
 */
int fl_pt_prealloc(struct fl_mm *mm, u64 va);

/* fl_pt_trim: free tables with no entries in [start, end): what unused fl_pt_prealloc leaves. */
void fl_pt_trim(struct fl_mm *mm, u64 start, u64 end);

/*
 * fl_pt_next: find the first pte at or after *va, below @end, that is not NONE. Returns where it is
 * (see fl_pte_lookup for what may be done with it) and sets *va to its page; or returns NULL with
 * *va at or above @end. Between calls the caller may set and clear any pte; to go on it adds
 * FL_PAGE_SIZE to *va. Absent subtrees are skipped.
 *
 *	for (va = start; (pte = fl_pt_next(mm, &va, end)); va += FL_PAGE_SIZE)
 */
u64 *fl_pt_next(const struct fl_mm *mm, u64 *va, u64 end);

/*
 * fl_pt_move: move every pte of [old, old + len_bytes) to the same offset from @new. The ranges do
 * not overlap, the destination holds no pte. Returns 0, or -ENOMEM having changed nothing.
 */
int fl_pt_move(struct fl_mm *mm, u64 old, u64 new, u64 len_bytes);

/* The path from mm->pgd to one pte, for display. Levels below the last one present are zero. */
struct fl_pt_walk {
	u32 nr_levels;		 /* tables on the path, 0 to 4 */
	u32 index[FL_PT_LEVELS]; /* of the entry in its table (always filled in) */
	u64 table[FL_PT_LEVELS]; /* address of the table */
	u32 used[FL_PT_LEVELS];	 /* nonzero entries in it */
	u64 entry[FL_PT_LEVELS]; /* the word at the index; at level FL_PT_PTE the pte */
};

void fl_pt_walk_addr(const struct fl_mm *mm, u64 va, struct fl_pt_walk *ret_walk);

/* fl_pt_free_all: for fl_mm_deinit. */
void fl_pt_free_all(struct fl_mm *mm);

/*
 * fl_pt_validate: rewalk the tables: used counts, legal ptes, and every counter of struct fl_mm
 * recomputed. Returns 0, or -1 with the reason in @why (may be NULL). Costs by touched page.
 */
int fl_pt_validate(const struct fl_mm *mm, const char **why);

#endif
