/*
 * From areas to boxes: a program has a hundred areas or many thousands, a picture has less than
 * thirty boxes.
 *
 * The parts that every textbook has (text, data, heap, stack) stay by themselves. Areas of one file
 * that lie side by side are one box. If there are too many still, neighbours among the mappings are
 * joined, the smallest first, until the rest can be drawn: large mappings stay by themselves.
 */
#include "layout.h"
#include "on-process.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <stdio.h>

#define MOST_MAPPINGS 10u
#define SMALLEST_JOIN (16ul << 10)

const char *const layout_kind_names[LAYOUT_NR_KINDS] = {
	"free", "text", "rodata", "data", "bss", "heap", "mapping", "stack"};

struct program {
	u64 dev, ino; /* of its file */
};

static bool is_program(const struct program *p, const struct fl_snap_vma *v)
{
	return (v->flags & MAP_FLAG_FILE) && p->ino && v->dev == p->dev && v->ino == p->ino;
}

static enum layout_kind kind_of(const struct program *p, const struct layout_area *a,
	const struct layout_area *before, enum layout_kind kind_before)
{
	if (!strcmp(a->name, "[heap]"))
		return LAYOUT_HEAP;
	if (!strcmp(a->name, "[stack]"))
		return LAYOUT_STACK;
	if (is_program(p, a->vma))
		return a->vma->flags & MAP_FLAG_EXEC	? LAYOUT_TEXT
		       : a->vma->flags & MAP_FLAG_WRITE ? LAYOUT_DATA
							: LAYOUT_RODATA;
	/* what the loader maps behind the data for what begins as zeros */
	if (before && before->end == a->start && !*a->name && !(a->vma->flags & MAP_FLAG_FILE) &&
		(kind_before == LAYOUT_DATA || kind_before == LAYOUT_BSS))
		return LAYOUT_BSS;
	return LAYOUT_MAPPING;
}

/* Of one file, with what the loader has put behind it. */
static bool is_continued(const struct layout_area *a, const struct layout_area *b)
{
	if ((a->vma->flags & MAP_FLAG_FILE) && (b->vma->flags & MAP_FLAG_FILE))
		return a->vma->dev == b->vma->dev && a->vma->ino == b->vma->ino;
	return (a->vma->flags & MAP_FLAG_FILE) && b->why && !strcmp(b->why, "early");
}

static bool belongs(const struct layout *l, const struct layout_box *b, enum layout_kind kind,
	const struct layout_area *a)
{
	const struct layout_area *last = &l->area[b->first + b->n - 1];

	if (b->kind != kind || b->end != a->start)
		return false;
	return kind != LAYOUT_MAPPING || is_continued(last, a) ||
	       (*a->name == '[' && a->why && last->why && !strcmp(a->why, last->why) &&
		       !strcmp(a->why, "vdso"));
}

static u32 make(struct layout *l, struct layout_box *box, bool all)
{
	struct program program = {0};
	enum layout_kind kind = LAYOUT_FREE;
	char path[64];
	struct stat st;
	u32 n = 0;

	snprintf(path, sizeof(path), "/proc/%d/exe", l->pid);
	if (stat(path, &st) == 0)
		program = (struct program){st.st_dev, st.st_ino};
	for (u32 i = 0; i < l->nr_areas; i++) {
		const struct layout_area *a = &l->area[i];

		kind = kind_of(&program, a, i ? a - 1 : NULL, kind);
		if (!all && n && belongs(l, &box[n - 1], kind, a)) {
			box[n - 1].end = a->end;
			box[n - 1].n++;
			continue;
		}
		box[n++] = (struct layout_box){
			.start = a->start, .end = a->end, .kind = kind, .first = i, .n = 1};
	}
	return n;
}

static u32 nr_mappings(const struct layout_box *box, u32 n)
{
	u32 found = 0;

	for (u32 i = 0; i < n; i++)
		found += box[i].kind == LAYOUT_MAPPING;
	return found;
}

/* One pass: neighbours that are no larger together. Returns how many boxes are left. */
static u32 join(struct layout_box *box, u32 n, u64 most_bytes, u32 *mappings)
{
	u32 to = 0;

	for (u32 i = 1; i < n; i++) {
		if (*mappings > MOST_MAPPINGS && box[to].kind == LAYOUT_MAPPING &&
			box[i].kind == LAYOUT_MAPPING && box[i].end - box[to].start <= most_bytes) {
			box[to].end = box[i].end;
			box[to].n += box[i].n;
			--*mappings;
			continue;
		}
		box[++to] = box[i];
	}
	return n ? to + 1 : 0;
}

/* Ranges are in no order, and one may lie in another. */
static u64 own_between(const struct snapshot *s, u64 start, u64 end)
{
	u64 sum = 0;

	while (start < end) {
		u64 from = end, to = end;

		for (u32 i = 0; i < s->head->nr_ranges; i++) {
			const struct fl_snap_range *r = &s->ranges[i];

			if (r->end > start && r->start < end && fl_max(r->start, start) < from) {
				from = fl_max(r->start, start);
				to = fl_min(r->end, end);
			}
		}
		sum += to - from;
		start = to;
	}
	return sum;
}

static void add_free(struct layout *l, const struct snapshot *s, u64 start, u64 end)
{
	if (start < end)
		l->box[l->nr_boxes++] = (struct layout_box){.start = start,
			.end = end,
			.kind = LAYOUT_FREE,
			.own_bytes = own_between(s, start, end)};
}

void layout_make_boxes(struct layout *l, const struct snapshot *s, bool all)
{
	struct layout_box *box = calloc(l->nr_areas + 1, sizeof(*box));
	u64 at = 0;
	u32 n, mappings;

	l->box = calloc(2 * (size_t)l->nr_areas + 1, sizeof(*l->box));
	if (!box || !l->box)
		abort();
	n = make(l, box, all);
	mappings = nr_mappings(box, n);
	for (u64 most = SMALLEST_JOIN; !all && mappings > MOST_MAPPINGS && most < TASK_SIZE;
		most *= 2)
		n = join(box, n, most, &mappings);
	for (u32 i = 0; i < n; i++) {
		add_free(l, s, at, box[i].start);
		l->box[l->nr_boxes++] = box[i];
		at = box[i].end;
	}
	add_free(l, s, at, TASK_SIZE);
	free(box);
}
