/*
 * One comparison of a mirror with the kernel; between the files of
 * `faultline check`.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_CHECK_H
#define FL_TOOLS_CHECK_H

#include "client.h"
#include "pagemap.h"
#include "procmaps.h"

#define CHECK_LINES 50u /* disagreements shown, the others are only counted */
#define CHECK_WHAT  160 /* bytes of one side's description */

struct check {
	int pid;
	struct snapshot snap;
	struct proc_maps maps;
	struct pagemap pagemap;
	u64 nr_vmas, nr_pages; /* compared */
	u64 disagreements;
	/* the last one, not printed yet: it may go on */
	u64 start, end;
	char mirror[CHECK_WHAT], kernel[CHECK_WHAT];
};

/* Notes that the two differ in [start, end). Neighbours that differ in the
 * same way are one disagreement. */
void check_disagree(struct check *c, u64 start, u64 end, const char *mirror, const char *kernel);

/* Only memory that Faultline pages has page table entries to compare. */
bool check_is_paged(const struct fl_snap_vma *v);

void check_vmas(struct check *c);
void check_pages(struct check *c);

#endif
