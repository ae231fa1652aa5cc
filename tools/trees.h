/*
 * The trees that a command shows: those of the processes named, or all that the user may see.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_TREES_H
#define FL_TOOLS_TREES_H

#include "tree.h"

struct trees {
	struct tree *tree;
	size_t n, room;
};

/*
 * Each tree once. nr_pids 0: all, passing over those of other users. False after a message if one
 * named could not be opened, or none can be looked for; the others are there.
 */
bool trees_open(struct trees *ts, const int *pids, size_t nr_pids);
void trees_close(struct trees *ts);

#endif
