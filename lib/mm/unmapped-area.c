/*
 * Free address space, by the largest gap that each subtree of VMAs knows.
 *
 * A subtree whose largest gap is too small is not looked at, nor is one that lies outside of the
 * limits. Only the two gaps that a limit cuts can turn out to be too small after all, so at most
 * the ways to these two are walked in vain.
 */
#include "mm/unmapped-area.h"

#include "mm/vma.h"

struct want {
	u64 bytes, low, high;
};

static const struct fl_vma *vma_of(const struct fl_tree_node *node)
{
	return fl_container_of(node, const struct fl_vma, node);
}

static bool promises(const struct fl_tree_node *node, const struct want *want)
{
	return node && vma_of(node)->subtree_gap >= want->bytes;
}

/* The part of [start, end) that is within the limits; false if it is too small. */
static bool clip(u64 start, u64 end, const struct want *want, u64 *ret_start, u64 *ret_end)
{
	*ret_start = fl_max(start, want->low);
	*ret_end = fl_min(end, want->high);
	return *ret_end > *ret_start && *ret_end - *ret_start >= want->bytes;
}

/* The gap below a VMA. */
static bool fits(const struct fl_vma *vma, const struct want *want, u64 *ret_start, u64 *ret_end)
{
	u64 end = fl_vma_start_gap(vma);

	return clip(end - fl_min(vma->gap, end), end, want, ret_start, ret_end);
}

static u64 highest(const struct fl_tree_node *node, const struct want *want)
{
	u64 start, end, found;

	while (promises(node, want)) {
		const struct fl_vma *vma = vma_of(node);

		/* the gaps to the right lie above this VMA, those to the left below it */
		if (vma->end < want->high && (found = highest(node->right, want)))
			return found;
		if (fits(vma, want, &start, &end))
			return end - want->bytes;
		if (vma->start <= want->low)
			return 0;
		node = node->left;
	}
	return 0;
}

static u64 lowest(const struct fl_tree_node *node, const struct want *want)
{
	u64 start, end, found;

	while (promises(node, want)) {
		const struct fl_vma *vma = vma_of(node);

		if (vma->start > want->low && (found = lowest(node->left, want)))
			return found;
		if (fits(vma, want, &start, &end))
			return start;
		if (vma->end >= want->high)
			return 0;
		node = node->right;
	}
	return 0;
}

/* What no VMA lies above. */
static bool fits_above(
	const struct fl_mm *mm, const struct want *want, u64 *ret_start, u64 *ret_end)
{
	return clip(mm->last ? mm->last->end : 0, ~0UL, want, ret_start, ret_end);
}

bool fl_is_unmapped(const struct fl_mm *mm, u64 start, u64 end)
{
	const struct fl_vma *vma = fl_vma_find(mm, start);

	return !vma || end <= fl_vma_start_gap(vma);
}

u64 fl_unmapped_area_topdown(const struct fl_mm *mm, u64 bytes, u64 low, u64 high)
{
	struct want want = {bytes, low, high};
	u64 start, end;

	if (fits_above(mm, &want, &start, &end))
		return end - bytes;
	return highest(mm->vmas.root, &want);
}

u64 fl_unmapped_area(const struct fl_mm *mm, u64 bytes, u64 low, u64 high)
{
	struct want want = {bytes, low, high};
	u64 start, end, found = lowest(mm->vmas.root, &want);

	if (!found && fits_above(mm, &want, &start, &end))
		found = start;
	return found;
}
