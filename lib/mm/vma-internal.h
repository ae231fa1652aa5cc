/*
 * The steps VMA operations are made of; for vma*.c only.
 *
 * Context: as in mm/vma.h.
 */
#ifndef FL_MM_VMA_INTERNAL_H
#define FL_MM_VMA_INTERNAL_H

#include "mm/vma.h"

/* Add (@sign 1) or take away (@sign -1) @pages of memory with @flags: Linux's vm_stat_account. */
void fl_vma_account(struct fl_mm *mm, u64 flags, s64 pages, int sign);

/* A new VMA with the content of @template, linked in; the range must be free. Takes 1 node. */
struct fl_vma *fl_vma_insert(struct fl_mm *mm, const struct fl_vma *template);

/* Note the gap below @vma (may be NULL) after it or its lower neighbour has moved a boundary. */
void fl_vma_update_gap(struct fl_mm *mm, struct fl_vma *vma);

/* For struct fl_tree: the largest gap of a subtree. */
bool fl_vma_tree_update(struct fl_tree_node *node);

/* Unlink @vma and put its node back. Counters are the caller's. */
void fl_vma_drop(struct fl_mm *mm, struct fl_vma *vma);

/* Cut @vma at @addr, strictly inside. @vma stays the lower part; returns the upper. 1 node. */
struct fl_vma *fl_vma_split(struct fl_mm *mm, struct fl_vma *vma, u64 addr);

/* May they be one VMA, as to who was first to write to them? And that @vma has become one with @other. */
bool fl_vma_anon_compatible(const struct fl_vma *low, const struct fl_vma *high);
void fl_vma_join_anon(struct fl_vma *vma, const struct fl_vma *other);

/* Join @vma with its lower neighbour if they can be one. Returns the VMA with @vma's pages. */
struct fl_vma *fl_vma_merge_prev(struct fl_mm *mm, struct fl_vma *vma);

#endif
