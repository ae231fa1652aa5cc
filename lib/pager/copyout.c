/* Pages that UFFDIO_MOVE does not take; see copyout.h. */
#include "pager/copyout.h"

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
	/* the kernel keeps what it has locked */
	if (fl_frame_populated(p, f) < 0 ||
		p->host->ops->fetch(p->host, (void *)fl_slot_addr(p, f), va, readable) < 0 ||
		p->host->ops->discard(p->host, va, 1) < 0) {
		fl_frames_empty(p, f, 1);
		if (!fl_pte_has(pte, FL_PTE_WP) && (vma->flags & FL_VM_WRITE))
			p->host->ops->protect(p->host, va, 1, false);
		return FL_NOT_COPIED;
	}
	return FL_COPIED;
}
