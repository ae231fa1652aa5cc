/*
 * Private file mappings that may be written to: pages come from the file, and go to swap only
 * once they were written.
 *
 * To the kernel such a mapping is anonymous memory of ours. The file is read through its twin, a
 * read-only private mapping of the same file in a range of our own: UFFDIO_COPY takes the page
 * from the kernel's page cache, where the only other copy of it is.
 *
 * A page that was never written is marked FL_PG_FILE while it has a frame, and is always mapped
 * write-protected. It has no copy in swap and needs none: reclaim drops it, its pte becomes NONE,
 * and NONE in such a VMA means "as in the file". A page of zeros (FL_PTE_ZERO) was written.
 *
 * That what is in memory is what is in the file, is seen to by a lease on it (runtime/lease.h):
 * before anyone changes the file all pages that were never written go back to the kernel. Of those
 * that were there is a VMA left then, in which a page may become absent yet: it goes back when it
 * is touched.
 *
 * Context: as pager.h.
 */
#ifndef FL_PAGER_FILEMAP_H
#define FL_PAGER_FILEMAP_H

#include "pager/pager.h"

struct fl_file {
	struct fl_file *next;
	u64 dev, ino;
	u64 pages;	/* up to its end */
	u64 twin;	/* the address of its page lo; 0: there is none yet */
	u64 lo, hi;	/* pages of the file that the twin has */
	int lease;	/* a descriptor in the table of the handler's thread; -1: somebody may write
			 * to the file, and what is absent is the kernel's to read */
	u32 asked;	/* threads that are about to map it */
	bool noexec;	/* its file system forbids to execute it */
	bool used;	/* of fl_filemap_forget_unused */
};

struct fl_file *fl_file_find(const struct fl_pager *p, u64 dev, u64 ino);

static inline bool fl_is_filemap(const struct fl_vma *vma)
{
	return vma->owner == FL_OWNER_MANAGED && (vma->flags & FL_VM_FILE);
}

/* The page of the file that is mapped at va. */
static inline u64 fl_file_index(const struct fl_vma *vma, u64 va)
{
	return vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT);
}

/* Where the twin has what belongs at va. */
static inline u64 fl_file_twin(const struct fl_file *file, const struct fl_vma *vma, u64 va)
{
	return file->twin + ((fl_file_index(vma, va) - file->lo) << FL_PAGE_SHIFT);
}

/* Is this the pte of a page that was written? */
bool fl_filemap_was_written(const struct fl_pager *p, u64 pte);

/* A fault at a page that is absent, and was never written. */
enum fl_fault_result fl_filemap_fault(
	struct fl_pager *p, struct fl_vma *vma, u64 va, u32 flags);

/* Takes a page out of the program that was never written, whoever shares it, and adds to *freed. False:
 * the kernel keeps it (it is sealed, mseal(2)). */
bool fl_filemap_drop(struct fl_pager *p, u32 frame, u64 va, u32 *freed);

/* The next run in [*start, end), within one VMA, of pages that were never written; false: none.
 * Where it ends is in *ret_end. */
bool fl_filemap_unwritten(const struct fl_pager *p, u64 *start, u64 end, u64 *ret_end);

#endif
