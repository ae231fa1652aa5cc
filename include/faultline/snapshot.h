/*
 * A snapshot of one process's mirror, and how a tool asks for it.
 *
 * A preloaded process listens on the abstract Unix socket (SOCK_SEQPACKET)
 * named "faultline/PID" (no terminating NUL). A client sends one struct
 * fl_ctl_request and gets one struct fl_ctl_reply, with a memory file in an
 * SCM_RIGHTS message if status is 0. The file begins with struct fl_snapshot;
 * the arrays lie at the offsets it names. Only root and the process's own user
 * are served; others get status EPERM.
 *
 * With FL_CTL_FREEZE the process's mm lock stays taken until the client closes
 * the connection, FL_CTL_FREEZE_MS at most: no VMA and no page changes while
 * the client reads /proc/PID, so the two can be compared exactly.
 */
#ifndef FAULTLINE_SNAPSHOT_H
#define FAULTLINE_SNAPSHOT_H

#include "faultline/stats.h"

#include <stdint.h>

#define FL_SNAPSHOT_MAGIC   0x736e61706c746c66ull
#define FL_SNAPSHOT_VERSION 4
#define FL_CTL_FREEZE_MS    10000

/* What to put in. */
#define FL_CTL_VMAS   1u	/* the VMAs */
#define FL_CTL_PAGES  2u	/* every page table entry of managed memory that is not empty */
#define FL_CTL_FREEZE 4u
#define FL_CTL_WALK   8u	/* the way through the page table to one page, and its frame */

struct fl_ctl_request {
	uint32_t version;	/* FL_SNAPSHOT_VERSION */
	uint32_t flags;		/* FL_CTL_* */
	/* FL_CTL_WALK: to this address, or, where frame is not FL_SNAP_NO_FRAME, to
	 * where the process has that frame */
	uint64_t va;
	uint32_t frame;
	uint32_t pad;
};

#define FL_SNAP_NO_FRAME 0xffffffffu

struct fl_ctl_reply {
	int32_t status;		/* 0 or a positive errno */
	uint32_t version;
	uint64_t bytes;		/* of the memory file */
};

/* struct fl_snap_vma.flags: lib/mm/vma.h's, which begin READ 1, WRITE 2, EXEC 4,
 * SHARED 8; .owner: 0 managed by Faultline, 1 left to the kernel. */
enum fl_why {
	FL_WHY_NONE,
	FL_WHY_WRITERS,	    /* its file is open for writing, or was meanwhile */
	FL_WHY_OWNER,	    /* its file is another user's */
	FL_WHY_NO_LEASE,    /* there is no lease to be had for another reason */
	FL_WHY_FILE_SYSTEM, /* its file may change without this kernel's doing */
	FL_WHY_EXECUTED,    /* its file is mapped executable too: a program or a library */
	FL_WHY_REPLACED,    /* it has taken the place of memory that other threads may use */
	FL_WHY_NO_ROOM,	    /* a limit on the address space, or on mappings */
};

struct fl_snap_vma {
	uint64_t start, end;	/* bytes */
	uint64_t pgoff;		/* pages */
	uint64_t flags;
	uint64_t dev, ino;	/* dev as in st_dev */
	uint32_t owner;
	uint32_t why;		/* a writable private file mapping is the kernel's: enum fl_why */
	uint64_t present, soft, swapped, zero;	/* pages, with FL_CTL_VMAS */
	uint64_t faults, major_faults;		/* of a shared file mapping; the kernel's */
};

/* pte: bits 0-2 state (0 none, 1 zero, 2 present, 3 soft: set aside in memory,
 * 4 in swap, 5 being read), 3 dirty, 4 accessed, 5 write-protected, 6 shared by
 * fork, 12-43 frame or swap slot. Dirty is that of the frame now: it has no copy
 * in swap that is still right. */
struct fl_snap_page {
	uint64_t va;
	uint64_t pte;
};

/* The way to one page, with FL_CTL_WALK; levels are pgd, pud, pmd, pte. */
struct fl_snap_level {
	uint64_t table;		/* where it lies; 0: there is none, nor below */
	uint64_t entry;		/* the word at the index */
	uint32_t index, used;	/* used: nonzero entries of the table */
};

#define FL_SNAP_LEVELS 4

struct fl_snap_walk {
	uint64_t va;
	uint64_t pte;		/* as of struct fl_snap_page; 0: none */
	struct fl_snap_level level[FL_SNAP_LEVELS];
	/* struct page, if the page has a frame: flags of lib/mm/page.h */
	uint32_t frame;		/* or FL_SNAP_NO_FRAME */
	uint32_t page_flags;
	uint64_t page_va;	/* the frame's page by the reverse map */
	uint64_t home;		/* where its storage is while it is not in the program */
	uint32_t slot;		/* with a copy in swap; 0: none */
	uint32_t refs;		/* processes that hold the frame */
	uint32_t lru_next, lru_prev; /* frames; FL_SNAP_NO_FRAME: an end of the list, or on none */
};

/* Faultline's own mappings: in /proc/PID/maps, but not the program's. */
struct fl_snap_range {
	uint64_t start, end;
};

struct fl_snapshot {
	uint64_t magic;
	uint32_t version, pid;
	char comm[16];
	/* mm_struct; pages unless the name says otherwise */
	uint64_t total_vm, data_vm, exec_vm, stack_vm, locked_vm, hiwater_vm;
	uint64_t rss_anon, soft_pages, swapin_pages, swap_ents, zero_pages, hiwater_rss;
	uint64_t map_count, start_brk, brk, pgtables_bytes, vma_bytes;
	/* frames of the tree and of this process */
	uint64_t frames_total, frames_used, frames_held, frames_free_local;
	uint64_t active, inactive, wmark_low, wmark_high;
	uint64_t slots_total, slots_used;
	uint64_t ram_bytes;	/* the budget; 0: unlimited */
	struct fl_proc_stats stats;
	uint32_t engine_moves;	/* 1: UFFDIO_MOVE, 0: copies */
	uint32_t nr_vmas, nr_ranges;
	uint32_t mm_users;	/* threads of the program */
	uint64_t nr_pages;
	uint64_t vmas_at, pages_at, ranges_at;	/* from the start of the file */
	/* bytes; 0: left to the kernel, which does not tell */
	uint64_t mmap_base, start_stack;
	uint64_t pgd;		/* address of the top table; 0: none yet */
	uint64_t nr_tables[FL_SNAP_LEVELS];
	uint64_t def_flags;	/* of VMAs to come: LOCKED, LOCKONFAULT of lib/mm/vma.h */
	uint32_t helpers;	/* threads of Faultline in the process */
	uint32_t kswapd;	/* FL_SNAP_KSWAPD_* */
	uint32_t nr_deferred;	/* faults that wait for memory */
	uint32_t frames_available; /* frames_free_local, and free ones of the tree */
	struct fl_snap_walk walk;
	uint64_t mmap_legacy_base; /* bytes, as mmap_base */
	uint32_t topdown;	   /* mappings go down from mmap_base, not up */
	uint32_t pad;
};

#define FL_SNAP_KSWAPD_NONE   0u /* not made yet: nothing to do */
#define FL_SNAP_KSWAPD_ASLEEP 1u
#define FL_SNAP_KSWAPD_AWAKE  2u

#endif
