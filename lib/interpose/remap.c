/*
 * remap_file_pages(2), which the kernel does as an mmap of the same object at another offset.
 *
 * Of shared memory the new mapping must be registered before anybody touches it: pages that are in
 * swap would be found absent, and made anew. So the kernel is kept from populating it.
 */
#include "interpose/hooks.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

enum fl_action fl_hook_remap_file_pages(struct fl_call *c)
{
	u64 start = fl_page_down(c->a[0]), bytes = fl_page_down(c->a[1]);
	struct fl_call k = *c;
	bool shared, locked;
	struct fl_vma *v;
	long ret;

	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	v = fl_vma_at(&fl.pager.mm, start);
	shared = v && bytes && fl_any_shared(start, start + bytes);
	locked = shared && (v->flags & FL_VM_LOCKED);
	if (shared)
		k.a[4] |= MAP_NONBLOCK;
	if (locked) /* what is locked is populated all the same */
		fl_syscall(SYS_munlock, start, bytes);
	ret = fl_call_kernel(&k);
	if (!fl_is_err(ret)) {
		fl_resync(false);
		if (shared)
			fl_uffd_register_shared(&fl.uffd, start, start + bytes);
	}
	fl_leave();
	if (locked)
		fl_syscall(SYS_mlock, start, bytes);
	else if (shared && !fl_is_err(ret) && !(c->a[4] & MAP_NONBLOCK))
		fl_syscall(SYS_madvise, start, bytes, MADV_POPULATE_READ);
	return fl_done(c, ret);
}
