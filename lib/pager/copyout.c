/* Pages that UFFDIO_MOVE does not take; see copyout.h. */
#include "pager/copyout.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

bool fl_page_is_zero(const void *page)
{
	const u64 *w = page;

	for (u32 i = 0; i < FL_PAGE_SIZE / 8; i += 4)
		if (w[i] | w[i + 1] | w[i + 2] | w[i + 3])
			return false;
	return true;
}

/*
 * A page that other processes use too: its content goes to swap through a
 * bounce buffer, as the frame stays where it is. Frees it for us only.
 */
bool fl_swap_shared(struct fl_pager *p, u32 f, u64 va, bool readable)
{
	struct iovec iov;
	u32 slot = p->pages.slot[f];
	int err;
	long r;

	if (!p->host->ops->present(p->host, va)) {
		fl_page_gone(p, f, va); /* dropped by a system call that no hook saw */
		return true;
	}
	if (slot == FL_NO_SLOT) {
		if (!p->bounce)
			p->bounce = fl_arena_alloc(p->arena, FL_BOUNCE_PAGES * FL_PAGE_SIZE);
		if (!p->bounce || p->host->ops->fetch(p->host, p->bounce, va, readable) < 0)
			return false;
		if (fl_page_is_zero(p->bounce)) {
			p->host->ops->discard(p->host, va, 1);
			fl_frame_drop(p, f);
			fl_pte_set(&p->mm, va, fl_pte_make(FL_PTE_ZERO, 0, 0));
			fl_count(p, swap_zero, 1);
			return true;
		}
		if (!fl_swap_alloc(&p->machine, 1, &slot, &err))
			return false;
		iov = (struct iovec){p->bounce, FL_PAGE_SIZE};
		do
			r = fl_syscall(SYS_pwritev, p->machine.swap_fd, &iov, 1,
				(u64)slot * FL_PAGE_SIZE, 0);
		while (r == -EINTR);
		if (r != (long)FL_PAGE_SIZE) {
			fl_swap_put(&p->machine, slot);
			return false;
		}
		fl_count(p, pswpout, 1);
		fl_count(p, swapout_ios, 1);
	}
	p->pages.slot[f] = FL_NO_SLOT; /* the pte has it now */
	p->host->ops->discard(p->host, va, 1);
	fl_frame_drop(p, f);
	fl_pager_swapped(p, va, slot);
	return true;
}

/* A page that cannot be moved out: copied out under write protection. */
enum fl_copied fl_copy_out(struct fl_pager *p, u32 f, u64 va, const struct fl_vma *vma)
{
	const u64 rwx = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC;
	bool readable = vma->flags & FL_VM_READ;
	u64 pte = fl_pte_get(&p->mm, va);
	int err = 0;

	if (!p->host->ops->present(p->host, va))
		return FL_NOT_THERE; /* dropped by a system call that no hook saw */
	if (p->host->can_move && (vma->flags & rwx) == rwx) {
		/* through slots of the same protection: that is still one atomic
		 * step, and refuses pages that a device writes to */
		if (!p->stage)
			p->stage = p->make_stage(p);
		if (!p->stage || fl_frame_populated(p, f) < 0)
			return FL_NOT_COPIED;
		if (p->host->ops->move(p->host, p->stage, va, 1, &err) != 1) {
			fl_frames_empty(p, f, 1);
			return FL_NOT_COPIED;
		}
		memcpy((void *)fl_slot_addr(p, f), (void *)p->stage, FL_PAGE_SIZE);
		p->host->ops->discard(p->host, p->stage, 1);
		return FL_COPIED;
	}
	if (!fl_pte_has(pte, FL_PTE_WP) && (vma->flags & FL_VM_WRITE) &&
		p->host->ops->protect(p->host, va, 1, true) < 0)
		return FL_NOT_COPIED;
	if (fl_frame_populated(p, f) < 0 ||
		p->host->ops->fetch(p->host, (void *)fl_slot_addr(p, f), va, readable) < 0) {
		fl_frames_empty(p, f, 1);
		if (!fl_pte_has(pte, FL_PTE_WP) && (vma->flags & FL_VM_WRITE))
			p->host->ops->protect(p->host, va, 1, false);
		return FL_NOT_COPIED;
	}
	p->host->ops->discard(p->host, va, 1);
	return FL_COPIED;
}
