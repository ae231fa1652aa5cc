/* Cold compressed pages go to the file; see writeback.h. */
#include "pager/writeback.h"

#define FULL(blocks) ((blocks) - (blocks) / 8) /* from here on there is something to do */
#define MOST	     16u			/* requests at once: faults wait for the lock */

/* The next slot of ours, from the hand on, that has an object; FL_NO_SLOT: there is none. Slots are
 * given out in turn, so those at the hand were written longest ago. */
static u32 next_object(struct fl_pager *p)
{
	const struct fl_machine_view *v = &p->machine;
	u32 words = (v->t->slots.nr_slots + 63) / 64, first = p->write_back_hand / 64;

	for (u32 i = 0; i <= words; i++) {
		u32 w = (first + i) % words;
		u64 held = v->held_slots[w];

		if (!i) /* what is behind the hand comes last */
			held &= ~0ull << p->write_back_hand % 64;
		for (; held; held &= held - 1) {
			u32 slot = w * 64 + (u32)__builtin_ctzll(held);

			if (fl_zentry_kind(fl_zentry(&v->zpool, slot)) == FL_Z_OBJECT)
				return slot;
		}
	}
	return FL_NO_SLOT;
}

/* How many slots from this one on are ours. */
static u32 held_from(const struct fl_pager *p, u32 slot)
{
	u32 n = 0;

	while (n < FL_BOUNCE_PAGES && slot + n < p->machine.t->slots.nr_slots &&
		p->machine.held_slots[(slot + n) / 64] >> (slot + n) % 64 & 1)
		n++;
	return n;
}

static bool is_full(const struct fl_zpool *z)
{
	return z->nr_blocks - z->nr_empty >= FULL(z->max_blocks);
}

bool fl_pager_write_back(struct fl_pager *p, struct fl_queue *q, bool must)
{
	struct fl_zpool_view *pool = &p->machine.zpool;
	bool some = false;

	if (!pool->z)
		return false;
	for (u32 i = 0; i < MOST && q->has_file && p->machine.t->slots.nr_slots && (must || is_full(pool->z)); i++) {
		u32 slot = next_object(p), n;

		if (!p->write_back_pages)
			p->write_back_pages = fl_arena_alloc(p->arena, FL_BOUNCE_PAGES * FL_PAGE_SIZE);
		if (slot == FL_NO_SLOT || !p->write_back_pages)
			break;
		n = fl_zram_write_back(q, slot, held_from(p, slot), p->write_back_pages);
		if (!n) /* the disk is full, say */
			break;
		p->write_back_hand = slot + n;
		fl_count(p, zram_writeback, n);
		some = true;
	}
	/* where nothing went there is no progress in it: what does not fit is tried, and forgotten again */
	fl_swap_trim(&p->machine, must && some);
	return some;
}
