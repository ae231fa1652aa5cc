/*
 * One comparison of a mirror with the kernel; between the files of
 * `faultline check`.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_CHECK_H
#define FL_TOOLS_CHECK_H

#include "client.h"
#include "command.h"
#include "pagemap.h"
#include "procmaps.h"
#include "tree.h"

#define CHECK_LINES 50u /* disagreements shown, the others are only counted */
#define CHECK_WHAT  160 /* bytes of one side's description */

struct check {
	int pid;
	struct snapshot snap;
	struct proc_maps maps;
	struct pagemap pagemap;
	struct fl_proc record;
	u64 *held_frames, *held_slots; /* bitmaps: what the tree says that the process holds */
	u64 nr_frames, nr_slots;       /* their bits */
	bool may_end;		       /* that is no error */
	bool ended;		       /* while it was looked at */
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

/*
 * Recounts the frames and slots of the tree that the process belongs to, and says so on standard
 * output; false in *ret_ok if they do not add up. The living processes are put in *ret_pids, which
 * the caller frees. 0, or -errno as of tree_open, with nothing to free.
 */
int check_tree(int pid, int **ret_pids, size_t *ret_n, bool *ret_ok);

void check_vmas(struct check *c);
void check_pages(struct check *c);

#endif
