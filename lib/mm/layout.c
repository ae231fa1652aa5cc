/*
 * The layout of an address space: its bases, and the search that begins at them.
 *
 * The rules are those of Linux on x86-64: arch_pick_mmap_layout, arch_get_unmapped_area_topdown,
 * thp_get_unmapped_area. Addresses above 47 bits are never given, not even where the processor has
 * them and the program hints at one.
 */
#include "mm/layout.h"

#include "mm/unmapped-area.h"
#include "mm/vma.h"

#define STACK_RANDOM_BYTES (0x3fffffUL << FL_PAGE_SHIFT)
#define STACK_GAP_MIN	   (128UL << 20)
#define STACK_GAP_MAX	   (FL_TASK_SIZE / 6 * 5)

#define RANDOM_PAGES_MASK ((1UL << 28) - 1) /* vm.mmap_rnd_bits as it is by default */
#define RANDOM_BYTES_MAX  (1UL << 44)	    /* and as large as it may be set */

#define WINDOW32_START	0x40000000UL
#define WINDOW32_RANDOM 0x02000000UL
#define WINDOW32_END	0x80000000UL

/* Where mmap_base is if its random offset is 0. */
static u64 ceiling(bool stack_random, u64 stack_limit_bytes)
{
	u64 gap = stack_limit_bytes, pad = FL_STACK_GUARD_BYTES;

	if (stack_random)
		pad += STACK_RANDOM_BYTES;
	if (gap + pad > gap)
		gap += pad;
	gap = fl_min(fl_max(gap, STACK_GAP_MIN), STACK_GAP_MAX);
	return fl_page_up(FL_TASK_SIZE - gap);
}

/* Without a random offset the stack ends where the address space does. */
static bool is_stack_random(const struct fl_mm *mm)
{
	return !mm->last || !(mm->last->flags & FL_VM_GROWSDOWN) || mm->last->end != FL_TASK_SIZE;
}

/* The random offset of what the kernel has mapped from @top downwards. False: there is nothing. */
static bool offset_below(const struct fl_mm *mm, u64 top, u64 *ret_bytes)
{
	const struct fl_vma *above = fl_vma_find(mm, top), *vma = above ? above->prev : mm->last;

	if (!vma || (above && above->start < top))
		return false;
	*ret_bytes = top - vma->end;
	return *ret_bytes < RANDOM_BYTES_MAX;
}

/* And from @bottom upwards. */
static bool offset_above(const struct fl_mm *mm, u64 bottom, u64 *ret_bytes)
{
	const struct fl_vma *vma = fl_vma_find(mm, bottom);

	if (!vma || vma->start < bottom)
		return false;
	*ret_bytes = vma->start - bottom;
	return *ret_bytes < RANDOM_BYTES_MAX;
}

void fl_layout_init(struct fl_mm *mm, const struct fl_layout_wish *wish)
{
	bool stack_random = is_stack_random(mm);
	u64 top = ceiling(stack_random, wish->stack_limit_bytes), down = 0, up = 0, offset;
	bool has_down = offset_below(mm, top, &down);
	bool has_up = offset_above(mm, FL_TASK_UNMAPPED, &up);

	mm->topdown = wish->flexible || (!wish->legacy && (has_down || !has_up));
	mm->randomize = stack_random && !wish->no_randomize;
	if (stack_random && wish->no_randomize)
		offset = 0; /* the kernel's has a random part */
	else if (mm->topdown && has_down)
		offset = down;
	else if (!mm->topdown && !has_down && has_up)
		offset = up;
	else
		offset = mm->randomize ? (wish->random & RANDOM_PAGES_MASK) << FL_PAGE_SHIFT : 0;
	mm->legacy_base = FL_TASK_UNMAPPED + offset;
	mm->mmap_base = mm->topdown ? top - fl_min(offset, top) : mm->legacy_base;
}

/* The search, going on behind what is not in the mirror. */
static u64 search(
	const struct fl_mm *mm, const struct fl_place *place, u64 bytes, bool down, u64 low, u64 high)
{
	u64 start, taken_start, taken_end;

	for (;;) {
		start = down ? fl_unmapped_area_topdown(mm, bytes, low, high) :
			       fl_unmapped_area(mm, bytes, low, high);
		if (!start || !place->taken ||
			!place->taken(start, start + bytes, &taken_start, &taken_end))
			return start;
		if (down)
			high = taken_start;
		else
			low = taken_end;
	}
}

static bool is_hint_free(const struct fl_mm *mm, const struct fl_place *place, u64 bytes, u64 high)
{
	u64 start, end;

	return place->hint && place->hint <= high - bytes &&
	       fl_is_unmapped(mm, place->hint, place->hint + bytes) &&
	       !(place->taken && place->taken(place->hint, place->hint + bytes, &start, &end));
}

static u64 find(const struct fl_mm *mm, const struct fl_place *place, u64 bytes)
{
	u64 low = mm->legacy_base, high = FL_TASK_SIZE, found;

	if (place->window32) {
		low = WINDOW32_START;
		if (mm->randomize)
			low += place->random % WINDOW32_RANDOM & FL_PAGE_MASK;
		high = WINDOW32_END;
	}
	if (bytes > high)
		return 0;
	if (is_hint_free(mm, place, bytes, high))
		return place->hint;
	if (mm->topdown && !place->window32) {
		found = search(mm, place, bytes, true, place->above4g ? 1UL << 32 : FL_MMAP_MIN,
			mm->mmap_base);
		if (found)
			return found;
	}
	return search(mm, place, bytes, false, low, high);
}

u64 fl_layout_place(const struct fl_mm *mm, const struct fl_place *place)
{
	u64 offset = place->file_bytes, aligned = (offset + FL_PMD_BYTES - 1) & ~(FL_PMD_BYTES - 1);
	u64 found, skew;

	/* with a huge page to spare, the part that a huge page could map can be moved to begin at one */
	if (place->huge && offset + place->bytes >= aligned + FL_PMD_BYTES) {
		found = find(mm, place, place->bytes + FL_PMD_BYTES);
		if (found && found == place->hint)
			return found;
		skew = (offset - found) & (FL_PMD_BYTES - 1);
		if (found)
			return found + (mm->topdown && !skew ? FL_PMD_BYTES : skew);
	}
	return find(mm, place, place->bytes);
}
