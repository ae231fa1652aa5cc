/*
 * What the pager asks of the machine below it: moving pages between the pool
 * and the program. lib/fault implements it with userfaultfd; the tests with an
 * array.
 *
 * Counts are pages, addresses bytes and page aligned. "Program" addresses lie
 * in managed VMAs, "slot" addresses in the pool.
 *
 * Context: any thread that holds the mm lock.
 */
#ifndef FL_PAGER_HOST_H
#define FL_PAGER_HOST_H

#include "base/types.h"

struct fl_host;

struct fl_host_ops {
	/*
	 * Moves n pages; what is at src is gone from there afterwards, and
	 * threads that wait for dst run again. Returns how many were moved, in
	 * order, and in *ret_error why it stopped: 0, -EEXIST (something is at
	 * dst), -ENOENT (nothing is at src), -EBUSY (pinned, or shared by fork),
	 * -EINVAL (not between these VMAs), -EAGAIN.
	 */
	u32 (*move)(struct fl_host *h, u64 dst, u64 src, u32 n, int *ret_error);
	/* Fills absent program pages with a copy of src, write-protected if wp;
	 * wakes. Returns how many, and why it stopped. */
	u32 (*copy)(struct fl_host *h, u64 dst, const void *src, u32 n, bool wp, int *ret_error);
	/* Maps n program pages of shared memory that are in memory already; wakes. Returns
	 * how many, and why it stopped: -EEXIST (mapped already), -EFAULT (not in memory). */
	u32 (*map_shared)(struct fl_host *h, u64 va, u32 n, int *ret_error);
	/* Fills n absent program pages of shared memory with zeros, for all processes; wakes.
	 * Returns how many, and why it stopped: -EEXIST (in memory, or mapped). */
	u32 (*zero_shared)(struct fl_host *h, u64 va, u32 n, int *ret_error);
	/* Write-protects, or lifts it and wakes. 0 or -errno. */
	int (*protect)(struct fl_host *h, u64 va, u64 n, bool on);
	/* Runs the threads that wait for these pages again. */
	void (*wake)(struct fl_host *h, u64 va, u64 n);
	/* Gives the storage back to the kernel; program or slot addresses. 0 or -errno: a part
	 * that is locked keeps it. */
	int (*discard)(struct fl_host *h, u64 va, u64 n);
	/* Gives slots zeroed storage. 0 or -errno. */
	int (*populate)(struct fl_host *h, u64 slot, u64 n);
	/* Copies one program page out, whatever its protection. 0 or -errno. */
	int (*fetch)(struct fl_host *h, void *to, u64 va, bool readable);
	/* n program pages that nobody else has any more belong to this process in the
	 * kernel's eyes too, as if each had been written to. Best effort. */
	void (*own)(struct fl_host *h, u64 va, u32 n);
	/* Does the kernel share this page, which is there, with another process? True if it
	 * cannot be asked. */
	bool (*shared)(struct fl_host *h, u64 va);
	/* Takes shared pages out of memory for all processes; our own view of them. 0 or -errno. */
	int (*punch)(struct fl_host *h, u64 va, u64 n);
	/* Waits until the kernel has read n pages of a file mapping from its disk. No lock need be
	 * held. */
	void (*read_in)(struct fl_host *h, u64 va, u64 n);
	/* Is there a page at this program address? */
	bool (*present)(struct fl_host *h, u64 va);
};

struct fl_host {
	const struct fl_host_ops *ops;
	bool can_move;	/* UFFDIO_MOVE works */
	bool can_share;	/* so do faults on shared memory */
};

#endif
