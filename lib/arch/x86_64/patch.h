/*
 * Rewriting libc's system-call sites.
 *
 * glibc's malloc, thread stacks and stdio call mmap, brk and their kin inside
 * libc, past the PLT, so replacing symbols sees none of them. Instead the
 * seven bytes "mov $NR, %eax; syscall" of each call that matters become a jump
 * to a stub. Nothing is rewritten unless its bytes are exactly these and no
 * branch of the surrounding code leads into their middle.
 *
 * Context: start of the process, one thread.
 */
#ifndef FL_ARCH_PATCH_H
#define FL_ARCH_PATCH_H

#include "base/types.h"

/* The calls that hooks take, for every object that is searched. */
bool fl_patch_wants(long nr);

/* Set before patching: close(2) of a lower descriptor goes straight to the
 * kernel, and costs one comparison. 0: every close takes the hook. */
extern u32 fl_patch_close_from;

struct fl_text_range {
	u64 start, end; /* executable bytes of one object */
};

struct fl_patch_report {
	u32 sites;	     /* rewritten */
	u64 seen[8];	     /* bitmap of the call numbers that have at least one */
	bool getaffinity;    /* sched_getaffinity(3) is one of them */
	u64 stubs, stubs_end; /* where the stubs lie */
	const char *why;     /* what kept it from patching, when it fails */
};

static inline bool fl_patch_saw(const struct fl_patch_report *r, u32 nr)
{
	return r->seen[nr / 64] >> nr % 64 & 1;
}

/*
 * Finds and rewrites every wanted site in text, and the one of syscall(2)
 * at generic (0: none). required lists numbers (0-terminated) that must be
 * found, else nothing is changed and -ENOENT is returned with why set. Other
 * negative errnos: no memory near enough, text that cannot be written.
 */
int fl_patch_text(struct fl_text_range text, u64 generic, const u16 *required,
	struct fl_patch_report *ret);

#endif
