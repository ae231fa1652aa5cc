/*
 * Memory that becomes the kernel's while it lives: everything that was put away comes back
 * into the program. It takes no frames: what it costs is the kernel's count from then on.
 */
#include "pager/copyout.h"

#include <errno.h>

static int put(struct fl_pager *p, u64 va, const void *page)
{
	int err;

	do
		if (p->host->ops->copy(p->host, va, page, 1, false, &err) == 1)
			return 0;
	while (err == -EAGAIN);
	return err;
}

/* Nothing but zeros: fault-around puts such pages where the program has never been. */
static bool is_empty(struct fl_pager *p, const struct fl_vma *vma, u64 va)
{
	return (vma->flags & FL_VM_READ) && p->host->ops->present(p->host, va) &&
		fl_page_is_zero((void *)va);
}

static int page_back(struct fl_pager *p, struct fl_vma *vma, u64 va, u64 pte, bool drop_zeros,
	void *buf)
{
	u32 payload = fl_pte_payload(pte);
	int r;

	switch (fl_pte_state(pte)) {
	case FL_PTE_ZERO:
		return drop_zeros ? 0 : put(p, va, p->zeros);
	case FL_PTE_SWAP:
		r = fl_pager_read_slots_now(p, payload, 1, buf);
		return r < 0 ? r : put(p, va, buf);
	case FL_PTE_SOFT:
		if (fl_pager_map_run(p, vma, va, payload, 1, false) != 1)
			return -EFAULT;
		break;
	case FL_PTE_PRESENT:
		break;
	default:
		return 0;
	}
	if (drop_zeros && is_empty(p, vma, va))
		p->host->ops->discard(p->host, va, 1);
	return 0;
}

u64 fl_pager_all_back(struct fl_pager *p, struct fl_vma *vma, u64 start, u64 end, bool drop_zeros)
{
	void *buf = fl_arena_alloc(p->arena, FL_PAGE_SIZE);
	u64 va = start, *ptep;

	if (!buf)
		return start;
	for (; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE)
		if (page_back(p, vma, va, *ptep, drop_zeros, buf) < 0)
			break;
	fl_arena_free(p->arena, buf, FL_PAGE_SIZE);
	return ptep ? va : end;
}
