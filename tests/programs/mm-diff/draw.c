/* What an operation is about: numbers, ranges, regions. */
#include "diff.h"

uint64_t draw(struct worker *w, uint64_t below)
{
	w->draws += 0x9e3779b97f4a7c15ULL;
	return mix(w->draws) % below;
}

static size_t draw_length(struct worker *w, size_t most)
{
	/* mostly short, so that ranges end within others; now and then as long as may be */
	size_t longest = draw(w, 6) ? most < 24 ? most : 24 : most;

	return 1 + draw(w, longest);
}

struct span draw_arena(struct worker *w, size_t most)
{
	size_t n = draw_length(w, most), zone = draw(w, 2) ? HOT_PAGES : ARENA_PAGES, at;

	if (n > zone)
		n = zone;
	at = draw(w, zone - n + 1);
	return span_of(w->arena + at * PAGE, n * PAGE);
}

struct span draw_span(struct worker *w, size_t most)
{
	int k = (int)draw(w, 3 * REGIONS);
	struct span s = draw_arena(w, most);
	uint64_t at = draw(w, 1u << 30);
	struct region *r;

	if (k >= REGIONS || !w->region[k].base)
		return s;
	r = &w->region[k];
	s.region = k;
	if (s.bytes > r->pages * PAGE)
		s.bytes = r->pages * PAGE;
	s.at = r->base + at % (r->pages - s.bytes / PAGE + 1) * PAGE;
	return s;
}

struct span draw_odd(struct worker *w, struct span s)
{
	uint64_t kind = draw(w, 48), by = 1 + draw(w, PAGE - 1);

	switch (kind) {
	case 0: s.at += by, s.bytes -= s.region < 0 ? 0 : by; break; /* misaligned */
	case 1: s.bytes = 0; break;
	case 2: s.bytes = ~0UL; break;		/* zero when rounded up */
	case 3: s.bytes = -PAGE; break;		/* wraps around */
	case 4: s.at = (char *)TASK_END; break; /* not the program's */
	case 5: s.at = NULL; break;
	case 6: s.at = (char *)-s.bytes; break; /* ends with the address space */
	case 7: s.at += by, s.bytes = 0; break;
	case 8:
	case 9:
	case 10:
	case 11: s.bytes -= by; break; /* rounded up again */
	default: break;
	}
	if (kind <= 7)
		s.region = -1;
	return s;
}

int draw_region(struct worker *w)
{
	int k = (int)draw(w, REGIONS);

	if (w->region[k].base) {
		note(w, "(R%d unmapped) ", k);
		if (munmap(w->region[k].base, w->region[k].pages * PAGE))
			note(w, "(munmap failed) ");
		w->region[k].base = NULL;
	}
	return k;
}

void region_set(struct worker *w, int k, void *base, size_t bytes)
{
	w->region[k] = (struct region){base, (bytes + PAGE - 1) / PAGE};
}
