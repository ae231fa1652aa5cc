/*
 * mincore(2).
 *
 * The kernel answers. To what it says is added what it cannot know: pages that are set aside are in
 * memory, and of a file that is mapped privately those in the page cache are, as its twin shows.
 */
#include "interpose/filemap.h"

#include <errno.h>

#define STEP_PAGES 512u

/* Is the page in memory although the program does not have it? Those that are read from swap are not
 * yet, as natively. Lock held. */
static bool is_kept(const struct fl_pager *p, const struct fl_vma *v, u64 va)
{
	const struct fl_file *file;
	unsigned char in = 0;

	switch (fl_pte_state(fl_pte_get(&p->mm, va))) {
	case FL_PTE_SOFT:
		return true;
	case FL_PTE_NONE:
		file = fl_is_filemap(v) ? fl_file_find(p, v->dev, v->ino) : NULL;
		return file && file->twin &&
			fl_syscall(SYS_mincore, fl_file_twin(file, v, va), FL_PAGE_SIZE, &in) == 0 && (in & 1);
	default:
		return false;
	}
}

/* Which pages of a few that is so for. False: for none. */
static bool find_kept(u64 start, u64 end, unsigned char kept[STEP_PAGES])
{
	struct fl_pager *p = &fl.pager;
	bool any = false;
	struct fl_vma *v;

	fl_lock(&p->lock);
	fl_for_each_vma_range(&p->mm, v, start, end) {
		u64 to = fl_min(v->end, end);

		if (v->owner != FL_OWNER_MANAGED)
			continue;
		for (u64 va = fl_max(v->start, start); va < to; va += FL_PAGE_SIZE) {
			if (!fl_is_filemap(v) && !fl_pt_next(&p->mm, &va, to))
				break;
			kept[(va - start) >> FL_PAGE_SHIFT] = is_kept(p, v, va);
			any |= kept[(va - start) >> FL_PAGE_SHIFT];
		}
	}
	fl_unlock(&p->lock);
	return any;
}

/* The answer is the program's memory: written to without the lock. */
static bool add(u64 vec, const unsigned char kept[STEP_PAGES], u64 n)
{
	unsigned char in[STEP_PAGES];

	if (!fl_peek(vec, in, n))
		return false;
	for (u64 i = 0; i < n; i++)
		in[i] |= kept[i];
	return fl_poke(vec, in, n);
}

enum fl_action fl_hook_mincore(struct fl_call *c)
{
	u64 start = c->a[0], end = start + fl_page_up(c->a[1]), vec = c->a[2];
	long ret = fl_call_kernel(c);

	/* what lies before a hole has been answered */
	if (ret == -ENOMEM && !(start & ~FL_PAGE_MASK) && end > start) {
		fl_lock(&fl.pager.lock);
		end = fl_first_hole(start, end);
		fl_unlock(&fl.pager.lock);
	} else if (ret < 0) {
		return fl_done(c, ret);
	}
	while (start < end) {
		u64 n = fl_min((end - start) >> FL_PAGE_SHIFT, (u64)STEP_PAGES);
		unsigned char kept[STEP_PAGES] = {0};

		if (find_kept(start, start + n * FL_PAGE_SIZE, kept) && !add(vec, kept, n))
			break;
		start += n * FL_PAGE_SIZE;
		vec += n;
	}
	return fl_done(c, ret);
}
