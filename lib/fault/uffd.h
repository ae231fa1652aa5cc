/*
 * The userfaultfd engine: pager/host.h over a userfaultfd, and registering
 * ranges with it.
 *
 * Private VMAs are registered for missing pages and write protection, shared ones for
 * missing pages and for those that only this process has not mapped. The pool
 * is registered for write protection only: UFFDIO_MOVE wants its destination
 * registered, and a missing page there must be the kernel's business.
 *
 * Context: any thread, fault path, after fork; mm lock held once started.
 */
#ifndef FL_FAULT_UFFD_H
#define FL_FAULT_UFFD_H

#include "pager/host.h"

struct fl_uffd {
	struct fl_host host;	/* first: the ops cast it back */
	int fd;
	u64 *nr_move, *nr_copy;	/* counters */
	int pagemap_fd;		/* /proc/self/pagemap in kswapd's table; -1: none */
};

/* Opens a userfaultfd: through dev_fd (/dev/userfaultfd, or -1) or the system
 * call. copy_only: act as if UFFDIO_MOVE were not there. 0 or -errno. */
int fl_uffd_open(struct fl_uffd *u, int dev_fd, bool copy_only);

/* missing: also faults on absent pages. 0 or -errno. */
int fl_uffd_register(struct fl_uffd *u, u64 start, u64 end, bool missing);
/* Shared memory: faults on pages that are absent, and on those that are not mapped
 * here. 0 or -errno. */
int fl_uffd_register_shared(struct fl_uffd *u, u64 start, u64 end);
int fl_uffd_unregister(struct fl_uffd *u, u64 start, u64 end);

#endif
