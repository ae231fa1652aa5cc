/*
 * Commands about trees as a whole: [PID...] and --json, and nothing else.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_ON_TREES_H
#define FL_TOOLS_ON_TREES_H

#include "trees.h"

#define TREE_BUSY_TRIES 100u

/*
 * Opens the trees that the arguments name, or all, and shows them. show returns false if it had to
 * complain. Returns the command's exit status.
 */
int on_trees(int argc, char **argv, const char *doc, bool (*show)(struct trees *ts, bool json));

/* Whom a tree is called after: its eldest process that lives, 0 if none does. */
int tree_pid(const struct tree *t);

/*
 * The machine again, until it is of one moment as far as the zone goes: it is copied without a lock
 * while processes take frames. 0 or -errno; -EAGAIN it never was.
 */
int tree_refresh_zone(struct tree *t);

/*
 * The free blocks of each order. Frames that were never given out are in no list: they are counted
 * as the largest blocks that they make, as the kernel has them in its lists from the start.
 */
void tree_free_blocks(const struct tree *t, u64 ret[FL_NR_ORDERS]);

#endif
