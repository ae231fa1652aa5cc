/*
 * fl_vma_validate: everything an operation must leave true, checked from scratch.
 */
#include "mm/vma.h"

#include "mm/debug.h"
#include "mm/vma-internal.h"

static int check_vma(const struct fl_vma *vma, const char **why)
{
	const struct fl_vma *prev = vma->prev;

	fl_check_or_fail(vma->start < vma->end, why, "vma: empty or reversed range");
	fl_check_or_fail(!((vma->start | vma->end) & ~FL_PAGE_MASK), why, "vma: not page aligned");
	fl_check_or_fail(vma->owner <= FL_OWNER_INTERNAL, why, "vma: unknown owner");
	if (!prev)
		return 0;
	fl_check_or_fail(prev->next == vma, why, "vma: prev and next disagree");
	fl_check_or_fail(prev->end <= vma->start, why, "vma: out of order or overlapping");
	fl_check_or_fail(!fl_vma_can_merge(prev, vma), why, "vma: neighbours were not merged");
	return 0;
}

static u64 subtree_gap(const struct fl_tree_node *node)
{
	return node ? fl_container_of(node, const struct fl_vma, node)->subtree_gap : 0;
}

/* Each node against its two children: from the leaves up that is all of it. */
static int check_gap(const struct fl_vma *vma, const char **why)
{
	u64 low = vma->prev ? vma->prev->end : 0, high = fl_vma_start_gap(vma);
	u64 below = fl_max(subtree_gap(vma->node.left), subtree_gap(vma->node.right));

	fl_check_or_fail(vma->gap == (high > low ? high - low : 0), why, "vma: gap is wrong");
	fl_check_or_fail(
		vma->subtree_gap == fl_max(vma->gap, below), why, "vma: subtree_gap is wrong");
	return 0;
}

static int check_counters(const struct fl_mm *mm, const struct fl_mm *sum, const char **why)
{
	fl_check_or_fail(mm->map_count == sum->map_count, why, "mm: map_count is wrong");
	fl_check_or_fail(mm->total_vm == sum->total_vm, why, "mm: total_vm is wrong");
	fl_check_or_fail(mm->data_vm == sum->data_vm, why, "mm: data_vm is wrong");
	fl_check_or_fail(mm->exec_vm == sum->exec_vm, why, "mm: exec_vm is wrong");
	fl_check_or_fail(mm->stack_vm == sum->stack_vm, why, "mm: stack_vm is wrong");
	fl_check_or_fail(mm->locked_vm == sum->locked_vm, why, "mm: locked_vm is wrong");
	fl_check_or_fail(mm->hiwater_vm >= mm->total_vm, why, "mm: hiwater_vm is too low");
	fl_check_or_fail(
		mm->vma_bytes == (sum->map_count + mm->nr_free_vmas) * sizeof(struct fl_vma), why,
		"mm: vma_bytes is wrong");
	return 0;
}

int fl_vma_validate(const struct fl_mm *mm, const char **why)
{
	const struct fl_tree_node *node;
	const struct fl_vma *vma, *last = NULL;
	struct fl_mm sum = {0};
	u64 nr_nodes, nr_cached = 0;

	if (fl_tree_validate(&mm->vmas, why, &nr_nodes))
		return -1;
	fl_check_or_fail(nr_nodes == mm->map_count, why, "mm: tree and map_count disagree");
	fl_check_or_fail(!mm->first || !mm->first->prev, why, "mm: first has a predecessor");

	/* The tree was just seen to be finite, so following it also bounds the list walk. */
	node = fl_tree_first(&mm->vmas);
	vma = mm->first;
	for (; node; node = fl_tree_next(node), vma = vma->next) {
		fl_check_or_fail(vma && node == &vma->node, why, "mm: tree and list disagree");
		if (check_vma(vma, why) || check_gap(vma, why))
			return -1;
		sum.map_count++;
		fl_vma_account(&sum, vma->flags, (s64)fl_vma_pages(vma), 1);
		last = vma;
	}
	fl_check_or_fail(!vma, why, "mm: the list is longer than the tree");
	fl_check_or_fail(mm->last == last, why, "mm: last is wrong");

	for (vma = mm->free_vmas; vma && nr_cached <= mm->nr_free_vmas; vma = vma->next)
		nr_cached++;
	fl_check_or_fail(nr_cached == mm->nr_free_vmas, why, "mm: nr_free_vmas is wrong");
	return check_counters(mm, &sum, why);
}
