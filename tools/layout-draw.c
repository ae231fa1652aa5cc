/*
 * The picture, 80 columns wide: high addresses on top as on paper, a box for each part, and beside
 * it what it is. Free space is cut out, as it is nearly all there is.
 */
#include "layout.h"
#include "on-process.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_BYTES 128u
#define LABEL_WIDTH 32u		/* columns beside the box */
#define SMALL_GAP   (1ul << 20) /* drawn without a row of its own */
#define RULE	    "+--------------------------------+"

static const char *const colours[LAYOUT_NR_STATES] = {"32", "33", "31", "36"};

/* The part of a path behind its last slash. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *area_name(const struct layout_area *a)
{
	if (*a->name)
		return base_name(a->name);
	if (a->vma->flags & MAP_FLAG_SHARED)
		return "shared";
	return "anonymous";
}

/* A box is called after its largest area; how many others there are is said, but not of the same
 * file. */
void layout_label(const struct layout *l, const struct layout_box *b, char *buf, size_t size)
{
	const struct layout_area *largest = &l->area[b->first];
	u32 others = 0;

	if (b->kind != LAYOUT_MAPPING) {
		snprintf(buf, size, "%s", layout_kind_names[b->kind]);
		return;
	}
	for (u32 i = 1; i < b->n; i++) {
		const struct layout_area *a = &l->area[b->first + i];

		if (a->end - a->start > largest->end - largest->start)
			largest = a;
	}
	for (u32 i = 0; i < b->n; i++)
		others += strcmp(area_name(&l->area[b->first + i]), area_name(largest)) != 0;
	if (others)
		snprintf(buf, size, "%.90s +%u", area_name(largest), others);
	else
		snprintf(buf, size, "%.90s", area_name(largest));
}

/* "rw-p " if all areas of it are such, else "". */
static void perms_of(const struct layout *l, const struct layout_box *b, char ret[8])
{
	const u64 mask = MAP_FLAG_READ | MAP_FLAG_WRITE | MAP_FLAG_EXEC | MAP_FLAG_SHARED;
	u64 flags = l->area[b->first].vma->flags & mask;

	perms_text(flags, ret);
	strcat(ret, " ");
	for (u32 i = 1; i < b->n; i++)
		if ((l->area[b->first + i].vma->flags & mask) != flags)
			ret[0] = 0;
}

/* Who manages it. */
static const char *owner(const struct layout *l, const struct layout_box *b)
{
	u32 managed = 0;

	for (u32 i = 0; i < b->n; i++)
		managed += !l->area[b->first + i].why;
	return managed == b->n ? "faultline" : managed ? "both" : "kernel";
}

/* The lines beside a box: what it is, what of it is where, and the scale. */
static u32 make_labels(
	const struct layout *l, const struct layout_box *b, char label[][LABEL_BYTES])
{
	static const char *const names[LAYOUT_NR_STATES] = {"mem", "soft", "swap", "zero"};
	char name[LABEL_BYTES], perms[8], size[8], cell[8];
	size_t at = 0, room;
	u32 n = 0;

	layout_label(l, b, name, sizeof(name));
	perms_of(l, b, perms);
	text_size(b->end - b->start, size);
	room = LABEL_WIDTH - 1 - strlen(perms) - strlen(size);
	if (strlen(name) > room) {
		memmove(name, name + strlen(name) - room, room + 1);
		memcpy(name, "...", 3);
	}
	snprintf(label[n++], LABEL_BYTES, "%.90s %s%s", name, perms, size);
	label[n][0] = 0;
	for (u32 i = 0; i < LAYOUT_NR_STATES; i++) {
		u64 bytes = layout_sum(l, b, (enum layout_state)i);

		if (bytes)
			at += (size_t)snprintf(label[n] + at, LABEL_BYTES - at, "%s%s %s",
				at ? " " : "", names[i], text_size(bytes, size));
	}
	if (!at)
		snprintf(label[n], LABEL_BYTES, "nothing in memory");
	n++;
	if (layout_rows(b) == 1)
		return n;
	snprintf(label[n++], LABEL_BYTES, "a cell is %s", text_size(layout_cell_bytes(b), cell));
	return n;
}

static void print_cells(const char *cells, const enum layout_state *state, bool colour)
{
	enum layout_state now = LAYOUT_NR_STATES;

	for (u32 i = 0; i < LAYOUT_COLUMNS; i++) {
		if (colour && state[i] != now) {
			printf("\033[%sm", state[i] == LAYOUT_NR_STATES ? "0" : colours[state[i]]);
			now = state[i];
		}
		putchar(cells[i]);
	}
	if (now != LAYOUT_NR_STATES)
		printf("\033[0m");
}

static void print_line(const char *label)
{
	printf("%s%s\n", *label ? " " : "", label);
}

/* The rule below a box, at its start, with what did not fit beside its rows. */
static void print_rule(u64 address, const char *label)
{
	printf("%012lx " RULE, address);
	print_line(label);
}

static void draw_box(const struct layout *l, const struct layout_box *b, bool colour)
{
	u32 rows = layout_rows(b), cells = rows * LAYOUT_COLUMNS, labels;
	enum layout_state *state = calloc(cells, sizeof(*state));
	char label[4][LABEL_BYTES], *glyph = malloc(cells);

	if (!state || !glyph)
		abort();
	layout_cells(l, b, glyph, state);
	labels = make_labels(l, b, label);
	for (u32 row = 0; row < rows; row++) {
		u32 at = (rows - 1 - row) * LAYOUT_COLUMNS;
		const char *grows = b->kind == LAYOUT_HEAP && row == 0		 ? "^"
				    : b->kind == LAYOUT_STACK && row == rows - 1 ? "v"
										 : " ";

		printf("%-9s %s |", row ? "" : owner(l, b), grows);
		print_cells(glyph + at, state + at, colour);
		printf("|");
		print_line(row < labels ? label[row] : "");
	}
	print_rule(b->start, rows < labels ? label[rows] : "");
	free(state);
	free(glyph);
}

static void draw_free(const struct layout_box *b)
{
	char size[8], own[8], text[LABEL_BYTES];
	int len;

	text_size(b->end - b->start - b->own_bytes, size);
	text_size(b->own_bytes, own);
	if (b->own_bytes >= b->end - b->start)
		len = snprintf(text, sizeof(text), "%s Faultline's own", own);
	else if (b->own_bytes)
		len = snprintf(text, sizeof(text), "%s free, %s Faultline's", size, own);
	else
		len = snprintf(text, sizeof(text), "%s free", size);
	if (b->end - b->start >= SMALL_GAP) {
		int left = ((int)LAYOUT_COLUMNS - len) / 2;

		printf("%12s ~%*s%s%*s~\n", "", left, "", text, (int)LAYOUT_COLUMNS - len - left,
			"");
		text[0] = 0;
	}
	print_rule(b->start, text);
}

void layout_draw(const struct layout *l, bool colour)
{
	printf("address space of %d (%s), high addresses on top\n", l->pid, l->comm);
	printf("Four times the size is a row more, gaps are cut; in a row addresses rise from\n"
	       "left to right. Beside it who manages it, and what it is. A cell of it is\n"
	       "# in memory  = set aside  - in swap  0 zeros  : less than half  . untouched\n");
	if (!l->kernel_known)
		printf("(what the kernel has in memory is not told: ask as root)\n");
	printf("\n");
	print_rule(TASK_SIZE, "");
	for (u32 i = l->nr_boxes; i-- > 0;) {
		if (l->box[i].kind == LAYOUT_FREE)
			draw_free(&l->box[i]);
		else
			draw_box(l, &l->box[i], colour);
	}
}
