/*
 * The hooks' side of private file mappings; see runtime/filemap.h.
 *
 * Context: hook stack, signals blocked; lock held where it is not said otherwise.
 */
#ifndef FL_INTERPOSE_FILEMAP_H
#define FL_INTERPOSE_FILEMAP_H

#include "interpose/hooks.h"
#include "runtime/filemap.h"

struct fl_filemap_ask {
	u64 dev, ino;
	enum fl_why why;	/* it stays the kernel's; 0 where that needs no reason, or it does not */
	bool leased;
};

/* mmap(2) is to be called: may what it maps be ours? No lock held. */
void fl_filemap_ask(const struct fl_call *c, struct fl_filemap_ask *ret);
/* It was, and is in the mirror as the kernel's. */
void fl_filemap_mapped(const struct fl_call *c, const struct fl_filemap_ask *ask, u64 start, u64 end);
/* Whether it was or not: last. */
void fl_filemap_answered(const struct fl_filemap_ask *ask);

/* Whatever is ours in the range goes back to the kernel, with the pages that were written. noexec:
 * where the file system forbids execution. Room for one operation on VMAs is there again. */
void fl_filemap_leave(u64 start, u64 end, bool noexec);

/* mremap(2) is to make what is mapped of a file longer than up to end. False: it cannot be. */
bool fl_filemap_grow(const struct fl_vma *v, u64 end, u64 more_bytes);

#endif
