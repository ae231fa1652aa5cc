/* mmap(2), munmap(2), mprotect(2), brk(2). */
#include "interpose/filemap.h"
#include "fault/uffd-compat.h"
#include "pager/shmem.h"
#include "runtime/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define TASK_SIZE (1ull << 47)

/* Beyond this many VMAs munmap may fail for want of one more, after pages were
 * taken back from the range. vm.max_map_count is 65530 by default. */
#define MANY_VMAS 60000u

/* What we page ourselves: private anonymous memory that may be evicted. Thread
 * stacks stay: signal frames and hooks need them in memory. */
static bool is_ours(u64 flags)
{
	return (flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_PRIVATE &&
		!(flags & (MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB | MAP_LOCKED));
}

/* Shared memory without a file: its pages are the kernel's, how many are in memory is up
 * to us. */
static bool is_shared(u64 flags)
{
	return fl.pager.machine.t->config.page_shared && (flags & MAP_ANONYMOUS) &&
		(flags & MAP_TYPE) == MAP_SHARED &&
		!(flags & (MAP_HUGETLB | MAP_LOCKED)) && !fl.mlock_future;
}

/* Whose faults are worth counting. */
static bool is_shared_file(const struct fl_call *c)
{
	u64 type = c->a[3] & MAP_TYPE;
	struct stat st;

	return (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && !(c->a[3] & MAP_ANONYMOUS) &&
		c->a[1] >= FL_KFAULT_LEAST_BYTES && fl_syscall(SYS_fstat, c->a[4], &st) == 0 &&
		S_ISREG(st.st_mode);
}

static u64 huge_size(u64 flags)
{
	u64 shift = flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;

	return 1ull << (shift ? shift : 21);
}

static void enter_kernels(const struct fl_call *c, u64 start, u64 end)
{
	u64 flags = c->a[3];
	struct fl_vma v = {
		.start = start,
		.end = end,
		.pgoff = c->a[5] >> FL_PAGE_SHIFT,
		.flags = fl_prot_flags(c->a[2]) | fl_future_flags(),
		.owner = FL_OWNER_KERNEL,
	};
	struct stat st;

	if ((flags & MAP_TYPE) != MAP_PRIVATE)
		v.flags |= FL_VM_SHARED;
	if (flags & MAP_GROWSDOWN)
		v.flags |= FL_VM_GROWSDOWN;
	if (flags & MAP_STACK)
		v.flags |= FL_VM_STACK;
	if (flags & MAP_NORESERVE)
		v.flags |= FL_VM_NORESERVE;
	if (flags & MAP_HUGETLB)
		v.flags |= FL_VM_HUGETLB;
	if (flags & MAP_LOCKED)
		v.flags |= FL_VM_LOCKED;
	if (!(flags & MAP_ANONYMOUS) && fl_syscall(SYS_fstat, c->a[4], &st) == 0) {
		v.flags |= FL_VM_FILE;
		v.dev = st.st_dev;
		v.ino = st.st_ino;
	} else if (!(v.flags & FL_VM_SHARED)) {
		v.pgoff = start >> FL_PAGE_SHIFT;
	}
	fl_mm_map(&fl.pager.mm, &v);
}

enum fl_action fl_hook_mmap(struct fl_call *c)
{
	u64 flags = c->a[3], start, end;
	struct fl_call k = *c;
	bool ours = is_ours(flags), shared = is_shared(flags), over_shared, over_file;
	struct fl_filemap_ask ask;
	long ret;

	fl_filemap_ask(c, &ask);
	if (is_shared_file(c))
		fl_kfault_start();
	if (!fl_enter())
		return fl_done(c, -ENOMEM);
	if (flags & MAP_FIXED)
		fl_pager_see_writes(&fl.pager, c->a[0], c->a[0] + fl_page_up(c->a[1]));
	if (ours || shared || ask.leased) /* populated once it is registered, through faults of ours */
		k.a[3] &= ~(u64)MAP_POPULATE;
	ret = fl_place_mmap(&k);
	if (fl_is_err(ret)) {
		/* a file that refuses the mapping does so when the place has been cleared */
		if ((flags & MAP_FIXED) && !(flags & MAP_ANONYMOUS) && ret != -EBADF)
			fl_resync(false);
		fl_filemap_answered(&ask);
		fl_leave();
		return fl_done(c, ret);
	}
	start = (u64)ret;
	end = start + ((flags & MAP_HUGETLB) && (flags & MAP_ANONYMOUS) ?
		(c->a[1] + huge_size(flags) - 1) & ~(huge_size(flags) - 1) : fl_page_up(c->a[1]));
	if (!(flags & MAP_FIXED)) /* of its neighbours */
		fl_pager_see_writes(&fl.pager, start, end);
	over_shared = (flags & MAP_FIXED) && fl_any_shared(start, end);
	over_file = (flags & MAP_FIXED) && fl_any_filemap(start, end);
	fl_pager_forget(&fl.pager, start, end); /* MAP_FIXED has replaced what was there */
	if (ours)
		fl_manage(start, end, fl_prot_flags(c->a[2]) | fl_future_flags() |
			(flags & MAP_NORESERVE ? FL_VM_NORESERVE : 0));
	else
		enter_kernels(c, start, end);
	if (shared)
		fl_shared_new(start, end);
	fl_filemap_mapped(c, &ask, start, end);
	fl_filemap_answered(&ask);
	if (over_shared)
		fl_shmem_forget_unused(&fl.pager);
	if (over_file)
		fl_filemap_forget_unused();
	fl_leave();
	fl_future_populate(start, end);
	if ((ours || shared || ask.leased) && (flags & MAP_POPULATE) && !(flags & MAP_NONBLOCK)) {
		fl_syscall(SYS_madvise, start, end - start,
			c->a[2] & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
	return fl_done(c, ret);
}

enum fl_action fl_hook_munmap(struct fl_call *c)
{
	u64 start = c->a[0], end = start + fl_page_up(c->a[1]);
	bool shared, file;
	long ret;

	if ((start & ~FL_PAGE_MASK) || end <= start || end > TASK_SIZE)
		return FL_NATIVE; /* an error, or nothing at all */
	if (!fl_enter_range(start, end))
		return fl_done(c, -ENOMEM);
	shared = fl_any_shared(start, end);
	file = fl_any_filemap(start, end);
	if (fl.pager.mm.map_count < MANY_VMAS)
		fl_pager_harvest(&fl.pager, start, end);
	ret = fl_call_kernel(c);
	if (ret == 0) {
		fl_pager_forget(&fl.pager, start, end);
		fl_mm_unmap(&fl.pager.mm, start, end);
		if (shared)
			fl_shmem_forget_unused(&fl.pager);
		if (file)
			fl_filemap_forget_unused();
	}
	fl_leave();
	return fl_done(c, ret);
}

/* What has become writable counts as promised, and goes on to, unless it was never written. */
static void account(u64 start, u64 end)
{
	struct fl_mm *mm = &fl.pager.mm;

	for (u64 at = start; at < end;) {
		const struct fl_vma *v = fl_vma_find(mm, at);
		u64 to;

		if (!v || v->start >= end || fl_vma_prealloc(mm, FL_VMA_MAX_NODES) < 0)
			return;
		at = fl_max(at, v->start);
		to = fl_min(v->end, end);
		if (v->owner == FL_OWNER_MANAGED && !(v->flags & (FL_VM_FILE | FL_VM_NORESERVE))) {
			if (v->flags & FL_VM_WRITE)
				fl_mm_change(mm, at, to, FL_VM_ACCOUNT, 0);
			else if (!v->anon)
				fl_mm_change(mm, at, to, 0, FL_VM_ACCOUNT);
		}
		at = to;
	}
}

enum fl_action fl_hook_mprotect(struct fl_call *c)
{
	const u64 all = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC;
	u64 start = c->a[0], end = start + fl_page_up(c->a[1]), set = fl_prot_flags(c->a[2]);
	long ret;

	if ((start & ~FL_PAGE_MASK) || end <= start || end > TASK_SIZE)
		return FL_NATIVE;
	if (!fl_enter_range(start, end))
		return fl_done(c, -ENOMEM);
	if (c->a[2] & PROT_EXEC)
		fl_filemap_leave(start, end, true);
	ret = fl_call_kernel(c);
	if (ret == 0 && !(c->a[2] & (PROT_GROWSDOWN | PROT_GROWSUP)))
		fl_mm_change(&fl.pager.mm, start, end, set, all & ~set);
	else if (ret == 0 || ret == -ENOMEM || ret == -EACCES)
		fl_resync(false); /* done in part */
	account(start, end);
	fl_leave();
	return fl_done(c, ret);
}

enum fl_action fl_hook_brk(struct fl_call *c)
{
	struct fl_mm *mm = &fl.pager.mm;
	u64 old, new;
	long ret;

	if (!fl_limits_allow_brk(c->a[0]) || !fl_enter())
		return fl_done(c, fl_syscall(SYS_brk, 0));
	old = mm->brk ? mm->brk : (u64)fl_syscall(SYS_brk, 0);
	fl_pager_see_writes(&fl.pager, fl_page_down(fl_min(old, c->a[0])), fl_page_up(old));
	ret = fl_call_kernel(c);
	new = fl_page_up(ret);
	if (!mm->start_brk)
		mm->start_brk = old; /* no heap at start: it begins here */
	if (new > fl_page_up(old)) {
		fl_pager_forget(&fl.pager, fl_page_up(old), new);
		fl_manage(fl_page_up(old), new,
			FL_VM_READ | FL_VM_WRITE | FL_VM_HEAP | fl_future_flags());
	} else if (new < fl_page_up(old)) {
		fl_pager_forget(&fl.pager, new, fl_page_up(old));
		fl_mm_unmap(mm, new, fl_page_up(old));
	}
	mm->brk = (u64)ret;
	fl_leave();
	fl_future_populate(fl_page_up(old), new);
	return fl_done(c, ret);
}
