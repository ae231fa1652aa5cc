/*
 * What /proc says of a process as a whole.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PROC_H
#define FL_TOOLS_PROC_H

#include "base/types.h"

struct proc_stat {
	int ppid;
	u32 threads;
	char state; /* as ps has it: R S D T Z ... */
	char comm[64];
};

/* False if there is no such process. */
bool proc_stat_read(int pid, struct proc_stat *ret);

/* The command line with spaces between its words, "[name]" for one that has none; to be freed. */
char *proc_command(int pid, const char *comm);

/* A whole file of /proc with a 0 behind it, to be freed. 0 or -errno. */
int proc_read_all(const char *path, char **ret_text, size_t *ret_len);

#endif
