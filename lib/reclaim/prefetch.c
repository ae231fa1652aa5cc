/*
 * Following a distance: what stride and majority have in common; see prefetch.h.
 *
 * The window is how many pages are read ahead of the last one that was used. It is filled when half
 * of it has been used up, so that reads are done before they are needed, and twice as long then; an
 * access that does not go on as expected halves it.
 */
#include "reclaim/prefetch.h"

#include <errno.h>
#include <string.h>

#define SKIP_MAX 8u /* steps that an access may skip: pages that are in memory are not seen */

int fl_prefetch_kind(const char *name)
{
	static const char *const names[] = {"none", "readahead", "stride", "majority"};

	for (u32 i = 0; i < fl_array_size(names); i++)
		if (!strcmp(name, names[i]))
			return (int)i;
	return -EINVAL;
}

/* The track of the thread in the VMA; a new one in place of the one that was of no use for
 * longest. */
static struct fl_track *track_of(struct fl_prefetch *pf, const struct fl_access *a, bool *ret_new)
{
	struct fl_track *oldest = &pf->track[0];

	pf->clock++;
	*ret_new = false;
	for (u32 i = 0; i < FL_TRACKS; i++) {
		struct fl_track *t = &pf->track[i];

		if (t->vma == a->start && t->tid == a->tid && t->used) {
			t->used = pf->clock;
			return t;
		}
		if (t->used < oldest->used)
			oldest = t;
	}
	*oldest = (struct fl_track){.vma = a->start, .tid = a->tid, .used = pf->clock};
	*ret_new = true;
	return oldest;
}

/* Does the access go on by the distance, some steps of it at most? */
static bool goes_on(s64 delta, s64 step)
{
	return step && delta % step == 0 && delta / step >= 1 && delta / step <= SKIP_MAX;
}

/* stride: the distance is the last one, if it is seen again. */
static void learn_stride(struct fl_track *t, s64 delta)
{
	if (goes_on(delta, t->step)) {
		t->seen++;
		return;
	}
	t->step = delta;
	t->seen = 0;
	t->window /= 2;
}

/* majority: the deltas of the pages that are not seen any more are known to be 1, if they are there
 * because that is the distance; else they would make it so. */
static void learn_majority(struct fl_track *t, const struct fl_access *a, s64 delta)
{
	bool down = delta < 0;
	u32 more = t->step == 1 || t->step == -1 ? fl_min(down ? a->before : a->after, FL_HISTORY / 2) : 0;
	s64 step;

	t->delta[t->nr_deltas++ % FL_HISTORY] = delta == (s32)delta ? (s32)delta : 0;
	while (more--)
		t->delta[t->nr_deltas++ % FL_HISTORY] = down ? -1 : 1;
	step = fl_prefetch_majority(t);
	t->seen = goes_on(delta, step);
	if (!t->seen)
		t->window /= 2;
	t->step = step;
}

/* The window, ahead of the pages that are in use. */
static struct fl_plan plan(struct fl_track *t, const struct fl_access *a)
{
	u64 from = t->step > 0 ? a->page + a->after : a->page - a->before;
	u64 most, stride = (u64)(t->step > 0 ? t->step : -t->step);
	s64 ahead = (s64)(t->ahead - from) / t->step;
	/* pages that were read ahead, and are to be used still; not these, if this one was not */
	u32 out = a->hit && ahead > 0 && ahead <= (s64)FL_PREFETCH_MAX ? (u32)ahead : 0;
	struct fl_plan p = {.step = t->step};

	if (out > t->window / 2)
		return p;
	t->window = fl_min(fl_max(a->hit ? 2 * t->window : t->window, 2u), FL_PREFETCH_MAX);
	p.first = from + (u64)((s64)(out + 1) * t->step);
	/* what of it lies in the VMA */
	if (p.first < a->start || p.first >= a->end)
		return p;
	most = (t->step > 0 ? a->end - 1 - p.first : p.first - a->start) / stride + 1;
	p.n = (u32)fl_min(most, (u64)fl_min(t->window - out, a->room));
	if (stride > 1)
		p.n = fl_min(p.n, a->apart);
	t->ahead = p.first + (u64)((s64)(p.n - 1) * t->step);
	return p;
}

struct fl_plan fl_prefetch_plan(struct fl_prefetch *pf, const struct fl_access *a)
{
	struct fl_plan nothing = {0};
	struct fl_track *t;
	bool is_new;
	s64 delta;

	if (!fl_prefetch_plans(pf))
		return nothing;
	t = track_of(pf, a, &is_new);
	delta = (s64)(a->page - t->last);
	if (!is_new && delta) {
		if (pf->kind == FL_PREFETCH_STRIDE)
			learn_stride(t, delta);
		else
			learn_majority(t, a, delta);
	}
	t->last = t->step < 0 ? a->page - a->before : a->page + a->after;
	if (!t->step || !t->seen)
		return nothing;
	return plan(t, a);
}
