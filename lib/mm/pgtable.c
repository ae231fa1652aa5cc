/*
 * The page table: reading and setting entries, making and freeing tables.
 *
 * A walk down collects, for each level, where the word that points to the table lies. The number of
 * used entries is in the low bits of that very word, so "one more entry" is an increment of it, and
 * a table whose word has no low bits left is empty, hence all zero, and is freed.
 */
#include "mm/pgtable.h"

#include <errno.h>

#include "mm/debug.h"
#include "mm/pgtable-internal.h"

/* words[level]: where the word that points to the table of that level lies. */
struct path {
	u64 *words[FL_PT_LEVELS];
};

static u64 *table_new(struct fl_mm *mm, u32 level)
{
	u64 *table = mm->alloc.alloc(mm->alloc.ctx, FL_PT_TABLE_BYTES);

	if (!table)
		return NULL;
	fl_bug_on((uintptr_t)table & PT_USED_MASK);
	mm->nr_tables[level]++;
	mm->pgtables_bytes += FL_PT_TABLE_BYTES;
	return table;
}

static void table_free(struct fl_mm *mm, u64 word, u32 level)
{
	mm->alloc.free(mm->alloc.ctx, pt_table(word), FL_PT_TABLE_BYTES);
	mm->nr_tables[level]--;
	mm->pgtables_bytes -= FL_PT_TABLE_BYTES;
}

/* Free the tables on @path that are empty, from @level upwards. */
static void free_empty(struct fl_mm *mm, const struct path *path, u32 level)
{
	for (;; level--) {
		if (pt_used(*path->words[level]))
			return;
		table_free(mm, *path->words[level], level);
		*path->words[level] = 0;
		if (!level)
			return;
		(*path->words[level - 1])--;
	}
}

/*
 * Walk down to the pte of @va, making missing tables. Returns where the pte is, or NULL without
 * memory, having changed nothing.
 */
static u64 *path_make(struct fl_mm *mm, u64 va, struct path *path)
{
	u64 *word = &mm->pgd;
	u32 level;

	fl_bug_on(va >= FL_PT_MAX_ADDR);
	for (level = FL_PT_PGD; level < FL_PT_LEVELS; level++) {
		if (!*word) {
			u64 *table = table_new(mm, level);

			if (!table)
				goto nomem;
			*word = (uintptr_t)table;
			if (level)
				(*path->words[level - 1])++;
		}
		path->words[level] = word;
		word = &pt_table(*word)[pt_index(va, level)];
	}
	return word;

nomem:
	if (level)
		free_empty(mm, path, level - 1);
	return NULL;
}

/* The same, but returns NULL where a table is missing. */
static u64 *path_find(struct fl_mm *mm, u64 va, struct path *path)
{
	u64 *word = &mm->pgd;

	fl_bug_on(va >= FL_PT_MAX_ADDR);
	for (u32 level = FL_PT_PGD; level < FL_PT_LEVELS; level++) {
		if (!*word)
			return NULL;
		path->words[level] = word;
		word = &pt_table(*word)[pt_index(va, level)];
	}
	return word;
}

u64 *fl_pte_lookup(const struct fl_mm *mm, u64 va)
{
	u64 word = mm->pgd;
	u64 *entry = NULL;

	if (va >= FL_PT_MAX_ADDR)
		return NULL;
	for (u32 level = FL_PT_PGD; level < FL_PT_LEVELS; level++) {
		if (!word)
			return NULL;
		entry = &pt_table(word)[pt_index(va, level)];
		word = *entry;
	}
	return entry;
}

u64 fl_pte_get(const struct fl_mm *mm, u64 va)
{
	const u64 *pte = fl_pte_lookup(mm, va);

	return pte ? *pte : 0;
}

/* Replace *entry, with the counters of pages and of the leaf table at @path. */
static void entry_replace(struct fl_mm *mm, const struct path *path, u64 *entry, u64 pte)
{
	u64 old = *entry;

	fl_bug_on(!fl_pte_state(pte) != !pte || fl_pte_state(pte) >= FL_PTE_NR_STATES);
	pt_account(mm, old, -1);
	pt_account(mm, pte, 1);
	*path->words[FL_PT_PTE] += !!pte;
	*path->words[FL_PT_PTE] -= !!old;
	*entry = pte;
}

int fl_pte_set(struct fl_mm *mm, u64 va, u64 pte)
{
	struct path path;
	u64 *entry;

	if (pte) {
		entry = path_make(mm, va, &path);
		if (!entry)
			return -ENOMEM;
		entry_replace(mm, &path, entry, pte);
		fl_mm_update_hiwater(mm);
	} else {
		entry = path_find(mm, va, &path);
		if (!entry)
			return 0;
		entry_replace(mm, &path, entry, 0);
		free_empty(mm, &path, FL_PT_PTE);
	}
	return 0;
}

int fl_pt_prealloc(struct fl_mm *mm, u64 va)
{
	struct path path;

	return path_make(mm, va, &path) ? 0 : -ENOMEM;
}

/* fl_pt_next below the table @word points to; leaves *va where the table's range ends. */
static u64 *next_below(u64 word, u32 level, u64 *va, u64 end)
{
	u64 *table = pt_table(word);
	u64 span = 1UL << pt_shift(level);

	for (u32 i = pt_index(*va, level); i < FL_PT_ENTRIES && *va < end; i++) {
		if (table[i] && level == FL_PT_PTE)
			return &table[i];
		if (table[i]) {
			u64 *found = next_below(table[i], level + 1, va, end);

			if (found)
				return found;
		} else {
			*va = (*va | (span - 1)) + 1;
		}
	}
	return NULL;
}

u64 *fl_pt_next(const struct fl_mm *mm, u64 *va, u64 end)
{
	u64 *found = NULL;

	end = fl_min(end, FL_PT_MAX_ADDR);
	*va = fl_page_down(*va);
	if (mm->pgd && *va < end)
		found = next_below(mm->pgd, FL_PT_PGD, va, end);
	if (!found)
		*va = fl_max(*va, end);
	return found;
}

/*
 * Free the empty tables of the subtree *word points to, of @level, as far as they cover addresses
 * in [start, end); @base is the first address the subtree covers. Returns whether the table itself
 * was freed and *word is now 0.
 */
static bool trim_below(struct fl_mm *mm, u64 *word, u32 level, u64 base, u64 start, u64 end)
{
	u64 *table = pt_table(*word);
	u64 span = 1UL << pt_shift(level);
	u64 first = start > base ? (start - base) >> pt_shift(level) : 0;

	for (u64 i = first; level < FL_PT_PTE && i < FL_PT_ENTRIES && base + i * span < end; i++)
		if (table[i] && trim_below(mm, &table[i], level + 1, base + i * span, start, end))
			(*word)--;
	if (pt_used(*word))
		return false;
	table_free(mm, *word, level);
	*word = 0;
	return true;
}

void fl_pt_trim(struct fl_mm *mm, u64 start, u64 end)
{
	if (mm->pgd && start < end)
		trim_below(mm, &mm->pgd, FL_PT_PGD, 0, start, end);
}

int fl_pt_move(struct fl_mm *mm, u64 old, u64 new, u64 len_bytes)
{
	struct path from, to;
	u64 *entry, pte, va, end = old + len_bytes;

	fl_bug_on(old < new + len_bytes &&new < end);
	for (va = old; fl_pt_next(mm, &va, end); va += FL_PAGE_SIZE) {
		if (fl_pt_prealloc(mm, va - old + new)) {
			fl_pt_trim(mm, new, new + len_bytes);
			return -ENOMEM;
		}
	}
	/* Empty tables stay until the end: one may lie on both sides, with its entries to come. */
	for (va = old; fl_pt_next(mm, &va, end); va += FL_PAGE_SIZE) {
		entry = path_find(mm, va, &from);
		pte = *entry;
		entry_replace(mm, &from, entry, 0);
		entry = path_find(mm, va - old + new, &to);
		fl_bug_on(!entry || *entry);
		entry_replace(mm, &to, entry, pte);
	}
	fl_pt_trim(mm, old, end);
	return 0;
}

static void free_below(struct fl_mm *mm, u64 word, u32 level)
{
	u64 *table = pt_table(word);

	for (u32 i = 0; level < FL_PT_PTE && i < FL_PT_ENTRIES; i++)
		if (table[i])
			free_below(mm, table[i], level + 1);
	table_free(mm, word, level);
}

void fl_pt_free_all(struct fl_mm *mm)
{
	if (mm->pgd)
		free_below(mm, mm->pgd, FL_PT_PGD);
	mm->pgd = 0;
	mm->rss_anon = mm->soft_pages = mm->swapin_pages = mm->swap_ents = mm->zero_pages = 0;
}
