/*
 * Index-linked lists.
 */
#include "mm/list.h"

#include "mm/debug.h"

/* Below, a link is an index + 1, or 0. */

void fl_idx_push_head(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index)
{
	u32 link = index + 1;

	next[index] = list->head;
	prev[index] = 0;
	if (list->head)
		prev[list->head - 1] = link;
	else
		list->tail = link;
	list->head = link;
	list->count++;
}

void fl_idx_push_tail(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index)
{
	u32 link = index + 1;

	next[index] = 0;
	prev[index] = list->tail;
	if (list->tail)
		next[list->tail - 1] = link;
	else
		list->head = link;
	list->tail = link;
	list->count++;
}

void fl_idx_remove(struct fl_idx_list *list, u32 *next, u32 *prev, u32 index)
{
	fl_bug_on(!list->count);
	if (prev[index])
		next[prev[index] - 1] = next[index];
	else
		list->head = next[index];
	if (next[index])
		prev[next[index] - 1] = prev[index];
	else
		list->tail = prev[index];
	next[index] = 0;
	prev[index] = 0;
	list->count--;
}

u32 fl_idx_pop_head(struct fl_idx_list *list, u32 *next, u32 *prev)
{
	u32 index = fl_idx_head(list);

	if (index != FL_IDX_NONE)
		fl_idx_remove(list, next, prev, index);
	return index;
}

u32 fl_idx_pop_tail(struct fl_idx_list *list, u32 *next, u32 *prev)
{
	u32 index = fl_idx_tail(list);

	if (index != FL_IDX_NONE)
		fl_idx_remove(list, next, prev, index);
	return index;
}

int fl_idx_validate(const struct fl_idx_list *list, const u32 *next, const u32 *prev,
	u32 nr_indices, const char **why)
{
	u32 link, before = 0, count = 0;

	for (link = list->head; link; link = next[link - 1]) {
		fl_check_or_fail(link <= nr_indices, why, "list: link out of range");
		fl_check_or_fail(count < list->count, why, "list: longer than its count");
		fl_check_or_fail(prev[link - 1] == before, why, "list: next and prev disagree");
		before = link;
		count++;
	}
	fl_check_or_fail(list->tail == before, why, "list: tail is wrong");
	fl_check_or_fail(count == list->count, why, "list: shorter than its count");
	return 0;
}
