/*
 * Memory that the program watches with a userfaultfd of its own.
 *
 * The kernel gives a VMA to one userfaultfd only, so ours leaves it: the range becomes the kernel's,
 * with all its pages. The same goes for pages that the program moves out of our memory.
 */
#include "interpose/filemap.h"
#include "fault/uffd-compat.h"

#include <sys/ioctl.h>

/* A long range is left in steps, so that other faults do not wait for all of it. */
#define STEP_BYTES (4ull << 20)

/* The next piece of [at, end). Where it ends, or 0 on failure. */
static u64 leave_piece(u64 at, u64 end, bool drop_zeros)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *v;
	u64 got;

	fl_pager_wait_idle(p);
	v = fl_vma_find(&p->mm, at);
	if (!v || v->start >= end)
		return end;
	if (v->owner != FL_OWNER_MANAGED)
		return fl_min(v->end, end);
	at = fl_max(at, v->start);
	end = fl_min(fl_min(v->end, end), at + STEP_BYTES);
	if (fl_is_filemap(v)) {
		fl_filemap_return_all(v, at, end);
		return end;
	}
	if (fl_vma_prealloc(&p->mm, FL_VMA_MAX_NODES) < 0)
		return 0;
	got = fl_pager_all_back(p, v, at, end, drop_zeros);
	if (got > at) {
		fl_uffd_unregister(&fl.uffd, at, got);
		fl_pager_forget(p, at, got);
		fl_mm_set_owner(&p->mm, at, got, FL_OWNER_KERNEL);
	}
	return got == end ? end : 0;
}

static void leave_range(u64 start, u64 bytes, bool drop_zeros)
{
	u64 end = start + bytes;

	/* what is no range is the kernel's to judge */
	if ((start | bytes) & ~FL_PAGE_MASK)
		return;
	for (u64 at = start; at && at < end;) {
		fl_lock(&fl.pager.lock);
		at = leave_piece(at, end, drop_zeros);
		fl_unlock(&fl.pager.lock);
	}
}

static bool any_managed(u64 start, u64 bytes)
{
	bool any;

	fl_lock(&fl.pager.lock);
	any = fl_any_managed(start, start + bytes);
	fl_unlock(&fl.pager.lock);
	return any;
}

enum fl_action fl_hook_ioctl(struct fl_call *c)
{
	struct uffdio_register reg;
	struct uffdio_move move;

	if ((u32)c->a[1] == (u32)UFFDIO_REGISTER && fl_peek(c->a[2], &reg, sizeof(reg))) {
		if (any_managed(reg.range.start, reg.range.len))
			leave_range(reg.range.start, reg.range.len,
				reg.mode & UFFDIO_REGISTER_MODE_MISSING);
	} else if ((u32)c->a[1] == (u32)UFFDIO_MOVE && fl_peek(c->a[2], &move, sizeof(move))) {
		if (any_managed(move.src, move.len))
			leave_range(move.src, move.len, false);
	}
	return FL_NATIVE;
}
