/* Private file mappings: taking them over, and giving them back; see filemap.h. */
#include "runtime/filemap.h"
#include "runtime/limits.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

/* Each piece that goes back is a mapping of its own, and so is what stays between them; the kernel
 * allows 65530 of them, and the program wants some. */
#define PIECES_MAX 8192u
#define MAPPINGS_MAX 32768u
#define STEP_BYTES   (8ull << 20) /* of the twin that count as data for a moment */
#define NEIGHBOURS   512u /* pages that go back with one that is touched */

static u64 prot_of(const struct fl_vma *vma)
{
	return (vma->flags & FL_VM_READ ? PROT_READ : 0) | (vma->flags & FL_VM_WRITE ? PROT_WRITE : 0) |
		(vma->flags & FL_VM_EXEC ? PROT_EXEC : 0);
}

/* What the program has asked for of the range, beside its protection. */
static void advise_again(u64 flags, u64 start, u64 bytes)
{
	if (flags & FL_VM_RAND_READ)
		fl_syscall(SYS_madvise, start, bytes, MADV_RANDOM);
	if (flags & FL_VM_SEQ_READ)
		fl_syscall(SYS_madvise, start, bytes, MADV_SEQUENTIAL);
	if (flags & FL_VM_MERGEABLE)
		fl_syscall(SYS_madvise, start, bytes, MADV_MERGEABLE);
	if (flags & FL_VM_DONTFORK)
		fl_syscall(SYS_madvise, start, bytes, MADV_DONTFORK);
	if (flags & FL_VM_DONTDUMP)
		fl_syscall(SYS_madvise, start, bytes, MADV_DONTDUMP);
	/* its pages are the kernel's to bring in: no fault of ours comes of it */
	if (flags & FL_VM_LOCKED)
		fl_syscall(SYS_mlock2, start, bytes, flags & FL_VM_LOCKONFAULT ? MLOCK_ONFAULT : 0);
}

/* The twin's pages take the place of ours. False if the kernel would not have it. */
static bool move_there(const struct fl_file *file, const struct fl_vma *vma, u64 start, u64 end)
{
	u64 twin = fl_file_twin(file, vma, start), bytes = end - start, flags = vma->flags;
	struct fl_limits limits;
	long r;

	fl_limits_lift(&limits); /* for a moment it is there twice */
	r = fl_syscall(SYS_mprotect, twin, bytes, prot_of(vma));
	if (r == 0)
		r = fl_syscall(SYS_mremap, twin, bytes, bytes,
			MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, start);
	fl_syscall(SYS_mprotect, twin, bytes, PROT_READ);
	fl_limits_settle(&limits);
	if (fl_is_err(r))
		return false;
	advise_again(flags, start, bytes);
	return true;
}

/* The mirror's half. */
static void now_the_kernels(u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;

	fl_pager_forget(p, start, end);
	if (fl_vma_prealloc(&p->mm, FL_VMA_MAX_NODES) < 0)
		p->dead(p, "its tables cannot grow: the address space is full (ulimit -v?)");
	fl_mm_set_owner(&p->mm, start, end, FL_OWNER_KERNEL);
	fl_vma_at(&p->mm, start)->why = FL_WHY_WRITERS;
	fl_count(p, filemap_returned, (end - start) >> FL_PAGE_SHIFT);
	p->host->ops->wake(p->host, start, (end - start) >> FL_PAGE_SHIFT);
}

/* False: only what lies before *ret_end is the kernel's now. */
static bool give(const struct fl_file *file, const struct fl_vma *vma, u64 start, u64 end, u64 *ret_end)
{
	u64 at = start;

	while (at < end && move_there(file, vma, at, fl_min(at + STEP_BYTES, end)))
		at = fl_min(at + STEP_BYTES, end);
	if (at > start)
		now_the_kernels(start, at);
	*ret_end = at;
	return at == end;
}

/* What was never written is dropped: when it is touched it is read, as the file is then. */
static void keep_range(struct fl_pager *p, u64 start, u64 end)
{
	struct fl_vma *vma;

	fl_for_each_vma_range(&p->mm, vma, start, end) {
		u64 at = fl_max(vma->start, start), to = fl_min(vma->end, end), stop;

		if (!fl_is_filemap(vma))
			continue;
		for (; fl_filemap_unwritten(p, &at, to, &stop); at = stop)
			if (p->host->ops->discard(p->host, at, (stop - at) >> FL_PAGE_SHIFT) == 0)
				fl_pager_forget(p, at, stop);
	}
}

/* Can the twin's page be written to? Not where the file was cut shorter since: such a page would be
 * gone natively, whatever was written to it. The attempt makes it the twin's own. */
static bool have_page(u64 twin)
{
	u64 zero = 0;
	struct iovec local = {&zero, sizeof(zero)}, remote = {(void *)twin, sizeof(zero)};

	/* a call that is forbidden (seccomp) tells nothing */
	return fl_syscall(SYS_process_vm_writev, fl_syscall(SYS_getpid), &local, 1, &remote, 1, 0) != -EFAULT;
}

/* One page that was written, wherever it is, to the twin. */
static bool copy_to_twin(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 pte, void *twin)
{
	u32 payload = fl_pte_payload(pte);

	switch (fl_pte_state(pte)) {
	case FL_PTE_PRESENT:
		if (!p->host->ops->present(p->host, va))
			return true; /* dropped by a system call that no hook saw */
		return p->host->ops->fetch(p->host, twin, va, vma->flags & FL_VM_READ) == 0;
	case FL_PTE_SOFT:
		memcpy(twin, (void *)fl_slot_addr(p, payload), FL_PAGE_SIZE);
		return true;
	case FL_PTE_SWAP:
		return fl_pager_read_slots_now(p, payload, 1, twin) == 0;
	case FL_PTE_SWAPIN:
		return fl_pager_read_slots_now(p, p->pages.slot[payload], 1, twin) == 0;
	default:
		memset(twin, 0, FL_PAGE_SIZE);
		return true;
	}
}

/* All pages that were written, while nobody can write to them. */
static bool copy_written(struct fl_pager *p, const struct fl_file *file, const struct fl_vma *vma,
	u64 start, u64 end)
{
	u64 *ptep;

	p->host->ops->protect(p->host, start, (end - start) >> FL_PAGE_SHIFT, true);
	for (u64 va = start; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE) {
		u64 twin = fl_file_twin(file, vma, va);

		if (fl_filemap_was_written(p, *ptep) && have_page(twin) &&
			!copy_to_twin(p, vma, va, *ptep, (void *)twin))
			return false;
	}
	return true;
}

/* It stays ours after all: the twin is as in the file again, and the program may write. */
static void undo_copy(struct fl_pager *p, const struct fl_file *file, u64 start, u64 end)
{
	u64 *ptep;

	if (start == end)
		return;
	p->host->ops->discard(p->host, fl_file_twin(file, fl_vma_at(&p->mm, start), start),
		(end - start) >> FL_PAGE_SHIFT);
	for (u64 va = start; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE)
		if (fl_pte_state(*ptep) == FL_PTE_PRESENT && !fl_pte_has(*ptep, FL_PTE_WP))
			p->host->ops->protect(p->host, va, 1, false);
}

bool fl_filemap_return_all(struct fl_vma *vma, u64 start, u64 end)
{
	struct fl_pager *p = &fl.pager;
	struct fl_file *file = fl_file_find(p, vma->dev, vma->ino);

	for (u64 at = start, to; at < end; at = to) {
		struct fl_limits limits;
		bool ok;
		u64 got;

		to = fl_min(at + STEP_BYTES, end);
		vma = fl_vma_at(&p->mm, at);
		fl_limits_lift(&limits);
		ok = fl_syscall(SYS_mprotect, fl_file_twin(file, vma, at), to - at, PROT_READ | PROT_WRITE) == 0 &&
			copy_written(p, file, vma, at, to);
		fl_limits_settle(&limits);
		if (!ok)
			p->dead(p, "a file mapping cannot be given back to the kernel: the swap file cannot be read, or there is a limit on memory");
		if (!give(file, vma, at, to, &got)) {
			undo_copy(p, file, got, to);
			return false;
		}
	}
	return true;
}

static u32 count_pieces(const struct fl_pager *p, const struct fl_vma *vma)
{
	u64 at = vma->start, stop;
	u32 n = 0;

	for (; n <= PIECES_MAX && fl_filemap_unwritten(p, &at, vma->end, &stop); at = stop)
		n++;
	return n;
}

static void return_vma(const struct fl_file *file, struct fl_vma *vma)
{
	struct fl_pager *p = &fl.pager;
	u32 pieces = count_pieces(p, vma);
	u64 at = vma->start, end = vma->end, stop, got;
	bool ok = true;

	if (pieces > PIECES_MAX || p->mm.map_count + 2 * pieces > MAPPINGS_MAX) {
		/* the kernel may refuse: it is sealed (mseal(2)), or there are too many mappings */
		if (!fl_filemap_return_all(vma, at, end))
			keep_range(p, at, end);
		return;
	}
	for (; ok && fl_filemap_unwritten(p, &at, end, &stop); at = stop)
		ok = give(file, fl_vma_at(&p->mm, at), at, stop, &got);
	if (!ok)
		keep_range(p, got, end);
}

void fl_filemap_return(struct fl_file *file)
{
	struct fl_mm *mm = &fl.pager.mm;
	struct fl_vma *vma;

	for (u64 at = 0; (vma = fl_vma_find(mm, at));) {
		at = vma->end;
		if (fl_is_filemap(vma) && vma->dev == file->dev && vma->ino == file->ino)
			return_vma(file, vma);
	}
}

void fl_filemap_forget(struct fl_file *file)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma;

	fl_for_each_vma(&p->mm, vma)
		if (fl_is_filemap(vma) && vma->dev == file->dev && vma->ino == file->ino)
			keep_range(p, vma->start, vma->end);
}

void fl_filemap_cut(struct fl_file *file, u64 pages)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma;

	file->pages = pages;
	fl_for_each_vma(&p->mm, vma)
	{
		u64 at = vma->start;

		if (!fl_is_filemap(vma) || vma->dev != file->dev || vma->ino != file->ino ||
			fl_file_index(vma, vma->end) <= pages)
			continue;
		if (pages > vma->pgoff)
			at += (pages - vma->pgoff) << FL_PAGE_SHIFT;
		if (p->host->ops->discard(p->host, at, (vma->end - at) >> FL_PAGE_SHIFT) == 0)
			fl_pager_forget(p, at, vma->end);
	}
}

bool fl_filemap_unreadable(struct fl_pager *p, u64 va, bool must)
{
	struct fl_vma *vma = fl_vma_at(&p->mm, va);
	struct fl_file *file = fl_file_find(p, vma->dev, vma->ino);
	u64 stop = fl_min(vma->end, va + NEIGHBOURS * FL_PAGE_SIZE), index = fl_file_index(vma, va);

	/* what was dropped when others may write to the file, and what lies past its end, goes with
	 * its neighbours; what the disk has refused goes alone */
	if (file->lease >= 0 && index < file->pages)
		stop = va + FL_PAGE_SIZE;
	else
		fl_filemap_unwritten(p, &va, stop, &stop);
	if (give(file, vma, va, stop, &stop) || stop > va)
		return true;
	if (must)
		p->dead(p, "a page of a file mapping cannot be read, and the kernel will not have it: it is sealed (mseal), or there are too many mappings (vm.max_map_count)");
	return false;
}

enum fl_why fl_filemap_manage(struct fl_file *file, int fd, u64 start, u64 end, bool noreserve)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma v = *fl_vma_at(&p->mm, start);
	u64 flags = MAP_PRIVATE | MAP_FIXED;
	long r;

	v.pgoff += (start - v.start) >> FL_PAGE_SHIFT;
	v.start = start;
	v.end = end;
	v.dev = file->dev; /* what the number stood for when the mirror was told may be another */
	v.ino = file->ino;
	v.owner = FL_OWNER_MANAGED;
	v.why = 0;
	v.flags |= noreserve ? FL_VM_NORESERVE : 0;
	if (fl_vma_prealloc(&p->mm, FL_VMA_MAX_NODES) < 0 ||
		!fl_twin_cover(file, fd, v.pgoff, v.pgoff + fl_vma_pages(&v)))
		return FL_WHY_NO_ROOM;
	r = fl_syscall(SYS_mmap, start, end - start, prot_of(&v),
		flags | MAP_ANONYMOUS | (noreserve ? MAP_NORESERVE : 0), -1, 0);
	if (!fl_is_err(r) && fl_uffd_register(&fl.uffd, start, end, true) == 0) {
		fl_mm_map(&p->mm, &v);
		return 0;
	}
	if (!fl_is_err(r))
		move_there(file, &v, start, end);
	return FL_WHY_NO_ROOM;
}

bool fl_any_filemap(u64 start, u64 end)
{
	struct fl_vma *vma;

	if (fl.pager.files)
		fl_for_each_vma_range(&fl.pager.mm, vma, start, end)
			if (fl_is_filemap(vma))
				return true;
	return false;
}

void fl_filemap_forget_unused(void)
{
	struct fl_file *file, *next;
	struct fl_vma *vma;

	for (file = fl.pager.files; file; file = file->next)
		file->used = false;
	fl_for_each_vma(&fl.pager.mm, vma)
		if (fl_is_filemap(vma))
			fl_file_find(&fl.pager, vma->dev, vma->ino)->used = true;
	for (file = fl.pager.files; file; file = next) {
		next = file->next;
		if (!file->used)
			fl_lease_drop(file);
	}
}
