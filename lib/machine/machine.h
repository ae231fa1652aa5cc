/*
 * The machine: what the processes of a tree share. One memory file (memfd) with the
 * options, the process table, the zone (which frames of the budget are free,
 * and how many processes use each) and the swap map.
 *
 * Frame numbers are the tree's: after fork(2) parent and child hold the same
 * frame, counted twice in refs. What a frame number means in one process (its
 * place in the pool, its page, its lists) is private to that process.
 *
 * Every process also marks in two bitmaps of its own which frames and slots
 * it holds. When it dies without a word, by SIGKILL or exec, any other process
 * reads them and gives back what was held: fl_machine_reap().
 *
 * `faultline run` makes the tree and hands its descriptors down; without the
 * tool the first process makes it.
 *
 * Context: any thread, fault path, after fork; never while a lock of rank
 * FL_RANK_PROC or higher is held.
 */
#ifndef FL_MACHINE_TREE_H
#define FL_MACHINE_TREE_H

#include "base/config.h"
#include "base/lock.h"
#include "faultline/stats.h"
#include "mm/buddy.h"
#include "swap/slots.h"
#include "swap/zpool.h"

#define FL_MACHINE_MAGIC	0x31656e696c746c66ull
#define FL_NR_PROCS	4096
#define FL_NR_SHMEM	512u	   /* objects of shared memory */
#define FL_SHMEM_PAGES	(1u << 24) /* of all of them together: 64 GiB */
#define FL_SHMEM_CHUNK	512u	   /* pages counted together */

enum fl_proc_state {
	FL_PROC_FREE,
	FL_PROC_NEW,	/* being set up by maker, then by born: by a fork, or by a start of a program */
	FL_PROC_LIVE,
	FL_PROC_DEAD,	/* gone, everything given back; counters still to be read */
};

/* The limits on memory that count what Faultline has mapped itself: RLIMIT_AS, RLIMIT_DATA. */
enum fl_limit {
	FL_LIMIT_AS,
	FL_LIMIT_DATA,
	FL_NR_LIMITS,
};

/* By how many bytes the kernel's are above those that the program knows: runtime/limits.h. */
struct fl_limit_above {
	u64 soft, hard;
};

/* While they are lifted for a mapping of ours: what the program knows, and what the kernel was told. */
struct fl_limit_lifted {
	u64 on;
	struct fl_limit_value {
		u64 soft, hard;
	} view, kernel;
};

/* A process's record. Guarded by proc_lock, but for stats and the doorbell. */
struct fl_proc {
	u32 state;
	u32 ppid;
	u32 maker;	/* thread that took the record */
	u32 born;	/* child of a fork: its main thread, as soon as there is one */
	u64 born_ns;	/* when it was there, as its parent says; 0: not yet */
	u64 use;	/* which use of the record this is: no two have the same */
	/* of a live one; changed together, by one store */
	union {
		struct {
			u32 pid;
			u32 keeper_tid;	/* thread whose life is that of the program image */
		};
		u64 life;
	};
	/* Robust futexes, with FUTEX_OWNER_DIED when the thread is gone; 0: none yet */
	u32 keeper;	/* tid of the thread whose life is that of the program image */
	u32 writer;	/* of the thread that writes to swap, if there is one */
	u64 pid_ns;	/* in which maker and born mean something, later pid; 0: unknown */
	/* It shares the descriptors of the process with that start_ns, where its
	 * userfaultfd has this number; 0: no. */
	u64 files_of;
	u32 uffd_number;
	u32 doorbell;	/* futex: bumped to wake the process's kswapd */
	u32 asleep;	/* which waits for it */
	u32 wanted;	/* frames that others ask it to give back */
	u32 held;	/* frames it holds, shared ones included (for choosing a victim) */
	u32 tail_ms;	/* since when its oldest page is in use (fl_now_ms) */
	u32 shares;	/* it has forked, or was: frames may be shared */
	u32 shed;	/* asked to give up pages that others have given up */
	u32 helpers;	/* threads of ours in it */
	u32 threads;	/* the program's own, as last sampled */
	u32 threads_peak;
	/* shmem.h: entries that it is taking out or in, and what it is asked to unmap */
	struct fl_shmem_busy {
		u32 first, n;
	} shmem_busy[2]; /* out, in */
	u32 shmem_in_ms; /* when the last read began */
	u32 shmem_reads; /* that are under way */
	u32 zap_asked, zap_done;
	u64 poking;	 /* another's memory: count, and whose; shmem-poke.c */
	u32 shmem_share; /* frames of objects that it is the one to be asked for; shmem_lock */
	struct fl_limit_above limit[FL_NR_LIMITS]; /* limits_lock, and the next */
	struct fl_limit_lifted lifted[FL_NR_LIMITS];
	char comm[16];
	struct fl_proc_stats stats;
};

/* What entries name, counted: shmem.h. */
struct fl_shmem_chunk {
	u16 used, mapped, inactive;
};

/* An object of shared anonymous memory: shmem.h. */
struct fl_shmem {
	u64 dev, ino;		/* of the kernel's inode */
	u32 first, npages;	/* its entries; no pages: the record is free */
	u32 resident, inactive;	/* frames; those of them that nobody has mapped */
	u32 skip_until_ms;	/* reclaim leaves it alone */
	u32 kept;		/* it is the kernel's: who uses it may do so without us, or through a device */
	u32 grain;		/* pages that all are asked to unmap at once */
	u32 hand[2];		/* how far it has been unmapped, and taken out */
	u64 mapped[FL_NR_PROCS / 64]; /* processes that have it mapped */
	u64 active[FL_NR_PROCS / 64]; /* and may have pages of it in their page tables */
};

struct fl_machine {
	u64 magic;
	u32 version;
	u32 nframes;		/* the budget, in frames */
	struct fl_config config;
	u64 file_bytes;		/* of the memfd */
	u64 start_ns, start_cycles;
	u64 cycles_per_us;
	u32 root_pid;
	u32 max_slots;
	u32 swap_full;		/* the swap file could not grow: errno of the last try */

	struct fl_shlock limits_lock;
	struct fl_shlock proc_lock;
	struct fl_shlock shmem_lock;
	struct fl_shlock zone_lock;
	struct fl_shlock swap_lock;

	struct fl_buddy zone;
	u32 frames_used;	/* allocated from the zone */
	u32 frames_peak;
	u32 freed_seq;		/* futex: bumped whenever frames come back */
	u32 starved;		/* somebody waits for freed_seq */
	struct fl_slots slots;
	u32 slots_peak;
	struct fl_zpool zpool;	/* compressed pages; max_blocks 0: none */

	/* shared anonymous memory: shmem.h */
	struct fl_proc shmem;	/* holds its frames and slots */
	u32 nr_shmem;		/* records in use, from 0 */
	u32 shmem_peak;		/* frames */
	u32 shmem_swapped;	/* slots */
	u32 shmem_evictor;	/* record that asks all others to unmap pages, + 1; 0: none */
	u32 shmem_evict_ms;	/* since when */
	u32 shmem_hand[2];	/* objects at which the next page to unmap, or to take out, is looked for */
	u32 shmem_turn;		/* who is asked for frames of an object, in turn */
	u32 zap_seq, zap_object, zap_index, zap_n, zap_refused; /* what all are asked to unmap */
	u32 zap_answers;	/* futex */

	u64 unmanaged_bytes;	/* of all live processes, as last sampled */
	u64 unmanaged_peak_bytes;

	u32 nr_procs;		/* records in use, from 0 */
	u32 nr_seen;		/* processes ever */
	u32 nr_folded;		/* records reused; their counters are in gone */
	struct fl_proc_stats gone;

	/* where the arrays lie in the file */
	u64 procs_at, next_at, prev_at, order_at, refs_at, slot_count_at, slot_used_at, held_at;
	u64 frame_slot_at, slot_frame_at, published_at;
	u64 zentries_at, zstamps_at, zblocks_at, zdata_at;
	u64 shmems_at, shmem_entries_at, shmem_chunks_at, shmem_slots_at, shmem_held_at;
	u64 held_stride;	/* bytes of one process's two bitmaps */
	u64 held_slots_at;	/* second bitmap, from the start of the first */
};

/* Changes with the layout: libraries and tools of different builds may meet in one machine. */
#define FL_MACHINE_VERSION ((u32)(sizeof(struct fl_machine) << 16 | sizeof(struct fl_proc)))

/* One process's view of its tree. */
struct fl_machine_view {
	struct fl_machine *t;
	int mem_fd, swap_fd;
	struct fl_proc *procs, *self;
	u64 use;		/* of self, when it was taken */
	struct fl_shmem *shmems;
	struct fl_buddy_arrays zone;
	u16 *refs;		/* users of each frame */
	struct fl_slot_arrays slots;
	struct fl_zpool_view zpool;
	u32 *frame_slot, *slot_frame;	/* swapcache.c */
	u64 *published;		/* bitmap: frames that may have a slot there */
	u64 *held_frames, *held_slots;	/* of self */
	u64 window;		/* of the mapping's end: where another's bitmaps are looked at */
	u64 mapped_bytes;
};

/* Makes a machine for the options: its memory file and swap file (O_TMPFILE,
 * 0600, O_DIRECT). Returns 0, or -errno with one line in why. */
int fl_machine_create(const struct fl_config *c, int *ret_mem_fd, int *ret_swap_fd, char *why,
	size_t why_bytes);

/* Maps the tree. self is not set. 0 or -errno. */
int fl_machine_open(struct fl_machine_view *v, int mem_fd, int swap_fd);

/* Takes a record for pid. 0, or -EAGAIN when the table is full. */
int fl_proc_enter(struct fl_machine_view *v, u32 pid, u32 keeper_tid);

/* The calling thread is the record's keeper from now on: the kernel marks the
 * record when the thread ends, in whatever way, and any process of the tree can
 * read the mark. Before that only those of the same pid namespace can tell
 * whether the process lives. A child's first thread does this too, until its
 * keeper takes over. */
void fl_proc_keep(struct fl_machine_view *v);
/* The calling thread writes to swap, and is not done with it before it ends. */
void fl_proc_write(struct fl_machine_view *v);

/* fork(2), in the parent: a record in state NEW for the child, with bitmaps
 * of its own mapped into *child. Then fill it with fl_zone_dup and
 * fl_slot_dup_held on the child's view. In the child the view replaces the
 * parent's; on failure fl_proc_abandon gives everything back. */
int fl_proc_fork(struct fl_machine_view *v, struct fl_machine_view *child);
void fl_proc_settle(struct fl_machine_view *v, u32 pid, u32 keeper_tid); /* in the child: LIVE */
void fl_proc_abandon(struct fl_machine_view *v, struct fl_machine_view *child);

/*
 * Where the kernel is to write the child's number (CLONE_PARENT_SETTID). It does so
 * before the child can run, and before a parent that is killed meanwhile is gone:
 * there is no moment at which the record seems to be nobody's. Where it cannot be
 * asked to, fl_proc_born makes that moment short. It also says when that was: the number
 * means the child only until it is used again. A child that has come and gone meanwhile
 * leaves its record to others: then nothing is said.
 */
u32 *fl_proc_born_at(struct fl_machine_view *child);
void fl_proc_born(struct fl_machine_view *child, u32 pid);
void fl_proc_unmap_child(struct fl_machine_view *child);			/* the parent: done */

/* self gives back everything, and is dead to the others. Its pages are gone already. */
void fl_proc_leave(struct fl_machine_view *v);

/* Gives back what dead processes held; returns the number found dead. */
u32 fl_machine_reap(struct fl_machine_view *v);

/* Frames. alloc returns the first of 2^order frames, each with one user, or
 * FL_NO_FRAME; best takes a smaller block if need be. */
u32 fl_zone_alloc_best(struct fl_machine_view *v, u32 order, u32 *ret_order);
void fl_zone_put(struct fl_machine_view *v, u32 frame, u32 order);	/* block held by self alone */
/* Frames that self alone holds are to's from now on. */
void fl_zone_give(struct fl_machine_view *v, struct fl_machine_view *to, const u32 *frames, u32 n);
void fl_zone_put_each(struct fl_machine_view *v, const u32 *frames, u32 n); /* fl_zone_put_shared */
bool fl_zone_put_shared(struct fl_machine_view *v, u32 frame);	/* true: that was the last user */
void fl_zone_dup(struct fl_machine_view *child, const u32 *frames, u32 n);
u32 fl_zone_refs(const struct fl_machine_view *v, u32 frame);
/* What may be allocated: compressed pages have their part of the budget. */
u32 fl_zone_free_frames(const struct fl_machine_view *v);
/* By how many frames compressed pages have grown beyond the budget, by what was compressed last:
 * who has frames to spare gives them back. */
u32 fl_zone_overdraft(struct fl_machine_view *v);

/* Asks other processes for n frames by their doorbells: those whose oldest page is in
 * use for much longer than self's, or that hold much more; the coldest first. Returns
 * how many were asked. */
u32 fl_machine_beg_colder(struct fl_machine_view *v, u32 n);
/* Asks all others, each for its share of what they hold together. */
u32 fl_machine_beg(struct fl_machine_view *v, u32 n);
/* Asks those that may share frames to give up what others have given up. */
u32 fl_machine_beg_shared(struct fl_machine_view *v);
/* Gives a process that has frames to spare the time to answer: until frames come back,
 * timeout_ns at most. True when some did. seq: t->freed_seq before they were asked. */
bool fl_machine_wait(struct fl_machine_view *v, u32 seq, u64 timeout_ns);

/* Slots of the swap file. */
u32 fl_swap_alloc(struct fl_machine_view *v, u32 want, u32 *ret_slot, int *ret_err);
void fl_swap_put(struct fl_machine_view *v, u32 slot);
void fl_swap_put_each(struct fl_machine_view *v, const u32 *slots, u32 n);
void fl_swap_dup(struct fl_machine_view *child, const u32 *slots, u32 n);
void fl_swap_give(struct fl_machine_view *v, struct fl_machine_view *to, const u32 *slots, u32 n);
/* Memory of compressed pages that have gone is given back: some of it, or what is kept for the next
 * ones too. True if there was any. */
bool fl_swap_trim(struct fl_machine_view *v, bool all);
u32 fl_swap_count(const struct fl_machine_view *v, u32 slot);

/* A frame that fork shares has its content in a slot, which self holds. */
void fl_swap_publish(struct fl_machine_view *v, u32 frame, u32 slot);
/* Counts the slot with the content of a frame for self too, and returns it;
 * FL_NO_SLOT if nobody has published one. self holds the frame, not to be
 * written to since a fork. */
u32 fl_swap_get_published(struct fl_machine_view *v, u32 frame);
/* May somebody have published one? A hint, without a lock. */
bool fl_swap_published(const struct fl_machine_view *v, u32 frame);
/* The first frame at or behind frame that self holds and that may have been published. */
u32 fl_published_next(const struct fl_machine_view *v, u32 frame);

/* Frames free to a process below which its kswapd works, and up to which. */
static inline u32 fl_wmark_low(u32 nframes)
{
	return fl_max(fl_min(nframes / 32, 4096u), fl_min(nframes / 8, 32u));
}

static inline u32 fl_wmark_high(u32 nframes)
{
	return 2 * fl_wmark_low(nframes);
}

/* Wakes a process's kswapd. */
void fl_proc_ring(struct fl_proc *p);
/* Waits for that, unless it has happened since the doorbell read seen, or for
 * timeout_ns (0: for ever). The process's kswapd only. */
void fl_proc_wait(struct fl_proc *p, u32 seen, u64 timeout_ns);

/* Whether who the record names has ended, or become another program. */
bool fl_proc_is_gone(const struct fl_proc *p);
/* The same of one that is dead to the others, and may still run for a moment. */
bool fl_proc_has_ended(const struct fl_proc *p);

/* How many threads the program has. */
void fl_proc_threads(struct fl_proc *p, u32 threads);

/* A process's unmanaged memory as it is now. */
void fl_proc_unmanaged(struct fl_machine *t, struct fl_proc *p, u64 bytes);

/* Adds everything up: the records in use and those folded away. */
void fl_machine_totals(const struct fl_machine_view *v, struct fl_proc_stats *ret);

/* Recounts zone and swap map against the bitmaps of all processes, locks
 * held: at any time, while the tree runs. 0, or -1 with a sentence in why. */
int fl_machine_validate(struct fl_machine_view *v, char *why, size_t why_bytes);

u64 fl_now_ns(void);
/* Milliseconds since the machine was made. */
u32 fl_now_ms(const struct fl_machine *t);
u64 fl_cycles_to_ns(const struct fl_machine *t, u64 cycles);

#endif
