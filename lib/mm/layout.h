/*
 * The layout of an address space: where a mapping goes for which the program names no address.
 *
 * Two layouts, as in Linux. flexible: from mmap_base downwards, which lies below the room that the
 * stack may grow into; if nothing is free there, upwards from legacy_base. legacy: upwards from
 * legacy_base, a third of the address space. Both bases have a random offset, drawn anew with each
 * exec.
 *
 * The kernel has drawn one already and mapped the loader by it. Where it has chosen as we are asked
 * to, its base is taken over: mappings that are left to the kernel then go the same way.
 *
 * Context: any thread, with the mm lock held.
 */
#ifndef FL_MM_LAYOUT_H
#define FL_MM_LAYOUT_H

#include "mm/mm.h"

#define FL_TASK_SIZE	 ((1UL << 47) - FL_PAGE_SIZE)
#define FL_TASK_UNMAPPED (((FL_TASK_SIZE) / 3 + FL_PAGE_SIZE - 1) & FL_PAGE_MASK)
#define FL_MMAP_MIN	 (1UL << 16) /* nothing is placed below */
#define FL_PMD_BYTES	 (2UL << 20)

struct fl_layout_wish {
	bool flexible, legacy; /* at most one; neither: as the kernel has it */
	bool no_randomize;
	u64 stack_limit_bytes; /* RLIMIT_STACK */
	u64 random;
};

/* fl_layout_init: sets mm's bases. The mirror is of a program that has just started. */
void fl_layout_init(struct fl_mm *mm, const struct fl_layout_wish *wish);

struct fl_place {
	u64 bytes;	/* page aligned, not 0 */
	u64 hint;	/* 0: none */
	u64 file_bytes; /* offset in the file; anonymous memory: 0 */
	bool huge;	/* begins so that it could be mapped by huge pages, if it is large enough */
	bool window32;	/* MAP_32BIT */
	bool above4g;	/* MAP_ABOVE4G */
	u64 random;	/* for the window, if mm->randomize */
	/*
	 * NULL, or: is anything in [start, end) taken by what is not in the mirror? Its own range then.
	 */
	bool (*taken)(u64 start, u64 end, u64 *ret_start, u64 *ret_end);
};

/* fl_layout_place: the address for a mapping, or 0 if nothing is free. */
u64 fl_layout_place(const struct fl_mm *mm, const struct fl_place *place);

#endif
