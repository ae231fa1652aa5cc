/*
 * From a system-call instruction of libc into a hook.
 *
 * patch.c replaces "mov $NR, %eax; syscall" by a jump to a stub, the stub
 * jumps to fl_entry (entry.S), and that calls fl_dispatch on a stack of
 * Faultline's own with all signals blocked. The program's stack may lie in
 * managed memory and may be tiny: nothing runs on it while a lock is held.
 * A hook sees exactly what the kernel would have seen, and libc's own code
 * around the instruction (errno, __curbrk, fork's bookkeeping) stays in force.
 */
#ifndef FL_ARCH_ENTRY_H
#define FL_ARCH_ENTRY_H

#include "base/types.h"

/* What the program has in its registers at the system call; entry.S knows
 * these offsets. It lies on the program's stack: copy, do not touch with a
 * lock held. */
struct fl_regs {
	u64 sigmask;	/* the thread's signal mask before the hook */
	u64 new_sp;	/* out: stack pointer to return with; 0: the old one */
	u64 rbp, rbx;
	u64 r9, r8, r10, rdx, rsi, rdi;
	u64 rax;	/* in: system call number; out: result */
	u64 native;	/* the stub's own system-call instruction */
};

enum fl_action {
	FL_DONE,	/* regs->rax is the result */
	FL_NATIVE,	/* let the kernel do it, unchanged, outside the hook */
};

/* Installed by lib/runtime; called on a hook stack, signals blocked. */
enum fl_action fl_dispatch(struct fl_regs *regs);

void fl_entry(void);

/* Hook stacks: FL_HOOK_STACK bytes each, as many as threads are in hooks at
 * once. init takes a zeroed, lazily populated range. */
#define FL_HOOK_STACK (16u << 10)
void fl_hook_stacks_init(void *range, u64 bytes);
u64 fl_hook_stacks_bytes(void); /* touched so far */

#endif
