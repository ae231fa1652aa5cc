/*
 * The page table looked at from outside: one path for display, and the validator.
 */
#include "mm/pgtable.h"

#include <string.h>

#include "mm/debug.h"
#include "mm/pgtable-internal.h"

void fl_pt_walk_addr(const struct fl_mm *mm, u64 va, struct fl_pt_walk *ret_walk)
{
	u64 word = mm->pgd;
	u32 level;

	memset(ret_walk, 0, sizeof(*ret_walk));
	for (level = FL_PT_PGD; level < FL_PT_LEVELS; level++)
		ret_walk->index[level] = pt_index(va, level);
	if (va >= FL_PT_MAX_ADDR)
		return;
	for (level = FL_PT_PGD; level < FL_PT_LEVELS && word; level++) {
		ret_walk->table[level] = (uintptr_t)pt_table(word);
		ret_walk->used[level] = pt_used(word);
		word = pt_table(word)[pt_index(va, level)];
		ret_walk->entry[level] = word;
	}
	ret_walk->nr_levels = level;
}

static int check_pte(u64 pte, const char **why)
{
	enum fl_pte_state state = fl_pte_state(pte);

	fl_check_or_fail(state != FL_PTE_NONE, why, "pte: state NONE but not zero");
	fl_check_or_fail(state < FL_PTE_NR_STATES, why, "pte: unknown state");
	fl_check_or_fail(!(pte >> 44), why, "pte: bits above the payload are set");
	fl_check_or_fail(state != FL_PTE_ZERO || !fl_pte_payload(pte), why,
		"pte: state ZERO with a payload");
	return 0;
}

/* Empty tables are legal: fl_pt_prealloc leaves them. */
static int check_table(u64 word, u32 level, struct fl_mm *sum, const char **why)
{
	const u64 *table = pt_table(word);
	u32 used = 0;

	sum->nr_tables[level]++;
	for (u32 i = 0; i < FL_PT_ENTRIES; i++) {
		if (!table[i])
			continue;
		used++;
		if (level == FL_PT_PTE) {
			if (check_pte(table[i], why))
				return -1;
			pt_account(sum, table[i], 1);
		} else {
			fl_check_or_fail(table[i] & ~PT_USED_MASK, why, "pt: word without table");
			if (check_table(table[i], level + 1, sum, why))
				return -1;
		}
	}
	fl_check_or_fail(used == pt_used(word), why, "pt: the used count of a table is wrong");
	return 0;
}

int fl_pt_validate(const struct fl_mm *mm, const char **why)
{
	struct fl_mm sum = {0};
	u64 nr_tables = 0;

	if (mm->pgd && check_table(mm->pgd, FL_PT_PGD, &sum, why))
		return -1;
	for (u32 level = 0; level < FL_PT_LEVELS; level++) {
		fl_check_or_fail(sum.nr_tables[level] == mm->nr_tables[level], why,
			"mm: nr_tables is wrong");
		nr_tables += mm->nr_tables[level];
	}
	fl_check_or_fail(mm->pgtables_bytes == nr_tables * FL_PT_TABLE_BYTES, why,
		"mm: pgtables_bytes is wrong");
	fl_check_or_fail(sum.rss_anon == mm->rss_anon, why, "mm: rss_anon is wrong");
	fl_check_or_fail(sum.soft_pages == mm->soft_pages, why, "mm: soft_pages is wrong");
	fl_check_or_fail(sum.swapin_pages == mm->swapin_pages, why, "mm: swapin_pages is wrong");
	fl_check_or_fail(sum.swap_ents == mm->swap_ents, why, "mm: swap_ents is wrong");
	fl_check_or_fail(sum.zero_pages == mm->zero_pages, why, "mm: zero_pages is wrong");
	fl_check_or_fail(mm->hiwater_rss >= fl_mm_rss(mm), why, "mm: hiwater_rss is too low");
	return 0;
}
