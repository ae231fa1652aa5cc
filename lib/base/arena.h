/*
 * Faultline's own memory inside the program.
 *
 * One reserved range, private and anonymous, so that fork(2) hands the child
 * a copy of everything at the same addresses. Nothing in it is ever managed,
 * evicted or freed to the kernel while the process lives. Sizes are rounded to
 * powers of two and kept on free lists by size.
 *
 * Context: any thread, fault path, after fork; never a signal handler of the
 * program (hooks block signals).
 */
#ifndef FL_BASE_ARENA_H
#define FL_BASE_ARENA_H

#include "base/lock.h"

#define FL_ARENA_CLASSES 20 /* 16 bytes to 8 MiB */

struct fl_arena {
	struct fl_lock lock;
	u64 start, next, end;	/* bytes; [start, next) is in use */
	void *free[FL_ARENA_CLASSES];
	u64 used_bytes, peak_bytes;
};

/* Takes [start, start + size_bytes), zero-filled, as its memory. */
void fl_arena_init(struct fl_arena *a, void *start, u64 size_bytes);

/* Zeroed memory aligned to its rounded size up to 4096; NULL when full. */
void *fl_arena_alloc(struct fl_arena *a, size_t bytes);
void fl_arena_free(struct fl_arena *a, void *p, size_t bytes);

#endif
