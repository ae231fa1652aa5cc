/*
 * The pager: one process's memory, joined from mm (what is where), machine
 * (which frames are ours), swap and a host that moves pages.
 *
 * Everything here is guarded by one lock, pager->lock, the mm lock. Faults,
 * evictions and the mmap-family hooks all hold it while they change anything,
 * so each sees the mirror, the program's mappings and the pool agree. It is
 * let go only while swap I/O is under way; the pages concerned are then marked
 * (WRITEBACK, READING), and whoever meets such a page waits for the I/O by
 * setting WANTED, or takes the page from it by setting ORPHAN.
 *
 *   fault.c    resolving one fault          evict.c  reclaim, as the policy says
 *   frames.c   frames of this process       range.c  munmap, madvise, mremap
 *   swapin.c   reading pages back           fork.c   sharing pages with a child
 *   kswapd.c   background reclaim, OOM         pageout.c  writing to swap
 *   cow.c     write-protected pages            release.c  giving memory to the kernel
 *   shed.c    evicting shared pages        age.c    how old the active list is
 *   shmem.c   shared anonymous memory      shmem-out.c  evicting it
 *   shmem-in.c  reading it back            shmem-keep.c  when it is ours no more
 *   filemap.c private file mappings       anon.c   what has been written
 *   willneed.c  reading what will be needed
 *
 * Context of every function: the mm lock is held, all signals are blocked, the
 * stack and all arguments lie outside managed memory.
 */
#ifndef FL_PAGER_PAGER_H
#define FL_PAGER_PAGER_H

#include "base/arena.h"
#include "base/lock.h"
#include "machine/machine.h"
#include "mm/buddy.h"
#include "mm/list.h"
#include "mm/mm.h"
#include "mm/page.h"
#include "mm/pgtable.h"
#include "mm/vma.h"
#include "pager/age.h"
#include "pager/host.h"
#include "reclaim/policy.h"
#include "reclaim/prefetch.h"
#include "swap/backend.h"

#define FL_BOUNCE_PAGES 16u
#define FL_MAX_LEAVING	32u
#define FL_WILL_NEED	8u

/* A fault that could not be resolved for want of a frame. */
struct fl_deferred {
	struct fl_deferred *next;
	u64 va;
	u32 flags, tid;
};

/* What is to be read: willneed.c. */
struct fl_will_need {
	u64 start, end;
};

struct fl_pager {
	struct fl_lock lock;
	struct fl_mm mm;
	struct fl_arena *arena;
	struct fl_machine_view machine;
	struct fl_host *host;

	/* frames: arrays by frame number, sparse, and the pool they live in */
	u64 pool;		/* address of slot 0 */
	struct fl_page_arrays pages;
	u8 *local_order;
	struct fl_buddy local;	/* frames held but unused */
	struct fl_policy policy; /* of the pages ACTIVE and INACTIVE */
	void *policy_memory;
	struct fl_age age;	/* of the active pages */
	u32 low, high;		/* watermarks, in frames free to this process */
	u32 unevictable_scans;
	u32 reaped_ms;		/* when dead processes were looked for */
	u32 write_errors;	/* writes to swap that failed */
	u32 pageout;		/* pages that the program wants out: MADV_PAGEOUT */
	struct fl_will_need will_need[FL_WILL_NEED]; /* ranges that the program wants in */
	u32 nr_will_need, will_read; /* of them; pages that may be read yet */
	u32 shed;		/* shared pages given up that others have still: shed.h */
	u64 *shmem_view;	/* our own view of each object of shared memory, 0: none; NULL: no object yet */
	u64 shmem_next;		/* where the block filled last has ended */
	u32 shmem_run;		/* how long such blocks have been; 0: none yet */
	struct fl_shmem_read *shmem_reads, *free_shmem_reads; /* under way, and to be used again */
	struct fl_file *files;	/* that are mapped privately and managed: filemap.h */
	/* The page at va, of such a file, cannot be read, or is the kernel's to read: it becomes the
	 * kernel's. False, if it need not: the kernel refuses. */
	bool (*unreadable)(struct fl_pager *p, u64 va, bool must);
	struct fl_io *shed_io;	/* the request that writes such, NULL: none */
	u32 leaving[FL_MAX_LEAVING], nr_leaving; /* threads on their way out */

	/* swap */
	const struct fl_backend_ops *backend;
	struct fl_queue reads;	/* of the fault handler's thread */
	bool reads_open;
	struct fl_queue now;	/* for reads that are waited for, lock held; never opened */
	struct fl_queue *writes; /* of kswapd's thread */
	void *write_back_pages;	/* FL_BOUNCE_PAGES, made at first need */
	u32 write_back_hand;	/* slot at which to look for the next page: writeback.c */
	struct fl_queue *submit_to; /* queue of the thread that resolves faults now */
	struct fl_io *free_ios;
	u32 ios_in_flight;	/* reads and writes, of both threads */
	u32 idle_seq;		/* futex: bumped when ios_in_flight reaches 0 */
	u32 quiesce;		/* forks waiting for that: start no new I/O */
	struct fl_prefetch prefetch;
	u32 ra_pages, ra_hits;	/* read ahead, and used, of late */
	u32 ra_probe;
	u32 clean_maps, clean_writes;	/* pages mapped clean, and written after all */
	u32 clean_skipped;
	u32 fault_tid;		/* whose fault is being resolved */
	u32 deferred_tid;	/* the same of one that was deferred */

	/* faults that wait for memory; kswapd resolves them */
	struct fl_deferred *deferred, **deferred_tail, *free_deferred;
	u32 nr_deferred, nr_later; /* all, and those that wait for something else (FL_FAULT_LATER) */
	void (*kick)(struct fl_pager *p);	/* wakes kswapd, starting it if need be */
	void (*dead)(struct fl_pager *p, const char *why) __attribute__((noreturn));
	void (*unmap_view)(u64 start, u64 end); /* of what shmem_view names */
	void (*queue_opened)(struct fl_pager *p, struct fl_queue *q);
	void *bounce;		/* FL_BOUNCE_PAGES, made at first need */

	u8 around_order;
	bool guards;		/* there may be guard pages (madvise), which a copy would replace */
	void *zeros;		/* 64 KiB of zeros, for copying */
	u64 stage;		/* RWX staging slots, 0: none yet */
	u64 (*make_stage)(struct fl_pager *p);
	u64 touched_peak;	/* pages resident, soft and swapped together, at most */
};

/* What a fault message says. */
#define FL_FAULT_WRITE 1u	/* it was a write */
#define FL_FAULT_WP    2u	/* to a write-protected page */
#define FL_FAULT_LATER 16u	/* what it waits for is no memory: of a deferred one only */
#define FL_FAULT_ALONE 4u	/* of a file: this page alone */
#define FL_FAULT_READ  8u	/* of a file: it was waited for the disk */

enum fl_fault_result {
	FL_FAULT_DONE,		/* resolved, threads run again */
	FL_FAULT_IO,		/* waits for I/O that is under way */
	FL_FAULT_NOMEM,		/* put on the deferred list, kswapd kicked */
};

#define fl_count(p, name, n) ((p)->machine.self->stats.counter[FL_C_##name] += (n))

/* fault.c */
enum fl_fault_result fl_pager_fault(struct fl_pager *p, u64 va, u32 flags);
void fl_pager_defer(struct fl_pager *p, u64 va, u32 flags);
/* No frame is to be had: the fault is deferred. */
enum fl_fault_result fl_pager_no_memory(struct fl_pager *p, u64 va, u32 flags);
/* The frame's storage is at va now. */
void fl_pager_mapped(struct fl_pager *p, u64 va, u32 frame, u32 extra_flags, u64 pte_flags);
/* q: the calling thread's queue; reads that faults need go there, and must be
 * reaped by the caller. */
void fl_pager_run_deferred(struct fl_pager *p, struct fl_queue *q);
/* Maps n neighbouring frames, each SOFT, whose slots hold the data of n
 * neighbouring pages. clean: keep their swap slots and map them write-protected.
 * Returns how many were mapped; the others are SOFT still, on the inactive list. */
u32 fl_pager_map_run(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u32 frame, u32 n, bool clean);
/* Is it worth keeping n pages clean that were read back for a load? */
bool fl_pager_track_clean(struct fl_pager *p, u32 n);
/* A page found in the program that the mirror knows nothing of: take it in. */
void fl_pager_adopt(struct fl_pager *p, u64 va);

/* cow.c: a write to the page at va, which is there and write-protected. */
enum fl_fault_result fl_pager_write_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va,
	u64 pte, u32 flags);

/* frames.c */
u32 fl_frames_alloc(struct fl_pager *p, u32 order, u32 *ret_order);
void fl_frame_free(struct fl_pager *p, u32 frame);	/* held by us alone, off all lists */
/* Whatever it is: lists, sharing. True when the frame is free now. */
bool fl_frame_drop(struct fl_pager *p, u32 frame);
int fl_frames_ready(struct fl_pager *p, u32 frame, u32 n);	/* populated and zeroed */
int fl_frame_populated(struct fl_pager *p, u32 frame);		/* populated, any content */
void fl_frames_empty(struct fl_pager *p, u32 frame, u32 n);	/* no storage at home */
u32 fl_frames_available(const struct fl_pager *p);
u32 fl_frames_give_back(struct fl_pager *p, u32 n);	/* local free frames to the zone */
/* Compressed pages have grown: local free frames make good what they take beyond the budget. */
void fl_frames_settle(struct fl_pager *p);
void fl_frame_unlist(struct fl_pager *p, u32 frame);
void fl_frame_activate(struct fl_pager *p, u32 frame);	/* mapped: among the active ones */
void fl_frame_deactivate(struct fl_pager *p, u32 frame); /* set aside: among the inactive ones */
/* Its content is elsewhere, and the frame free. */
void fl_frame_evicted(struct fl_pager *p, u32 frame);
void fl_frame_set_slot(struct fl_pager *p, u32 frame, u32 slot);
void fl_frame_clear_slot(struct fl_pager *p, u32 frame);	/* gives the slot back */
static inline u64 fl_slot_addr(const struct fl_pager *p, u32 frame)
{
	return p->pool + (u64)frame * FL_PAGE_SIZE;
}

/* Need the frame's content not be written to swap to be kept? */
static inline bool fl_page_is_clean(const struct fl_pager *p, u32 frame)
{
	struct fl_page pg = p->pages.page[frame];

	return fl_page_has(pg, FL_PG_FILE) ||
		(p->pages.slot[frame] != FL_NO_SLOT && !fl_page_has(pg, FL_PG_DIRTY));
}

/* pageout.c: the page at va is in swap now, and only there. */
void fl_pager_swapped(struct fl_pager *p, u64 va, u32 slot);

/* swapin.c */
enum fl_fault_result fl_pager_swapin(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte, u32 flags);
void fl_pager_read_done(struct fl_pager *p, struct fl_io *io);
/* How many pages to read for a fault at va, and from where. */
u32 fl_pager_window(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 *ret_first);
/* readahead.c: what the prefetcher is told of an access. */
#define FL_RA_MAX_IOS 8u /* requests for pages read ahead that lie apart in swap */
struct fl_access fl_pager_access(struct fl_pager *p, const struct fl_vma *vma, u64 va);
/* The pages of the block to read with one alone, a power of two. */
u32 fl_pager_around(struct fl_pager *p);
/* n pages that were read ahead are in use now. */
void fl_pager_ra_hit(struct fl_pager *p, u32 n);
/* The page at va was touched that was read ahead, so many beside it are in use with it: reads what
 * comes next. */
void fl_pager_ra_used(struct fl_pager *p, struct fl_vma *vma, u64 va, u32 before, u32 after);
/* A request to read from slot on, of no pages yet; and its beginning. */
struct fl_io *fl_pager_new_read(struct fl_pager *p, u32 slot);
void fl_pager_submit_read(struct fl_pager *p, struct fl_io *io);
/* A request, with room for the numbers of FL_IO_PAGES frames in owner. */
struct fl_io *fl_io_get(struct fl_pager *p);
/* A request has ended: takes it back, and wakes who waits for the last one. */
void fl_io_end(struct fl_pager *p, struct fl_io *io);
void fl_io_ended(struct fl_pager *p); /* the same of one without a request */
/* Reads n swapped pages that lie side by side into to at once. 0 or -errno. */
int fl_pager_read_slots_now(struct fl_pager *p, u32 slot, u32 n, void *to);

/* Reads what is in swap of [*start, end), within one VMA, most pages at most; nobody waits for it. How
 * far it came is in *start: there is no frame, if it is neither the end nor that many pages. */
u32 fl_pager_read_range(struct fl_pager *p, u64 *start, u64 end, u32 most);

/* willneed.c */
/* The program will need [start, end) soon; it may be anything. */
void fl_pager_will_need(struct fl_pager *p, u64 start, u64 end);
/* kswapd: submits reads of that to q. Is there more to do? */
bool fl_pager_read_needed(struct fl_pager *p, struct fl_queue *q);

/* evict.c */
/* Frees up to want frames; writes are submitted to q and finished with the
 * lock let go. Returns frames freed; shared pages given up that others have still
 * are counted in p->shed. */
u32 fl_pager_reclaim(struct fl_pager *p, struct fl_queue *q, u32 want);
/* Puts the pages of a part of one VMA on the inactive list; first_out: at its tail. Returns how
 * many are there then. What fork shares and what cannot be moved stays. */
u32 fl_pager_deactivate(struct fl_pager *p, u64 start, u64 end, bool first_out);
/* MADV_PAGEOUT: writes p->pageout pages from the tail of the inactive list, as fl_pager_reclaim. */
void fl_pager_pageout(struct fl_pager *p, struct fl_queue *q);
/* Waits for everything in q, lock let go meanwhile. Returns frames freed. */
u32 fl_pager_drain(struct fl_pager *p, struct fl_queue *q);

/* A thread is leaving: until it is gone no page is taken out of the program. */
void fl_pager_hold(struct fl_pager *p, u32 tid);
/* Is there such a thread? */
bool fl_pager_held(struct fl_pager *p);

/* range.c: the mirror's half of a call; the kernel's half is the hook's. */
/* After the kernel has dropped the pages of [start, end). */
void fl_pager_forget(struct fl_pager *p, u64 start, u64 end);
/* Before: takes long runs back into the pool, so that their frames stay populated. */
void fl_pager_harvest(struct fl_pager *p, u64 start, u64 end);
/* After mremap moved pages: ptes, frames' addresses, write protection. */
int fl_pager_moved(struct fl_pager *p, u64 old, u64 new, u64 bytes);
/* Write-protects again what the mirror says is write-protected in the range. */
void fl_pager_reprotect(struct fl_pager *p, u64 start, u64 end);

/* anon.c: before VMAs in or beside [start, end) are changed, as long as their pages are there: which of
 * them have been written since they were read. */
void fl_pager_see_writes(struct fl_pager *p, u64 start, u64 end);

/* release.c: puts all pages of [start, end), within one VMA and with no I/O under way, into
 * the program; drop_zeros: but for those of zeros, which are to be absent. The books are the
 * caller's to close (fl_pager_forget). Returns how far it came: end, if nothing failed. */
u64 fl_pager_all_back(struct fl_pager *p, struct fl_vma *vma, u64 start, u64 end, bool drop_zeros);

/* fork.c */
int fl_pager_fork_prepare(struct fl_pager *p, struct fl_machine_view *child);
void fl_pager_fork_child(struct fl_pager *p);	/* in the child: reset what is not inherited */
/* Child: write-protect again what fork shares; after the new registration. */
void fl_pager_fork_protect(struct fl_pager *p);

/* kswapd.c */
void fl_pager_wait_idle(struct fl_pager *p);	/* no I/O in flight, lock held again */
/* One round of background reclaim with the thread's own queue. Returns for
 * how long there is nothing to do, in ns: 0 none, ~0 until the doorbell rings. */
u64 fl_kswapd_round(struct fl_pager *p, struct fl_queue *q);

/* Starts: p->mm etc. are initialised; machine view entered; arrays and policy_memory reserved. */
void fl_pager_init(struct fl_pager *p, struct fl_arena *arena, struct fl_host *host);
void fl_pager_update_stats(struct fl_pager *p);

#endif
