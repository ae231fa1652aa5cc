/*
 * The twin of a file that is mapped and managed: a read-only private mapping of it, in a range of
 * our own that is reserved when the first is made. A child of a fork inherits it.
 *
 * Its pages can be moved away and be there still (MREMAP_DONTUNMAP), of files since Linux 5.13.
 */
#include "runtime/filemap.h"
#include "runtime/limits.h"
#include "arch/x86_64/syscall.h"
#include "base/own.h"

#include <sys/mman.h>

#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static bool have_area(void)
{
	struct fl_limits limits;
	long r;

	if (fl.twin_area)
		return true;
	fl_limits_lift(&limits);
	r = fl_syscall(SYS_mmap, fl_own_hint(FL_TWIN_MAX), FL_TWIN_MAX, PROT_NONE, NOTHING, -1, 0);
	if (!fl_is_err(r)) {
		fl_runtime_internal((u64)r, (u64)r + FL_TWIN_MAX, false); /* PROT_NONE */
		fl.twin_area = (u64)r;
	}
	fl_limits_settle(&limits);
	return !fl_is_err(r);
}

static u64 twin_end(const struct fl_file *file)
{
	return file->twin + ((file->hi - file->lo) << FL_PAGE_SHIFT);
}

/* Free room in the area, or 0. */
static u64 find_room(u64 bytes)
{
	u64 at = fl.twin_area;

	for (const struct fl_file *f = fl.pager.files; f;) {
		if (f->twin && f->twin < at + bytes && twin_end(f) > at) {
			at = twin_end(f);
			f = fl.pager.files;
		} else {
			f = f->next;
		}
	}
	return at + bytes < fl.twin_area + FL_TWIN_MAX ? at : 0; /* the last page is for can_return */
}

static void release(u64 at, u64 bytes)
{
	fl_syscall(SYS_mmap, at, bytes, PROT_NONE, NOTHING | MAP_FIXED, -1, 0);
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* Does this kernel move pages of a file and leave the mapping? Tried once. */
static bool can_return(u64 twin)
{
	static enum { UNKNOWN, YES, NO } known;
	u64 to = fl.twin_area + FL_TWIN_MAX - FL_PAGE_SIZE;

	if (known == UNKNOWN) {
		known = fl_is_err(fl_syscall(SYS_mremap, twin, FL_PAGE_SIZE, FL_PAGE_SIZE,
				MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to)) ? NO : YES;
		release(to, FL_PAGE_SIZE);
	}
	return known == YES;
}

bool fl_is_mapped(const struct fl_file *file, u64 start)
{
	struct fl_vma v;

	/* the list may have another device than stat(2), so the number must do */
	return (!fl.had_threads && !fl.mm_shared) ||
		(fl_map_at(start, &v) == 0 && v.ino == file->ino);
}

bool fl_twin_cover(struct fl_file *file, int fd, u64 lo, u64 hi)
{
	struct fl_file old = *file;
	u64 at, bytes;

	if (file->twin && file->lo <= lo && file->hi >= hi)
		return true;
	if (file->twin) {
		lo = fl_min(lo, file->lo);
		hi = fl_max(hi, file->hi);
	}
	bytes = (hi - lo) << FL_PAGE_SHIFT;
	at = bytes < FL_TWIN_MAX && have_area() ? find_room(bytes) : 0;
	if (!at)
		return false;
	if (fl_is_err(fl_syscall(SYS_mmap, at, bytes, PROT_READ,
		    MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, lo << FL_PAGE_SHIFT)) ||
		!fl_is_mapped(file, at) || !can_return(at)) {
		release(at, bytes);
		return false;
	}
	fl_twin_drop(&old);
	file->twin = at;
	file->lo = lo;
	file->hi = hi;
	return true;
}

bool fl_twin_grow(struct fl_file *file, u64 hi)
{
	u64 was = twin_end(file) - file->twin, bytes = (hi - file->lo) << FL_PAGE_SHIFT, at;

	if (hi <= file->hi)
		return true;
	at = hi - file->lo < FL_TWIN_MAX >> FL_PAGE_SHIFT ? find_room(bytes) : 0;
	if (!at || fl_is_err(fl_syscall(SYS_mremap, file->twin, was, bytes,
			   MREMAP_MAYMOVE | MREMAP_FIXED, at)))
		return false;
	release(file->twin, was);
	file->twin = at;
	file->hi = hi;
	return true;
}

void fl_twin_drop(struct fl_file *file)
{
	if (file->twin)
		release(file->twin, twin_end(file) - file->twin);
	file->twin = 0;
}
