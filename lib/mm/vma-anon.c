/*
 * What would be one VMA natively, of anonymous memory.
 *
 * Linux gives a VMA an anon_vma at the first write to it, and joins only such as have the same one, or
 * of which one has none yet. So which mappings are one depends on what had been written at the moment
 * when they became neighbours. The kernel's own VMAs do not tell: to it every page that we bring in has
 * been written, one that was only read, too. mremap(2) does not go over a border (EFAULT).
 */
#include "mm/vma.h"

#include "mm/vma-internal.h"

/* What may differ where the anon_vma of a neighbour is taken, since mprotect can make them alike. */
#define ACCESS_FLAGS (FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC)

bool fl_vma_anon_compatible(const struct fl_vma *low, const struct fl_vma *high)
{
	if (low->anon == high->anon)
		return true;
	return low->anon ? !high->anon && !low->inherited : !high->inherited;
}

void fl_vma_join_anon(struct fl_vma *vma, const struct fl_vma *other)
{
	if (!vma->anon) {
		vma->anon = other->anon;
		vma->inherited = other->inherited;
	}
	vma->only_read = !vma->anon && (vma->only_read || other->only_read);
}

static bool lends(const struct fl_vma *of, const struct fl_vma *low, const struct fl_vma *high)
{
	return of && of->anon && !of->inherited && low->end == high->start && low->owner == high->owner &&
		!((low->flags ^ high->flags) & ~ACCESS_FLAGS) && low->ino == high->ino &&
		low->pgoff + fl_vma_pages(low) == high->pgoff;
}

void fl_vma_written(struct fl_mm *mm, struct fl_vma *vma)
{
	if (vma->anon)
		return;
	vma->only_read = false;
	if (vma->next && lends(vma->next, vma, vma->next))
		vma->anon = vma->next->anon;
	else if (vma->prev && lends(vma->prev, vma->prev, vma))
		vma->anon = vma->prev->anon;
	else
		vma->anon = ++mm->last_anon;
}

void fl_mm_inherited(struct fl_mm *mm)
{
	struct fl_vma *vma;

	fl_for_each_vma(mm, vma) {
		if (!vma->anon)
			continue;
		vma->anon = ++mm->last_anon;
		vma->inherited = true;
	}
}
