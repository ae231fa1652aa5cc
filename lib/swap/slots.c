/* The swap map; see slots.h. */
#include "swap/slots.h"

void fl_slots_init(struct fl_slots *s, u32 max_slots)
{
	*s = (struct fl_slots){.max_slots = max_slots & ~(FL_SLOT_CLUSTER - 1)};
}

void fl_slots_grow(struct fl_slots *s, u32 nr_slots)
{
	s->cursor = s->nr_slots / FL_SLOT_CLUSTER;
	s->nr_slots = fl_min(nr_slots, s->max_slots);
}

static u32 cluster_first(u32 cluster)
{
	return cluster ? cluster * FL_SLOT_CLUSTER : 1;
}

/* The first run of at least min free slots in the cluster; its length, capped. */
static u32 find_run(const u16 *count, u32 cluster, u32 min, u32 want, u32 *ret_slot)
{
	u32 end = (cluster + 1) * FL_SLOT_CLUSTER, run = 0;

	for (u32 i = cluster_first(cluster); i < end; i++) {
		run = count[i] ? 0 : run + 1;
		if (run == want || (run >= min && (i + 1 == end || count[i + 1]))) {
			*ret_slot = i + 1 - run;
			return run;
		}
	}
	return 0;
}

u32 fl_slots_alloc(struct fl_slots *s, const struct fl_slot_arrays *a, u32 want, u32 *ret_slot)
{
	u32 clusters = s->nr_slots / FL_SLOT_CLUSTER;
	u32 got = 0;

	if (!clusters)
		return 0;
	want = fl_min(want, FL_SLOT_CLUSTER);
	/* a run of the wanted length first, then of any: fragments are a last resort */
	for (u32 min = want; !got && min; min = min > 1 ? 1 : 0)
		for (u32 i = 0; i < clusters && !got; i++) {
			u32 c = (s->cursor + i) % clusters;
			u32 size = FL_SLOT_CLUSTER - (c ? 0 : 1);

			if ((u32)(size - a->used[c]) < min || a->used[c] >= size)
				continue;
			got = find_run(a->count, c, min, want, ret_slot);
			if (got)
				s->cursor = c;
		}
	for (u32 i = 0; i < got; i++)
		a->count[*ret_slot + i] = 1;
	if (got)
		a->used[*ret_slot / FL_SLOT_CLUSTER] += got;
	s->nr_used += got;
	return got;
}

void fl_slot_dup(struct fl_slots *s, const struct fl_slot_arrays *a, u32 slot)
{
	if (!a->count[slot] || a->count[slot] == FL_SLOT_COUNT_MAX)
		__builtin_trap();
	a->count[slot]++;
}

bool fl_slot_put(struct fl_slots *s, const struct fl_slot_arrays *a, u32 slot)
{
	if (!a->count[slot])
		__builtin_trap();
	if (--a->count[slot])
		return false;
	a->used[slot / FL_SLOT_CLUSTER]--;
	s->nr_used--;
	return true;
}

int fl_slots_validate(const struct fl_slots *s, const struct fl_slot_arrays *a, const char **why)
{
	u32 used = 0;

	for (u32 c = 0; c < s->nr_slots / FL_SLOT_CLUSTER; c++) {
		u32 in = 0;

		for (u32 i = 0; i < FL_SLOT_CLUSTER; i++)
			in += a->count[c * FL_SLOT_CLUSTER + i] != 0;
		if (in != a->used[c]) {
			*why = "a cluster's count is not that of its slots";
			return -1;
		}
		used += in;
	}
	if (a->count && s->nr_slots && a->count[0]) {
		*why = "slot 0 is in use";
		return -1;
	}
	if (used != s->nr_used) {
		*why = "nr_used is not the number of slots in use";
		return -1;
	}
	return 0;
}
