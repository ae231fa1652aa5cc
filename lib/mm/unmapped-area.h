/*
 * Free address space: the highest or lowest gap between VMAs with room for a mapping.
 *
 * What lies right below a VMA that grows down is not free (FL_STACK_GUARD_BYTES), as in Linux.
 * Linux 6 downwards from there also passes over gaps between other VMAs that are as near; they are
 * found here.
 * Addresses are bytes, page aligned. The cost is that of walking the tree down twice, whatever the
 * number of VMAs.
 *
 * Context: any thread, with the mm lock held.
 */
#ifndef FL_MM_UNMAPPED_AREA_H
#define FL_MM_UNMAPPED_AREA_H

#include "mm/mm.h"

/* fl_is_unmapped: whether [start, end) is free for a new mapping. */
bool fl_is_unmapped(const struct fl_mm *mm, u64 start, u64 end);

/*
 * fl_unmapped_area_topdown: the highest address in [low, high) with @bytes of free memory, all of
 * them within [low, high). 0 if there is none.
 */
u64 fl_unmapped_area_topdown(const struct fl_mm *mm, u64 bytes, u64 low, u64 high);

/* fl_unmapped_area: the lowest one. */
u64 fl_unmapped_area(const struct fl_mm *mm, u64 bytes, u64 low, u64 high);

#endif
