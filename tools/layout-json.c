/* The same as JSON: every box with its cells, and every area in one of them. */
#include "json.h"
#include "layout.h"
#include "on-process.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const state_names[LAYOUT_NR_STATES] = {"resident", "soft", "swap", "zero"};

static void print_area(const struct layout_area *a)
{
	char perms[5];

	perms_text(a->vma->flags, perms);
	printf("{\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", \"owner\": \"%s\", "
	       "\"why\": ",
		a->start, a->end, perms, a->why ? "kernel" : "faultline");
	if (a->why)
		json_string(a->why);
	else
		printf("null");
	for (u32 i = 0; i < LAYOUT_NR_STATES; i++)
		printf(", \"%s_bytes\": %lu", state_names[i], a->bytes[i]);
	printf(", \"name\": ");
	json_string(a->name);
	printf("}");
}

static void print_cells(const struct layout *l, const struct layout_box *b)
{
	u32 cells = layout_rows(b) * LAYOUT_COLUMNS;
	enum layout_state *colour = calloc(cells, sizeof(*colour));
	char *glyph = calloc(cells + 1, 1);

	if (!colour || !glyph)
		abort();
	layout_cells(l, b, glyph, colour);
	printf("\"rows\": %u, \"cell_bytes\": %lu, \"cells\": ", layout_rows(b),
		layout_cell_bytes(b));
	json_string(glyph);
	free(colour);
	free(glyph);
}

static void print_box(const struct layout *l, const struct layout_box *b)
{
	char label[128];

	printf("{\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"kind\": \"%s\", ", b->start, b->end,
		layout_kind_names[b->kind]);
	if (b->kind == LAYOUT_FREE) {
		printf("\"own_bytes\": %lu}", b->own_bytes);
		return;
	}
	layout_label(l, b, label, sizeof(label));
	printf("\"label\": ");
	json_string(label);
	for (u32 i = 0; i < LAYOUT_NR_STATES; i++)
		printf(", \"%s_bytes\": %lu", state_names[i],
			layout_sum(l, b, (enum layout_state)i));
	printf(", ");
	print_cells(l, b);
	printf(", \"areas\": [");
	for (u32 i = 0; i < b->n; i++) {
		printf("%s\n    ", i ? "," : "");
		print_area(&l->area[b->first + i]);
	}
	printf("]}");
}

void layout_print_json(const struct layout *l)
{
	printf("{\"pid\": %d, \"comm\": ", l->pid);
	json_string(l->comm);
	printf(", \"task_size\": \"0x%lx\", \"kernel_known\": %s, \"boxes\": [", TASK_SIZE,
		l->kernel_known ? "true" : "false");
	for (u32 i = 0; i < l->nr_boxes; i++) {
		printf("%s\n  ", i ? "," : "");
		print_box(l, &l->box[i]);
	}
	printf("\n]}\n");
}
