/*
 * The memory that the processes of a tree share (machine/machine.h), read from outside.
 *
 * Every process of a tree has its memory file open, so /proc/PID/fd leads there. No process has to
 * answer for that: one that is stopped or hangs is shown like any other. The kernel decides who may:
 * root, or the user that may trace the process, as for /proc/PID/smaps.
 *
 * What is read is a copy, taken without locks while the tree runs: each word is right, two may be of
 * different moments. The file may be anybody's who names it as ours does: nothing in it is trusted.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_TREE_H
#define FL_TOOLS_TREE_H

#include "machine/machine.h"

#include <sys/types.h>

struct tree {
	int fd;
	dev_t dev; /* together with ino: which tree it is */
	ino_t ino;
	u64 file_bytes;
	struct fl_machine machine;
	struct fl_proc *procs; /* machine.nr_procs */
};

/*
 * The tree that the process belongs to. 0, or -errno: -ESRCH there is no such process, -ECONNREFUSED
 * it is in no tree, -EPERM it is another user's, -EPROTO another version's.
 */
int tree_open(int pid, struct tree *ret);

/* The same file, to be written to: for `check`, which takes the tree's locks. Or -errno. */
int tree_open_writable(int pid);

/* Machine and process table again as they are now. 0 or -errno. */
int tree_refresh(struct tree *t);
void tree_close(struct tree *t);

/* A copy of an array in the file, to be freed; NULL if it is not there. */
void *tree_read(const struct tree *t, u64 at, u64 bytes);

/* The same of the users of each frame, and of the bitmap of frames that a process holds; both cover
 * machine.zone.fresh frames. */
u16 *tree_refs(const struct tree *t);
u64 *tree_held_frames(const struct tree *t, u32 proc);

/* The users of each slot of the swap file, machine.slots.nr_slots. */
u16 *tree_slot_counts(const struct tree *t);

/* Whether the record is that of a process which runs under Faultline now. */
bool tree_is_live(const struct fl_proc *p);

/* The live process with this number, or NULL. */
const struct fl_proc *tree_find(const struct tree *t, int pid);

/* Every process that has a control socket in this network namespace, in any tree and of any user.
 * The caller frees *ret. */
int tree_list_pids(int **ret, size_t *ret_n);

#endif
