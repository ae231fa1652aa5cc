/*
 * VMAs: lookup, the node cache, and the steps operations are made of.
 *
 * Every VMA is in the tree (to find it by address) and in the list (to step to its neighbours).
 * Splitting and merging move boundaries without changing the order, so the shape of the tree
 * changes only when a node appears or goes. Each node knows the largest gap in its subtree, which
 * is noted anew whenever a boundary has moved: unmapped-area.c finds free memory by it.
 */
#include "mm/vma.h"

#include <errno.h>

#include "mm/debug.h"
#include "mm/vma-internal.h"

/* Nodes kept when VMAs go, so that a program mapping and unmapping does not reach the allocator. */
#define CACHE_MAX_NODES 16

static struct fl_vma *vma_of(struct fl_tree_node *node)
{
	return fl_container_of(node, struct fl_vma, node);
}

struct fl_vma *fl_vma_find(const struct fl_mm *mm, u64 addr)
{
	struct fl_tree_node *node = mm->vmas.root;
	struct fl_vma *best = NULL;

	while (node) {
		struct fl_vma *vma = vma_of(node);

		if (vma->end > addr) {
			best = vma;
			if (vma->start <= addr)
				break;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return best;
}

struct fl_vma *fl_vma_at(const struct fl_mm *mm, u64 addr)
{
	struct fl_vma *vma = fl_vma_find(mm, addr);

	return vma && vma->start <= addr ? vma : NULL;
}

struct fl_vma *fl_vma_intersects(const struct fl_mm *mm, u64 start, u64 end)
{
	struct fl_vma *vma = fl_vma_find(mm, start);

	return vma && vma->start < end ? vma : NULL;
}

static void cache_put(struct fl_mm *mm, struct fl_vma *vma)
{
	if (mm->nr_free_vmas >= CACHE_MAX_NODES) {
		mm->alloc.free(mm->alloc.ctx, vma, sizeof(*vma));
		mm->vma_bytes -= sizeof(*vma);
		return;
	}
	vma->next = mm->free_vmas;
	mm->free_vmas = vma;
	mm->nr_free_vmas++;
}

static struct fl_vma *cache_get(struct fl_mm *mm)
{
	struct fl_vma *vma = mm->free_vmas;

	fl_bug_on(!vma);
	mm->free_vmas = vma->next;
	mm->nr_free_vmas--;
	return vma;
}

int fl_vma_prealloc(struct fl_mm *mm, u32 nr_nodes)
{
	while (mm->nr_free_vmas < nr_nodes) {
		struct fl_vma *vma = mm->alloc.alloc(mm->alloc.ctx, sizeof(*vma));

		if (!vma)
			return -ENOMEM;
		mm->vma_bytes += sizeof(*vma);
		vma->next = mm->free_vmas;
		mm->free_vmas = vma;
		mm->nr_free_vmas++;
	}
	return 0;
}

bool fl_vma_can_merge(const struct fl_vma *low, const struct fl_vma *high)
{
	return low->end == high->start && low->flags == high->flags && low->owner == high->owner &&
	       low->dev == high->dev && low->ino == high->ino &&
	       low->pgoff + fl_vma_pages(low) == high->pgoff && !(low->flags & FL_VM_HUGETLB) &&
	       fl_vma_anon_compatible(low, high);
}

void fl_vma_account(struct fl_mm *mm, u64 flags, s64 pages, int sign)
{
	s64 delta = pages * sign;

	mm->total_vm += delta;
	if ((flags & (FL_VM_EXEC | FL_VM_WRITE | FL_VM_GROWSDOWN)) == FL_VM_EXEC)
		mm->exec_vm += delta;
	else if (flags & FL_VM_GROWSDOWN)
		mm->stack_vm += delta;
	else if ((flags & (FL_VM_WRITE | FL_VM_SHARED)) == FL_VM_WRITE)
		mm->data_vm += delta;
	if (flags & FL_VM_LOCKED)
		mm->locked_vm += delta;
}

static u64 subtree_gap(const struct fl_tree_node *node)
{
	return node ? fl_container_of(node, const struct fl_vma, node)->subtree_gap : 0;
}

bool fl_vma_tree_update(struct fl_tree_node *node)
{
	struct fl_vma *vma = vma_of(node);
	u64 before = vma->subtree_gap;

	vma->subtree_gap = fl_max(
		vma->gap, fl_max(subtree_gap(node->left), subtree_gap(node->right)));
	return vma->subtree_gap != before;
}

static void note_gap(struct fl_vma *vma)
{
	u64 low = vma->prev ? vma->prev->end : 0, high = fl_vma_start_gap(vma);

	vma->gap = high > low ? high - low : 0;
}

void fl_vma_update_gap(struct fl_mm *mm, struct fl_vma *vma)
{
	if (!vma)
		return;
	note_gap(vma);
	fl_tree_refresh(&mm->vmas, &vma->node);
}

/* Link @vma, whose range is free, into tree and list. */
static void vma_link(struct fl_mm *mm, struct fl_vma *vma)
{
	struct fl_tree_node **link = &mm->vmas.root, *parent = NULL;

	vma->prev = NULL;
	vma->next = NULL;
	while (*link) {
		parent = *link;
		if (vma->start < vma_of(parent)->start) {
			vma->next = vma_of(parent);
			link = &parent->left;
		} else {
			vma->prev = vma_of(parent);
			link = &parent->right;
		}
	}
	fl_bug_on(vma->prev && vma->prev->end > vma->start);
	fl_bug_on(vma->next && vma->next->start < vma->end);
	note_gap(vma);
	fl_tree_insert(&mm->vmas, &vma->node, parent, link);
	*(vma->prev ? &vma->prev->next : &mm->first) = vma;
	*(vma->next ? &vma->next->prev : &mm->last) = vma;
	fl_vma_update_gap(mm, vma->next);
	mm->map_count++;
}

struct fl_vma *fl_vma_insert(struct fl_mm *mm, const struct fl_vma *template)
{
	struct fl_vma *vma = cache_get(mm);

	vma->start = template->start;
	vma->end = template->end;
	vma->pgoff = template->pgoff;
	vma->flags = template->flags;
	vma->dev = template->dev;
	vma->ino = template->ino;
	vma->owner = template->owner;
	vma->why = template->why;
	vma->faults = vma->major_faults = 0;
	vma->anon = template->anon;
	vma->inherited = template->inherited;
	vma->only_read = template->only_read;
	vma_link(mm, vma);
	return vma;
}

void fl_vma_drop(struct fl_mm *mm, struct fl_vma *vma)
{
	fl_tree_remove(&mm->vmas, &vma->node);
	*(vma->prev ? &vma->prev->next : &mm->first) = vma->next;
	*(vma->next ? &vma->next->prev : &mm->last) = vma->prev;
	fl_vma_update_gap(mm, vma->next);
	mm->map_count--;
	cache_put(mm, vma);
}

struct fl_vma *fl_vma_split(struct fl_mm *mm, struct fl_vma *vma, u64 addr)
{
	struct fl_vma upper = *vma;

	fl_bug_on(addr <= vma->start || addr >= vma->end);
	upper.start = addr;
	upper.pgoff += (addr - vma->start) >> FL_PAGE_SHIFT;
	vma->end = addr;
	return fl_vma_insert(mm, &upper);
}

struct fl_vma *fl_vma_merge_prev(struct fl_mm *mm, struct fl_vma *vma)
{
	struct fl_vma *low = vma->prev;

	if (!low || !fl_vma_can_merge(low, vma))
		return vma;
	low->end = vma->end; /* so that no gap opens where @vma was */
	low->faults += vma->faults;
	low->major_faults += vma->major_faults;
	fl_vma_join_anon(low, vma);
	fl_vma_drop(mm, vma);
	return low;
}

void fl_vma_free_all(struct fl_mm *mm)
{
	struct fl_vma *vma, *next;

	for (vma = mm->first; vma; vma = next) {
		next = vma->next;
		mm->alloc.free(mm->alloc.ctx, vma, sizeof(*vma));
	}
	for (vma = mm->free_vmas; vma; vma = next) {
		next = vma->next;
		mm->alloc.free(mm->alloc.ctx, vma, sizeof(*vma));
	}
	mm->vmas.root = NULL;
	mm->first = mm->last = mm->free_vmas = NULL;
	mm->nr_free_vmas = 0;
	mm->vma_bytes = 0;
	mm->map_count = 0;
	mm->total_vm = mm->data_vm = mm->exec_vm = mm->stack_vm = mm->locked_vm = 0;
}
