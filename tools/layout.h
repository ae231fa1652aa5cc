/*
 * The address space as `faultline layout` draws it; between its files.
 *
 * Areas are the program's VMAs with what is known of their pages. Boxes are what is drawn: an area,
 * or several neighbours that belong together, or the free space between.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_LAYOUT_H
#define FL_TOOLS_LAYOUT_H

#include "client.h"
#include "procmaps.h"
#include "tree.h"

#define LAYOUT_COLUMNS 32u /* cells of a row */

/* What a page is, and so a cell. */
enum layout_state {
	LAYOUT_RESIDENT,
	LAYOUT_SOFT, /* set aside in memory, or being read */
	LAYOUT_SWAP,
	LAYOUT_ZERO,
	LAYOUT_NR_STATES,
};

/* Pages of one state, side by side. */
struct layout_run {
	u64 start, end;
	enum layout_state state;
};

struct layout_area {
	u64 start, end;
	const struct fl_snap_vma *vma;
	const char *name, *why; /* as of struct place */
	u64 bytes[LAYOUT_NR_STATES];
};

enum layout_kind {
	LAYOUT_FREE,
	LAYOUT_TEXT,
	LAYOUT_RODATA,
	LAYOUT_DATA,
	LAYOUT_BSS,
	LAYOUT_HEAP,
	LAYOUT_MAPPING,
	LAYOUT_STACK,
	LAYOUT_NR_KINDS,
};

struct layout_box {
	u64 start, end;
	enum layout_kind kind;
	u32 first, n;  /* areas */
	u64 own_bytes; /* of free space: Faultline's own memory in it */
};

struct layout {
	int pid;
	const char *comm;
	struct layout_area *area; /* by address, all that the program has */
	u32 nr_areas;
	struct layout_run *run; /* by address */
	size_t nr_runs, room;
	struct layout_box *box; /* by address, from 0 to the end of the program's addresses */
	u32 nr_boxes;
	bool kernel_known; /* what the kernel has in memory could be read */
};

/* layout-areas.c: the snapshot has VMAs and pages, and is frozen. */
void layout_read(struct layout *l, int pid, int tid, const struct snapshot *s,
	const struct tree *t, const struct proc_maps *maps);
void layout_free(struct layout *l);

/* layout-boxes.c: all: each area by itself. */
void layout_make_boxes(struct layout *l, const struct snapshot *s, bool all);

/* Rows that a box takes, and the bytes that a cell of it stands for, rounded up. */
u32 layout_rows(const struct layout_box *b);
u64 layout_cell_bytes(const struct layout_box *b);

/* layout-cells.c: rows * LAYOUT_COLUMNS characters from the lowest address on, and what colour is
 * each: a state, or LAYOUT_NR_STATES for none. */
void layout_cells(const struct layout *l, const struct layout_box *b, char *ret,
	enum layout_state *ret_colour);
u64 layout_sum(const struct layout *l, const struct layout_box *b, enum layout_state state);

extern const char *const layout_kind_names[LAYOUT_NR_KINDS];

/* layout-draw.c, layout-json.c */
void layout_draw(const struct layout *l, bool colour);
void layout_print_json(const struct layout *l);

/* What a box is called: a part of the program, a file, and how many more there are. */
void layout_label(const struct layout *l, const struct layout_box *b, char *buf, size_t size);

#endif
