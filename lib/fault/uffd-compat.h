/*
 * userfaultfd constants newer than the distribution's kernel headers (Debian
 * 12: 6.1). Whether the running kernel knows them is asked at start.
 */
#ifndef FL_FAULT_UFFD_COMPAT_H
#define FL_FAULT_UFFD_COMPAT_H

#include <linux/userfaultfd.h>

#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
#define _UFFDIO_MOVE	  (0x05)
#define UFFDIO_MOVE	  _IOWR(UFFDIO, _UFFDIO_MOVE, struct uffdio_move)

struct uffdio_move {
	__u64 dst, src, len;
	__u64 mode;
	__s64 move; /* bytes moved, or a negative errno */
};
#endif

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

/* /proc/PID/pagemap: no other process has the page. */
#define PM_MMAP_EXCLUSIVE (1ull << 56)

#endif
