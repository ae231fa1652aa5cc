/*
 * Staying on the faulting thread's CPU.
 *
 * Waking an idle virtual CPU costs some 50 us, resolving a fault 8. When the
 * handler wakes a thread, the scheduler sees the handler's CPU busy and sends
 * the thread to an idle one; the next fault then crosses CPUs both ways. So the
 * handler is pinned to one CPU, and a thread that faulted there is kept there:
 * its affinity is narrowed to that CPU while it goes on faulting, and put back
 * when it has not for a few milliseconds, or another thread faults there. A
 * thread that faulted elsewhere (the load balancer moved it) is woken as usual,
 * and the handler moves after it.
 *
 * Which CPU a thread faulted on is read from its rseq area, which the kernel
 * keeps for every thread of glibc 2.35 and newer.
 *
 * The program must not see the narrowed mask: calls that read, set or inherit
 * it put it back first (fl_follow_restore); where such a call could not be
 * hooked, nothing is narrowed. A mask that somebody else has set meanwhile,
 * taskset(1) or a cpuset, is left as it is, unless it is the narrowed one.
 *
 * Context: the mm lock is held.
 */
#ifndef FL_FAULT_FOLLOW_H
#define FL_FAULT_FOLLOW_H

#include "mm/vma.h"
#include "pager/pager.h"

#define FL_CPUSET_BYTES 128	/* 1024 CPUs */

struct fl_thread {
	u64 tcb;	/* its thread-control block (fs base) */
	u64 tid_at;	/* where the kernel has put its tid, 0: tid is known */
	u32 tid;
	u32 next;	/* in the table: index + 1 */
};

struct fl_follow {
	s64 rseq_offset;	/* of struct rseq from the TCB; 0: not known */
	u32 cpu;		/* the handler's */
	u32 elsewhere;		/* faults in a row from one other CPU */
	u32 elsewhere_cpu;
	u32 tid;		/* narrowed now, or 0 */
	u32 tid_cpu;		/* to this CPU */
	u64 used_cycles;	/* when it faulted last */
	u64 mask[FL_CPUSET_BYTES / 8];	/* what it had before */
	u32 last;		/* index of the thread looked up last */
	struct fl_thread *threads;
	u32 nr_threads, max_threads;
};

/* The handler's thread, at its start. */
void fl_follow_start(struct fl_follow *f);

/* A thread is about to be made, or (tid given) is known to exist. */
void fl_follow_thread(struct fl_follow *f, struct fl_arena *arena, u64 tcb, u64 tid_at, u32 tid);

/* Before tid is woken: keeps it on the handler's CPU if it faulted there. */
void fl_follow_wake(struct fl_follow *f, const struct fl_mm *mm, u32 tid);

/* Gives the narrowed thread, if any, its affinity back. */
void fl_follow_restore(struct fl_follow *f);

/* When the narrowed thread has not faulted for so long, it is given back. */
#define FL_FOLLOW_IDLE_NS 2000000u

/* The word that the kernel clears when the thread ends, as far as is known; 0.
 * Takes no lock: the thread asks for itself. */
u64 fl_follow_tid_at(const struct fl_follow *f, u32 tid);

/* Its memory was unmapped, or the process forked: forget threads in it. */
void fl_follow_only(struct fl_follow *f, u64 tcb, u32 tid);

#endif
