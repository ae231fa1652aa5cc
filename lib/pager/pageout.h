/*
 * From the inactive list to the swap file: the second half of reclaim, with
 * pages that lie beside each other written beside each other.
 *
 * Context: the mm lock is held.
 */
#ifndef FL_PAGER_PAGEOUT_H
#define FL_PAGER_PAGEOUT_H

#include "pager/pager.h"

#define FL_BATCH_PAGES 64u /* looked at before faults get the lock again */

/* Frees pages from the inactive tail until want are free or on their way. Returns
 * those freed at once; the others come with their writes, for which pages were
 * *ret_submitted to q. *ret_err: why the swap file took no more, 0: it did. */
u32 fl_shrink_inactive(struct fl_pager *p, struct fl_queue *q, u32 want, u32 *ret_submitted,
	int *ret_err);

/* A write has ended: its pages are in swap, or back on the list if it failed.
 * Returns frames freed. */
u32 fl_write_done(struct fl_pager *p, struct fl_io *io);

#endif
