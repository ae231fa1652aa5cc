/*
 * What the books of shared anonymous memory add to /proc/PID/smaps.
 *
 * The kernel knows which pages the process has mapped just now, and counts our own views as
 * mappings, too. So what is mapped is the kernel's to say, and how many processes share it is the
 * tree's: those that have touched the object, as nobody knows it page by page. A page that is set
 * aside, and mapped by nobody, counts for all of these, as it would be mapped still natively.
 * By the kernel's rule Swap has what is in swap of shared memory, and SwapPss does not.
 */
#include "pagemap.h"
#include "shmem-page.h"
#include "smaps.h"

#include <stdlib.h>

static void set(struct smaps_area *a, const char *name, u64 kb)
{
	struct smaps_field *f = smaps_find(a, name);

	if (f)
		f->kb = kb;
}

static void put(struct smaps_area *a, u64 rss, u64 swap, u32 users)
{
	const u64 kb = FL_PAGE_SIZE / 1024;
	struct smaps_field *referenced = smaps_find(a, "Referenced"), *locked = smaps_find(a, "Locked");
	u64 pss = rss * kb / fl_max(users, 1u);

	set(a, "Rss", rss * kb);
	set(a, "Pss", pss);
	set(a, "Pss_Dirty", pss);
	set(a, "Shared_Clean", 0);
	set(a, "Private_Clean", 0);
	set(a, "Shared_Dirty", users > 1 ? rss * kb : 0);
	set(a, "Private_Dirty", users > 1 ? 0 : rss * kb);
	if (referenced)
		referenced->kb = fl_min(referenced->kb, rss * kb);
	if (locked && locked->kb)
		locked->kb = pss;
	set(a, "Swap", swap * kb);
}

/* Are these pages mapped in the process? Marks them in where. False: the kernel does not tell. */
static bool mark_mapped(struct pagemap *map, const struct smaps_area *a, u8 *where)
{
	map->n = 0;
	if (pagemap_read(map, a->map.start, a->map.end, NULL, 0) < 0)
		return false;
	for (size_t i = 0; i < map->n; i++)
		for (u64 va = map->run[i].start; va < map->run[i].end; va += FL_PAGE_SIZE) {
			u8 *at = &where[(va - a->map.start) >> FL_PAGE_SHIFT];

			if ((map->run[i].state & KPAGE_PRESENT) && *at == SHMEM_IN_MEMORY)
				*at = SHMEM_SET_ASIDE; /* counts in any case */
		}
	return true;
}

bool smaps_put_shared(struct smaps_area *a, const struct fl_snap_vma *v, const struct tree *t,
	const struct fl_proc *p, struct pagemap *map)
{
	struct fl_snap_vma part = *v;
	u64 rss = 0, swap = 0;
	struct shmem_area area;
	bool touched, known;

	/* the kernel may see two where the mirror has one */
	part.start = a->map.start;
	part.end = a->map.end;
	part.pgoff += (part.start - v->start) >> FL_PAGE_SHIFT;
	if (v->start > part.start || v->end < part.end || !shmem_area_read(t, &part, &area))
		return false;
	touched = p && shmem_area_is_user(&area, (u32)(p - t->procs));
	known = mark_mapped(map, a, area.where);
	for (u64 i = 0; i < (part.end - part.start) >> FL_PAGE_SHIFT; i++) {
		rss += area.where[i] == SHMEM_SET_ASIDE && touched;
		swap += area.where[i] == SHMEM_IN_SWAP;
	}
	if (known)
		put(a, rss, swap, area.nr_users);
	shmem_area_free(&area);
	return known;
}
