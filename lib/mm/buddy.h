/*
 * Binary buddy allocator over frame numbers.
 *
 * A free block of order o is 2^o frames, aligned to 2^o. Freeing a block joins it with its buddy
 * (the frame number with bit o flipped) while that is free too, so contiguous frames grow back:
 * an order-4 block is one 16-page UFFDIO_MOVE.
 *
 * Nothing here is a pointer that is kept: one instance lives in memory shared by several processes
 * at different addresses, so the arrays are passed to every call. They are huge, sparse and zero
 * when fresh, and are touched only where frames are used: frames at and above `fresh` were never
 * given out and have no entries; an allocation that finds nothing in the free lists takes from
 * there. Everything stored is therefore encoded so that zero means "none".
 *
 * Two kinds of instance:
 * - fl_buddy_init: owns the frames [0, nframes).
 * - fl_buddy_init_empty: starts with nothing; it is fed with fl_buddy_add and blocks are taken back
 *   with fl_buddy_take. It joins only what it was given. It needs an `order` array of its own: a
 *   frame free in one instance is not free in the other. next and prev may be shared between
 *   instances, a frame being free in at most one.
 *
 * Context: any thread including the fault path, under the lock that guards the instance.
 */
#ifndef FL_MM_BUDDY_H
#define FL_MM_BUDDY_H

#include "base/types.h"
#include "mm/page.h"

#define FL_MAX_ORDER 10
#define FL_NR_ORDERS (FL_MAX_ORDER + 1)

struct fl_buddy {
	u32 nframes;			  /* frame numbers are below this */
	u32 fresh;			  /* frames from here on were never given out */
	u32 nr_free;			  /* free frames, the fresh ones included */
	u32 free_head[FL_NR_ORDERS];	  /* first free block of each order, + 1; 0: none */
	u32 nr_free_blocks[FL_NR_ORDERS]; /* blocks on each list: /proc/buddyinfo */
	u32 wmark_low, wmark_high;	  /* frames; set by the caller, 0 at first */
};

/*
 * One entry per frame each. next and prev link free blocks by their first frame; those of an
 * allocated frame belong to whoever has it (LRU lists). order is the block's order + 1 for the
 * first frame of a free block and 0 for every other frame.
 */
struct fl_buddy_arrays {
	u32 *next;
	u32 *prev;
	u8 *order;
};

/* fl_buddy_init: all of [0, nframes) free and fresh. The arrays must be zero. */
void fl_buddy_init(struct fl_buddy *b, u32 nframes);

/*
 * fl_buddy_init_used: the frames below @fresh are allocated, those from there on free and fresh. To
 * rebuild an instance whose lock died with its holder: zero the order array up to the old fresh,
 * call this, and fl_buddy_free what is known to be free. next and prev may hold anything. The
 * watermarks are to be set again.
 */
void fl_buddy_init_used(struct fl_buddy *b, u32 nframes, u32 fresh);

/* fl_buddy_init_empty: nothing free. Frame numbers will be below @nframes; arrays must be zero. */
void fl_buddy_init_empty(struct fl_buddy *b, u32 nframes);

/*
 * fl_buddy_alloc: a block of 2^order frames. Returns its first frame or FL_NO_FRAME. (A block that
 * lies half in the free lists and half in the fresh range is not found.)
 */
u32 fl_buddy_alloc(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order);

/*
 * fl_buddy_alloc_best: a block of the largest order up to @order that can be had. Returns its first
 * frame and sets *ret_order; FL_NO_FRAME only if nothing is free.
 */
u32 fl_buddy_alloc_best(
	struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order, u32 *ret_order);

/*
 * fl_buddy_free: give a block back. It need not be the block that was allocated: any aligned part
 * of one, or a union, will do. A frame that is free already is caught only where it begins a block.
 */
void fl_buddy_free(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 order);

/* fl_buddy_add: the frames [frame, frame + nr_frames), of any alignment, become free. */
void fl_buddy_add(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 frame, u32 nr_frames);

/*
 * fl_buddy_take: take a block back out of an instance that was fed: the largest there is up to
 * @order. Arguments and result as for fl_buddy_alloc_best.
 */
u32 fl_buddy_take(struct fl_buddy *b, const struct fl_buddy_arrays *a, u32 order, u32 *ret_order);

/* Watermarks: fewer frames free than the mark. */
static inline bool fl_buddy_below_low(const struct fl_buddy *b)
{
	return b->nr_free < b->wmark_low;
}

static inline bool fl_buddy_below_high(const struct fl_buddy *b)
{
	return b->nr_free < b->wmark_high;
}

/*
 * fl_buddy_validate: free lists, alignment, overlap, blocks that should have been joined, counters.
 * Returns 0, or -1 with the reason in @why (may be NULL). Costs by the number of free blocks.
 */
int fl_buddy_validate(const struct fl_buddy *b, const struct fl_buddy_arrays *a, const char **why);

#endif
