/*
 * A tree's processes as `faultline ps` shows them; between its files.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PS_H
#define FL_TOOLS_PS_H

#include "proc.h"
#include "tree.h"

struct ps_row {
	int pid;
	u32 record; /* its index in the process table */
	u32 depth;  /* below the first process that it descends from */
	struct proc_stat stat;
	char *command;
	u32 threads; /* the program's own */
	u64 shared_bytes;
	double faults_per_s;
};

struct ps_tree {
	struct tree tree;
	struct fl_proc *before; /* the process table, an interval ago */
	u32 nr_before;
	double before_s;
	struct ps_row *rows; /* parents before their children */
	size_t n;
	u64 shared_bytes; /* frames with more than one user, each counted once */
};

/* Remembers the counters as they are: rates count from here. */
void ps_mark(struct ps_tree *t);

/* Reads everything again and makes the rows. 0 or -errno. */
int ps_fill(struct ps_tree *t);
void ps_free(struct ps_tree *t);

/* ps-print.c. columns: where lines are cut off, 0: nowhere. */
void ps_print(const struct ps_tree *t, size_t columns);
void ps_print_json(const struct ps_tree *trees, size_t n, double interval_s);

#endif
