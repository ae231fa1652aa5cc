/*
 * Reading what the program will need soon: MADV_WILLNEED.
 *
 * The call only notes the range. kswapd reads it piece by piece into frames that are free, or that it
 * frees for this, and sets the pages aside: the first touch of any maps it, with its neighbours. No more
 * is read than a part of memory, since what is read makes other pages go.
 */
#include "pager/pager.h"

#define ROUND_MOST 512u /* pages with the lock held */

void fl_pager_will_need(struct fl_pager *p, u64 start, u64 end)
{
	struct fl_will_need *last = p->will_need + p->nr_will_need;

	if (!p->nr_will_need)
		p->will_read = p->machine.t->nframes / 4;
	if (p->nr_will_need && last[-1].end == start)
		last[-1].end = end;
	else if (p->nr_will_need < FL_WILL_NEED)
		p->will_need[p->nr_will_need++] = (struct fl_will_need){start, end};
	p->kick(p);
}

/* Reads of the first range, most pages at most. Returns how many; 0: there is nothing left in it, or no
 * frame. */
static u32 read_some(struct fl_pager *p, struct fl_will_need *r, u32 most)
{
	u32 n = 0;

	while (r->start < r->end && n < most) {
		struct fl_vma *v = fl_vma_find(&p->mm, r->start);
		u64 to;

		if (!v || v->start >= r->end) {
			r->start = r->end;
			break;
		}
		r->start = fl_max(r->start, v->start);
		to = fl_min(v->end, r->end);
		if (v->owner == FL_OWNER_MANAGED)
			n += fl_pager_read_range(p, &r->start, to, most - n);
		else
			r->start = to;
		if (r->start < to)
			break;
	}
	return n;
}

bool fl_pager_read_needed(struct fl_pager *p, struct fl_queue *q)
{
	u32 n = 0, have, most;

	while (p->nr_will_need && p->will_read) {
		struct fl_will_need *r = p->will_need;

		have = fl_frames_available(p);
		most = fl_min(p->will_read, have > p->low ? have - p->low : 0);
		most = fl_min(most, ROUND_MOST - fl_min(n, ROUND_MOST));
		if (!most) /* no frames; or faults are let in, and the next round goes on */
			break;
		p->submit_to = q;
		most = read_some(p, r, most);
		p->will_read -= most;
		n += most;
		if (r->start < r->end)
			break;
		p->nr_will_need--;
		for (u32 i = 0; i < p->nr_will_need; i++)
			r[i] = r[i + 1];
	}
	if (!p->will_read)
		p->nr_will_need = 0;
	fl_count(p, swap_willneed, n);
	return n && p->nr_will_need;
}
