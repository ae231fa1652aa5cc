/*
 * VMA operations: mmap, munmap, mprotect and friends, mremap, as changes of the list.
 *
 * One scheme for all: cut the list at both ends of the range, change what lies between, and join
 * again where neighbours have become alike. Cutting takes nodes and joining gives them back, so the
 * need for nodes is bounded by the cuts, whatever the length of the range.
 */
#include "mm/vma.h"

#include "mm/debug.h"
#include "mm/vma-internal.h"

static void check_range(u64 start, u64 end)
{
	fl_bug_on(start > end || ((start | end) & ~FL_PAGE_MASK));
}

void fl_mm_unmap(struct fl_mm *mm, u64 start, u64 end)
{
	struct fl_vma *vma, *next;

	check_range(start, end);
	if (start == end)
		return;
	vma = fl_vma_find(mm, start);
	if (vma && vma->start < start && vma->end > end)
		fl_vma_split(mm, vma, end);
	for (; vma && vma->start < end; vma = next) {
		u64 low = fl_max(start, vma->start), high = fl_min(end, vma->end);

		next = vma->next;
		fl_vma_account(mm, vma->flags, (s64)((high - low) >> FL_PAGE_SHIFT), -1);
		if (vma->start < low) {
			vma->end = low;
			fl_vma_update_gap(mm, next);
		} else if (vma->end > high) {
			vma->pgoff += (high - vma->start) >> FL_PAGE_SHIFT;
			vma->start = high;
			fl_vma_update_gap(mm, vma);
		} else {
			fl_vma_drop(mm, vma);
		}
	}
}

struct fl_vma *fl_mm_map(struct fl_mm *mm, const struct fl_vma *template)
{
	struct fl_vma new = *template, *prev, *next, *vma;

	check_range(new.start, new.end);
	fl_bug_on(new.start == new.end);
	fl_mm_unmap(mm, new.start, new.end);
	fl_vma_account(mm, new.flags, (s64)fl_vma_pages(&new), 1);
	fl_mm_update_hiwater(mm);

	next = fl_vma_find(mm, new.start);
	prev = next ? next->prev : mm->last;
	if (prev && fl_vma_can_merge(prev, &new)) {
		prev->end = new.end;
		fl_vma_join_anon(prev, &new);
		vma = prev;
		fl_vma_update_gap(mm, next);
		if (next)
			fl_vma_merge_prev(mm, next);
	} else if (next && fl_vma_can_merge(&new, next)) {
		next->start = new.start;
		next->pgoff = new.pgoff;
		fl_vma_join_anon(next, &new);
		fl_vma_update_gap(mm, next);
		vma = next;
	} else {
		vma = fl_vma_insert(mm, &new);
	}
	return vma;
}

/*
 * Give the part of @vma inside [start, end) new flags and a new owner, cutting off the rest, and
 * join it with what lies below. Returns the VMA that holds the part.
 */
static struct fl_vma *vma_apply(
	struct fl_mm *mm, struct fl_vma *vma, u64 start, u64 end, u64 flags, u8 owner)
{
	if (flags != vma->flags || owner != vma->owner) {
		if (vma->start < start)
			vma = fl_vma_split(mm, vma, start);
		if (vma->end > end)
			fl_vma_split(mm, vma, end);
		fl_vma_account(mm, vma->flags, (s64)fl_vma_pages(vma), -1);
		fl_vma_account(mm, flags, (s64)fl_vma_pages(vma), 1);
		vma->flags = flags;
		vma->owner = owner;
		fl_vma_update_gap(mm, vma); /* should it have become one that grows, or no longer be */
	}
	return fl_vma_merge_prev(mm, vma);
}

void fl_mm_change(struct fl_mm *mm, u64 start, u64 end, u64 set_flags, u64 clear_flags)
{
	struct fl_vma *vma;

	check_range(start, end);
	for (vma = fl_vma_find(mm, start); vma && vma->start < end; vma = vma->next)
		vma = vma_apply(
			mm, vma, start, end, (vma->flags | set_flags) & ~clear_flags, vma->owner);
	if (vma)
		fl_vma_merge_prev(mm, vma);
}

void fl_mm_set_owner(struct fl_mm *mm, u64 start, u64 end, enum fl_owner owner)
{
	struct fl_vma *vma;

	check_range(start, end);
	for (vma = fl_vma_find(mm, start); vma && vma->start < end; vma = vma->next)
		vma = vma_apply(mm, vma, start, end, vma->flags, (u8)owner);
	if (vma)
		fl_vma_merge_prev(mm, vma);
}

/* mremap that stays where it is: @vma contains the old range. */
static struct fl_vma *move_in_place(
	struct fl_mm *mm, const struct fl_vma *vma, u64 start, u64 old_len, u64 new_len)
{
	struct fl_vma more = *vma;

	if (new_len <= old_len) {
		fl_mm_unmap(mm, start + new_len, start + old_len);
		return fl_vma_at(mm, start);
	}
	more.start = start + old_len;
	more.end = start + new_len;
	more.pgoff += (more.start - vma->start) >> FL_PAGE_SHIFT;
	fl_mm_map(mm, &more);
	return fl_vma_at(mm, start);
}

struct fl_vma *fl_mm_move(
	struct fl_mm *mm, u64 old_start, u64 old_len, u64 new_start, u64 new_len, bool keep_old)
{
	struct fl_vma *vma = fl_vma_at(mm, old_start), new;

	check_range(old_start, old_start + old_len);
	check_range(new_start, new_start + new_len);
	fl_bug_on(!vma || old_start + old_len > vma->end || !new_len);
	if (new_start == old_start)
		return move_in_place(mm, vma, old_start, old_len, new_len);
	fl_bug_on(old_start < new_start + new_len && new_start < old_start + old_len);

	new = *vma;
	new.start = new_start;
	new.end = new_start + new_len;
	new.pgoff += (old_start - vma->start) >> FL_PAGE_SHIFT;
	if (!vma->anon && vma->owner == FL_OWNER_MANAGED && !(vma->flags & (FL_VM_SHARED | FL_VM_FILE)))
		new.pgoff = new_start >> FL_PAGE_SHIFT;
	if (keep_old && vma->start == old_start && vma->end == old_start + old_len) {
		vma->anon = 0;
		vma->inherited = vma->only_read = false;
	}
	if (new_len < old_len) {
		/* Once the tail is cut off, unmapping the rest below splits nothing more. */
		fl_mm_unmap(mm, old_start + new_len, old_start + old_len);
		old_len = new_len;
	}
	if (keep_old)
		fl_mm_change(mm, vma->start, vma->end, 0, FL_VM_LOCKED | FL_VM_LOCKONFAULT);
	else
		fl_mm_unmap(mm, old_start, old_start + old_len);
	return fl_mm_map(mm, &new);
}
