/*
 * One thread has another do something, and waits until it has: our threads have descriptor tables of
 * their own, and what is opened there they must open.
 *
 * Context: mm lock held, unless a function says otherwise.
 */
#ifndef FL_RUNTIME_ASK_H
#define FL_RUNTIME_ASK_H

#include "base/types.h"

struct fl_ask {
	struct fl_ask *next;
	void (*serve)(struct fl_ask *a); /* the other thread: no lock held, but on return */
	bool forsaken;	/* nobody waits for it any more: it is freed by whoever serves it */
	u32 bytes;	/* of all that was allocated for it */
	u32 done;	/* futex */
};

/* What one thread is asked, in turn. */
struct fl_asks {
	struct fl_ask *first;
};

/* Allocated, with what is behind it; NULL: out of memory. */
struct fl_ask *fl_ask_new(u32 bytes, void (*serve)(struct fl_ask *a));
void fl_ask_free(struct fl_ask *a);

/* Calls the other thread until it has served, for patience_ns at most (0: for ever). The lock is let
 * go meanwhile. False: it is forsaken, and not the caller's any more. */
bool fl_ask(struct fl_asks *asks, struct fl_ask *a, long (*call)(void), u64 patience_ns);

/* The other thread: serves all. The lock is let go meanwhile. */
void fl_asks_serve(struct fl_asks *asks);

#endif
