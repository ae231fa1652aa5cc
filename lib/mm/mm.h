/*
 * struct fl_mm: one program's address space, as Linux's mm_struct keeps it.
 *
 * Everything below lib/mm is bookkeeping: no system call, no thread, no libc. The caller makes the
 * real mmap or UFFDIO_MOVE and records here what it did.
 *
 * Locking: the caller holds its one mm lock around every call that takes a struct fl_mm. Nothing
 * here sleeps or calls back, except into the allocator.
 *
 * After fork(2) the child owns a copy-on-write copy at the same addresses and goes on with it;
 * plain pointers stay valid.
 *
 * Context: any thread including the fault path, never a signal handler that may have interrupted
 * a holder of the mm lock.
 */
#ifndef FL_MM_MM_H
#define FL_MM_MM_H

#include "base/types.h"
#include "mm/tree.h"

struct fl_vma;

/*
 * Where the memory of this room comes from. alloc returns zeroed memory or NULL; the sizes asked
 * for are sizeof(struct fl_vma), aligned to 16 bytes, and 4096, aligned to 4096. free gets the size
 * back. Both are called with the mm lock held, and must not touch managed memory.
 */
struct fl_mm_alloc {
	void *(*alloc)(void *ctx, size_t size_bytes);
	void (*free)(void *ctx, void *p, size_t size_bytes);
	void *ctx;
};

/* The levels of the page table, top first; the index of mm->nr_tables and struct fl_pt_walk. */
enum fl_pt_level {
	FL_PT_PGD,
	FL_PT_PUD,
	FL_PT_PMD,
	FL_PT_PTE,
	FL_PT_LEVELS,
};

/* All counters are in pages unless their name says otherwise. */
struct fl_mm {
	/* The VMAs, by address: see mm/vma.h, which alone changes these. */
	struct fl_tree vmas;
	struct fl_vma *first; /* lowest, or NULL */
	struct fl_vma *last;  /* highest, or NULL */
	u64 map_count;	      /* VMAs */
	u64 total_vm;	      /* all mapped pages */
	u64 data_vm;	      /* private, writable, not stack */
	u64 exec_vm;	      /* executable and not writable, not stack */
	u64 stack_vm;	      /* FL_VM_GROWSDOWN */
	u64 locked_vm;	      /* FL_VM_LOCKED */
	u64 hiwater_vm;	      /* the highest total_vm ever */
	u32 last_anon;	      /* the last number given to an anon_vma */

	/* The page table: see mm/pgtable.h, which alone changes these. */
	u64 pgd;		     /* word of the top table (address | used entries); 0: none */
	u64 nr_tables[FL_PT_LEVELS]; /* tables by level */
	u64 pgtables_bytes;
	u64 rss_anon;	  /* MM_ANONPAGES: pages mapped in the program (FL_PTE_PRESENT) */
	u64 soft_pages;	  /* frames that still hold a page which is not mapped (FL_PTE_SOFT) */
	u64 swapin_pages; /* frames a read is filling (FL_PTE_SWAPIN) */
	u64 swap_ents;	  /* MM_SWAPENTS: pages whose only copy is in a swap slot (FL_PTE_SWAP) */
	u64 zero_pages;	  /* pages known to be zeros that have no frame (FL_PTE_ZERO) */
	u64 hiwater_rss;  /* the highest fl_mm_rss ever */

	/* Kept by the caller, only stored here. */
	u64 rss_file;  /* MM_FILEPAGES */
	u64 rss_shmem; /* MM_SHMEMPAGES */
	u32 mm_users;
	u64 start_brk, brk; /* byte addresses, like the one below */
	u64 start_stack;

	/* The layout: see mm/layout.h, which alone changes these. Byte addresses. */
	u64 mmap_base;	 /* where the search for free memory begins */
	u64 legacy_base; /* where it goes upwards from */
	bool topdown;
	bool randomize; /* bases have a random offset */

	/* Memory of this room itself. */
	struct fl_mm_alloc alloc;
	struct fl_vma *free_vmas; /* node cache, linked by ->next */
	u32 nr_free_vmas;
	u64 vma_bytes; /* nodes in the tree and in the cache */
};

/* fl_mm_init: an empty address space. Cannot fail; allocates nothing. @alloc is copied. */
void fl_mm_init(struct fl_mm *mm, const struct fl_mm_alloc *alloc);

/*
 * fl_mm_deinit: give every node and table back to the allocator. What ptes point to (frames, swap
 * slots) is the caller's: walk with fl_pt_next first.
 */
void fl_mm_deinit(struct fl_mm *mm);

/* fl_mm_bookkeeping_bytes: what this room has taken from the allocator and not given back. */
u64 fl_mm_bookkeeping_bytes(const struct fl_mm *mm);

/* fl_mm_rss: resident pages of all kinds, VmRSS of /proc/PID/status. */
static inline u64 fl_mm_rss(const struct fl_mm *mm)
{
	return mm->rss_anon + mm->rss_file + mm->rss_shmem;
}

/* fl_mm_held_frames: frames of the pool this address space holds. */
static inline u64 fl_mm_held_frames(const struct fl_mm *mm)
{
	return mm->rss_anon + mm->soft_pages + mm->swapin_pages;
}

/* fl_mm_update_hiwater: call it after raising rss_file or rss_shmem; this room calls it itself. */
static inline void fl_mm_update_hiwater(struct fl_mm *mm)
{
	mm->hiwater_rss = fl_max(mm->hiwater_rss, fl_mm_rss(mm));
	mm->hiwater_vm = fl_max(mm->hiwater_vm, mm->total_vm);
}

#endif
