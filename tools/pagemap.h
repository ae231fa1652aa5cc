/*
 * Which pages the kernel has: /proc/PID/pagemap.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PAGEMAP_H
#define FL_TOOLS_PAGEMAP_H

#include "base/types.h"
#include "faultline/snapshot.h"

#define KPAGE_PRESENT 1u
#define KPAGE_SWAPPED 2u /* in the kernel's own swap */
#define KPAGE_WP      4u /* write-protected by userfaultfd */

/* A run of pages in one state; runs with no state are left out. */
struct kpage_run {
	u64 start, end; /* bytes */
	u32 state;	/* KPAGE_* */
};

struct pagemap {
	int fd;
	bool no_scan; /* the kernel has no PAGEMAP_SCAN */
	struct kpage_run *run;
	size_t n, room;
};

/* 0 or -errno. */
int pagemap_open(struct pagemap *p, int pid);
void pagemap_close(struct pagemap *p);

/*
 * Adds the pages of [start, end) to run[0..n), by address. Costs by pages
 * that exist, not by the length: where PAGEMAP_SCAN is missing, large ranges
 * are only read around the pages in known[0..nr_known), sorted, which lie
 * within the range. 0 or -errno.
 */
int pagemap_read(
	struct pagemap *p, u64 start, u64 end, const struct fl_snap_page *known, size_t nr_known);

#endif
