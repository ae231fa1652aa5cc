/*
 * Ranges that the program unmaps, discards or moves: the mirror's half of the
 * calls. The kernel's half is done by the hook, under the same lock.
 */
#include "pager/pager.h"
#include "arch/x86_64/syscall.h"

/* Shorter runs cost more to move back than to get anew from the kernel. */
#define HARVEST_MIN 4u

void fl_pager_forget(struct fl_pager *p, u64 start, u64 end)
{
	u64 *ptep;

	for (u64 va = start; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE) {
		u64 pte = *ptep;
		u32 f = fl_pte_payload(pte);

		switch (fl_pte_state(pte)) {
		case FL_PTE_PRESENT:
			fl_frame_drop(p, f);
			break;
		case FL_PTE_SOFT:
		case FL_PTE_SWAPIN:
			if (fl_page_has_any(p->pages.page[f], FL_PG_WRITEBACK | FL_PG_READING)) {
				fl_page_set_flags(&p->pages.page[f], FL_PG_ORPHAN);
				/* who waits for it has lost the page; let it see that */
				p->host->ops->wake(p->host, va, 1);
			} else {
				fl_frame_drop(p, f);
			}
			break;
		case FL_PTE_SWAP:
			fl_swap_put(&p->machine, f);
			fl_policy_forget(&p->policy, va >> FL_PAGE_SHIFT);
			break;
		default:
			break;
		}
		fl_pte_set(&p->mm, va, 0);
	}
}

static bool can_harvest(const struct fl_pager *p, const struct fl_vma *vma)
{
	const u64 rwx = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC;

	return p->host->can_move && vma->owner == FL_OWNER_MANAGED &&
		(vma->flags & (rwx | FL_VM_LOCKED)) == (FL_VM_READ | FL_VM_WRITE);
}

static void harvest_run(struct fl_pager *p, u64 va, u32 f, u32 n)
{
	int err;

	while (n) {
		u32 k = p->host->ops->move(p->host, fl_slot_addr(p, f), va, n, &err);

		for (u32 i = 0; i < k; i++) {
			fl_frame_unlist(p, f + i);
			fl_page_clear_flags(&p->pages.page[f + i], FL_PG_MAPPED | FL_PG_ZEROED);
			fl_page_set_flags(&p->pages.page[f + i], FL_PG_POPULATED);
			fl_frame_free(p, f + i);
			fl_pte_set(&p->mm, va + i * FL_PAGE_SIZE, 0);
		}
		if (k == n)
			break;
		k++; /* that one stays for the kernel to drop */
		f += k;
		va += k * FL_PAGE_SIZE;
		n -= fl_min(n, k);
	}
}

void fl_pager_harvest(struct fl_pager *p, u64 start, u64 end)
{
	struct fl_vma *vma;

	fl_for_each_vma_range(&p->mm, vma, start, end)
	{
		u64 to = fl_min(end, vma->end), run_va = 0, *ptep;
		u32 run_f = 0, run_n = 0;

		if (!can_harvest(p, vma))
			continue;
		for (u64 va = fl_max(start, vma->start); (ptep = fl_pt_next(&p->mm, &va, to));
			va += FL_PAGE_SIZE) {
			u64 pte = *ptep;
			u32 f = fl_pte_payload(pte);

			if (run_n && va == run_va + run_n * FL_PAGE_SIZE && f == run_f + run_n &&
				fl_pte_state(pte) == FL_PTE_PRESENT &&
				!fl_pte_has(pte, FL_PTE_COW)) {
				run_n++;
				continue;
			}
			if (run_n >= HARVEST_MIN)
				harvest_run(p, run_va, run_f, run_n);
			run_n = 0;
			if (fl_pte_state(pte) == FL_PTE_PRESENT && !fl_pte_has(pte, FL_PTE_COW)) {
				run_va = va;
				run_f = f;
				run_n = 1;
			}
		}
		if (run_n >= HARVEST_MIN)
			harvest_run(p, run_va, run_f, run_n);
	}
}

void fl_pager_reprotect(struct fl_pager *p, u64 start, u64 end)
{
	u64 *ptep, run_va = 0, run_n = 0;

	for (u64 va = start; (ptep = fl_pt_next(&p->mm, &va, end)); va += FL_PAGE_SIZE) {
		if (!fl_pte_has(*ptep, FL_PTE_WP))
			continue;
		if (run_n && va == run_va + run_n * FL_PAGE_SIZE) {
			run_n++;
			continue;
		}
		if (run_n)
			p->host->ops->protect(p->host, run_va, run_n, true);
		run_va = va;
		run_n = 1;
	}
	if (run_n)
		p->host->ops->protect(p->host, run_va, run_n, true);
}

int fl_pager_moved(struct fl_pager *p, u64 old, u64 new, u64 bytes)
{
	u64 *ptep;
	int r = fl_pt_move(&p->mm, old, new, bytes);

	if (r < 0)
		return r;
	for (u64 va = new; (ptep = fl_pt_next(&p->mm, &va, new + bytes)); va += FL_PAGE_SIZE) {
		struct fl_page *pg;

		if (!fl_pte_has_frame(*ptep))
			continue;
		pg = &p->pages.page[fl_pte_payload(*ptep)];
		/* a thread that waits at the old address must find out */
		if (fl_page_has(*pg, FL_PG_WANTED))
			p->host->ops->wake(p->host, old + (va - new), 1);
		fl_page_set_va(pg, va);
	}
	fl_pager_reprotect(p, new, new + bytes);
	return 0;
}
