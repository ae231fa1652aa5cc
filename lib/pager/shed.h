/*
 * Evicting pages that other processes use too.
 *
 * Such a frame cannot be moved, and it is free only when its last holder has given
 * it up. So a process writes the content to swap, says so by the frame's number
 * (machine/swapcache.c), and gives the page up for itself; the others, when they are
 * asked or need memory themselves, give it up without a write.
 *
 * There is no second chance here: the page has no storage of ours to wait in.
 *
 * Context: as pager.h.
 */
#ifndef FL_PAGER_SHED_H
#define FL_PAGER_SHED_H

#include "pager/pager.h"

enum fl_shed {
	FL_SHED_GONE,	 /* given up, and the frame was free with that */
	FL_SHED_LEFT,	 /* given up, or being written; others have it still */
	FL_SHED_BUSY,	 /* the last request is under way yet: later */
	FL_SHED_REFUSED, /* not now */
};

/* Evicts the page at va, in the shared frame f, which is on the active list; its
 * neighbours are written with it, to q. */
enum fl_shed fl_shed(struct fl_pager *p, struct fl_queue *q, u32 f, u64 va,
	const struct fl_vma *vma);

/* The request p->shed_io has ended. Returns frames freed. */
u32 fl_shed_done(struct fl_pager *p, struct fl_io *io);

/* Gives up pages whose content others have written: at most want frames that nobody
 * else has, and with all set everything that others have. Returns frames freed. */
u32 fl_shed_published(struct fl_pager *p, u32 want, bool all);

#endif
