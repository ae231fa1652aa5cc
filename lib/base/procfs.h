/*
 * Reading what /proc says: small files, the numbers in them, and the list of threads.
 *
 * No libc: the fault path does this, too. A file is read with one call, and closed at once.
 *
 * Context: any thread, fault path, after fork.
 */
#ifndef FL_BASE_PROCFS_H
#define FL_BASE_PROCFS_H

#include "base/types.h"

/* What getdents64(2) writes. */
struct fl_dirent {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
};

/* The file's beginning, as a string, at most size - 1 bytes of it. Its length, 0 if it is
 * empty, and -errno if it cannot be read; buf is a string in any case. */
long fl_read_file(const char *path, char *buf, u32 size);

/* The decimal number at *s, behind blanks; *s is set behind it. 0 if there is none. */
u64 fl_read_number(const char **s);

/* Where a field of /proc/PID/stat begins in its text, by its number in proc(5), from 3 (the state)
 * on: behind the name, which may have blanks and brackets. NULL if there are not so many. */
const char *fl_stat_field(const char *text, u32 field);

/* The threads of this process, ours among them; 0 if /proc does not tell. */
u32 fl_nr_tasks(void);

/* The names in a folder that are numbers. fl_numbers_open returns 0 or -errno; fl_numbers_next the
 * next one, and -1 at the end, when the folder is closed. */
struct fl_numbers {
	long fd;
	u32 at, have;
	_Alignas(8) char buf[1024];
};
int fl_numbers_open(struct fl_numbers *n, const char *path);
s64 fl_numbers_next(struct fl_numbers *n);
/* Before the end. */
void fl_numbers_close(struct fl_numbers *n);

/* The threads, likewise; 0 at the end. */
struct fl_tasks {
	struct fl_numbers n;
};
int fl_tasks_open(struct fl_tasks *t);
u32 fl_tasks_next(struct fl_tasks *t);

#endif
