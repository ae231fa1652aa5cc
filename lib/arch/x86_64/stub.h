/*
 * A stub: where a rewritten system-call site jumps to. It hands the call to fl_entry, or makes it
 * itself where the arguments tell that no hook wants it.
 *
 * Context: start of the process, one thread.
 */
#ifndef FL_ARCH_STUB_H
#define FL_ARCH_STUB_H

#include "base/types.h"

#define FL_STUB_BYTES 96

/* _exit has the number in %esi: "mov %esi, %eax; syscall; cmp $-4096, %rax". */
#define FL_EXIT_GROUP_BYTES 10
extern const u8 fl_exit_group_code[FL_EXIT_GROUP_BYTES];

/* By call number: what hooks take; for the stub of syscall(2). */
extern u64 fl_patch_hooked[8];

enum {
	FL_FORM_GENERIC = -1,	/* syscall(2), any number */
	FL_FORM_EXIT = -2,		/* a thread's exit */
	FL_FORM_GETAFFINITY = -3,
	FL_FORM_EXIT_GROUP = -4,	/* _exit(3) */
};

struct fl_site {
	u64 at;
	int nr; /* or one of the forms above */
	u32 bytes;
	bool zeroes_first; /* the first argument is set to zero within it */
};

/* At stub, FL_STUB_BYTES are to be written to. */
void fl_stub_write(u8 *stub, const struct fl_site *s);

#endif
