/*
 * The mirror's VMAs against /proc/PID/maps.
 *
 * Both lists are walked together, cut at every border of either: what counts
 * is what is mapped at each address, not how it is divided into lines, so
 * neighbours that only one side has merged do not differ.
 */
#include "base/log.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

#define FLAG_HUGETLB (1u << 11)
#define FLAG_PERMS   (MAP_FLAG_READ | MAP_FLAG_WRITE | MAP_FLAG_EXEC | MAP_FLAG_SHARED)

static int by_start(const void *a, const void *b)
{
	const struct fl_snap_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void describe(char *buf, u64 flags, u64 ino, u64 offset)
{
	char perms[5];

	perms_text(flags, perms);
	if (ino)
		fl_format(buf, CHECK_WHAT, "%s, inode %lu at 0x%lx", perms, ino, offset);
	else
		fl_format(buf, CHECK_WHAT, "%s, anonymous", perms);
}

/* A main stack grows in the kernel without a call that anyone could see. */
static bool is_stack_growth(const struct proc_map *map, const struct fl_snap_vma *vma, u64 end)
{
	if (map && !vma)
		return !strcmp(map->name, "[stack]") && end < map->end;
	return vma && !map && (vma->flags & MAP_FLAG_GROWSDOWN) && end < vma->end;
}

static bool same(const struct proc_map *map, const struct fl_snap_vma *vma)
{
	if (((map->flags ^ vma->flags) & FLAG_PERMS) != 0)
		return false;
	/* a file that is managed is anonymous memory to the kernel */
	if ((vma->flags & MAP_FLAG_FILE) && vma->owner)
		return map->ino == vma->ino &&
		       map->offset - map->start == (vma->pgoff << FL_PAGE_SHIFT) - vma->start;
	/* for shared and huge-page memory the kernel names a file of its own */
	return !map->ino || (vma->flags & (MAP_FLAG_SHARED | FLAG_HUGETLB));
}

static void compare(struct check *c, const struct proc_map *map, const struct fl_snap_vma *vma,
	u64 start, u64 end)
{
	char mirror[CHECK_WHAT] = "nothing", kernel[CHECK_WHAT] = "nothing";

	if ((!map && !vma) || (map && vma && same(map, vma)) || is_stack_growth(map, vma, end))
		return;
	if (vma)
		describe(mirror, vma->flags, vma->flags & MAP_FLAG_FILE ? vma->ino : 0,
			(vma->pgoff << FL_PAGE_SHIFT) + (start - vma->start));
	if (map)
		describe(kernel, map->flags, map->ino, map->offset + (start - map->start));
	check_disagree(c, start, end, mirror, kernel);
}

/* Where the element [start, end) next begins or ends after at. */
static u64 border(u64 at, u64 start, u64 end)
{
	return start > at ? start : end;
}

void check_vmas(struct check *c)
{
	const struct fl_snapshot *h = c->snap.head;
	const struct proc_map *map = c->maps.map, *maps_end = map + c->maps.n;
	const struct fl_snap_vma *vma = c->snap.vmas, *vmas_end = vma + h->nr_vmas;
	struct fl_snap_range *own = calloc(h->nr_ranges + 1, sizeof(*own));
	size_t k = 0;
	u64 at = 0;

	if (!own)
		abort();
	if (h->nr_ranges) {
		memcpy(own, c->snap.ranges, h->nr_ranges * sizeof(*own));
		qsort(own, h->nr_ranges, sizeof(*own), by_start);
	}
	for (;;) {
		u64 next = ~0ull;

		/* [vsyscall] is in every list of the kernel's and no mapping */
		while (map < maps_end && (map->end <= at || map->start >= 1ull << 63))
			map++;
		while (vma < vmas_end && vma->end <= at)
			vma++;
		while (k < h->nr_ranges && own[k].end <= at)
			k++;
		if (map < maps_end)
			next = border(at, map->start, map->end);
		if (vma < vmas_end)
			next = fl_min(next, border(at, vma->start, vma->end));
		if (map == maps_end && vma == vmas_end)
			break;
		if (k < h->nr_ranges)
			next = fl_min(next, border(at, own[k].start, own[k].end));
		/* Faultline's own mappings are nobody's business */
		if (k == h->nr_ranges || own[k].start > at)
			compare(c, map < maps_end && map->start <= at ? map : NULL,
				vma < vmas_end && vma->start <= at ? vma : NULL, at, next);
		at = next;
	}
	c->nr_vmas += h->nr_vmas;
	free(own);
}
