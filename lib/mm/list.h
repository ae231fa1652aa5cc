/*
 * Index-linked lists: doubly linked lists of array indices.
 *
 * Frames are known by number, and two processes map the arrays at different addresses, so links are
 * indices too. They are stored plus one: zero means "none", and a zero-initialised list or a link
 * array in a fresh sparse mapping is a valid empty one. All functions take and return true indices.
 *
 * One pair of link arrays serves any number of lists (LRU lists, the buddy allocator's free lists),
 * as long as an index is on at most one of them. The list does not know which indices are on it:
 * removing one that is not corrupts it.
 *
 * Context: any thread including the fault path, under the lock that guards the list.
 */
#ifndef FL_MM_LIST_H
#define FL_MM_LIST_H

#include "base/types.h"

/* No index: what a pop from an empty list returns. */
#define FL_IDX_NONE UINT32_MAX

struct fl_idx_list {
	u32 head, tail; /* index + 1; 0: empty */
	u32 count;
};

/* fl_idx_head, fl_idx_tail: the index at that end without removing it, or FL_IDX_NONE. */
static inline u32 fl_idx_head(const struct fl_idx_list *list)
{
	return list->head - 1;
}

static inline u32 fl_idx_tail(const struct fl_idx_list *list)
{
	return list->tail - 1;
}

/* fl_idx_next: the index after (or, with the prev array, before) @index, or FL_IDX_NONE. */
static inline u32 fl_idx_next(const u32 *links, u32 index)
{
	return links[index] - 1;
}

void fl_idx_push_head(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index);
void fl_idx_push_tail(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index);

/* fl_idx_remove: @index must be on @list. Its links are left zero. */
void fl_idx_remove(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index);

/* fl_idx_pop_head, fl_idx_pop_tail: remove and return, or FL_IDX_NONE. */
u32 fl_idx_pop_head(struct fl_idx_list *list, u32 *next, u32 *prev);
u32 fl_idx_pop_tail(struct fl_idx_list *list, u32 *next, u32 *prev);

/*
 * fl_idx_validate: links and count of @list, whose indices are below @nr_indices. Returns 0, or -1
 * with the reason in @why (may be NULL).
 */
int fl_idx_validate(const struct fl_idx_list *list, const u32 *next, const u32 *prev,
	u32 nr_indices, const char **why);

#endif
