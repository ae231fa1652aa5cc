/*
 * What managed memory adds to /proc/PID/smaps: sums over the mirror's pages, by the rules of the
 * kernel's smaps_account().
 *
 * A page that is set aside still has its frame in memory, as a page in the kernel that is old:
 * it counts as resident. How many processes use a frame or a slot is the tree's to say. A page
 * is clean while its copy in swap is right, and zeros without a frame are nowhere.
 */
#include "smaps.h"
#include "pagemap.h"
#include "pte.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PSS_SHIFT 12 /* fractions of a byte, as in the kernel */

struct sums {
	u64 rss, swap, shared_clean, shared_dirty, private_clean, private_dirty; /* pages */
	u64 pss, pss_dirty, swap_pss;						 /* bytes << PSS_SHIFT */
};

struct users {
	u16 *frame, *slot;
	u32 nr_frames, nr_slots;
};

static void add_resident(struct sums *s, u32 users, bool dirty)
{
	u64 share = (FL_PAGE_SIZE << PSS_SHIFT) / users;

	s->rss++;
	s->pss += share;
	s->pss_dirty += dirty ? share : 0;
	if (users > 1)
		(*(dirty ? &s->shared_dirty : &s->shared_clean))++;
	else
		(*(dirty ? &s->private_dirty : &s->private_clean))++;
}

static void add_page(struct sums *s, u64 pte, const struct users *u)
{
	u32 at = (u32)(pte >> 12), n;

	switch (pte & PTE_STATE) {
	case PTE_PRESENT:
	case PTE_SOFT:
	case PTE_SWAPIN:
		n = at < u->nr_frames ? u->frame[at] : 1;
		add_resident(s, fl_max(n, 1u), (pte & PTE_DIRTY) != 0);
		break;
	case PTE_SWAP:
		n = at < u->nr_slots ? u->slot[at] : 1;
		s->swap++;
		s->swap_pss += (FL_PAGE_SIZE << PSS_SHIFT) / fl_max(n, 1u);
		break;
	default:
		break;
	}
}

static void set(struct smaps_area *a, const char *name, u64 kb)
{
	struct smaps_field *f = smaps_find(a, name);

	if (f)
		f->kb = kb;
}

/* Not the program's doing: that the area is registered with a userfaultfd. */
static void hide_registration(struct smaps_area *a)
{
	struct smaps_field *f = smaps_find(a, "VmFlags");
	char *text = f ? (char *)f->text : NULL;

	for (char *s = text; s && *s;)
		if (!strncmp(s, " um", 3) || !strncmp(s, " uw", 3) || !strncmp(s, " ui", 3))
			memmove(s, s + 3, strlen(s + 3) + 1);
		else
			s++;
}

static void put(struct smaps_area *a, const struct sums *s, bool locked)
{
	const u64 kb = FL_PAGE_SIZE / 1024;
	u64 pss = s->pss >> (PSS_SHIFT + 10);
	struct smaps_field *referenced = smaps_find(a, "Referenced");

	set(a, "Rss", s->rss * kb);
	set(a, "Pss", pss);
	set(a, "Pss_Dirty", s->pss_dirty >> (PSS_SHIFT + 10));
	set(a, "Shared_Clean", s->shared_clean * kb);
	set(a, "Shared_Dirty", s->shared_dirty * kb);
	set(a, "Private_Clean", s->private_clean * kb);
	set(a, "Private_Dirty", s->private_dirty * kb);
	/* of the pages that are mapped the kernel knows; those set aside are not */
	if (referenced)
		referenced->kb = fl_min(referenced->kb, s->rss * kb);
	set(a, "Anonymous", s->rss * kb);
	set(a, "Swap", s->swap * kb);
	set(a, "SwapPss", s->swap_pss >> (PSS_SHIFT + 10));
	set(a, "Locked", locked ? pss : 0);
	hide_registration(a);
}

/* Every page of the area; pages are sorted, *at is where the next area's begin. */
static struct sums add_up(const struct smaps_area *a, const struct snapshot *snap,
	const struct users *u, const struct fl_snap_page **at)
{
	const struct fl_snap_page *end = snap->pages + snap->head->nr_pages;
	struct sums s = {0};

	for (; *at < end && (*at)->va < a->map.end; ++*at)
		if ((*at)->va >= a->map.start)
			add_page(&s, (*at)->pte, u);
	return s;
}

/* The mirror's first managed or shared area that has an address of it, or NULL. Both are sorted;
 * *at is where the next one's may begin. */
static const struct fl_snap_vma *mirrored_in(
	const struct smaps_area *a, const struct snapshot *snap, u32 *at)
{
	for (; *at < snap->head->nr_vmas; ++*at) {
		const struct fl_snap_vma *v = &snap->vmas[*at];

		if (v->start >= a->map.end)
			break;
		if ((v->owner == 0 || (v->flags & MAP_FLAG_SHARED)) && v->end > a->map.start)
			return v;
	}
	return NULL;
}

/* Ranges of ours that lie side by side are one area to the kernel. */
static bool is_ours(const struct smaps_area *a, const struct snapshot *snap)
{
	u64 at = a->map.start;

	for (u32 i = 0; i < snap->head->nr_ranges && at < a->map.end; i++) {
		const struct fl_snap_range *r = &snap->ranges[i];

		if (r->start > at || r->end <= at)
			continue;
		at = r->end;
		i = UINT32_MAX; /* they are in no order: from the first again */
	}
	return at >= a->map.end;
}

int smaps_manage(int pid, struct smaps *s, const struct snapshot *snap, const struct tree *t)
{
	const struct fl_snap_page *at = snap->pages;
	struct users u = {tree_refs(t), tree_slot_counts(t), t->machine.zone.fresh,
		t->machine.slots.nr_slots};
	const struct fl_proc *p = tree_find(t, pid);
	struct pagemap map;
	size_t kept = 0;
	u32 vma = 0;

	if (!u.frame || !u.slot) {
		free(u.frame);
		free(u.slot);
		return -EPROTO;
	}
	pagemap_open(&map, p ? (int)p->keeper_tid : pid);
	for (size_t i = 0; i < s->n; i++) {
		struct smaps_area *a = &s->area[i];
		const struct fl_snap_vma *v = mirrored_in(a, snap, &vma);

		if (!v && is_ours(a, snap))
			continue;
		if (v && v->owner) {
			if (smaps_put_shared(a, v, t, p, &map)) {
				hide_registration(a);
				a->managed = true;
			}
		} else if (v) {
			struct sums sums = add_up(a, snap, &u, &at);

			put(a, &sums, (v->flags & MAP_FLAG_LOCKED) != 0);
			a->managed = true;
		}
		s->area[kept++] = *a;
	}
	s->n = kept;
	pagemap_close(&map);
	free(u.frame);
	free(u.slot);
	return 0;
}
