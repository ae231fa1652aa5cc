/*
 * A pager without memory: a policy, a number of frames, and accesses by page number. What
 * fl_pager does to the policy, in the same order, and nothing else.
 */
#ifndef FL_TEST_SIM_H
#define FL_TEST_SIM_H

#include "reclaim/policy.h"

enum sim_result {
	SIM_HIT,  /* mapped: nobody notices */
	SIM_SOFT, /* set aside, and in memory still */
	SIM_MISS,
};

struct sim {
	struct fl_policy policy;
	void *memory;
	u32 *links;
	u32 nr_frames, nr_pages;
	u32 batch;     /* pages evicted at a time */
	u32 *frame_of; /* by page: + 1, 0: not in memory */
	u64 *page_of;  /* by frame */
	bool *aside;   /* by frame */
	u32 *free, nr_free;
	u64 hits, softs, misses;
};

/* options: as --policy has it. */
void sim_init(struct sim *s, const char *options, u32 nr_frames, u32 nr_pages, u32 batch);
void sim_deinit(struct sim *s);
enum sim_result sim_access(struct sim *s, u32 page);
/* Of the accesses since the last call, the part that was in memory; and begins anew. */
double sim_hit_ratio(struct sim *s);

u64 sim_random(u64 *state);

/* Pages 0 to n - 1, the k-th as often as 1/k^theta says. */
struct zipf {
	u32 n;
	double *sum;
};
void zipf_init(struct zipf *z, u32 n, double theta);
u32 zipf_draw(const struct zipf *z, u64 *state);
void zipf_deinit(struct zipf *z);

#endif
