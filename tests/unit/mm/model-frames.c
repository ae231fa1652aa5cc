/*
 * Model of the frames: for each frame, who has it.
 *
 * A shared and a local buddy instance over the same link arrays, blocks going back and forth
 * between them, and single frames on an LRU list that uses the links of allocated frames.
 */
#include "mm/buddy.h"
#include "mm/list.h"
#include "model.h"

#define NFRAMES 5000U

enum who { FREE, LOCAL_FREE, USED, LRU };

struct block {
	u32 frame, order;
};

static u32 next[NFRAMES], prev[NFRAMES];
static u8 shared_order[NFRAMES], local_order[NFRAMES];
static const struct fl_buddy_arrays shared_arrays = {next, prev, shared_order};
static const struct fl_buddy_arrays local_arrays = {next, prev, local_order};
static struct fl_buddy shared, local;
static struct fl_idx_list lru;

static u8 who[NFRAMES];
static struct block blocks[NFRAMES]; /* that are USED */
static u32 nr_blocks;

void model_frames_init(void)
{
	memset(next, 0, sizeof(next));
	memset(prev, 0, sizeof(prev));
	memset(shared_order, 0, sizeof(shared_order));
	memset(local_order, 0, sizeof(local_order));
	memset(who, FREE, sizeof(who));
	memset(&lru, 0, sizeof(lru));
	nr_blocks = 0;
	fl_buddy_init(&shared, NFRAMES);
	fl_buddy_init_empty(&local, NFRAMES);
}

static void transfer(u32 frame, u32 order, enum who from, enum who to)
{
	must(order <= FL_MAX_ORDER && !(frame & ((1U << order) - 1)));
	must(frame + (1U << order) <= NFRAMES);
	for (u32 f = frame; f < frame + (1U << order); f++) {
		must(who[f] == from);
		who[f] = to;
	}
}

/* Whether the model has an aligned free block of @order inside [from, to). */
static bool has_block(u32 order, enum who from, u32 first, u32 end)
{
	u32 size = 1U << order, n;

	for (u32 f = (first + size - 1) & ~(size - 1); f + size <= end; f += size) {
		for (n = 0; n < size && who[f + n] == from; n++)
			;
		if (n == size)
			return true;
	}
	return false;
}

static bool shared_has(u32 order)
{
	return has_block(order, FREE, 0, shared.fresh) ||
	       has_block(order, FREE, shared.fresh, NFRAMES);
}

/* Mostly small, now and then up to the largest. */
static u32 random_order(void)
{
	return (u32)(rnd(8) ? rnd(4) : rnd(FL_NR_ORDERS));
}

static void step_alloc(void)
{
	u32 order = random_order(), frame;

	frame = fl_buddy_alloc(&shared, &shared_arrays, order);
	if (frame == FL_NO_FRAME) {
		must(!shared_has(order));
		return;
	}
	transfer(frame, order, FREE, USED);
	blocks[nr_blocks++] = (struct block){frame, order};
}

static void step_alloc_best(void)
{
	u32 want = random_order(), got, frame;

	frame = fl_buddy_alloc_best(&shared, &shared_arrays, want, &got);
	if (frame == FL_NO_FRAME) {
		must(!shared_has(0));
		return;
	}
	must(got <= want);
	transfer(frame, got, FREE, USED);
	must(got == want || !has_block(got + 1, FREE, 0, shared.fresh));
	blocks[nr_blocks++] = (struct block){frame, got};
}

/* Give a block back: whole, in two halves, or keep one half. */
static void step_free(void)
{
	struct block block;
	u32 i;

	if (!nr_blocks)
		return;
	i = (u32)rnd(nr_blocks);
	block = blocks[i];
	if (block.order && rnd(2)) {
		block.order--;
		blocks[i] = (struct block){block.frame + (1U << block.order), block.order};
		if (rnd(2)) {
			u32 kept = block.frame;

			block.frame = blocks[i].frame;
			blocks[i].frame = kept;
		}
	} else {
		blocks[i] = blocks[--nr_blocks];
	}
	transfer(block.frame, block.order, USED, FREE);
	fl_buddy_free(&shared, &shared_arrays, block.frame, block.order);
}

static void step_feed_local(void)
{
	u32 got, frame = fl_buddy_alloc_best(&shared, &shared_arrays, (u32)rnd(6), &got);

	if (frame == FL_NO_FRAME)
		return;
	transfer(frame, got, FREE, LOCAL_FREE);
	fl_buddy_add(&local, &local_arrays, frame, 1U << got);
}

static void step_take_local(void)
{
	u32 want = (u32)rnd(6), got, frame;

	frame = fl_buddy_take(&local, &local_arrays, want, &got);
	if (frame == FL_NO_FRAME) {
		must(!has_block(0, LOCAL_FREE, 0, NFRAMES));
		return;
	}
	transfer(frame, got, LOCAL_FREE, FREE);
	must(got == want || !has_block(got + 1, LOCAL_FREE, 0, NFRAMES));
	fl_buddy_free(&shared, &shared_arrays, frame, got);
}

/* Single frames from the local instance to the LRU list, and back from a random place in it. */
static void step_lru(void)
{
	u32 frame;

	if (rnd(2)) {
		frame = fl_buddy_alloc(&local, &local_arrays, 0);
		if (frame == FL_NO_FRAME)
			return;
		transfer(frame, 0, LOCAL_FREE, LRU);
		if (rnd(2))
			fl_idx_push_head(&lru, next, prev, frame);
		else
			fl_idx_push_tail(&lru, next, prev, frame);
		return;
	}
	frame = (u32)rnd(NFRAMES);
	if (who[frame] == LRU)
		fl_idx_remove(&lru, next, prev, frame);
	else
		frame = rnd(2) ? fl_idx_pop_tail(&lru, next, prev)
			       : fl_idx_pop_head(&lru, next, prev);
	if (frame == FL_IDX_NONE)
		return;
	transfer(frame, 0, LRU, LOCAL_FREE);
	fl_buddy_free(&local, &local_arrays, frame, 0);
}

void model_frames_step(void)
{
	static void (*const steps[])(void) = {step_alloc, step_alloc_best, step_free, step_free,
		step_feed_local, step_take_local, step_lru, step_lru};

	steps[rnd(fl_array_size(steps))]();
}

void model_frames_check(void)
{
	u32 count[4] = {0};

	for (u32 f = 0; f < NFRAMES; f++) {
		count[who[f]]++;
		must(f < shared.fresh || who[f] == FREE);
	}
	must(count[FREE] == shared.nr_free);
	must(count[LOCAL_FREE] == local.nr_free);
	must(count[LRU] == lru.count);
	must_be_valid(fl_buddy_validate(&shared, &shared_arrays, &why));
	must_be_valid(fl_buddy_validate(&local, &local_arrays, &why));
	must_be_valid(fl_idx_validate(&lru, next, prev, NFRAMES, &why));
}
