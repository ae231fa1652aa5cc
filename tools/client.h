/*
 * Asking a running process for a snapshot; faultline/snapshot.h is the
 * protocol.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_CLIENT_H
#define FL_TOOLS_CLIENT_H

#include "faultline/snapshot.h"

#include <stdbool.h>
#include <stddef.h>

struct snapshot {
	const struct fl_snapshot *head;
	const struct fl_snap_vma *vmas;	    /* head->nr_vmas, by address */
	const struct fl_snap_page *pages;   /* head->nr_pages, by address */
	const struct fl_snap_range *ranges; /* head->nr_ranges, in any order */
	size_t bytes;
	int connection; /* open: with FL_CTL_FREEZE it keeps the process still */
};

/*
 * Takes a snapshot with FL_CTL_* flags. 0, or -errno: -ESRCH there is no such
 * process, -ECONNREFUSED it is not running under Faultline (or ends just now),
 * -EPERM it is another user's, -EPROTO another version's.
 */
int snapshot_take(int pid, uint32_t flags, struct snapshot *ret);

/* The same, and the way to a page (FL_CTL_WALK): the one at va, or, where frame is not
 * FL_SNAP_NO_FRAME, the one that has it. */
int snapshot_take_page(int pid, uint32_t flags, uint64_t va, uint32_t frame, struct snapshot *ret);

/* How long a process may take to answer from now on: where many are asked, and one that hangs is
 * only left out. */
void snapshot_set_patience(int seconds);

/* Lets a frozen process go on; the snapshot stays. */
void snapshot_thaw(struct snapshot *s);
void snapshot_release(struct snapshot *s);

/* Says why a snapshot could not be had. */
void snapshot_complain(int pid, int err);

#endif
