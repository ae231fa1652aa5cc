/*
 * The page table: tables come and go with their entries, counters follow states.
 */
#include <errno.h>

#include "pgtable-fixture.h"

/* Row: where a second page lies, and the tables of each level that two pages then need. */
static const struct tables_row {
	u64 second;
	u64 nr_tables[FL_PT_LEVELS];
} tables_rows[] = {
	{FL_PAGE_SIZE, {1, 1, 1, 1}},
	{MIB2 - FL_PAGE_SIZE, {1, 1, 1, 1}},
	{MIB2, {1, 1, 1, 2}},
	{GIB, {1, 1, 2, 2}},
	{GIB512, {1, 2, 2, 2}},
	{FL_PT_MAX_ADDR - FL_PAGE_SIZE, {1, 2, 2, 2}},
};

START_TEST(test_tables_follow_entries)
{
	const struct tables_row *row = &tables_rows[_i];
	u64 second = row->second;
	u64 total = 0;

	test_mm_init(&mm, &mem);
	ck_assert_uint_eq(fl_pte_get(&mm, second), 0);
	ck_assert_ptr_null(fl_pte_lookup(&mm, second));
	set(0, present(1));
	set(second, present(2));
	for (u32 level = 0; level < FL_PT_LEVELS; level++) {
		ck_assert_uint_eq(mm.nr_tables[level], row->nr_tables[level]);
		total += row->nr_tables[level];
	}
	ck_assert_uint_eq(mm.pgtables_bytes, total * FL_PT_TABLE_BYTES);
	ck_valid(fl_pt_validate(&mm, &why));
	ck_assert_uint_eq(*fl_pte_lookup(&mm, second), present(2));
	set(0, 0);
	ck_assert_uint_eq(mm.pgtables_bytes, 4 * FL_PT_TABLE_BYTES);
	set(second, 0);
	ck_assert_uint_eq(mm.pgtables_bytes, 0);
	ck_assert_uint_eq(mm.hiwater_rss, 2);
	finish();
}
END_TEST

START_TEST(test_counters)
{
	const u64 *counter[FL_PTE_NR_STATES] = {
		[FL_PTE_ZERO] = &mm.zero_pages,
		[FL_PTE_PRESENT] = &mm.rss_anon,
		[FL_PTE_SOFT] = &mm.soft_pages,
		[FL_PTE_SWAP] = &mm.swap_ents,
		[FL_PTE_SWAPIN] = &mm.swapin_pages,
	};

	test_mm_init(&mm, &mem);
	for (u32 from = 1; from < FL_PTE_NR_STATES; from++) {
		for (u32 to = 1; to < FL_PTE_NR_STATES; to++) {
			set(MIB2, fl_pte_make(from, 0, 0));
			ck_assert_uint_eq(*counter[from], 1);
			set(MIB2, fl_pte_make(to, 0, FL_PTE_ACCESSED));
			for (u32 state = 1; state < FL_PTE_NR_STATES; state++)
				ck_assert_uint_eq(*counter[state], state == to);
			ck_valid(fl_pt_validate(&mm, &why));
		}
	}
	set(MIB2, 0);
	ck_assert_uint_eq(mm.hiwater_rss, 1);
	finish();
}
END_TEST

START_TEST(test_next)
{
	static const u64 at[] = {0, FL_PAGE_SIZE, MIB2 - FL_PAGE_SIZE, MIB2, GIB + FL_PAGE_SIZE,
		GIB512 - FL_PAGE_SIZE, 3 * GIB512, FL_PT_MAX_ADDR - FL_PAGE_SIZE};
	u64 va, *pte;
	u32 n = 0;

	test_mm_init(&mm, &mem);
	va = 5;
	ck_assert_ptr_null(fl_pt_next(&mm, &va, ~0UL));
	for (u32 i = 0; i < fl_array_size(at); i++)
		set(at[i], present(i));
	/* Clearing what was found, between calls, is allowed. */
	for (va = 0; (pte = fl_pt_next(&mm, &va, ~0UL)); va += FL_PAGE_SIZE) {
		ck_assert_uint_lt(n, fl_array_size(at));
		ck_assert_uint_eq(va, at[n]);
		ck_assert_uint_eq(*pte, present(n));
		if (n & 1)
			set(va, 0);
		n++;
	}
	ck_assert_uint_eq(n, fl_array_size(at));
	ck_assert_uint_ge(va, FL_PT_MAX_ADDR);
	/* The end is exclusive, the start may lie within a page. */
	va = FL_PAGE_SIZE;
	ck_assert_ptr_null(fl_pt_next(&mm, &va, MIB2 - FL_PAGE_SIZE));
	ck_assert_uint_eq(va, MIB2 - FL_PAGE_SIZE);
	va = 17;
	ck_assert_ptr_nonnull(fl_pt_next(&mm, &va, 18));
	ck_assert_uint_eq(va, 0);
	va = GIB512;
	ck_assert_ptr_null(fl_pt_next(&mm, &va, 3 * GIB512));
	ck_assert_ptr_nonnull(fl_pt_next(&mm, &va, 3 * GIB512 + 1));
	finish();
}
END_TEST

START_TEST(test_prealloc)
{
	test_mm_init(&mm, &mem);
	ck_assert_int_eq(fl_pt_prealloc(&mm, GIB), 0);
	ck_valid(fl_pt_validate(&mm, &why));
	mem.fail_after = 0;
	ck_assert_int_eq(fl_pte_set(&mm, GIB, present(1)), 0);
	set(GIB, 0);
	ck_assert_uint_eq(mm.pgtables_bytes, 0);
	mem.fail_after = -1;
	ck_assert_int_eq(fl_pt_prealloc(&mm, GIB), 0);
	ck_assert_int_eq(fl_pt_prealloc(&mm, GIB512), 0);
	set(GIB, 0); /* takes the reservation back */
	ck_assert_uint_eq(mm.pgtables_bytes, 4 * FL_PT_TABLE_BYTES);
	fl_pt_trim(&mm, 0, GIB512);
	ck_assert_uint_eq(mm.pgtables_bytes, 4 * FL_PT_TABLE_BYTES);
	fl_pt_trim(&mm, GIB512 + MIB2 - FL_PAGE_SIZE, GIB512 + MIB2);
	ck_assert_uint_eq(mm.pgtables_bytes, 0);
	finish();
}
END_TEST

/* Row: how many allocations succeed. */
START_TEST(test_no_memory)
{
	test_mm_init(&mm, &mem);
	set(0, present(1));
	mem.fail_after = _i;
	ck_assert_int_eq(fl_pte_set(&mm, GIB512, present(2)), -ENOMEM);
	ck_assert_uint_eq(mm.pgtables_bytes, 4 * FL_PT_TABLE_BYTES);
	ck_assert_uint_eq(mm.rss_anon, 1);
	mem.fail_after = _i;
	ck_assert_int_eq(fl_pt_prealloc(&mm, GIB512), -ENOMEM);
	set(0, 0);
	ck_assert_int_eq(fl_pte_set(&mm, 0, present(1)), -ENOMEM);
	ck_assert_uint_eq(mm.pgtables_bytes, 0);
	finish();
}
END_TEST

START_TEST(test_walk)
{
	u64 va = 3 * GIB512 + 2 * GIB + 5 * MIB2 + 7 * FL_PAGE_SIZE + 11;
	struct fl_pt_walk walk;

	test_mm_init(&mm, &mem);
	fl_pt_walk_addr(&mm, va, &walk);
	ck_assert_uint_eq(walk.nr_levels, 0);
	set(va, present(9));
	set(va + FL_PAGE_SIZE, present(10));
	fl_pt_walk_addr(&mm, va, &walk);
	ck_assert_uint_eq(walk.nr_levels, 4);
	ck_assert_uint_eq(walk.index[FL_PT_PGD], 3);
	ck_assert_uint_eq(walk.index[FL_PT_PUD], 2);
	ck_assert_uint_eq(walk.index[FL_PT_PMD], 5);
	ck_assert_uint_eq(walk.index[FL_PT_PTE], 7);
	ck_assert_uint_eq(walk.used[FL_PT_PMD], 1);
	ck_assert_uint_eq(walk.used[FL_PT_PTE], 2);
	ck_assert_uint_eq(walk.entry[FL_PT_PTE], present(9));
	ck_assert_uint_eq(walk.entry[FL_PT_PMD] & ~0xfffUL, walk.table[FL_PT_PTE]);
	fl_pt_walk_addr(&mm, va + MIB2, &walk);
	ck_assert_uint_eq(walk.nr_levels, 3);
	ck_assert_uint_eq(walk.entry[FL_PT_PMD] | walk.entry[FL_PT_PTE], 0);
	finish();
}
END_TEST

START_TEST(test_validator_sees)
{
	u64 *pte, saved;

	test_mm_init(&mm, &mem);
	set(MIB2, present(1));
	pte = fl_pte_lookup(&mm, MIB2);
	saved = *pte;
	*pte = FL_PTE_DIRTY; /* NONE, but not zero */
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	*pte = 0;
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	*pte = fl_pte_make(FL_PTE_SWAP, 1, 0);
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	*pte = saved | 1UL << 44;
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	*pte = saved;
	pte[1] = saved;
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	pte[1] = 0;
	mm.pgd++;
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	mm.pgd--;
	mm.nr_tables[2]++;
	ck_assert_int_eq(fl_pt_validate(&mm, NULL), -1);
	mm.nr_tables[2]--;
	finish();
}
END_TEST

static const struct test_case tests[] = {
	{&test_tables_follow_entries, 0, fl_array_size(tables_rows)},
	{&test_counters, 0, 0},
	{&test_next, 0, 0},
	{&test_prealloc, 0, 0},
	{&test_no_memory, 0, 3},
	{&test_walk, 0, 0},
	{&test_validator_sees, 0, 0},
};

int main(void)
{
	return run_tests("mm/pgtable", tests, fl_array_size(tests));
}
