/*
 * What the parts of mremap(2) share.
 *
 * Context: hook stack, signals blocked, mm lock held, room for one operation on VMAs.
 */
#ifndef FL_INTERPOSE_MREMAP_H
#define FL_INTERPOSE_MREMAP_H

#include "interpose/filemap.h"

#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define TASK_SIZE ((1ull << 47) - FL_PAGE_SIZE)

/* mremap.c: one VMA, or what the kernel will refuse. In *ret_populate what is to be locked again when
 * the lock is not held any more. */
long fl_mremap_one(const struct fl_call *c, struct fl_range *ret_populate);

/* mremap-pieces.c: the range is part of one VMA natively, of a file, or of anonymous memory; and the
 * kernel's answer can be told but for that. Nothing need be valid. */
bool fl_mremap_is_file(const struct fl_call *c);
bool fl_mremap_is_one(const struct fl_call *c);
/* It is several that grow, or are left behind: they differ in what the program has asked for. */
bool fl_mremap_is_several(const struct fl_call *c);
/* One that is part of one, in pieces as the kernel has them. */
long fl_mremap_pieces(const struct fl_call *c, struct fl_range *ret_populate);

#endif
