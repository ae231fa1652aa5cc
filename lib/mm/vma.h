/*
 * Virtual memory areas: what is mapped where, with Linux's rules for splitting and merging.
 *
 * A VMA is a run of pages with the same flags, owner and backing. VMAs never overlap, never are
 * empty, and two neighbours that could be one are one (see fl_vma_can_merge), so /proc/PID/maps and
 * this list can be compared line by line. They live in a balanced tree by address and in a list.
 *
 * Changing operations take nodes from a cache in the mm and cannot fail. The caller fills the cache
 * with fl_vma_prealloc(mm, FL_VMA_MAX_NODES) before the real system call, when giving up is still
 * possible; an operation that finds the cache empty traps.
 *
 * A struct fl_vma pointer is valid until the next changing operation: splitting and merging may
 * free any node. Addresses are bytes, page aligned; ranges are [start, end) and must not be empty
 * unless a function says so.
 *
 * Context: any thread including the fault path, with the mm lock held.
 */
#ifndef FL_MM_VMA_H
#define FL_MM_VMA_H

#include "base/types.h"
#include "mm/mm.h"
#include "mm/tree.h"

#define FL_VM_READ	  (1UL << 0)
#define FL_VM_WRITE	  (1UL << 1)
#define FL_VM_EXEC	  (1UL << 2)
#define FL_VM_SHARED	  (1UL << 3)
#define FL_VM_GROWSDOWN	  (1UL << 4)  /* the main stack: counts as stack_vm */
#define FL_VM_LOCKED	  (1UL << 5)  /* mlock: counts as locked_vm */
#define FL_VM_LOCKONFAULT (1UL << 6)  /* mlock2(MLOCK_ONFAULT), together with LOCKED */
#define FL_VM_DONTFORK	  (1UL << 7)  /* MADV_DONTFORK */
#define FL_VM_WIPEONFORK  (1UL << 8)  /* MADV_WIPEONFORK */
#define FL_VM_DONTDUMP	  (1UL << 9)  /* MADV_DONTDUMP */
#define FL_VM_NORESERVE	  (1UL << 10) /* MAP_NORESERVE */
#define FL_VM_HUGETLB	  (1UL << 11) /* MAP_HUGETLB: never merges */
#define FL_VM_STACK	  (1UL << 12) /* a thread stack (MAP_STACK); data_vm, as in Linux */
#define FL_VM_HUGEPAGE	  (1UL << 13) /* MADV_HUGEPAGE */
#define FL_VM_NOHUGEPAGE  (1UL << 14) /* MADV_NOHUGEPAGE */
#define FL_VM_MERGEABLE	  (1UL << 15) /* MADV_MERGEABLE */
#define FL_VM_FILE	  (1UL << 16) /* backed by a file: dev and ino say which */
#define FL_VM_HEAP	  (1UL << 17) /* the brk area */
#define FL_VM_SEQ_READ	  (1UL << 18) /* MADV_SEQUENTIAL */
#define FL_VM_RAND_READ	  (1UL << 19) /* MADV_RANDOM */
#define FL_VM_ACCOUNT	  (1UL << 20) /* could be written: counts as promised (managed only) */
#define FL_VM_SYSV	  (1UL << 31) /* shmat: is moved by itself only */

enum fl_owner {
	FL_OWNER_MANAGED,  /* demand paged by us */
	FL_OWNER_KERNEL,   /* left to the kernel, only mirrored: files, shared memory, stacks */
	FL_OWNER_INTERNAL, /* Faultline's own arena and pool */
};

struct fl_vma {
	u64 start, end; /* bytes, page aligned, end exclusive */
	u64 pgoff;	/* pages: offset in the file, or for anonymous memory start >> 12 */
	u64 flags;	/* FL_VM_* */
	u64 dev, ino;	/* the file's, or 0 */
	u8 owner;	/* enum fl_owner */
	u8 why;		/* a file is the kernel's: enum fl_why of faultline/snapshot.h; 0: untold */
	u64 faults, major_faults; /* that the kernel has resolved; of a split VMA the lower part's */

	/* Of managed anonymous memory: what Linux would know by its anon_vma. */
	u32 anon;	/* which one it would have, 0: it was never written */
	bool inherited; /* that is from a fork: nothing joins it that has none */
	bool only_read; /* it has none, but it was read: it may have been written since, unseen */

	/* Set by this room only. */
	struct fl_vma *prev, *next; /* neighbours by address, or NULL */
	struct fl_tree_node node;
	u64 gap;	 /* bytes free for a new mapping between the one below and this one */
	u64 subtree_gap; /* the largest such gap in the subtree of @node */
};

/* Below a VMA that grows down nothing new is mapped so near (Linux's stack_guard_gap). */
#define FL_STACK_GUARD_BYTES (256 * FL_PAGE_SIZE)

/* The most nodes one operation takes from the cache. */
#define FL_VMA_MAX_NODES 3

static inline u64 fl_vma_pages(const struct fl_vma *vma)
{
	return (vma->end - vma->start) >> FL_PAGE_SHIFT;
}

/* fl_vma_start_gap: where the free memory below @vma ends (Linux's vm_start_gap). */
static inline u64 fl_vma_start_gap(const struct fl_vma *vma)
{
	if (!(vma->flags & FL_VM_GROWSDOWN))
		return vma->start;
	return vma->start > FL_STACK_GUARD_BYTES ? vma->start - FL_STACK_GUARD_BYTES : 0;
}

/*
 * fl_vma_can_merge: whether @low and @high are adjacent and could be one VMA: equal flags, owner
 * and file, and @high's pgoff continues @low's (for anonymous memory too, as in Linux, where a
 * moved mapping keeps the pgoff of its old place), and written apart from each other they were not.
 * Huge-page-file memory never merges.
 */
bool fl_vma_can_merge(const struct fl_vma *low, const struct fl_vma *high);

/* fl_vma_written: the first write to @vma, as Linux's anon_vma_prepare. Nothing if it has been. */
void fl_vma_written(struct fl_mm *mm, struct fl_vma *vma);

/* fl_mm_inherited: all that there is has come from a fork. */
void fl_mm_inherited(struct fl_mm *mm);

/* fl_vma_find: the first VMA that ends above @addr (Linux's find_vma), or NULL. */
struct fl_vma *fl_vma_find(const struct fl_mm *mm, u64 addr);

/* fl_vma_at: the VMA that contains @addr, or NULL. */
struct fl_vma *fl_vma_at(const struct fl_mm *mm, u64 addr);

/* fl_vma_intersects: the lowest VMA that shares a byte with [start, end), or NULL. */
struct fl_vma *fl_vma_intersects(const struct fl_mm *mm, u64 start, u64 end);

/* Every VMA from low to high. The list must not change meanwhile. */
#define fl_for_each_vma(mm, v) for ((v) = (mm)->first; (v); (v) = (v)->next)

/* Every VMA that intersects [from, to), from low to high. The list must not change meanwhile. */
#define fl_for_each_vma_range(mm, v, from, to)                                                     \
	for ((v) = fl_vma_find((mm), (from)); (v) && (v)->start < (to); (v) = (v)->next)

/*
 * fl_vma_prealloc: see to it that at least @nr_nodes are in the cache. Returns 0, or -ENOMEM (the
 * nodes it did get stay in the cache).
 */
int fl_vma_prealloc(struct fl_mm *mm, u32 nr_nodes);

/*
 * fl_mm_map: replace whatever is in [template->start, template->end) by a new VMA and merge it with
 * compatible neighbours. Of @template start, end, pgoff, flags, dev, ino and owner are read; it may
 * be a VMA of this mm. Returns the VMA that now covers the range (it may be larger). At most 2
 * nodes.
 */
struct fl_vma *fl_mm_map(struct fl_mm *mm, const struct fl_vma *template);

/* fl_mm_unmap: remove [start, end), holes in it included; it may be empty. At most 1 node. */
void fl_mm_unmap(struct fl_mm *mm, u64 start, u64 end);

/*
 * fl_mm_change: set and then clear flags on every VMA in [start, end), skipping holes (mprotect,
 * mlock, madvise). Splits where a VMA is only partly covered and really changes. At most 2 nodes.
 */
void fl_mm_change(struct fl_mm *mm, u64 start, u64 end, u64 set_flags, u64 clear_flags);

/* fl_mm_set_owner: the same for the owner. At most 2 nodes. */
void fl_mm_set_owner(struct fl_mm *mm, u64 start, u64 end, enum fl_owner owner);

/*
 * fl_mm_move: what mremap(2) does to the list. [old_start, old_start + old_len) lies in one VMA.
 * The new range gets that VMA's flags and owner and the pgoff of the moved pages, replaces what was
 * there, and the old range goes away unless @keep_old (MREMAP_DONTUNMAP; the VMA left behind then
 * loses LOCKED and LOCKONFAULT, all of it, as in Linux). If the new length is smaller the tail of
 * the old range is unmapped in any case. With new_start == old_start it grows or shrinks in place
 * (growing replaces what lies behind). old_len 0 duplicates, as mremap does for shared mappings.
 * Otherwise the ranges must not overlap. Ptes are moved by fl_pt_move.
 *
 * Managed anonymous memory that was never written gets the pgoff of its new place, and may merge
 * with its neighbours there. What is left of a whole VMA (@keep_old) counts as never written.
 *
 * Returns the VMA that now covers new_start. At most 3 nodes.
 */
struct fl_vma *fl_mm_move(
	struct fl_mm *mm, u64 old_start, u64 old_len, u64 new_start, u64 new_len, bool keep_old);

/* fl_vma_free_all: for fl_mm_deinit. */
void fl_vma_free_all(struct fl_mm *mm);

/*
 * fl_vma_validate: rewalk tree and list: order, overlap, alignment, tree shape, neighbours that
 * should have been merged, gaps, and every counter recomputed. Returns 0, or -1 with the reason in
 * @why (may be NULL). Costs by the number of VMAs.
 */
int fl_vma_validate(const struct fl_mm *mm, const char **why);

#endif
