/*
 * Faults on shared anonymous memory, and its eviction.
 *
 * The storage of these pages is the kernel's (a tmpfs inode), because all processes must
 * see one copy, with atomics and futexes in it. What is ours: whether a page may be in
 * memory (a frame of the budget for each), and who may have it in its page table
 * (machine/shmem.h). Each process sees an object twice: where the program has mapped it,
 * registered with its userfaultfd, and in our own view, where pages are filled, read and
 * written without a fault. There is no pte for them in the mirror: what a process has in
 * its page table of a shared page, the kernel may forget at any time.
 *
 * Evicting pages: all processes that may have them mapped unmap them when they are asked, and
 * whoever touches one then takes it back. Those that nobody touches for a while are written,
 * and punched out of the inode.
 *
 * Context: as pager.h.
 */
#ifndef FL_PAGER_SHMEM_H
#define FL_PAGER_SHMEM_H

#include "machine/shmem.h"
#include "pager/pager.h"

#define FL_SHMEM_CLUSTER 16u /* pages read, or filled, for one fault */

/* The object of a shared VMA that we serve; NULL: it is the kernel's. The lock of shared
 * memory is held. */
struct fl_shmem *fl_shmem_of(const struct fl_pager *p, const struct fl_vma *vma);

/* The address of the object's page in our own view. */
static inline u64 fl_shmem_view(const struct fl_pager *p, const struct fl_shmem *s, u32 index)
{
	return p->shmem_view[s - p->machine.shmems] + (u64)index * FL_PAGE_SIZE;
}

/* Pages of the object [first, first + n) and where the first of them is in the program. */
struct fl_shmem_run {
	struct fl_shmem *s;
	u32 first, n;
	u64 va;
};

/* The pages around the fault that are as it is, at most max, in the block of max pages that
 * it lies in. The lock of shared memory is held for all these. */
struct fl_shmem_run fl_shmem_around(const struct fl_pager *p, const struct fl_vma *vma,
	struct fl_shmem *s, u64 va, u32 max);
/* As many frames as there are, at most n; each by itself, for later. */
u32 fl_shmem_frames(struct fl_pager *p, u32 *ret, u32 n);
/* For fewer pages there are frames: those up to the faulting one, or from it on. */
void fl_shmem_shorten(struct fl_shmem_run *r, u64 va, u32 n);
/* Frames that are the shared memory's from now on, without storage of ours. */
void fl_shmem_give(struct fl_pager *p, const u32 *f, u32 n);

enum fl_fault_result fl_shmem_fault(struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 flags);
/* A page for which a thread waits has been read: puts it in, or has the thread fault again, if
 * it is not there after all. No lock of shared memory is held. */
void fl_shmem_arrived(struct fl_pager *p, u64 va);

/* shmem-in.c: begins to read the page at va, which is in swap. The lock of shared memory is held. */
enum fl_fault_result fl_shmem_swap_in(struct fl_pager *p, const struct fl_vma *vma, struct fl_shmem *s,
	u64 va, u32 flags);
void fl_shmem_read_done(struct fl_pager *p, struct fl_io *io);

/* shmem-out.c */
/* Takes up to want pages of shared memory out. Lets the lock go meanwhile; returns frames
 * freed. kswapd's thread. */
u32 fl_shmem_reclaim(struct fl_pager *p, u32 want);
/* Unmaps what another process wants to take out. kswapd's thread. */
void fl_shmem_serve(struct fl_pager *p);
/* Reads back all that is in swap of what this process has mapped, for good: it is about to
 * use it without us. */
void fl_shmem_keep_all(struct fl_pager *p);
/* shmem-keep.c */
/* Where a device may write to the object's pages it is the kernel's from now on, and true returned;
 * look: as of fl_pager.may_pin. The lock of shared memory is not held. */
bool fl_shmem_leave_pinned(struct fl_pager *p, struct fl_shmem *s, bool look);
/* Does another process write to memory of this one (process_vm_writev)? Its pages stay meanwhile; and
 * if nothing else gives memory the object is the kernel's, as where one is pinned. */
bool fl_shmem_leave_poked(struct fl_pager *p, struct fl_shmem *s);
/* This process has it no more. The lock of shared memory is held. */
void fl_shmem_drop(struct fl_pager *p, struct fl_shmem *s);
/* After VMAs have gone: objects that no VMA is left of. */
void fl_shmem_forget_unused(struct fl_pager *p);

#endif
