/*
 * Private mappings of files that may be written to: which become ours, and what is done with them
 * before calls that the kernel would do another way to anonymous memory.
 */
#include "interpose/filemap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ld.so maps what may be written of a library after what is executed: that is the kernel's. The
 * list of mappings may have another device than stat(2), so the number must do. */
static bool is_executed(u64 ino)
{
	struct fl_vma *v;

	fl_for_each_vma(&fl.pager.mm, v)
		if ((v->flags & (FL_VM_FILE | FL_VM_EXEC)) == (FL_VM_FILE | FL_VM_EXEC) && v->ino == ino)
			return true;
	return false;
}

void fl_filemap_ask(const struct fl_call *c, struct fl_filemap_ask *ret)
{
	const u64 others = MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_HUGETLB | MAP_LOCKED | MAP_STACK;
	struct stat st;

	*ret = (struct fl_filemap_ask){0};
	if ((c->a[3] & MAP_TYPE) != MAP_PRIVATE || (c->a[3] & others) ||
		(c->a[2] & (PROT_WRITE | PROT_EXEC)) != PROT_WRITE ||
		fl_syscall(SYS_fstat, c->a[4], &st) < 0 || !S_ISREG(st.st_mode))
		return;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	fl_lock(&fl.pager.lock);
	if (is_executed(st.st_ino))
		ret->why = FL_WHY_EXECUTED;
	else if (fl.mlock_future)
		ret->why = FL_WHY_NO_LEASE;
	/* it is ours only a moment after it was mapped */
	else if ((c->a[3] & MAP_FIXED) && (fl.had_threads || fl.mm_shared))
		ret->why = FL_WHY_REPLACED;
	fl_unlock(&fl.pager.lock);
	if (ret->why)
		return;
	ret->why = fl_lease_take((int)c->a[4], st.st_dev, st.st_ino);
	ret->leased = !ret->why;
}

void fl_filemap_mapped(const struct fl_call *c, const struct fl_filemap_ask *ask, u64 start, u64 end)
{
	struct fl_file *file = ask->leased ? fl_file_find(&fl.pager, ask->dev, ask->ino) : NULL;
	enum fl_why why = ask->why;

	/* somebody may have opened it since */
	if (ask->leased)
		why = !file || file->lease < 0 ? FL_WHY_WRITERS :
			!fl_is_mapped(file, start) ? FL_WHY_REPLACED :
			fl_filemap_manage(file, (int)c->a[4], start, end, c->a[3] & MAP_NORESERVE);
	if (why)
		fl_vma_at(&fl.pager.mm, start)->why = why;
}

void fl_filemap_answered(const struct fl_filemap_ask *ask)
{
	struct fl_file *file = ask->leased ? fl_file_find(&fl.pager, ask->dev, ask->ino) : NULL;

	if (!file)
		return;
	file->asked--;
	fl_filemap_forget_unused();
}

void fl_filemap_leave(u64 start, u64 end, bool noexec)
{
	struct fl_vma *v;

	if (!fl.pager.files)
		return;
	for (u64 at = start; (v = fl_vma_find(&fl.pager.mm, at)) && v->start < end;) {
		const struct fl_file *file = fl_file_find(&fl.pager, v->dev, v->ino);

		at = v->end;
		if (fl_is_filemap(v) && (!noexec || file->noexec))
			fl_filemap_return_all(v, fl_max(v->start, start), fl_min(v->end, end));
	}
	fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES);
}

bool fl_filemap_grow(const struct fl_vma *v, u64 end, u64 more)
{
	struct fl_file *file;

	if (!fl_is_filemap(v) || !more)
		return true;
	file = fl_file_find(&fl.pager, v->dev, v->ino);
	return fl_twin_grow(file, fl_file_index(v, end) + (more >> FL_PAGE_SHIFT));
}

/* truncate(2), ftruncate(2): what was written past the end is gone, too. */
enum fl_action fl_hook_truncate(struct fl_call *c)
{
	struct fl_pager *p = &fl.pager;
	long ret = fl_call_kernel(c);
	struct fl_file *file;
	struct stat st;

	if (ret < 0 || !__atomic_load_n(&p->files, __ATOMIC_RELAXED) ||
		(c->nr == SYS_ftruncate ? fl_syscall(SYS_fstat, c->a[0], &st) :
					  fl_syscall(SYS_newfstatat, AT_FDCWD, c->a[0], &st, 0)) < 0)
		return fl_done(c, ret);
	fl_lock(&p->lock);
	file = fl_file_find(p, st.st_dev, st.st_ino);
	if (file)
		fl_filemap_cut(file, fl_page_up((u64)st.st_size) >> FL_PAGE_SHIFT);
	fl_unlock(&p->lock);
	return fl_done(c, ret);
}
