/* The swap map; see slots.h. */
#include "swap/slots.h"

void fl_slots_init(struct fl_slots *s, u32 max_slots)
{
	*s = (struct fl_slots){.max_slots = max_slots & ~(FL_SLOT_CLUSTER - 1)};
}

void fl_slots_grow(struct fl_slots *s, u32 nr_slots)
{
	s->cursor = s->nr_slots;
	s->nr_slots = fl_min(nr_slots, s->max_slots);
}

static u32 cluster_first(u32 cluster)
{
	return cluster ? cluster * FL_SLOT_CLUSTER : 1;
}

/* The first run of free slots of the cluster at or behind from; its length. */
static u32 find_run(const u16 *count, u32 cluster, u32 from, u32 want, u32 *ret_slot)
{
	u32 end = (cluster + 1) * FL_SLOT_CLUSTER, at = fl_max(from, cluster_first(cluster)), n = 0;

	while (at < end && count[at])
		at++;
	while (at + n < end && n < want && !count[at + n])
		n++;
	*ret_slot = at;
	return n;
}

/* Goes to the next cluster with at most max slots in use; false if there is none.
 * A cursor at a cluster's start has not chosen it yet. */
static bool next_cluster(struct fl_slots *s, const struct fl_slot_arrays *a, u32 max)
{
	u32 clusters = s->nr_slots / FL_SLOT_CLUSTER;
	u32 first = (s->cursor + FL_SLOT_CLUSTER - 1) / FL_SLOT_CLUSTER;

	for (u32 i = 0; i < clusters; i++) {
		u32 c = (first + i) % clusters, full = FL_SLOT_CLUSTER - (c ? 0 : 1);

		if (a->used[c] <= max && a->used[c] < full) {
			s->cursor = c * FL_SLOT_CLUSTER;
			return true;
		}
	}
	return false;
}

u32 fl_slots_alloc(struct fl_slots *s, const struct fl_slot_arrays *a, u32 want, u32 *ret_slot)
{
	u32 got = 0;

	if (!s->nr_slots)
		return 0;
	want = fl_min(want, FL_SLOT_CLUSTER);
	/* on from the cursor, then in an empty cluster, a half empty one, any */
	if (s->cursor % FL_SLOT_CLUSTER)
		got = find_run(a->count, s->cursor / FL_SLOT_CLUSTER, s->cursor, want, ret_slot);
	while (!got) {
		if (!next_cluster(s, a, 0) && !next_cluster(s, a, FL_SLOT_CLUSTER / 2) &&
			!next_cluster(s, a, FL_SLOT_CLUSTER - 1))
			return 0;
		got = find_run(a->count, s->cursor / FL_SLOT_CLUSTER, s->cursor, want, ret_slot);
	}
	for (u32 i = 0; i < got; i++)
		a->count[*ret_slot + i] = 1;
	a->used[*ret_slot / FL_SLOT_CLUSTER] += got;
	s->nr_used += got;
	s->cursor = *ret_slot + got;
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
