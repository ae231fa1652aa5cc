/*
 * The scale, and what each cell of a box shows.
 *
 * Between boxes the scale is logarithmic: a row more is four times as much. Within a box every cell
 * stands for as many bytes as the next.
 */
#include "layout.h"

#include <string.h>

#define ONE_ROW_BYTES (256ul << 10) /* a box below this has one row */

static const char glyphs[LAYOUT_NR_STATES] = {'#', '=', '-', '0'};

u32 layout_rows(const struct layout_box *b)
{
	u32 rows = 1;

	for (u64 bytes = b->end - b->start; bytes / 4 >= ONE_ROW_BYTES; bytes /= 4)
		rows++;
	return rows;
}

u64 layout_cell_bytes(const struct layout_box *b)
{
	u64 cells = (u64)layout_rows(b) * LAYOUT_COLUMNS;

	return (b->end - b->start + cells - 1) / cells;
}

u64 layout_sum(const struct layout *l, const struct layout_box *b, enum layout_state state)
{
	u64 sum = 0;

	for (u32 i = 0; i < b->n; i++)
		sum += l->area[b->first + i].bytes[state];
	return sum;
}

/* The first run that ends above the address. */
static size_t find_run(const struct layout *l, u64 addr)
{
	size_t low = 0, high = l->nr_runs;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->run[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static u64 overlap(u64 start, u64 end, u64 from, u64 to)
{
	start = fl_max(start, from);
	end = fl_min(end, to);
	return start < end ? end - start : 0;
}

/* What most of the pages in [from, to) are that were ever touched. */
static char cell(
	const struct layout *l, u64 mapped, u64 from, u64 to, enum layout_state *ret_colour)
{
	u64 bytes[LAYOUT_NR_STATES] = {0}, touched = 0;
	enum layout_state most = LAYOUT_RESIDENT;

	for (size_t i = find_run(l, from); i < l->nr_runs && l->run[i].start < to; i++)
		bytes[l->run[i].state] += overlap(l->run[i].start, l->run[i].end, from, to);
	for (u32 i = 0; i < LAYOUT_NR_STATES; i++) {
		touched += bytes[i];
		if (bytes[i] > bytes[most])
			most = (enum layout_state)i;
	}
	*ret_colour = touched ? most : LAYOUT_NR_STATES;
	if (!mapped)
		return ' ';
	if (!touched)
		return '.';
	return touched * 2 < mapped ? ':' : glyphs[most];
}

void layout_cells(const struct layout *l, const struct layout_box *b, char *ret,
	enum layout_state *ret_colour)
{
	u64 bytes = b->end - b->start, cells = (u64)layout_rows(b) * LAYOUT_COLUMNS;
	u32 area = b->first, end = b->first + b->n;

	for (u64 i = 0; i < cells; i++) {
		/* in two steps: bytes * i may be too much for a word */
		u64 from = b->start + bytes / cells * i + bytes % cells * i / cells;
		u64 to = b->start + bytes / cells * (i + 1) + bytes % cells * (i + 1) / cells;
		u64 mapped = 0;

		while (area < end && l->area[area].end <= from)
			area++;
		for (u32 k = area; k < end && l->area[k].start < to; k++)
			mapped += overlap(l->area[k].start, l->area[k].end, from, to);
		ret[i] = cell(l, mapped, from, to, &ret_colour[i]);
	}
}
