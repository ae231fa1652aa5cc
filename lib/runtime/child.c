/*
 * The child's half of fork(2): everything that a child does not inherit is made
 * anew before any code of libc or the program runs in it.
 */
#include "runtime/filemap.h"
#include "runtime/kfault.h"
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "machine/handoff.h"
#include "pager/shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* The mappings that were internal but not inherited, and the parent's bitmaps. */
static void renew_internal(u64 old_held, u64 new_held, u64 bytes)
{
	u32 n = 0;

	for (u32 i = 0; i < fl.nr_internal; i++) {
		if (fl.internal[i].not_inherited)
			continue;
		fl.internal[n] = fl.internal[i];
		if (fl.internal[n].start == old_held)
			fl.internal[n] = (struct fl_range){new_held, new_held + bytes, false, false};
		n++;
	}
	fl.nr_internal = n;
}

static bool renew_pool(struct fl_pager *p)
{
	long r = fl_syscall(SYS_mmap, p->pool, fl.pool_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	if ((u64)r != p->pool)
		return false;
	fl_syscall(SYS_madvise, p->pool, fl.pool_bytes, MADV_DONTFORK);
	return true;
}

/* Without a userfaultfd, or a thread that waits for its faults, the child cannot page:
 * every page comes into memory that the kernel keeps, and the program goes on. */
static void go_native(struct fl_pager *p, int err)
{
	struct fl_vma *vma;

	for (struct fl_file *file = p->files; file; file = file->next)
		fl_filemap_return(file);
	fl_for_each_vma(&p->mm, vma)
	{
		u64 *ptep;

		if (vma->owner != FL_OWNER_MANAGED)
			continue;
		for (u64 va = vma->start; (ptep = fl_pt_next(&p->mm, &va, vma->end));
			va += FL_PAGE_SIZE) {
			u32 prot = 0;

			if (fl_pte_state(*ptep) != FL_PTE_SWAP)
				continue;
			prot = (vma->flags & FL_VM_READ ? PROT_READ : 0) |
				(vma->flags & FL_VM_WRITE ? PROT_WRITE : 0) |
				(vma->flags & FL_VM_EXEC ? PROT_EXEC : 0);
			if (!(vma->flags & FL_VM_WRITE))
				fl_syscall(SYS_mprotect, va, FL_PAGE_SIZE, PROT_READ | PROT_WRITE);
			if (fl_pager_read_slots_now(p, fl_pte_payload(*ptep), 1, p->zeros) < 0)
				p->dead(p, "the swap file cannot be read");
			memcpy((void *)va, p->zeros, FL_PAGE_SIZE);
			if (!(vma->flags & FL_VM_WRITE))
				fl_syscall(SYS_mprotect, va, FL_PAGE_SIZE, prot);
		}
	}
	fl_shmem_keep_all(p);
	fl_warn("fork: the child cannot have a userfaultfd and a thread: %s: its memory is not managed from here on",
		fl_errname(-err));
	/* it holds nothing of the tree's any more: what it shares is the kernel's business */
	fl_proc_leave(&p->machine);
	fl.active = false;
}

/*
 * With clone(CLONE_FILES) and a memory of its own the child's descriptors are also the
 * parent's: those at our numbers must stay, and the child's go to numbers behind them.
 */
static void leave_to_parent(struct fl_pager *p, u64 parent_start_ns)
{
	p->machine.self->files_of = parent_start_ns;
	fl.handler.control_fd = -1;
}

static void close_parents(void)
{
	/* they are nothing to us */
	fl_syscall(SYS_close, fl.uffd.fd);
	if (fl.handler.control_fd >= 0)
		fl_syscall(SYS_close, fl.handler.control_fd);
}

static int place_behind(struct fl_pager *p, int fd)
{
	long r = fl_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, fl.fd_base + FL_FD_STOP + 1);

	if (r >= 0) {
		fl_syscall(SYS_close, fd);
		p->machine.self->uffd_number = (u32)r;
	}
	return (int)r;
}

void fl_runtime_close_shared(void)
{
	struct fl_machine_view *v = &fl.pager.machine;

	fl_machine_reap(v);
	for (u32 i = 0; i < v->t->nr_procs; i++) {
		struct fl_proc *q = &v->procs[i];

		if (q->state != FL_PROC_DEAD || !q->uffd_number ||
			q->files_of != v->self->stats.start_ns)
			continue;
		fl_syscall(SYS_close, q->uffd_number);
		q->uffd_number = 0;
	}
}

/* The userfaultfd, the pool, and the thread that waits for its faults, which needs the
 * lock before it can do anything. The thread's tid or -errno. */
static int open_uffd(struct fl_pager *p, bool shares_files)
{
	int r = fl_uffd_open(&fl.uffd, fl.dev_fd, !fl.uffd.host.can_move);

	if (r < 0)
		return r;
	if (!renew_pool(p))
		return -ENOMEM;
	r = shares_files ? place_behind(p, fl.uffd.fd) :
			   fl_fd_place(fl.fd_base, FL_FD_UFFD, fl.uffd.fd, true);
	if (r >= 0)
		fl.uffd.fd = r;
	r = fl_start_handler();
	if (r < 0) {
		fl_syscall(SYS_close, fl.uffd.fd);
		if (fl.handler.control_fd >= 0)
			fl_syscall(SYS_close, fl.handler.control_fd);
	}
	return r;
}

void fl_runtime_child(bool shares_files, const struct fl_limits *limits)
{
	struct fl_pager *p = &fl.pager;
	u64 old_held = (u64)p->machine.held_frames;
	u64 parent_start_ns = p->machine.self->stats.start_ns;
	struct rlimit limit;
	struct fl_vma *vma;
	bool not_all = false;
	int r;

	fl_syscall(SYS_munmap, old_held, p->machine.t->held_stride);
	p->machine = fl.child_view;
	fl_proc_keep(&p->machine);
	p->machine.self->files_of = p->machine.self->uffd_number = 0;
	renew_internal(old_held, (u64)p->machine.held_frames, p->machine.t->held_stride);

	fl_lease_lost();
	fl_kfault_lost();
	fl_rings_child();
	if (shares_files)
		leave_to_parent(p, parent_start_ns);
	else
		close_parents();
	fl.is_root = false;
	fl.pid = (u32)fl_syscall(SYS_getpid);
	fl.vfork_tid = 0;
	fl_limits_exec_failed(); /* what was lowered for another thread's exec is not for the child */
	fl.mm_shared = false;
	fl.kswapd_started = false;
	fl.uffd.pagemap_fd = -1;
	fl.had_threads = fl.first_left = false;
	fl.writes.in_flight = 0;
	fl.uffd.nr_move = &p->machine.self->stats.counter[FL_C_uffd_move];
	fl.uffd.nr_copy = &p->machine.self->stats.counter[FL_C_uffd_copy];
	/* a view that a child has not, but for it, would keep what its parent gives up */
	fl_for_each_vma(&p->mm, vma)
		not_all |= (vma->flags & FL_VM_SHARED) && (vma->flags & FL_VM_DONTFORK);
	fl_pager_fork_child(p);
	/* locks on memory are not inherited; all of a VMA changes: no node is needed */
	fl_mm_change(&p->mm, 0, 1ull << 47, 0, FL_VM_LOCKED | FL_VM_LOCKONFAULT);
	fl.mlock_future = fl.mlock_future_onfault = false;

	fl_fd_raise_limit(fl.fd_base, &limit);
	r = open_uffd(p, shares_files);
	fl_fd_restore_limit(&limit);
	if (r < 0) {
		fl_limits_settle(limits);
		go_native(p, r);
		fl_unlock(&p->lock);
		return;
	}
	fl_uffd_register(&fl.uffd, p->pool, p->pool + fl.pool_bytes, false);
	fl_for_each_vma(&p->mm, vma)
		if (vma->owner == FL_OWNER_MANAGED)
			fl_uffd_register(&fl.uffd, vma->start, vma->end, true);
	fl_shared_register();
	if (not_all)
		fl_shmem_forget_unused(p);
	fl_pager_fork_protect(p);
	fl_limits_settle(limits);
	fl_proc_settle(&p->machine, fl.pid, (u32)r);
	fl_sample(&fl.handler);
	fl_unlock(&p->lock);
	fl_lease_renew();
	fl_kfault_again();
}
