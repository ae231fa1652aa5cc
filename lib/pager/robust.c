/* Robust mutexes in shared memory; see robust.h. */
#include "pager/robust.h"
#include "arch/x86_64/syscall.h"
#include "base/procfs.h"
#include "pager/shmem.h"

#include <linux/futex.h>
#include <sys/uio.h>

/* The pages that are asked about. */
struct pages {
	const struct fl_shmem *s;
	u32 index, n;
	bool map_back, found;
};

/* A page of shared memory that we serve is read in our own view, where that is no fault.
 * False if it is not in memory. */
static bool read_shared(struct fl_pager *p, const struct fl_vma *vma, u64 va, u64 *ret, bool *ret_ours)
{
	u64 index = vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT);
	enum fl_shmem_state state = FL_SHMEM_NONE;
	struct fl_shmem *s;

	fl_shmem_lock(&p->machine);
	s = fl_shmem_of(p, vma);
	*ret_ours = s;
	if (s && index < s->npages)
		state = fl_shmem_state(*fl_shmem_entry(&p->machine, s, (u32)index));
	/* a page that is there, and stays while the lock is held: it is not being punched out */
	if (state == FL_SHMEM_RESIDENT || state == FL_SHMEM_OUT)
		*ret = *(u64 *)(fl_shmem_view(p, s, (u32)index) + (va & ~FL_PAGE_MASK));
	fl_shmem_unlock(&p->machine);
	return state == FL_SHMEM_RESIDENT || state == FL_SHMEM_OUT;
}

/* A word of the list, which may be anything and anywhere, without a fault for which the
 * handler would wait for us. What is not there the kernel will not find either. */
static bool read_word(struct fl_pager *p, u64 va, u64 *ret)
{
	const struct fl_vma *vma = fl_vma_at(&p->mm, va);
	struct iovec local = {ret, sizeof(*ret)}, remote = {(void *)va, sizeof(*ret)};
	bool ours;

	if (!vma || !(vma->flags & FL_VM_READ) || va % sizeof(*ret))
		return false;
	if (vma->flags & FL_VM_SHARED) {
		bool read = read_shared(p, vma, va, ret, &ours);

		if (read || ours)
			return read;
	} else if (vma->owner == FL_OWNER_MANAGED) {
		if (fl_pte_state(fl_pte_get(&p->mm, fl_page_down(va))) != FL_PTE_PRESENT)
			return false;
	}
	return fl_syscall(SYS_process_vm_readv, p->machine.self->pid, &local, 1, &remote, 1, 0) ==
		sizeof(*ret);
}

static void look_at(struct fl_pager *p, struct pages *w, u64 va)
{
	const struct fl_vma *vma = fl_vma_at(&p->mm, va);
	u64 index;
	int err;

	if (!vma || !(vma->flags & FL_VM_SHARED) || vma->ino != w->s->ino || vma->dev != w->s->dev)
		return;
	index = vma->pgoff + ((va - vma->start) >> FL_PAGE_SHIFT);
	if (index < w->index || index >= (u64)w->index + w->n)
		return;
	w->found = true;
	if (w->map_back)
		p->host->ops->map_shared(p->host, fl_page_down(va), 1, &err);
}

/* As the kernel will go through it; bit 0 of a pointer: priority inheritance. */
static void look_at_thread(struct fl_pager *p, struct pages *w, u32 tid)
{
	u64 head = 0, bytes, at, offset, pending;

	if (fl_syscall(SYS_get_robust_list, tid, &head, &bytes) < 0 || !head ||
		!read_word(p, head + offsetof(struct robust_list_head, list.next), &at) ||
		!read_word(p, head + offsetof(struct robust_list_head, futex_offset), &offset) ||
		!read_word(p, head + offsetof(struct robust_list_head, list_op_pending), &pending))
		return;
	if (pending & ~1ull)
		look_at(p, w, (pending & ~1ull) + offset);
	for (u32 i = 0; i < ROBUST_LIST_LIMIT && (at &= ~1ull) != head; i++) {
		look_at(p, w, at);
		look_at(p, w, at + offset);
		if (!read_word(p, at, &at))
			break;
	}
}

bool fl_robust_held(struct fl_pager *p, const struct fl_shmem *s, u32 index, u32 n, bool map_back)
{
	struct pages w = {s, index, n, map_back, false};
	struct fl_tasks tasks;
	u32 tid;

	if (fl_tasks_open(&tasks) < 0) { /* without /proc there is the first thread at least */
		look_at_thread(p, &w, p->machine.self->pid);
		return w.found;
	}
	while ((tid = fl_tasks_next(&tasks)))
		look_at_thread(p, &w, tid);
	return w.found;
}
