/*
 * From compressed memory to the file below it, as writeback of drivers/block/zram: where it is
 * nearly full, the pages that were put there first make room for those that are to come.
 *
 * Context: kswapd's thread, mm lock held.
 */
#ifndef FL_PAGER_WRITEBACK_H
#define FL_PAGER_WRITEBACK_H

#include "pager/pager.h"

/* must: also if it is not nearly full, as nothing else gives memory. True if any went. */
bool fl_pager_write_back(struct fl_pager *p, struct fl_queue *q, bool must);

#endif
