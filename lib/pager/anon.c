/*
 * Which memory has been written, as far as that decides what Linux would have as one VMA: see
 * mm/vma-anon.c. A page that was only read is mapped so that it can be written, and nobody sees when.
 * So before mappings are split, joined or lost it is looked whether such pages still hold zeros.
 */
#include "pager/copyout.h"

/* As many pages are looked at: what was written after all has bytes in its first pages, mostly. If not,
 * mappings count as one that natively are not. */
#define MOST_LOOKED 32u

static bool holds_bytes(struct fl_pager *p, const struct fl_vma *vma)
{
	u64 *ptep;
	u32 n = 0;

	for (u64 va = vma->start; n < MOST_LOOKED && (ptep = fl_pt_next(&p->mm, &va, vma->end));
		va += FL_PAGE_SIZE, n++) {
		u32 f = fl_pte_payload(*ptep);

		switch (fl_pte_state(*ptep)) {
		case FL_PTE_PRESENT:
			if ((vma->flags & FL_VM_READ) && p->host->ops->present(p->host, va) &&
				!fl_page_is_zero((void *)va))
				return true;
			break;
		case FL_PTE_SOFT:
			if (!fl_page_is_zero((void *)fl_slot_addr(p, f)))
				return true;
			break;
		case FL_PTE_SWAP:
		case FL_PTE_SWAPIN: /* pages of zeros are not written to swap */
			return true;
		default:
			break;
		}
	}
	return false;
}

void fl_pager_see_writes(struct fl_pager *p, u64 start, u64 end)
{
	u64 from = start - fl_min(start, FL_PAGE_SIZE), to = end + fl_min(~end, FL_PAGE_SIZE);
	struct fl_vma *vma;

	fl_for_each_vma_range(&p->mm, vma, from, to)
		if (vma->only_read && holds_bytes(p, vma))
			fl_vma_written(&p->mm, vma);
}
