/*
 * Who has a frame or a slot: the processes of a tree, by the bitmaps that each keeps in the tree's
 * memory; and what a frame is in each, which only they know.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_HOLDERS_H
#define FL_TOOLS_HOLDERS_H

#include "tree.h"

struct holder {
	int pid;
	char comm[16];
	/* of a frame */
	const char *silent; /* why it was not asked; NULL: it was */
	bool found;	    /* it has the frame at va, with that pte; else it is ready for use */
	u64 va, pte;
};

struct holders {
	struct holder *holder;
	size_t n;
};

/* The live processes that hold it. */
void holders_of_frame(const struct tree *t, u32 frame, struct holders *ret);
void holders_of_slot(const struct tree *t, u32 slot, struct holders *ret);

/* Those whose record's bit is set; bits has one for each record that there can be. */
void holders_of_bits(const struct tree *t, const u64 *bits, struct holders *ret);

/* Asks each what its frame is, but for those that are stopped, and for one that is known. */
void holders_ask(struct holders *h, u32 frame, int known_pid);
void holders_free(struct holders *h);

#endif
