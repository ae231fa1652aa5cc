/*
 * mremap(2) of what is one VMA natively and several here: EFAULT, if it were left to the kernel.
 *
 * Of a file the mirror has some as ours and some as the kernel's. Of anonymous memory the kernel keeps
 * apart what was brought in at different times, although it was only read (mm/vma-anon.c). Such a range
 * is moved piece by piece. The last piece goes first, with the part by which it grows: that may be
 * refused, and then nothing has happened.
 */
#include "interpose/mremap.h"

#include "runtime/limits.h"

#include <errno.h>

/* Files have such, that somebody has opened for writing. */
static bool is_one_file(u64 start, u64 end)
{
	const struct fl_vma *first = fl_vma_at(&fl.pager.mm, start), *v;

	if (!first || first->end >= end || !fl_any_filemap(start, end))
		return false;
	for (v = first; v->end < end; v = v->next)
		if (!v->next || v->next->start != v->end || v->next->flags != v->flags ||
			v->next->dev != v->dev || v->next->ino != v->ino ||
			v->next->pgoff != v->pgoff + fl_vma_pages(v))
			return false;
	return true;
}

/* Is there nothing else to refuse? */
static bool is_plain(const struct fl_call *c)
{
	u64 old = c->a[0], bytes = fl_page_up(c->a[1]), new = fl_page_up(c->a[2]), flags = c->a[3];
	u64 to = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? c->a[4] : 0; /* or a wish */

	if ((flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) || !bytes || !new ||
		((old | to) & ~FL_PAGE_MASK) || bytes > TASK_SIZE - old || new > TASK_SIZE ||
		to > TASK_SIZE - new || (to && to < old + bytes && old < to + new))
		return false;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return false;
	return !((flags & MREMAP_DONTUNMAP) && new != bytes);
}

bool fl_mremap_is_file(const struct fl_call *c)
{
	return is_plain(c) && is_one_file(c->a[0], c->a[0] + fl_page_up(c->a[1]));
}

/* As far as the kernel makes a difference. A stack is memory where huge pages are not wanted. */
static u64 kernels_flags(const struct fl_vma *v)
{
	return (v->flags & ~(FL_VM_HEAP | FL_VM_STACK | FL_VM_ACCOUNT)) |
		(v->flags & FL_VM_STACK ? FL_VM_NOHUGEPAGE : 0);
}

bool fl_mremap_is_one(const struct fl_call *c)
{
	const struct fl_vma *v = is_plain(c) ? fl_vma_at(&fl.pager.mm, c->a[0]) : NULL;
	u64 end = c->a[0] + fl_page_up(c->a[1]);

	while (v && v->end < end && v->next && v->next->start == v->end &&
		kernels_flags(v) == kernels_flags(v->next) && v->next->pgoff == v->pgoff + fl_vma_pages(v) &&
		v->owner != v->next->owner)
		v = v->next;
	return v && v->end >= end && !(v->flags & (FL_VM_FILE | FL_VM_SHARED)) &&
		fl_any_managed(c->a[0], end);
}

bool fl_mremap_is_several(const struct fl_call *c)
{
	u64 bytes = fl_page_up(c->a[1]), new = fl_page_up(c->a[2]), flags = c->a[3];
	const struct fl_vma *v = is_plain(c) ? fl_vma_at(&fl.pager.mm, c->a[0]) : NULL;

	if (new <= bytes && (flags & (MREMAP_DONTUNMAP | MREMAP_FIXED)) != MREMAP_DONTUNMAP)
		return false;
	for (; v && v->end < c->a[0] + bytes; v = v->next) {
		if (v->owner != FL_OWNER_MANAGED || !v->next || v->next->start != v->end)
			return false;
		/* some the kernel is not told: it may have both as one */
		if ((v->flags ^ v->next->flags) & ~FL_VM_HEAP)
			return true;
	}
	return false;
}

/* What both the mirror and the kernel have as one, within [start, end), of which at is the last page. */
static u64 piece_start(u64 at, u64 start)
{
	struct fl_vma line, *v = fl_vma_at(&fl.pager.mm, at);

	start = fl_max(start, v->start);
	return fl_map_at(at, &line) < 0 ? start : fl_max(start, line.start);
}

static long move_piece(u64 from, u64 bytes, u64 new_bytes, u64 flags, u64 to, struct fl_range *populate)
{
	struct fl_call c = {SYS_mremap, {from, bytes, new_bytes, flags, to}, 0, 0};

	return fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0 ? -ENOMEM : fl_mremap_one(&c, populate);
}

/* A place for what is to move. Nobody else can take it: who maps waits for the lock. */
static long find_room(u64 bytes, u64 hint)
{
	struct fl_call c = {SYS_mmap,
		{hint, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ull, 0}, 0, 0};
	struct fl_limits limits;
	long ret;

	fl_limits_lift(&limits); /* the kernel would not have it twice */
	ret = fl_place_mmap(&c);
	if (!fl_is_err(ret))
		fl_syscall(SYS_munmap, ret, bytes);
	fl_limits_settle(&limits);
	return ret;
}

static long cut(u64 start, u64 end)
{
	struct fl_call c = {SYS_munmap, {start, end - start}, 0, 0};
	long ret = start < end ? fl_call_kernel(&c) : 0;

	if (ret == 0 && start < end) {
		fl_pager_forget(&fl.pager, start, end);
		fl_mm_unmap(&fl.pager.mm, start, end);
		fl_filemap_forget_unused();
	}
	return ret;
}

/* [from, end) has moved to another place, and goes back. */
static void undo(u64 from, u64 end, u64 to)
{
	struct fl_range none;

	for (u64 start, stop = end; stop > from; stop = start) {
		start = piece_start(to + (stop - from) - FL_PAGE_SIZE, to) - to + from;
		if (fl_is_err(move_piece(to + (start - from), stop - start, stop - start,
			    MREMAP_MAYMOVE | MREMAP_FIXED, start, &none)))
			return;
	}
}

static long move_all(u64 old, u64 end, u64 new, u64 flags, u64 to, struct fl_range *populate)
{
	struct fl_range none;

	for (u64 start, stop = end; stop > old; stop = start) {
		u64 bytes;
		long ret;

		start = piece_start(stop - FL_PAGE_SIZE, old);
		bytes = stop == end ? old + new - start : stop - start;
		ret = move_piece(start, stop - start, bytes, flags | MREMAP_MAYMOVE | MREMAP_FIXED,
			to + (start - old), stop == end ? populate : &none);
		if (!fl_is_err(ret))
			continue;
		if (stop < end) {
			cut(to + (end - old), to + new);
			undo(stop, end, to + (stop - old));
		}
		return ret;
	}
	return (long)to;
}

long fl_mremap_pieces(const struct fl_call *c, struct fl_range *populate)
{
	u64 old = c->a[0], end = old + fl_page_up(c->a[1]), new = fl_page_up(c->a[2]), flags = c->a[3];
	long ret = (long)c->a[4];

	if (new < end - old) {
		ret = cut(old + new, end);
		if (fl_is_err(ret))
			return ret;
		end = old + new;
		ret = (long)c->a[4];
	}
	if (!(flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
		u64 last = piece_start(end - FL_PAGE_SIZE, old);

		if (new == end - old)
			return (long)old;
		ret = move_piece(last, end - last, old + new - last, 0, 0, populate);
		if (ret != -ENOMEM || !(flags & MREMAP_MAYMOVE))
			return fl_is_err(ret) ? ret : (long)old;
	}
	if (!(flags & MREMAP_FIXED))
		ret = find_room(new, flags & MREMAP_DONTUNMAP ? c->a[4] : 0);
	return fl_is_err(ret) ? ret : move_all(old, end, new, flags, (u64)ret, populate);
}
