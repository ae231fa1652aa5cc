/*
 * Replacement policies: which page is set aside next, and which of those set aside is evicted.
 *
 * User space has no reference bit. A page that is a candidate is set aside (unmapped from the
 * program, still in its frame); if the program touches it there, that is its reference, and it is
 * mapped again; if not, it is evicted. So every policy sees the same life of a page:
 *
 *	       mapped() ------------------> on a queue of the policy's
 *	aside() of a page read ahead             |  pick_mapped()
 *	          |                              v
 *	          +--------> set aside <------ taken
 *	                      |    |              ^ put_back(), or mapped(): it could not be set aside
 *	     mapped(): used   |    |  pick_aside()
 *	<---------------------+    v
 *	                         taken: evicted(), gone(), or mapped(): it was wanted after all
 *
 * and differs in where a page goes when it is used for the first time, when it was touched while
 * set aside, and when it comes back after it was evicted (which some remember: ghosts.h), and in
 * the one that pick_mapped() takes. Those set aside leave in the order in which they came; where
 * there are two queues each has its own, and the policy says whose turn it is.
 *
 * Pages are known by the number of their frame, ghosts by that of the page in the address space.
 * Pure code: no system call, no lock, memory given by the caller. A simulator calls it as the pager
 * does: tests/unit/reclaim/sim.h is one.
 *
 * What it costs: one byte a frame (meta) and the two links that every page has anyway. Beyond that
 * see fl_policy_bytes.
 *
 * Context: the mm lock of the process is held.
 */
#ifndef FL_RECLAIM_POLICY_H
#define FL_RECLAIM_POLICY_H

#include "base/policy-options.h"
#include "mm/list.h"
#include "reclaim/ghosts.h"

#define FL_NO_PAGE FL_IDX_NONE

struct fl_policy;

/* A page is mapped though nobody touched it while it was set aside: */
enum fl_keep {
	FL_KEEP_NEXT,	/* it is the next one to be picked again */
	FL_KEEP_YOUNG,	/* it is as if it had just come: all that are set aside were mapped */
	FL_KEEP_AWAY,	/* it cannot be set aside, or is in use for certain: out of the way, so that
			 * others have their turn, of its own queue and of the other one */
};

struct fl_policy_ops {
	/* A page set aside is put to the test: otherwise its fate was decided when it was picked. */
	bool tests;
	bool ghosts;
	u32 bytes_a_frame; /* beyond meta and ghosts */
	void (*init)(struct fl_policy *pl, void *memory); /* may be NULL */
	/* Onto a queue: used for the first time; touched while set aside; for another reason. The
	 * page is on no queue. */
	void (*add)(struct fl_policy *pl, u32 page, u64 vpn);
	void (*touched)(struct fl_policy *pl, u32 page);
	void (*keep)(struct fl_policy *pl, u32 page, enum fl_keep how);
	/* Off its queue. */
	void (*take)(struct fl_policy *pl, u32 page);
	/* The mapped page to be set aside, off its queue; there is one. */
	u32 (*pick)(struct fl_policy *pl);
	/* The queue that the next page to be evicted should come from, 0 or 1; NULL: there is one. */
	u32 (*victim)(const struct fl_policy *pl);
	/* Lets nothing but pages set aside stand at the tail of their list; may be NULL. */
	void (*settle)(struct fl_policy *pl);
	void (*evicted)(struct fl_policy *pl, u32 page, u64 vpn); /* may be NULL */
};

/* The lists, by the page's FL_META_LIST. */
enum {
	FL_LIST_NONE,
	FL_LIST_FIRST,	/* mapped pages; those of the first queue where there are two */
	FL_LIST_SECOND,
	FL_LIST_ASIDE,	/* and of the second queue, by FL_META_SECOND: */
	FL_LIST_ASIDE_SECOND,
	FL_NR_LISTS,
};

struct fl_policy {
	const struct fl_policy_ops *ops;
	struct fl_policy_options options;
	u32 *next, *prev;	/* links by frame, the caller's */
	u8 *meta;		/* by frame: meta.h */
	struct fl_idx_list list[FL_NR_LISTS];
	u32 nr_mapped, nr_aside; /* pages that could be picked */
	u32 nr_of[2];		/* pages that have been used, by queue, wherever they are now */
	bool no_references;	/* what is mapped now is not mapped because it was touched */
	u32 first_out;		/* pages at the first queue's tail that are to go before all others */
	u32 stuck;		/* pages that were to be set aside, and were not, one after the other */
	u32 share, majors_seen, softs_seen; /* fl_policy_aside_target */
	bool fast_swap;		/* a read from swap costs little more than a soft fault: set by the caller */
	/* of single policies */
	struct fl_ghosts ghosts;
	u32 target;		/* car: how long its first queue should be */
	u64 rng;
	u32 *order, *place;	/* random: the mapped pages, and where each is among them */
};

/* Bytes of zeroed memory to be given to fl_policy_init; touched only for frames and ghosts in
 * use. */
u64 fl_policy_bytes(const struct fl_policy_options *o, u32 nr_frames);
/* What of it is in use for so many frames. */
u64 fl_policy_used_bytes(const struct fl_policy *pl, u64 nr_frames);
void fl_policy_init(struct fl_policy *pl, const struct fl_policy_options *o, u32 nr_frames,
	u32 *next, u32 *prev, void *memory);

/* The page is mapped: new, used, or after all. */
void fl_policy_mapped(struct fl_policy *pl, u32 page, u64 vpn);
/* The page is set aside: picked before, read ahead, or taken and not to be evicted yet. */
void fl_policy_aside(struct fl_policy *pl, u32 page);
/* The page is taken: whoever does it will say what has become of it. */
void fl_policy_take(struct fl_policy *pl, u32 page);
/* It is gone, with its frame; evicted: its content is elsewhere, and may be wanted again. */
void fl_policy_gone(struct fl_policy *pl, u32 page);
void fl_policy_evicted(struct fl_policy *pl, u32 page, u64 vpn);
/* A page that was evicted is no more: unmapped. */
void fl_policy_forget(struct fl_policy *pl, u64 vpn);

/* The mapped page to set aside next, taken; or FL_NO_PAGE. */
u32 fl_policy_pick_mapped(struct fl_policy *pl);
/* It could not be: not yet, so it is the next one again. */
void fl_policy_put_back(struct fl_policy *pl, u32 page);
/* The page set aside that is to be evicted next, or FL_NO_PAGE; and taken. */
u32 fl_policy_next_aside(struct fl_policy *pl);
u32 fl_policy_pick_aside(struct fl_policy *pl);
/* A page that is set aside is the next one to be evicted. */
void fl_policy_first_out(struct fl_policy *pl, u32 page);

/* How many pages to keep set aside, after so many reads from swap and so many touches of pages
 * set aside. */
u32 fl_policy_aside_target(struct fl_policy *pl, u32 majors, u32 softs);

/* Everything that its parts must agree on; 0, or -1 with the reason in why. */
int fl_policy_validate(const struct fl_policy *pl, u32 nr_frames, const char **why);

#endif
