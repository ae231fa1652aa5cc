/*
 * Robust mutexes in shared memory.
 *
 * When a thread ends, killed or not, the kernel marks the robust mutexes that it holds
 * (get_robust_list(2)), so that those who wait for them learn of it. It goes through a list
 * in the thread's own memory, and what is not in the process's page table then is left out
 * in silence: faults of an exiting thread reach no userfaultfd. So pages with such a mutex
 * stay where they are while it is held.
 *
 * Context: as pager.h; kswapd's thread.
 */
#ifndef FL_PAGER_ROBUST_H
#define FL_PAGER_ROBUST_H

#include "machine/shmem.h"
#include "pager/pager.h"

/* Does a thread of ours hold, or is it about to take, a robust mutex in these pages? If
 * map_back, they have been unmapped, and such pages are mapped again. */
bool fl_robust_held(struct fl_pager *p, const struct fl_shmem *s, u32 index, u32 n, bool map_back);

#endif
