/*
 * A pager over an array: the kernel's half of struct fl_host_ops in ordinary memory.
 *
 * "Program" memory is a mapping of its own; whether a page of it is there, write-protected, pinned
 * or shared is a byte in an array, which plays the kernel's page table. The pool is real memory,
 * since the pager and its swap I/O touch it; which of its slots have storage is an array too.
 * Storage that is taken away is filled with a pattern, so that whoever uses it is found out.
 *
 * The helpers named after system calls do what the hooks do: the kernel's half and the mirror's.
 *
 * Context: any thread; the host has a lock of its own below the mm lock. The calls marked (one
 * thread) resolve faults themselves and must not run beside a handler.
 */
#ifndef FL_TEST_FAKE_HOST_H
#define FL_TEST_FAKE_HOST_H

#include "pager/pager.h"

#include <pthread.h>
#include <setjmp.h>

#define FAKE_MAPPED  1u	 /* in a mapping of the program */
#define FAKE_PRESENT 2u	 /* the page has storage */
#define FAKE_WP	     4u	 /* write-protected through userfaultfd */
#define FAKE_PINNED  8u	 /* a device uses it: it cannot be moved */
#define FAKE_SHARED  16u /* by fork: it cannot be moved, and a write copies it */
#define FAKE_LOCKED  32u /* the mapping is mlocked */

#define FAKE_RW	 (FL_VM_READ | FL_VM_WRITE)
#define FAKE_RWX (FAKE_RW | FL_VM_EXEC)

struct fake_page {
	u8 flags; /* FAKE_* */
	u8 prot;  /* FL_VM_READ, WRITE, EXEC */
};

/* A thread that waits for its fault to be resolved. */
struct fake_waiter {
	struct fake_waiter *next;
	u64 va;
	bool waiting;
	pthread_cond_t woken;
};

struct fake_options {
	u32 nr_frames, nr_pages;
	u64 swap_bytes; /* 0: plenty */
	bool copy_only, no_readahead;
	bool slow_swap; /* requests end when they are reaped, in any order */
	u8 around_order;
	u32 errors; /* moves and copies that fail, of 1000 */
	u64 seed;
	const char *policy, *prefetch; /* NULL: the default */
};

struct fake {
	struct fl_host host; /* first */
	struct fl_pager p;
	struct fl_arena arena;
	struct fl_queue writes; /* kswapd's */
	void *arena_at;

	pthread_mutex_t lock; /* guards what follows */
	u64 base;	      /* address of program page 0 */
	u32 nr_pages, nr_frames;
	struct fake_page *page;
	u8 *slot_full; /* by frame; the last one is the stage */
	u32 storage;   /* pages that have any */
	u32 errors;
	u64 rng;
	struct fake_waiter *waiters;

	struct fl_machine_view child; /* t is NULL: none */
	bool loose;		      /* pages came or went behind the pager's back */
	u32 kicked;		      /* times kswapd was asked for */
	void (*on_kick)(struct fake *f);
	/* Called in a reap that waits, no lock held: what may happen meanwhile. */
	void (*meanwhile)(struct fake *f);
	u32 swap_error; /* errno of the next writes */
	u64 swap_writes, swap_reads;
	jmp_buf *on_dead; /* set: where to go instead of failing */
	char dead_why[256];
};

/* Prints what and why and ends the test as failed. */
void fake_fail(struct fake *f, const char *file, int line, const char *why)
	__attribute__((noreturn));
#define fake_must(f, cond)                                                                         \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fake_fail((f), __FILE__, __LINE__, #cond);                                 \
	} while (0)

struct fake *fake_create(const struct fake_options *o);
void fake_destroy(struct fake *f);

static inline struct fake *fake_of(struct fl_pager *p)
{
	return fl_container_of(p, struct fake, p);
}

static inline u64 fake_va(const struct fake *f, u32 page)
{
	return f->base + (u64)page * FL_PAGE_SIZE;
}

u64 fake_random(u64 *state);

/* Memory that is not readable when it is not touched: zeros, reserved. */
void *fake_reserve(u64 bytes);

/* The hooks, whole: lock, kernel, mirror. */
void fake_mmap(struct fake *f, u32 page, u32 n, u64 prot);
void fake_munmap(struct fake *f, u32 page, u32 n);
void fake_dontneed(struct fake *f, u32 page, u32 n);
void fake_mprotect(struct fake *f, u32 page, u32 n, u64 prot);
void fake_mlock(struct fake *f, u32 page, u32 n, bool on);
void fake_mremap(struct fake *f, u32 from, u32 to, u32 n);

/* What calls do that no hook sees. */
void fake_unseen_drop(struct fake *f, u32 page);
void fake_unseen_make(struct fake *f, u32 page, u32 version);
void fake_set(struct fake *f, u32 page, u32 n, u8 flags, bool on);
bool fake_is(struct fake *f, u32 page, u8 flags);

/* What a page holds: version 0 is zeros, every other is a pattern of its own. */
void fake_pattern(void *to, u32 version);
bool fake_matches(const void *at, u32 version);

/*
 * One access as the processor makes it: a load, or a store of version. 0: done, and the content was
 * old_version (FAKE_ANY: that or zeros); else FAKE_FAULT and the FL_FAULT_* flags of the fault.
 * Then the thread waits as w from that moment on, if w is not NULL.
 */
#define FAKE_FAULT 0x100u
u32 fake_try(
	struct fake *f, u32 page, bool write, u32 old_version, u32 version, struct fake_waiter *w);
#define FAKE_ANY 0x80000000u /* with old_version: zeros will do as well */

/* (one thread) Raises the fault once; reads and reclaim it needs stay undone. */
enum fl_fault_result fake_fault(struct fake *f, u32 page, u32 flags);
/* (one thread) The access, and all that it takes. */
void fake_load(struct fake *f, u32 page, u32 version);
void fake_store(struct fake *f, u32 page, u32 old_version, u32 version);
/* (one thread) Finishes reads. Returns how many. */
u32 fake_reap_reads(struct fake *f, bool all);
bool fake_kswapd(struct fake *f);
/* (one thread) Evicts: want frames, by direct reclaim. */
u32 fake_reclaim(struct fake *f, u32 want);

/* What the page holds, wherever it is, without touching it. */
bool fake_holds(struct fake *f, u32 page, u32 version);
enum fl_pte_state fake_state(struct fake *f, u32 page);
u64 fake_counter(const struct fake *f, enum fl_counter c);

/* Sleeps until the fault is resolved; false when nobody cared for so long. */
bool fake_wait(struct fake *f, struct fake_waiter *w, u32 seconds);

/* fork(2) without the child: it holds the frames and slots until it ends. False: out of memory or
 * records. fork_end with the mm lock held. */
bool fake_fork(struct fake *f);
void fake_fork_end(struct fake *f);

/* Everything the pager's books must agree on; no other thread may be active. shared: other
 * processes use frames and slots too. */
void fake_check(struct fake *f, bool shared);

#endif
