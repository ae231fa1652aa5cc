/*
 * Private file mappings: which are managed, and their way back to the kernel.
 *
 *   twin.c     the mapping of a file that it is read through
 *   filemap.c  taking a mapping over, giving it back
 *   lease.c    learning that somebody is about to change the file
 *
 * To take one over: the hook asks for a lease before it takes the mm lock, since that is got by the
 * thread of leases, whose table of descriptors the program cannot see. With the lock held it maps
 * the file as it was asked to, and then anonymous memory over it.
 *
 * To give one back: its twin's pages are moved there by mremap(2), which replaces what was there in
 * one step and needs no descriptor. The contents are the same, so running threads see nothing.
 */
#ifndef FL_RUNTIME_FILEMAP_H
#define FL_RUNTIME_FILEMAP_H

#include "faultline/snapshot.h"
#include "pager/filemap.h"
#include "runtime/runtime.h"

/* All twins together are not longer than that. */
#define FL_TWIN_MAX (1ull << 40)

/* twin.c; lock held. */
/* Is it this file that the kernel has mapped there? What a number stands for another thread may change
 * at any time. */
bool fl_is_mapped(const struct fl_file *file, u64 start);
/* False: there is no room, or fd is another file by now, and nothing has changed. */
bool fl_twin_cover(struct fl_file *file, int fd, u64 lo, u64 hi); /* has these pages at least */
bool fl_twin_grow(struct fl_file *file, u64 hi);		    /* without a descriptor */
void fl_twin_drop(struct fl_file *file);

/* filemap.c; lock held. */
/* The kernel's mapping at [start, end), new and known to no thread, becomes ours: 0, or why not. */
enum fl_why fl_filemap_manage(struct fl_file *file, int fd, u64 start, u64 end, bool noreserve);
/* All that is mapped of the file and was never written goes back to the kernel; what that refuses is
 * dropped, and will be read again. */
void fl_filemap_return(struct fl_file *file);
/* The range, of one VMA, with the pages that were written. False: the kernel refuses some. */
bool fl_filemap_return_all(struct fl_vma *vma, u64 start, u64 end);
/* All pages that were never written are forgotten, and will be read again. */
void fl_filemap_forget(struct fl_file *file);
/* The file has so many pages now: what is mapped past them is dropped, if it was written, too. */
void fl_filemap_cut(struct fl_file *file, u64 pages);
bool fl_filemap_unreadable(struct fl_pager *p, u64 va, bool must);
/* Is such a mapping in the range? */
bool fl_any_filemap(u64 start, u64 end);
/* After VMAs have gone: files that none is left of. */
void fl_filemap_forget_unused(void);

/* lease.c */
/* A lease on the file that the calling thread has open at fd: 0, or why there is none. No lock
 * held. */
enum fl_why fl_lease_take(int fd, u64 dev, u64 ino);
/* After a fork, or when our threads have begun anew: leases again, or their files go back to the
 * kernel. No lock held, no other thread of the program runs. */
void fl_lease_renew(void);
/* The descriptors of all are gone, with the thread that had them. Lock held. */
void fl_lease_lost(void);
/* The file's descriptor can be closed, and the file forgotten. Lock held. */
void fl_lease_drop(struct fl_file *file);
/* Waits until the descriptors of such files are closed, or for too long. Lock held, and let go
 * meanwhile. */
void fl_lease_wait(void);
/* The thread of leases looks what there is to do. Any lock. */
long fl_lease_call(void);

#endif
