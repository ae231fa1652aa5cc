/* Pages of private file mappings; see filemap.h. */
#include "pager/filemap.h"

#include <errno.h>

#define WINDOW_MAX 32u

struct fl_file *fl_file_find(const struct fl_pager *p, u64 dev, u64 ino)
{
	struct fl_file *file = p->files;

	while (file && (file->dev != dev || file->ino != ino))
		file = file->next;
	return file;
}

bool fl_filemap_was_written(const struct fl_pager *p, u64 pte)
{
	return fl_pte_state(pte) != FL_PTE_NONE &&
		!(fl_pte_has_frame(pte) &&
			fl_page_has(p->pages.page[fl_pte_payload(pte)], FL_PG_FILE));
}

bool fl_filemap_unwritten(const struct fl_pager *p, u64 *start, u64 end, u64 *ret_end)
{
	u64 at = *start, *ptep;

	/* over those that were written */
	for (; (ptep = fl_pt_next(&p->mm, &at, end)) && at == *start &&
		fl_filemap_was_written(p, *ptep);
		at += FL_PAGE_SIZE)
		*start = at + FL_PAGE_SIZE;
	if (*start >= end)
		return false;
	for (at = *start; (ptep = fl_pt_next(&p->mm, &at, end)) && !fl_filemap_was_written(p, *ptep);)
		at += FL_PAGE_SIZE;
	*ret_end = fl_min(at, end);
	return true;
}

bool fl_filemap_drop(struct fl_pager *p, u32 f, u64 va, u32 *freed_frames)
{
	bool freed;

	/* nobody can write to it meanwhile: it is write-protected */
	if (p->host->ops->discard(p->host, va, 1) < 0)
		return false;
	fl_policy_evicted(&p->policy, f, va >> FL_PAGE_SHIFT);
	freed = fl_frame_drop(p, f);
	fl_pte_set(&p->mm, va, 0);
	fl_count(p, filemap_dropped, 1);
	fl_count(p, pgsteal, 1);
	p->shed += !freed;
	*freed_frames += freed;
	return true;
}

/* The pages to read for a fault at va: what faults have shown to be a sequence, as far as it is
 * absent and the kernel has it in memory. Begins at *ret_first. */
static u32 window(struct fl_pager *p, const struct fl_file *file, const struct fl_vma *vma, u64 va,
	u64 *ret_first)
{
	u32 want = fl_min(fl_pager_window(p, vma, va, ret_first), WINDOW_MAX), n;
	u64 end = fl_min(vma->end, *ret_first + want * FL_PAGE_SIZE), at = va;

	while (at > *ret_first && !fl_pte_get(&p->mm, at - FL_PAGE_SIZE) &&
		p->host->ops->present(p->host, fl_file_twin(file, vma, at - FL_PAGE_SIZE)))
		at -= FL_PAGE_SIZE;
	*ret_first = at;
	n = (u32)((va - at) >> FL_PAGE_SHIFT) + 1;
	for (at = va + FL_PAGE_SIZE; at < end && !fl_pte_get(&p->mm, at) &&
		p->host->ops->present(p->host, fl_file_twin(file, vma, at));
		at += FL_PAGE_SIZE)
		n++;
	return n;
}

/*
 * The kernel must read the page from its disk. That is waited for by kswapd's thread, with the lock
 * let go, so that other faults go on. True when it was; false when it is to come.
 */
static bool wait_for_disk(struct fl_pager *p, const struct fl_file *file, u64 twin, u64 va, u32 flags)
{
	u64 left = file->hi - file->lo - ((twin - file->twin) >> FL_PAGE_SHIFT);
	struct fl_queue *q = p->submit_to;

	if (q == &p->reads) {
		fl_pager_defer(p, va, flags);
		p->kick(p);
		return false;
	}
	fl_unlock(&p->lock);
	p->host->ops->read_in(p->host, twin, fl_min(left, (u64)WINDOW_MAX));
	fl_lock(&p->lock);
	/* the handler's thread has had faults of its own meanwhile */
	p->submit_to = q;
	p->fault_tid = 0;
	fl_count(p, pgmajfault, 1);
	return true;
}

/* n frames, side by side as far as there are such, without storage. How many it got. */
static u32 take_frames(struct fl_pager *p, u32 *frames, u32 n)
{
	u32 got = 0;

	while (got < n) {
		u32 order = 0, f;

		while (order < 5 && 2u << order <= n - got)
			order++;
		f = fl_frames_alloc(p, order, &order);
		if (f == FL_NO_FRAME)
			break;
		fl_frames_empty(p, f, 1u << order);
		for (u32 i = 0; i < 1u << order; i++)
			frames[got++] = f + i;
	}
	return got;
}

/* Copies n pages in. How many, and why it stopped. */
static u32 copy_in(struct fl_pager *p, u64 va, u64 twin, const u32 *frames, u32 n, bool write,
	int *ret_error)
{
	u32 k;

	do
		k = p->host->ops->copy(p->host, va, (void *)twin, n, !write, ret_error);
	while (!k && *ret_error == -EAGAIN);
	for (u32 i = 0; i < k; i++)
		fl_pager_mapped(p, va + i * FL_PAGE_SIZE, frames[i], write ? FL_PG_DIRTY : FL_PG_FILE,
			FL_PTE_ACCESSED | (write ? FL_PTE_DIRTY : FL_PTE_WP));
	fl_count(p, filemap_read, k);
	return k;
}

static enum fl_fault_result read_window(struct fl_pager *p, const struct fl_file *file,
	struct fl_vma *vma, u64 va, u32 flags)
{
	bool write = flags & FL_FAULT_WRITE;
	u32 frames[WINDOW_MAX], n = 1, got, done = 0;
	u64 first = va;
	int err = 0;

	/* a page that is only beside one that is written stays as in the file; and a copy would
	 * replace a guard */
	if (!write && !p->guards && !(flags & FL_FAULT_ALONE))
		n = window(p, file, vma, va, &first);
	got = take_frames(p, frames, n);
	if (!got)
		return fl_pager_no_memory(p, va, flags);
	if (va >= first + got * FL_PAGE_SIZE)
		first = va - (got - 1) * FL_PAGE_SIZE;
	done = copy_in(p, first, fl_file_twin(file, vma, first), frames, got, write, &err);
	for (u32 i = done; i < got; i++)
		fl_frame_free(p, frames[i]);
	fl_count(p, pgfault_file, 1);
	if (va < first + done * FL_PAGE_SIZE)
		return FL_FAULT_DONE;
	if (first != va && done < got) /* one before it was of no use */
		return read_window(p, file, vma, va, flags | FL_FAULT_ALONE);
	/* a page that cannot be read is the kernel's to refuse */
	if (err == -EFAULT)
		p->unreadable(p, va, true);
	/* made by a call that no hook saw */
	else if (err == -EEXIST && p->host->ops->present(p->host, va))
		fl_pager_adopt(p, va);
	p->host->ops->wake(p->host, va, 1);
	return FL_FAULT_DONE;
}

enum fl_fault_result fl_filemap_fault(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u32 flags)
{
	struct fl_file *file = fl_file_find(p, vma->dev, vma->ino);
	u64 twin;

	if (!file || !file->twin)
		p->dead(p, "a file that it has mapped is not known");
	/* what the kernel will not have is read as it is now */
	if (file->lease < 0 && p->unreadable(p, va, false))
		return FL_FAULT_DONE;
	twin = fl_file_twin(file, vma, va);
	if (!(flags & FL_FAULT_READ) && !p->host->ops->present(p->host, twin)) {
		if (!wait_for_disk(p, file, twin, va, flags))
			return FL_FAULT_IO;
		vma = fl_vma_at(&p->mm, va);
		if (!vma || !fl_is_filemap(vma) || fl_pte_get(&p->mm, va)) {
			p->host->ops->wake(p->host, va, 1);
			return FL_FAULT_DONE;
		}
		return fl_filemap_fault(p, vma, va, flags | FL_FAULT_READ);
	}
	return read_window(p, file, vma, va, flags);
}
