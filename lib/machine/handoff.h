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

/*
 * By how much limits on memory are above those of the program that is started with them: of RLIMIT_AS
 * and then of RLIMIT_DATA the kernel's soft limit and by how much, the hard one and by how much.
 */
#define FL_LIMITS_ENV  "FAULTLINE_LIMITS"
#define FL_LIMITS_TEXT 192 /* bytes that it may have, with its name */

enum fl_fd {
	FL_FD_MEM,	/* base + this: the machine's memory file */
	FL_FD_SWAP,
	FL_FD_UFFD_DEV,	/* /dev/userfaultfd, opened by who may */
	FL_FD_UFFD,
	FL_FD_CONTROL,
	FL_FD_STOP,
};

/* The base for this process's limit of open files. */
int fl_fd_base(void);

/* While a process is set up its limit of open files may be lower than our numbers,
 * or all numbers below it be taken: raised, if it may be, and put back. For a
 * process that has no other thread. */
struct rlimit;
void fl_fd_raise_limit(int base, struct rlimit *ret_old);
void fl_fd_restore_limit(const struct rlimit *old);

/* Moves fd to number base + which, closing whatever was there; inherited by
 * exec unless cloexec. Returns the new number or -errno. */
int fl_fd_place(int base, enum fl_fd which, int fd, bool cloexec);

/*
 * Gives the calling thread a descriptor table of its own, with nothing in it but
 * the reserved numbers and keep, which may be another: where the program's limit
 * of open files has left none of these to be used, or, above them, where the table
 * is also another process's (CLONE_FILES). What it opens from then on takes no number from the
 * program, and cannot be closed or overwritten by it; and no pipe or socket of
 * the program's is kept open. Descriptor 2 leads nowhere: fl_warn finds the
 * program's. 0 or -errno.
 */
int fl_fd_private(int base, int keep);

/* The base that value (of FAULTLINE_FDS) names, if a machine's memory file is
 * really there; else -1. */
int fl_fd_import(const char *value);

#endif
