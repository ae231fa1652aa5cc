/*
 * The fields of a process's mm_struct, gathered for `faultline mm`.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_MM_H
#define FL_TOOLS_MM_H

#include "client.h"
#include "procmaps.h"
#include "smaps.h"
#include "tree.h"

enum mm_unit {
	MM_ADDRESS,
	MM_PAGES,
	MM_BYTES,
	MM_COUNT,
	MM_FLAGS, /* text has their names */
	MM_TEXT,
	MM_NR_UNITS,
};

/* Whose figure it is. */
enum mm_by {
	MM_BY_FAULTLINE = 'F',
	MM_BY_KERNEL = 'K',
	MM_BY_BOTH = 'B', /* Faultline's for what it manages, the kernel's for the rest */
	MM_BY_GUESS = '?',
};

#define MM_MAX_FIELDS 64
#define MM_TEXT_BYTES 160

struct mm_field {
	const char *name; /* NULL: a heading, which is meaning */
	enum mm_unit unit;
	enum mm_by by;
	bool known;
	u64 value;
	char text[MM_TEXT_BYTES];
	const char *meaning;
};

struct mm_fields {
	struct mm_field field[MM_MAX_FIELDS];
	u32 n;
};

/* What they are made of, of one moment. */
struct mm_sources {
	int pid, tid; /* tid: of a thread that lives, for /proc */
	struct snapshot snap;
	struct proc_maps maps;
	struct smaps smaps; /* Faultline's figures put in */
};

void mm_gather(const struct mm_sources *from, struct mm_fields *ret);

/* mm-rss.c: resident pages by kind, of all areas. */
struct mm_rss {
	u64 file, anon, shmem, swap;  /* pages */
	u64 anon_kernel, swap_kernel; /* of these, in what the kernel manages */
};

void mm_add_rss(const struct mm_sources *from, struct mm_rss *ret);

#endif
