/*
 * struct fl_page: what one process knows about one frame of the pool.
 *
 * A frame is a page of "physical memory", known by its number. While the program uses it, it is
 * mapped at some page of the program (UFFDIO_MOVE took it out of the pool); otherwise its storage
 * is at its home slot in the pool, which the program never sees. struct fl_page is the reverse map
 * (frame to page of the program) plus flags; the pte is the forward map and holds the state. Both
 * are private to a process: after fork each has its own.
 *
 * The life of a page of the program:
 *
 *	state       pte               its frame
 *	absent      NONE              -
 *	zero        ZERO              -
 *	resident    PRESENT           MAPPED, usually ACTIVE
 *	shared-COW  PRESENT|COW|WP    MAPPED|COW
 *	soft        SOFT              INACTIVE, data at home in the pool
 *	writeback   SOFT              WRITEBACK
 *	swapped     SWAP              -
 *	swap-in     SWAPIN            READING
 *
 *	absent ---1---> zero <--------4-------+
 *	   |             |                    |
 *	   2             3                    |
 *	   |             v                    |
 *	   +--------> resident -----7------> soft -----9----> writeback
 *	               |  ^  ^ <----8-------- |  <-----10------- |
 *	               5  6  |                11                 12
 *	               v  |  14               v                  |
 *	          shared-COW |             swapped <-------------+
 *	                     |                |
 *	                     +--- swap-in <---13
 *
 *	 1  read fault: the shared zero page answers
 *	 2  write fault (or fault-around): a zeroed frame is mapped
 *	 3  write fault
 *	 4  evicted and found to be all zeros: the frame is freed, no I/O
 *	 5  fork: both processes hold the frame, neither may write to it
 *	 6  written: copied to a frame of its own; or the other holders have gone
 *	 7  evicted: MOVEd out of the program into the pool
 *	 8  soft fault: MOVEd back. A second chance
 *	 9  DIRTY, or no copy in swap: being written
 *	10  written, but WANTED meanwhile: kept, and 8 follows
 *	11  the slot still has the data: the frame is freed, no I/O
 *	12  written: the frame is freed
 *	13  fault or read-ahead: a frame is found and the read begins
 *	14  read done: MOVEd in (read-ahead: into soft instead)
 *
 * 15, from shared-COW to swapped: evicted by a copy, as the frame stays with its other holders;
 * without a write where one of them has written it already (pager/shed.h).
 *
 * In a private file mapping absent is not zeros but what the file has; a page that was read from
 * there is resident or soft with FILE, until it is written, and dropped from soft without I/O
 * (pager/filemap.h).
 *
 * From every state munmap, MADV_DONTNEED and exit lead back to absent. A frame with an I/O in
 * flight cannot be freed then: it is marked ORPHAN, loses its page, and is freed when the I/O ends.
 *
 * Numbers: FL_NO_FRAME is no frame. Swap slot 0 is never handed out (in Linux it holds the header),
 * so slot 0 means no slot (FL_NO_SLOT of swap/slots.h).
 *
 * Context: inline accessors; under the mm lock of the process.
 */
#ifndef FL_MM_PAGE_H
#define FL_MM_PAGE_H

#include "base/types.h"

#define FL_NO_FRAME UINT32_MAX

/* Flags of a frame. */
#define FL_PG_POPULATED	  (1U << 0)  /* the home slot in the pool has storage */
#define FL_PG_ZEROED	  (1U << 1)  /* that storage is known to be zeros */
#define FL_PG_MAPPED	  (1U << 2)  /* the storage is in the program, not at home */
#define FL_PG_INACTIVE	  (1U << 3)  /* on the inactive list */
#define FL_PG_ACTIVE	  (1U << 4)  /* on the active list */
#define FL_PG_WRITEBACK	  (1U << 5)  /* being written to swap: storage must not change */
#define FL_PG_READING	  (1U << 6)  /* being read from swap: content not valid yet */
#define FL_PG_WANTED	  (1U << 7)  /* a thread waits for the I/O in flight */
#define FL_PG_ORPHAN	  (1U << 8)  /* its page went away during I/O; free it at the end */
#define FL_PG_COW	  (1U << 9)  /* shared by fork */
#define FL_PG_DIRTY	  (1U << 10) /* differs from its copy in swap, or has none */
#define FL_PG_REFERENCED  (1U << 11) /* used since the policy last looked */
#define FL_PG_UNEVICTABLE (1U << 12) /* mlocked or pinned: on no LRU list */
#define FL_PG_LOCAL_FREE  (1U << 13) /* free, in the process's own buddy instance */
#define FL_PG_READAHEAD   (1U << 14) /* read ahead of a fault, not touched since */
#define FL_PG_SHEDDING	  (1U << 15) /* shared by fork, and a copy of it being written to swap */
#define FL_PG_FILE	  (1U << 16) /* of a file mapping, and never written: as in the file */

#define FL_PG_FLAG_BITS	 28
#define FL_PG_FLAGS_MASK ((1U << FL_PG_FLAG_BITS) - 1)

/* An all-zero fl_page is a frame this process has nothing to do with. */
struct fl_page {
	u64 key; /* virtual page number << 28 | FL_PG_* */
};

/*
 * One entry per frame each; huge sparse mappings, zero at first, touched only for frames in use.
 * next and prev are links of the index lists of mm/list.h (LRU) or, while the frame is free, of the
 * buddy allocator.
 */
struct fl_page_arrays {
	struct fl_page *page;
	u32 *next;
	u32 *prev;
	u32 *slot; /* swap slot with a copy of this frame's data, or 0 */
};

/* fl_page_make: @va is below 2^48. */
static inline struct fl_page fl_page_make(u64 va, u32 flags)
{
	struct fl_page page = {
		(va >> FL_PAGE_SHIFT << FL_PG_FLAG_BITS) | (flags & FL_PG_FLAGS_MASK)};

	return page;
}

/* fl_page_va: the address of the page of the program. */
static inline u64 fl_page_va(struct fl_page page)
{
	return page.key >> FL_PG_FLAG_BITS << FL_PAGE_SHIFT;
}

static inline u64 fl_page_vpn(struct fl_page page)
{
	return page.key >> FL_PG_FLAG_BITS;
}

static inline u32 fl_page_flags(struct fl_page page)
{
	return (u32)page.key & FL_PG_FLAGS_MASK;
}

/* fl_page_has: whether every one of @flags is set. */
static inline bool fl_page_has(struct fl_page page, u32 flags)
{
	return (page.key & flags) == flags;
}

/* fl_page_has_any: whether at least one of @flags is set. */
static inline bool fl_page_has_any(struct fl_page page, u32 flags)
{
	return page.key & flags;
}

static inline void fl_page_set_flags(struct fl_page *page, u32 flags)
{
	page->key |= flags & FL_PG_FLAGS_MASK;
}

static inline void fl_page_clear_flags(struct fl_page *page, u32 flags)
{
	page->key &= ~(u64)(flags & FL_PG_FLAGS_MASK);
}

/* fl_page_set_va: the frame now belongs to another page; the flags stay. */
static inline void fl_page_set_va(struct fl_page *page, u64 va)
{
	*page = fl_page_make(va, fl_page_flags(*page));
}

#endif
