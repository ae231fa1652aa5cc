/* Streams of faults; see prefetch.h. */
#include "reclaim/prefetch.h"

#define STREAM_GAP 8u /* pages that a stream may skip */

/* Does a fault go on from the stream's last window, up or down? */
static bool goes_up(const struct fl_stream *s, u64 page)
{
	return s->pages && page - s->high < STREAM_GAP;
}

static bool goes_down(const struct fl_stream *s, u64 page)
{
	return s->pages && s->low - 1 - page < STREAM_GAP;
}

/*
 * A fault that continues a stream, or falls a little ahead of it, doubles its window; any other
 * begins a stream, with its own page alone, in place of the one that was of no use for longest.
 * Several streams are kept, because programs walk several structures at a time; down too, as
 * collectors do that sweep the newest objects first.
 */
u32 fl_prefetch_window(struct fl_prefetch *pf, const struct fl_access *a, u64 *ret_first)
{
	struct fl_stream *s = &pf->stream[0];
	bool up = false, down = false;

	*ret_first = a->page;
	if (pf->kind == FL_PREFETCH_NONE)
		return 1;
	pf->clock++;
	for (u32 i = 0; i < FL_STREAMS && !up && !down; i++) {
		struct fl_stream *t = &pf->stream[i];

		up = goes_up(t, a->page);
		down = !up && goes_down(t, a->page);
		if (up || down || t->used < s->used)
			s = t;
	}
	s->pages = up || down ? fl_min(fl_max(2 * s->pages, 4u), FL_PREFETCH_MAX) : 1;
	/* pages that come too early push out pages that are needed now */
	s->pages = fl_min(s->pages, a->room);
	if (down)
		*ret_first = a->page - fl_min((u64)s->pages - 1, a->page - a->start);
	s->low = *ret_first;
	s->high = down ? a->page + 1 : a->page + s->pages;
	s->used = pf->clock;
	return (u32)(s->high - s->low);
}
