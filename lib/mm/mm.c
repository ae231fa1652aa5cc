/*
 * struct fl_mm: beginning and end of an address space.
 */
#include "mm/mm.h"

#include <string.h>

#include "mm/pgtable.h"
#include "mm/vma-internal.h"
#include "mm/vma.h"

void fl_mm_init(struct fl_mm *mm, const struct fl_mm_alloc *alloc)
{
	memset(mm, 0, sizeof(*mm));
	mm->alloc = *alloc;
	mm->vmas.update = fl_vma_tree_update;
	mm->mm_users = 1;
}

void fl_mm_deinit(struct fl_mm *mm)
{
	fl_vma_free_all(mm);
	fl_pt_free_all(mm);
}

u64 fl_mm_bookkeeping_bytes(const struct fl_mm *mm)
{
	return mm->vma_bytes + mm->pgtables_bytes;
}
