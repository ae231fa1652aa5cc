/*
 * Where an address lies: in which area, whose that is, and why the kernel's are the kernel's.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PLACE_H
#define FL_TOOLS_PLACE_H

#include "client.h"
#include "procmaps.h"

struct place {
	const struct fl_snap_vma *vma; /* NULL: in none of the program's */
	const char *name;	       /* "" if it has none */
	const char *why;	       /* it is the kernel's; NULL: Faultline manages it */
	bool is_faultlines;	       /* it is memory of Faultline itself */
	u64 hole_start, hole_end;      /* without an area: what is free around it */
};

/* /proc's name for an area; "" if it has none. */
const char *place_name(const struct proc_maps *maps, const struct fl_snap_vma *v);

/*
 * Why an area is the kernel's: "file", "shared", "stack", "thread stack", "hugetlb", "device",
 * "locked", "vdso", or "early" for anonymous memory that was there before Faultline. NULL if
 * Faultline manages it.
 */
const char *place_why(int pid, const struct fl_snap_vma *v, const char *name);

/* Whether its pages are shared memory's: of a memory file or one on tmpfs, or of no file at all. */
bool place_is_shmem(int pid, const struct proc_map *m);

/* The snapshot has VMAs. */
void place_find(
	int pid, const struct snapshot *s, const struct proc_maps *maps, u64 va, struct place *ret);

/* "in 7f00-7f01 rw-p [heap], managed by Faultline", without a newline. */
void place_print(const struct place *p);

/* The value of "vma": an object, or null. */
void place_print_json(const struct place *p);

#endif
