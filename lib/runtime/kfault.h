/*
 * Faults that the kernel resolves itself, seen and counted: those on shared file mappings, whose one
 * copy is its page cache.
 *
 * It tells of each by a software event (perf_event_open(2), PERF_COUNT_SW_PAGE_FAULTS_MIN and _MAJ),
 * with the address, in a ring for each CPU. The rings are emptied before the mirror changes, so that
 * each address is looked up among the mappings that it was touched in; when one is half full; and when
 * somebody asks. A ring that is full loses events, but not their number: they count as like what came before
 * them (and as minor).
 *
 * It costs a third of a microsecond a fault and at each switch of threads, and a process 0.4 ms; so it
 * begins with the first mapping that is worth it, and only then. Where it is refused (see
 * perf_event_paranoid in perf_event_open(2), a seccomp filter, Linux before 6.0) such faults are not counted.
 */
#ifndef FL_RUNTIME_KFAULT_H
#define FL_RUNTIME_KFAULT_H

#include "runtime/runtime.h"

/* What is shorter than the kernel maps around a fault has a fault or two. */
#define FL_KFAULT_LEAST_BYTES (64ull << 10)

/* The program is about to map a file shared. No lock held. */
void fl_kfault_start(void);
/* The handler's thread: it is asked for something, or a ring is half full. No lock held. */
void fl_kfault_serve(struct fl_handler *h);
/* The handler's thread: counts all that there has been, before a tool looks. No lock held. */
void fl_kfault_look(void);
/* The program is about to end, or to become another: everything is counted, what a ring has lost last,
 * too. No lock held. */
void fl_kfault_settle(void);
/* Counts all that the kernel has told. Lock held. */
void fl_kfault_drain(void);
/* A child of a fork, before anything else: it has none of this. Lock held. */
void fl_kfault_lost(void);
/* Then, as after our threads have begun anew: as it was before. No lock held. */
void fl_kfault_again(void);

#endif
