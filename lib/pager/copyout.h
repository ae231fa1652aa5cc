/*
 * Taking pages out of the program that cannot be moved: those that fork shared
 * once, and those of VMAs that are not plainly readable and writable.
 *
 * Context: as pager.h.
 */
#ifndef FL_PAGER_COPYOUT_H
#define FL_PAGER_COPYOUT_H

#include "pager/pager.h"

bool fl_page_is_zero(const void *page);

/* The page is in the program no more: what the books say goes too. */
void fl_page_gone(struct fl_pager *p, u32 frame, u64 va);

enum fl_copied {
	FL_COPIED,	/* its content is in the frame's slot, the program has it not */
	FL_NOT_COPIED,
	FL_NOT_THERE,	/* dropped by a system call that no hook saw */
};

enum fl_copied fl_copy_out(struct fl_pager *p, u32 frame, u64 va, const struct fl_vma *vma);

#endif
