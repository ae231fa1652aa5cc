/* A pager without memory; see sim.h. */
#include "sim.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

u64 sim_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void sim_init(struct sim *s, const char *options, u32 nr_frames, u32 nr_pages, u32 batch)
{
	struct fl_policy_options o;
	char why[200];

	ck_assert_msg(fl_policy_options_parse(&o, options, why, sizeof(why)) == 0, "%s", why);
	*s = (struct sim){.nr_frames = nr_frames, .nr_pages = nr_pages, .batch = batch};
	s->memory = calloc(fl_policy_bytes(&o, nr_frames), 1);
	s->links = calloc(nr_frames, 2 * sizeof(u32));
	s->frame_of = calloc(nr_pages, sizeof(u32));
	s->page_of = calloc(nr_frames, sizeof(u64));
	s->aside = calloc(nr_frames, sizeof(bool));
	s->free = calloc(nr_frames, sizeof(u32));
	for (u32 f = 0; f < nr_frames; f++)
		s->free[s->nr_free++] = f;
	fl_policy_init(&s->policy, &o, nr_frames, s->links, s->links + nr_frames, s->memory);
}

void sim_deinit(struct sim *s)
{
	free(s->memory);
	free(s->links);
	free(s->frame_of);
	free(s->page_of);
	free(s->aside);
	free(s->free);
}

static void evict(struct sim *s, u32 want)
{
	u32 ahead = fl_policy_aside_target(&s->policy, (u32)s->misses, (u32)s->softs) + want;

	while (s->policy.nr_aside < ahead) {
		u32 f = fl_policy_pick_mapped(&s->policy);

		if (f == FL_NO_PAGE)
			break;
		ck_assert(!s->aside[f]);
		fl_policy_aside(&s->policy, f);
		s->aside[f] = true;
	}
	while (want--) {
		u32 f = fl_policy_pick_aside(&s->policy);

		ck_assert_uint_ne(f, FL_NO_PAGE);
		ck_assert(s->aside[f]);
		s->aside[f] = false;
		fl_policy_evicted(&s->policy, f, s->page_of[f]);
		s->frame_of[s->page_of[f]] = 0;
		s->free[s->nr_free++] = f;
	}
}

enum sim_result sim_access(struct sim *s, u32 page)
{
	u32 f = s->frame_of[page] - 1;

	if (f != FL_NO_PAGE && !s->aside[f]) {
		s->hits++;
		return SIM_HIT;
	}
	if (f != FL_NO_PAGE) {
		s->aside[f] = false;
		fl_policy_mapped(&s->policy, f, page);
		s->softs++;
		return SIM_SOFT;
	}
	if (!s->nr_free)
		evict(s, s->batch);
	f = s->free[--s->nr_free];
	s->frame_of[page] = f + 1;
	s->page_of[f] = page;
	fl_policy_mapped(&s->policy, f, page);
	s->misses++;
	return SIM_MISS;
}

double sim_hit_ratio(struct sim *s)
{
	double in = (double)(s->hits + s->softs), all = in + (double)s->misses;

	s->hits = s->softs = s->misses = 0;
	s->policy.majors_seen = s->policy.softs_seen = 0;
	return in / all;
}

void zipf_init(struct zipf *z, u32 n, double theta)
{
	double sum = 0;

	z->n = n;
	z->sum = calloc(n, sizeof(double));
	for (u32 k = 0; k < n; k++)
		z->sum[k] = sum += 1 / pow(k + 1, theta);
}

u32 zipf_draw(const struct zipf *z, u64 *state)
{
	double at = (double)(sim_random(state) >> 11) / 9007199254740992.0 * z->sum[z->n - 1];
	u32 lo = 0, hi = z->n - 1;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (z->sum[mid] < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void zipf_deinit(struct zipf *z)
{
	free(z->sum);
}
