/*
 * The hooks: one function a system call, run in place of it.
 *
 * A hook runs on a hook stack with all signals blocked. It takes the mm lock,
 * lets the kernel do its half, and records the effect in the mirror, so that
 * nobody sees the one without the other. The result is the kernel's own.
 *
 * Context: hook stack, signals blocked, no lock held on entry or return.
 */
#ifndef FL_INTERPOSE_HOOKS_H
#define FL_INTERPOSE_HOOKS_H

#include "arch/x86_64/entry.h"
#include "arch/x86_64/syscall.h"
#include "runtime/filemap.h"
#include "runtime/kfault.h"
#include "runtime/runtime.h"

struct fl_call {
	long nr;
	u64 a[6];
	long ret;
	u64 new_sp;	/* out: see struct fl_regs */
};

typedef enum fl_action fl_hook(struct fl_call *c);

fl_hook fl_hook_mmap, fl_hook_munmap, fl_hook_mremap, fl_hook_mprotect, fl_hook_madvise,
	fl_hook_brk, fl_hook_clone, fl_hook_clone3, fl_hook_fork, fl_hook_mlock, fl_hook_munlock,
	fl_hook_mlockall, fl_hook_munlockall, fl_hook_other, fl_hook_close, fl_hook_close_range,
	fl_hook_barrier, fl_hook_dup, fl_hook_exit, fl_hook_exit_group, fl_hook_exec, fl_hook_stat,
	fl_hook_statx, fl_hook_getdents64, fl_hook_ioctl, fl_hook_remap_file_pages,
	fl_hook_process_madvise, fl_hook_alone, fl_hook_rlimit, fl_hook_pins,
	fl_hook_process_vm_writev, fl_hook_mincore, fl_hook_truncate;

/* task.c: how many threads the program has, 0 if /proc does not tell; lock held. */
u32 fl_program_threads(void);

/* exec-look.c: the program that it names will not load our library. No lock held. */
bool fl_exec_is_native(const struct fl_call *c);

/* exit-group.c: a process is made that lives in our address space; lock held. */
void fl_mm_borrowed(u64 clone_flags);

/* Lets the kernel do the call. */
static inline long fl_call_kernel(const struct fl_call *c)
{
	return fl_syscall6(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
}

static inline enum fl_action fl_done(struct fl_call *c, long ret)
{
	c->ret = ret;
	return FL_DONE;
}

/* Before what is mapped in a range changes, or goes: what the mirror must see of it, as long as it can be
 * seen. Lock held; room for one operation. False: out of memory. */
bool fl_look_at(u64 start, u64 end);

/* The mm lock, with room for one operation on VMAs. False: out of memory. */
static inline bool fl_enter(void)
{
	fl_lock(&fl.pager.lock);
	fl_count(&fl.pager, nr_mmap, 1);
	fl_kfault_drain(); /* by the mappings as they are yet */
	if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) == 0)
		return true;
	fl_unlock(&fl.pager.lock);
	return false;
}

/* The same for one on [start, end), whose pages are there still. */
static inline bool fl_enter_range(u64 start, u64 end)
{
	if (!fl_enter())
		return false;
	if (fl_look_at(start, end))
		return true;
	fl_unlock(&fl.pager.lock);
	return false;
}

static inline void fl_leave(void)
{
	/* a file of which nothing is mapped any more is to be nobody's by the time the call is done */
	if (fl.dropped_files && fl.lease_tid)
		fl_lease_wait();
	fl_unlock(&fl.pager.lock);
}

/* place.c: mmap, at an address that we choose where the program leaves that to us. The kernel's
 * result. Lock held, nodes reserved as fl_enter does, and again on return. */
long fl_place_mmap(const struct fl_call *c);

/* The same for mremap with MREMAP_MAYMOVE and without MREMAP_FIXED, of a range in vma that cannot
 * stay where it is. Lock held. */
long fl_place_mremap(const struct fl_call *c, const struct fl_vma *vma);

/* Reads, and writes, the program's memory at an address that need not be one. No lock held. */
bool fl_peek(u64 va, void *to, size_t bytes);
bool fl_poke(u64 va, const void *from, size_t bytes);

/* The record of the process with this number, as prlimit(2) takes it; NULL: it is not managed. */
struct fl_proc *fl_record_of(u32 pid);

/* FL_VM_* of PROT_* bits. */
u64 fl_prot_flags(u64 prot);

/* Registers a new private anonymous range and enters it. On failure it is
 * entered as the kernel's. */
void fl_manage(u64 start, u64 end, u64 flags);

/* mlock.c: what mlockall(MCL_FUTURE) makes of a new mapping: FL_VM_* to set, lock held; and
 * bringing its pages in, no lock held. */
u64 fl_future_flags(void);
void fl_future_populate(u64 start, u64 end);

/* exec.c: room for what a child that is about to borrow our memory tells a program. Lock held. */
void fl_exec_make_room(void);

/* Is any page of the range managed? */
bool fl_any_managed(u64 start, u64 end);

/* Where the first hole of the range begins, or its end. */
u64 fl_first_hole(u64 start, u64 end);

#endif
