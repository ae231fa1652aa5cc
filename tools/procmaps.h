/*
 * /proc/PID/maps, parsed.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PROCMAPS_H
#define FL_TOOLS_PROCMAPS_H

#include "base/types.h"

/* As in struct fl_snap_vma.flags. */
#define MAP_FLAG_READ	   1u
#define MAP_FLAG_WRITE	   2u
#define MAP_FLAG_EXEC	   4u
#define MAP_FLAG_SHARED	   8u
#define MAP_FLAG_GROWSDOWN (1u << 4)
#define MAP_FLAG_LOCKED	   (1u << 5)
#define MAP_FLAG_HUGETLB   (1u << 11)
#define MAP_FLAG_STACK	   (1u << 12) /* a thread's */
#define MAP_FLAG_FILE	   (1u << 16)

struct proc_map {
	u64 start, end, offset; /* bytes */
	u32 flags;		/* MAP_FLAG_READ to MAP_FLAG_SHARED */
	u32 major, minor;
	u64 ino;
	const char *name; /* path, "[heap]" and the like, or "" */
};

struct proc_maps {
	struct proc_map *map; /* by address */
	size_t n;
	char *text;
};

/* 0 or -errno. */
int proc_maps_read(int pid, struct proc_maps *ret);
void proc_maps_free(struct proc_maps *m);

/* One line without its newline; name points into it. False if it is none. */
bool proc_maps_parse(char *line, struct proc_map *m);

/* The first map that ends above addr, or NULL. */
const struct proc_map *proc_maps_find(const struct proc_maps *m, u64 addr);

/* "rw-p" */
void perms_text(u64 flags, char ret[5]);

#endif
