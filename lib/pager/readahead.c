/*
 * What to read with a page from swap: the pager's side of the prefetcher (reclaim/prefetch.h), and
 * what lies beside the page in the swap file.
 */
#include "pager/pager.h"

#define RA_REMEMBERED 512u

struct fl_access fl_pager_access(struct fl_pager *p, const struct fl_vma *vma, u64 va)
{
	return (struct fl_access){
		.page = va >> FL_PAGE_SHIFT,
		.start = vma->start >> FL_PAGE_SHIFT,
		.end = vma->end >> FL_PAGE_SHIFT,
		.tid = p->fault_tid ? p->fault_tid : p->deferred_tid,
		/* pages that come too early push out pages that are needed now */
		.room = fl_max(fl_frames_available(p) / 4, 1u),
		.apart = FL_RA_MAX_IOS - 1,
	};
}

u32 fl_pager_window(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 *ret_first)
{
	struct fl_access a = fl_pager_access(p, vma, va);
	u32 n = fl_prefetch_window(&p->prefetch, &a, ret_first);

	*ret_first <<= FL_PAGE_SHIFT;
	return n;
}

/*
 * The block to read where pages lie beside each other in the swap file too: that
 * is the same request, a little longer. A power of two, larger the more of the
 * pages read ahead have been of use.
 */
u32 fl_pager_around(struct fl_pager *p)
{
	u32 n;

	if (p->prefetch.kind == FL_PREFETCH_NONE)
		return 1;
	if (p->ra_pages >= RA_REMEMBERED) {
		p->ra_pages /= 2;
		p->ra_hits /= 2;
	}
	n = p->ra_hits * 2 >= p->ra_pages ? 8 : p->ra_hits * 3 >= p->ra_pages ? 4 : 1;
	/* where it is of no use, try again now and then */
	if (n == 1 && ++p->ra_probe % 32 == 0)
		n = 4;
	while (n > 1 && n > fl_frames_available(p) / 8)
		n /= 2;
	return n;
}

void fl_pager_ra_hit(struct fl_pager *p, u32 n)
{
	fl_count(p, swap_ra_hit, n);
	p->ra_hits += n;
}
