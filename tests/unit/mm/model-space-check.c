/*
 * The address space compared with its model: every page, every counter.
 */
#include "model-space.h"

static void check_vmas(void)
{
	u64 total = 0, data = 0, exec = 0, stack = 0, locked = 0;
	const struct fl_vma *vma = space.mm.first;

	must_be_valid(fl_vma_validate(&space.mm, &why));
	for (u32 p = 0; p < NR_PAGES; p++) {
		const struct page *page = &space.pages[p];
		bool write = page->flags & FL_VM_WRITE, down = page->flags & FL_VM_GROWSDOWN;

		while (vma && vma->end <= VA(p))
			vma = vma->next;
		must(page->mapped == (vma && vma->start <= VA(p)));
		if (!page->mapped)
			continue;
		must(page->flags == vma->flags && page->owner == vma->owner);
		must(page->dev == vma->dev && page->ino == vma->ino);
		must(page->pgoff == vma->pgoff + ((VA(p) - vma->start) >> FL_PAGE_SHIFT));
		total++;
		stack += down;
		exec += (page->flags & FL_VM_EXEC) && !write && !down;
		data += write && !(page->flags & FL_VM_SHARED) && !down;
		locked += !!(page->flags & FL_VM_LOCKED);
	}
	must(total == space.mm.total_vm && stack == space.mm.stack_vm && exec == space.mm.exec_vm);
	must(data == space.mm.data_vm && locked == space.mm.locked_vm &&
		space.hiwater_vm == space.mm.hiwater_vm);
}

static void check_ptes(void)
{
	u64 count[FL_PTE_NR_STATES] = {0}, va = 0, *pte = fl_pt_next(&space.mm, &va, ~0UL);
	u64 nr_tables[FL_PT_LEVELS] = {0}, last = ~0UL;

	must_be_valid(fl_pt_validate(&space.mm, &why));
	for (u32 i = 0; i < NR_PAGES + NR_FAR; i++) {
		u64 at = i < NR_PAGES ? VA(i) : space.far_va[i - NR_PAGES];
		u64 want = i < NR_PAGES ? space.pages[i].pte : space.far_pte[i - NR_PAGES];

		must(fl_pte_get(&space.mm, at) == want);
		count[fl_pte_state(want)]++;
		if (!want)
			continue;
		must(pte && va == at && *pte == want);
		/* The table of a level is another one when the address differs above its range. */
		for (u32 level = 0; level < FL_PT_LEVELS; level++)
			nr_tables[level] += last == ~0UL || (at ^ last) >> (48 - 9 * level);
		last = at;
		va += FL_PAGE_SIZE;
		pte = fl_pt_next(&space.mm, &va, ~0UL);
	}
	must(!pte);
	for (u32 level = 0; level < FL_PT_LEVELS; level++)
		must(nr_tables[level] == space.mm.nr_tables[level]);
	must(count[FL_PTE_PRESENT] == space.mm.rss_anon &&
		count[FL_PTE_SOFT] == space.mm.soft_pages);
	must(count[FL_PTE_SWAP] == space.mm.swap_ents &&
		count[FL_PTE_SWAPIN] == space.mm.swapin_pages);
	must(count[FL_PTE_ZERO] == space.mm.zero_pages &&
		space.mm.hiwater_rss >= space.hiwater_rss);
	must(fl_mm_bookkeeping_bytes(&space.mm) == (u64)space.mem.bytes);
}

void model_space_check(void)
{
	check_vmas();
	check_ptes();
}
