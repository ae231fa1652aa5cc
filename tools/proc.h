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

/* Where the kernel has put the parts of a program: /proc/PID/stat, for who may trace it. */
struct proc_layout {
	u64 start_code, end_code, start_data, end_data, start_brk, start_stack;
	u64 arg_start, arg_end, env_start, env_end;
};

/* False if it is not told. */
bool proc_layout_read(int pid, struct proc_layout *ret);

/* The value of an entry of /proc/PID/auxv (AT_ENTRY); *ret_n: how many there are. */
bool proc_auxv_read(int pid, u64 type, u64 *ret_value, u32 *ret_n);

/* By SIGSTOP or a debugger: it answers nothing, and is not to be waited for. */
bool proc_is_stopped(int pid);

/* For one of many that are asked. */
#define PROC_PATIENCE_S 2

/* Why a process says nothing, in a word or two: for -EAGAIN it is stopped, else what
 * snapshot_take returned. */
const char *proc_why_silent(int err);

/* A line of /proc/PID/status ("VmPTE"), in KiB. False if it is not there. */
bool proc_status_kib(int pid, const char *name, u64 *ret_kib);

#endif
