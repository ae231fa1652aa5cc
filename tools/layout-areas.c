/*
 * Areas and their pages: managed ones from the mirror, the kernel's from /proc/PID/pagemap.
 */
#include "layout.h"
#include "pagemap.h"
#include "place.h"
#include "pte.h"
#include "shmem-page.h"

#include <stdlib.h>
#include <string.h>

static void add_run(struct layout *l, u64 start, u64 end, enum layout_state state)
{
	struct layout_run *last = l->nr_runs ? &l->run[l->nr_runs - 1] : NULL;

	if (last && last->end == start && last->state == state) {
		last->end = end;
		return;
	}
	if (l->nr_runs == l->room) {
		l->room = l->room ? 2 * l->room : 1024;
		l->run = realloc(l->run, l->room * sizeof(*l->run));
		if (!l->run)
			abort();
	}
	l->run[l->nr_runs++] = (struct layout_run){start, end, state};
}

static void add(
	struct layout *l, struct layout_area *a, u64 start, u64 end, enum layout_state state)
{
	start = fl_max(start, a->start);
	end = fl_min(end, a->end);
	if (start >= end)
		return;
	a->bytes[state] += end - start;
	add_run(l, start, end, state);
}

/* Pages are sorted; *at is where the next area's begin. */
static void read_mirror(struct layout *l, struct layout_area *a, const struct snapshot *s, u64 *at)
{
	static const enum layout_state states[] = {
		[PTE_ZERO] = LAYOUT_ZERO,
		[PTE_PRESENT] = LAYOUT_RESIDENT,
		[PTE_SOFT] = LAYOUT_SOFT,
		[PTE_SWAP] = LAYOUT_SWAP,
		[PTE_SWAPIN] = LAYOUT_SOFT,
	};

	for (; *at < s->head->nr_pages && s->pages[*at].va < a->end; ++*at) {
		const struct fl_snap_page *p = &s->pages[*at];
		u64 state = p->pte & PTE_STATE;

		if (state != PTE_NONE && state < fl_array_size(states))
			add(l, a, p->va, p->va + FL_PAGE_SIZE, states[state]);
	}
}

/* Shared anonymous memory is in memory or in swap for all who map it; false if it is not such. */
static bool read_shared(struct layout *l, struct layout_area *a, const struct tree *t)
{
	static const enum layout_state states[] = {[SHMEM_IN_MEMORY] = LAYOUT_RESIDENT,
		[SHMEM_SET_ASIDE] = LAYOUT_SOFT, [SHMEM_IN_SWAP] = LAYOUT_SWAP};
	struct shmem_area area;

	if (!shmem_area_read(t, a->vma, &area))
		return false;
	for (u64 va = a->start; va < a->end; va += FL_PAGE_SIZE) {
		u8 where = area.where[(va - a->start) >> FL_PAGE_SHIFT];

		if (where != SHMEM_NOWHERE)
			add(l, a, va, va + FL_PAGE_SIZE, states[where]);
	}
	shmem_area_free(&area);
	return true;
}

static void read_kernel(struct layout *l, struct layout_area *a, struct pagemap *map)
{
	map->n = 0; /* or a run would go on from the area before */
	if (map->fd < 0 || pagemap_read(map, a->start, a->end, NULL, 0) < 0)
		return;
	for (size_t i = 0; i < map->n; i++)
		if (map->run[i].state & (KPAGE_PRESENT | KPAGE_SWAPPED))
			add(l, a, map->run[i].start, map->run[i].end,
				map->run[i].state & KPAGE_PRESENT ? LAYOUT_RESIDENT : LAYOUT_SWAP);
}

/* The main stack grows without a call: the mirror learns of it late. */
static u64 grown_start(
	const struct layout *l, const struct fl_snap_vma *v, const struct proc_maps *maps)
{
	const struct proc_map *m = proc_maps_find(maps, v->end - 1);
	u64 below = l->nr_areas ? l->area[l->nr_areas - 1].end : 0;

	if (!(v->flags & MAP_FLAG_GROWSDOWN) || !m || m->start >= v->start)
		return v->start;
	return fl_max(m->start, below);
}

void layout_read(struct layout *l, int pid, int tid, const struct snapshot *s,
	const struct tree *t, const struct proc_maps *maps)
{
	struct pagemap map;
	u64 at = 0;

	*l = (struct layout){.pid = pid, .comm = s->head->comm};
	l->area = calloc(s->head->nr_vmas + 1, sizeof(*l->area));
	if (!l->area)
		abort();
	l->kernel_known = pagemap_open(&map, tid) == 0;
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		struct layout_area *a = &l->area[l->nr_areas];

		a->start = grown_start(l, v, maps);
		a->end = v->end;
		a->vma = v;
		a->name = place_name(maps, v);
		a->why = place_why(pid, v, a->name);
		l->nr_areas++;
		if (!a->why)
			read_mirror(l, a, s, &at);
		else if (read_shared(l, a, t))
			a->why = NULL;
		else
			read_kernel(l, a, &map);
	}
	pagemap_close(&map);
}

void layout_free(struct layout *l)
{
	free(l->area);
	free(l->run);
	free(l->box);
	memset(l, 0, sizeof(*l));
}
