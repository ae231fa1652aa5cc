/*
 * What the kernel says of one page: /proc/PID/pagemap, /proc/kpageflags, /proc/kpagecount.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_KPAGE_H
#define FL_TOOLS_KPAGE_H

#include "base/types.h"

struct kpage {
	bool known; /* the rest means something */
	bool present, swapped, file, exclusive, soft_dirty, uffd_wp;
	u64 pfn;   /* 0: not told to who is not root */
	u64 flags; /* of the physical page, KPF_*; 0: not told */
	u64 count; /* mappings of it; 0: not told */
};

void kpage_read(int pid, u64 va, struct kpage *ret);

/* "present, pfn 0x1234 ...", lines of it, indented. */
void kpage_print(const struct kpage *k);
/* An object, or null. */
void kpage_print_json(const struct kpage *k);

#endif
