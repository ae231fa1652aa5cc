/*
 * PAGEMAP_SCAN (Linux 6.7), which Debian 12's headers (6.1) do not have.
 * Whether the running kernel knows it shows when it is called.
 */
#ifndef FL_TOOLS_PAGEMAP_COMPAT_H
#define FL_TOOLS_PAGEMAP_COMPAT_H

#include <linux/fs.h>

#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg)

#define PAGE_IS_WPALLOWED (1 << 0)
#define PAGE_IS_WRITTEN	  (1 << 1) /* not write-protected by userfaultfd */
#define PAGE_IS_FILE	  (1 << 2)
#define PAGE_IS_PRESENT	  (1 << 3)
#define PAGE_IS_SWAPPED	  (1 << 4)
#define PAGE_IS_PFNZERO	  (1 << 5)
#define PAGE_IS_HUGE	  (1 << 6)

struct page_region {
	__u64 start, end; /* bytes */
	__u64 categories;
};

struct pm_scan_arg {
	__u64 size;
	__u64 flags;
	__u64 start, end; /* bytes */
	__u64 walk_end;	  /* where the kernel stopped */
	__u64 vec, vec_len;
	__u64 max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask;
	__u64 return_mask;
};
#endif

/* Bits of an entry of /proc/PID/pagemap. */
#define PM_UFFD_WP (1ull << 57)
#define PM_SWAP	   (1ull << 62)
#define PM_PRESENT (1ull << 63)

#endif
