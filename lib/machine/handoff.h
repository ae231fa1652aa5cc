/*
 * Handing the machine's descriptors down through fork and exec.
 *
 * They sit at fixed high numbers, where programs do not look for descriptors
 * of their own, are inherited by exec, and the hooks of close and close_range
 * keep them open. The environment variable FAULTLINE_FDS names the first.
 *
 * Context: start of a process.
 */
#ifndef FL_MACHINE_HANDOFF_H
#define FL_MACHINE_HANDOFF_H

#include "base/types.h"

#define FL_FDS_ENV	"FAULTLINE_FDS"
#define FL_FDS_RESERVED 16	/* numbers from the base on that are Faultline's */

enum fl_fd {
	FL_FD_MEM,	/* base + this: the machine's memory file */
	FL_FD_SWAP,
	FL_FD_UFFD_DEV,	/* /dev/userfaultfd, opened by who may */
	FL_FD_UFFD,
	FL_FD_CONTROL,
	FL_FD_PAGEMAP,
	FL_FD_PROC_MEM,
	FL_FD_READS,	/* io_uring of the fault handler */
	FL_FD_WRITES,	/* and of kswapd */
};

/* The base for this process's limit of open files. */
int fl_fd_base(void);

/* Moves fd to number base + which, closing whatever was there; inherited by
 * exec unless cloexec. Returns the new number or -errno. */
int fl_fd_place(int base, enum fl_fd which, int fd, bool cloexec);

/* The base that value (of FAULTLINE_FDS) names, if a machine's memory file is
 * really there; else -1. */
int fl_fd_import(const char *value);

#endif
