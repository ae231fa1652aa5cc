/*
 * Binary buddy allocator over frame numbers.
 *
 * Links are frame + 1, so that 0 is none. The order array doubles as the "is the first frame of a
 * free block" mark, which is all that joining buddies needs to know.
 */
#include "mm/buddy.h"

#include <string.h>

#include "mm/debug.h"

static void block_add(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 order)
{
	u32 head = b->free_head[order];

	a->order[frame] = (u8)(order + 1);
	a->next[frame] = head;
	a->prev[frame] = 0;
	if (head)
		a->prev[head - 1] = frame + 1;
	b->free_head[order] = frame + 1;
	b->nr_free_blocks[order]++;
}

static void block_del(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 order)
{
	u32 next = a->next[frame], prev = a->prev[frame];

	if (prev)
		a->next[prev - 1] = next;
	else
		b->free_head[order] = next;
	if (next)
		a->prev[next - 1] = prev;
	a->next[frame] = 0;
	a->prev[frame] = 0;
	a->order[frame] = 0;
	b->nr_free_blocks[order]--;
}

void fl_buddy_init(struct fl_buddy *b, u32 nframes)
{
	fl_buddy_init_used(b, nframes, 0);
}

void fl_buddy_init_used(struct fl_buddy *b, u32 nframes, u32 fresh)
{
	memset(b, 0, sizeof(*b));
	b->nframes = nframes;
	b->fresh = fresh;
	b->nr_free = nframes - fresh;
}

void fl_buddy_init_empty(struct fl_buddy *b, u32 nframes)
{
	fl_buddy_init_used(b, nframes, nframes);
}

/* Join with free buddies and put the result on its list; nr_free is the caller's. */
static void merge_and_add(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 order)
{
	fl_bug_on(order > FL_MAX_ORDER || (frame & ((1U << order) - 1)));
	fl_bug_on(frame >= b->fresh || (1U << order) > b->fresh - frame);
	fl_bug_on(a->order[frame]);
	while (order < FL_MAX_ORDER) {
		u32 buddy = frame ^ (1U << order);

		/* A fresh frame has order 0 and so is never joined. */
		if (buddy >= b->nframes || a->order[buddy] != order + 1)
			break;
		block_del(b, a, buddy, order);
		frame &= ~(1U << order);
		order++;
	}
	block_add(b, a, frame, order);
}

void fl_buddy_free(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 order)
{
	merge_and_add(b, a, frame, order);
	b->nr_free += 1U << order;
}

/* Add [frame, end) as the largest aligned blocks that fit; nr_free is the caller's. */
static void add_range(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 end)
{
	while (frame < end) {
		u32 order = 0;

		while (order < FL_MAX_ORDER && !(frame & (1U << order)) &&
			end - frame >= 2U << order)
			order++;
		merge_and_add(b, a, frame, order);
		frame += 1U << order;
	}
}

void fl_buddy_add(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 nr_frames)
{
	add_range(b, a, frame, frame + nr_frames);
	b->nr_free += nr_frames;
}

/* A block from the free lists: the smallest that is large enough, its upper halves given back. */
static u32 alloc_listed(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order)
{
	u32 from, frame;

	for (from = order; from <= FL_MAX_ORDER; from++)
		if (b->free_head[from])
			break;
	if (from > FL_MAX_ORDER)
		return FL_NO_FRAME;
	frame = b->free_head[from] - 1;
	block_del(b, a, frame, from);
	while (from > order) {
		from--;
		block_add(b, a, frame + (1U << from), from);
	}
	return frame;
}

/* A block from the fresh range; frames skipped for alignment go to the free lists. */
static u32 alloc_fresh(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order)
{
	u32 size = 1U << order, skipped = b->fresh;
	u64 frame = ((u64)b->fresh + size - 1) & ~(u64)(size - 1);

	if (frame + size > b->nframes)
		return FL_NO_FRAME;
	b->fresh = (u32)frame + size;
	add_range(b, a, skipped, (u32)frame);
	return (u32)frame;
}

u32 fl_buddy_alloc(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order)
{
	u32 frame;

	fl_bug_on(order > FL_MAX_ORDER);
	frame = alloc_listed(b, a, order);
	if (frame == FL_NO_FRAME)
		frame = alloc_fresh(b, a, order);
	if (frame != FL_NO_FRAME)
		b->nr_free -= 1U << order;
	return frame;
}

u32 fl_buddy_alloc_best(
	struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order, u32 *ret_order)
{
	for (;; order--) {
		u32 frame = fl_buddy_alloc(b, a, order);

		if (frame != FL_NO_FRAME || !order) {
			*ret_order = order;
			return frame;
		}
	}
}

u32 fl_buddy_take(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order, u32 *ret_order)
{
	return fl_buddy_alloc_best(b, a, order, ret_order);
}

/* Whether the block lies inside a larger free one. Aligned blocks overlap only by nesting. */
static bool is_nested(const struct fl_buddy_arrays *a, u32 frame, u32 order)
{
	for (u32 o = order + 1; o <= FL_MAX_ORDER; o++)
		if (a->order[frame & ~((1U << o) - 1)] == o + 1)
			return true;
	return false;
}

static int check_block(const struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame,
	u32 order, const char **why)
{
	u32 size = 1U << order, buddy = frame ^ size;

	fl_check_or_fail(!(frame & (size - 1)), why, "buddy: block is not aligned");
	fl_check_or_fail(frame < b->fresh && size <= b->fresh - frame, why,
		"buddy: block reaches beyond the frames in use");
	fl_check_or_fail(a->order[frame] == order + 1, why, "buddy: order of a block is wrong");
	fl_check_or_fail(order == FL_MAX_ORDER || buddy >= b->fresh || a->order[buddy] != order + 1,
		why, "buddy: two free buddies were not joined");
	fl_check_or_fail(!is_nested(a, frame, order), why, "buddy: free blocks overlap");
	return 0;
}

int fl_buddy_validate(const struct fl_buddy *b, const struct fl_buddy_arrays *a, const char **why)
{
	u64 nr_free = b->nframes - b->fresh;

	fl_check_or_fail(b->fresh <= b->nframes, why, "buddy: fresh is out of range");
	for (u32 order = 0; order <= FL_MAX_ORDER; order++) {
		u32 link, before = 0, count = 0;

		for (link = b->free_head[order]; link; link = a->next[link - 1]) {
			fl_check_or_fail(link <= b->nframes, why, "buddy: link out of range");
			fl_check_or_fail(count < b->nr_free_blocks[order], why,
				"buddy: list longer than its count");
			fl_check_or_fail(
				a->prev[link - 1] == before, why, "buddy: next and prev disagree");
			if (check_block(b, a, link - 1, order, why))
				return -1;
			before = link;
			count++;
		}
		fl_check_or_fail(count == b->nr_free_blocks[order], why,
			"buddy: list shorter than its count");
		nr_free += (u64)count << order;
	}
	fl_check_or_fail(nr_free == b->nr_free, why, "buddy: nr_free is wrong");
	return 0;
}
