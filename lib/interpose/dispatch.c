/* From a patched site to its hook. */
#include "interpose/hooks.h"
#include "runtime/limits.h"

#include <sys/mman.h>
#include <sys/uio.h>

static fl_hook *hook_of(long nr)
{
	switch (nr) {
	case SYS_mmap: return fl_hook_mmap;
	case SYS_munmap: return fl_hook_munmap;
	case SYS_mremap: return fl_hook_mremap;
	case SYS_mprotect:
	case SYS_pkey_mprotect: return fl_hook_mprotect;
	case SYS_madvise: return fl_hook_madvise;
	case SYS_process_madvise: return fl_hook_process_madvise;
	case SYS_mincore: return fl_hook_mincore;
	case SYS_brk: return fl_hook_brk;
	case SYS_clone: return fl_hook_clone;
	case SYS_clone3: return fl_hook_clone3;
	case SYS_fork: return fl_hook_fork;
	case SYS_mlock:
	case SYS_mlock2: return fl_hook_mlock;
	case SYS_munlock: return fl_hook_munlock;
	case SYS_mlockall: return fl_hook_mlockall;
	case SYS_munlockall: return fl_hook_munlockall;
	case SYS_shmat:
	case SYS_shmdt:
	case SYS_io_setup:
	case SYS_io_destroy: return fl_hook_other;
	case SYS_execve:
	case SYS_execveat: return fl_hook_exec;
	case SYS_unshare:
	case SYS_setns: return fl_hook_alone;
	case SYS_vfork:
	case SYS_sched_getaffinity:
	case SYS_sched_setaffinity: return fl_hook_barrier;
	case SYS_dup2:
	case SYS_dup3: return fl_hook_dup;
	case SYS_exit: return fl_hook_exit;
	case SYS_exit_group: return fl_hook_exit_group;
	case SYS_newfstatat:
	case SYS_stat:
	case SYS_lstat:
	case SYS_fstat: return fl_hook_stat;
	case SYS_statx: return fl_hook_statx;
	case SYS_getdents64: return fl_hook_getdents64;
	case SYS_ioctl: return fl_hook_ioctl;
	case SYS_remap_file_pages: return fl_hook_remap_file_pages;
	case SYS_prlimit64:
	case SYS_getrlimit:
	case SYS_setrlimit: return fl_hook_rlimit;
	case SYS_open:
	case SYS_openat:
	case SYS_openat2:
	case SYS_fcntl:
	case SYS_io_uring_setup:
	case SYS_vmsplice: return fl_hook_pins;
	case SYS_process_vm_writev: return fl_hook_process_vm_writev;
	case SYS_truncate:
	case SYS_ftruncate: return fl_hook_truncate;
	case SYS_close: return fl_hook_close;
	case SYS_close_range: return fl_hook_close_range;
	default: return NULL;
	}
}

enum fl_action fl_dispatch(struct fl_regs *regs)
{
	/* the registers lie on the program's stack, which may be managed memory:
	 * not to be touched with a lock held */
	struct fl_call c = {
		.nr = (long)regs->rax,
		.a = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
	};
	fl_hook *hook = fl.active ? hook_of(c.nr) : NULL;
	enum fl_action action;

	if (fl.exec_tid && fl.exec_tid == fl_gettid())
		fl_limits_exec_failed();
	action = hook ? hook(&c) : FL_NATIVE;

	if (action == FL_DONE)
		regs->rax = (u64)c.ret;
	else if (hook == fl_hook_exec) { /* another environment */
		regs->rdx = c.a[2];
		regs->r10 = c.a[3];
	}
	regs->new_sp = c.new_sp;
	return action;
}

bool fl_peek(u64 va, void *to, size_t bytes)
{
	struct iovec local = {to, bytes}, remote = {(void *)va, bytes};

	return fl_syscall(SYS_process_vm_readv, fl_syscall(SYS_getpid), &local, 1, &remote, 1, 0) ==
		(long)bytes;
}

bool fl_poke(u64 va, const void *from, size_t bytes)
{
	struct iovec local = {(void *)from, bytes}, remote = {(void *)va, bytes};
	struct fl_call c = {.nr = SYS_process_vm_writev,
		.a = {(u64)fl_syscall(SYS_getpid), (u64)&local, 1, (u64)&remote, 1, 0}};

	fl_hook_process_vm_writev(&c);
	return c.ret == (long)bytes;
}

struct fl_proc *fl_record_of(u32 pid)
{
	const struct fl_machine_view *v = &fl.pager.machine;

	if (!pid || pid == (u32)fl_syscall(SYS_getpid))
		return v->self;
	for (u32 i = 0; i < __atomic_load_n(&v->t->nr_procs, __ATOMIC_ACQUIRE); i++) {
		struct fl_proc *p = &v->procs[i];

		if (((p->pid == pid && p->state == FL_PROC_LIVE) ||
			    (p->born == pid && p->state == FL_PROC_NEW)) && p->pid_ns == v->self->pid_ns &&
			!fl_proc_is_gone(p))
			return p;
	}
	/* a thread may be named as well */
	return fl_syscall(SYS_tgkill, fl_syscall(SYS_getpid), pid, 0) == 0 ? v->self : NULL;
}

u64 fl_prot_flags(u64 prot)
{
	return (prot & PROT_READ ? FL_VM_READ : 0) | (prot & PROT_WRITE ? FL_VM_WRITE : 0) |
		(prot & PROT_EXEC ? FL_VM_EXEC : 0);
}

void fl_manage(u64 start, u64 end, u64 flags)
{
	struct fl_vma v = {
		.start = start,
		.end = end,
		.pgoff = start >> FL_PAGE_SHIFT,
		.flags = flags | ((flags & (FL_VM_WRITE | FL_VM_NORESERVE)) == FL_VM_WRITE ? FL_VM_ACCOUNT : 0),
		.owner = FL_OWNER_MANAGED,
	};

	if (fl_uffd_register(&fl.uffd, start, end, true) < 0)
		v.owner = FL_OWNER_KERNEL;
	fl_mm_map(&fl.pager.mm, &v);
}

bool fl_any_managed(u64 start, u64 end)
{
	struct fl_vma *v;

	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if (v->owner == FL_OWNER_MANAGED)
			return true;
	return false;
}

bool fl_look_at(u64 start, u64 end)
{
	struct fl_vma *v;

	/* what it has grown by below may stay when this goes */
	fl_for_each_vma_range(&fl.pager.mm, v, start, end)
		if (v->flags & FL_VM_GROWSDOWN) {
			fl_resync_stacks();
			break;
		}
	fl_pager_see_writes(&fl.pager, start, end);
	return fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) == 0;
}

u64 fl_first_hole(u64 start, u64 end)
{
	while (start < end) {
		struct fl_vma *v = fl_vma_at(&fl.pager.mm, start);

		if (!v)
			return start;
		start = v->end;
	}
	return end;
}
