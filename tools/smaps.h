/*
 * /proc/PID/smaps, with what Faultline manages put right; between the files of `faultline smaps`.
 *
 * The kernel's text is the model: areas, fields and their order are those of the kernel that runs.
 * In managed memory it knows only the pages that are mapped just now; those fields are replaced.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_SMAPS_H
#define FL_TOOLS_SMAPS_H

#include "client.h"
#include "procmaps.h"
#include "tree.h"

#define SMAPS_MAX_FIELDS 40

/* "Rss:  12 kB", or a line of other form: text is then what follows the colon. */
struct smaps_field {
	const char *name;
	const char *text; /* NULL: it is kb */
	u64 kb;
};

struct smaps_area {
	char *header; /* the line as in /proc/PID/maps */
	struct proc_map map;
	bool managed;
	struct smaps_field field[SMAPS_MAX_FIELDS];
	u32 nr_fields;
};

struct smaps {
	struct smaps_area *area; /* by address */
	size_t n;
	char *text;
};

/* 0 or -errno. */
int smaps_read(int pid, struct smaps *ret);
void smaps_free(struct smaps *s);

/* NULL if this kernel does not have it. */
struct smaps_field *smaps_find(struct smaps_area *a, const char *name);

/* smaps-managed.c: puts the mirror's figures in and leaves Faultline's own mappings out.
 * 0, or -errno if the tree's memory cannot be read. */
int smaps_manage(int pid, struct smaps *s, const struct snapshot *snap, const struct tree *t);

/* smaps-shared.c: the same for an area of shared anonymous memory, which lies in v. p: the process's
 * record. False: it is the kernel's. */
struct pagemap;
bool smaps_put_shared(struct smaps_area *a, const struct fl_snap_vma *v, const struct tree *t,
	const struct fl_proc *p, struct pagemap *map);

#endif
