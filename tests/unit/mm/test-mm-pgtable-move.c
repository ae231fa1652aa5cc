/*
 * Moving ptes: all or nothing, also where one table is on both sides.
 */
#include <errno.h>
#include <signal.h>

#include "pgtable-fixture.h"

/* Row: from, to, length in pages, first of the pages that hold a pte, every how many one does. */
static const struct move_row {
	u64 old, new, pages, first, step;
} move_rows[] = {
	{0, FL_PAGE_SIZE, 1, 0, 1},
	{MIB2, 0, 512, 0, 1},
	{MIB2 - 5 * FL_PAGE_SIZE, GIB - 300 * FL_PAGE_SIZE, 1500, 0, 7},
	/* Tables that belong to both sides, up and down. */
	{MIB2 / 2, MIB2 / 2 + 400 * FL_PAGE_SIZE, 400, 0, 1},
	{MIB2 / 2 + 400 * FL_PAGE_SIZE, MIB2 / 2, 400, 0, 1},
	{MIB2 - FL_PAGE_SIZE, MIB2 - 3 * FL_PAGE_SIZE, 2, 0, 1},
	{GIB, GIB - 513 * FL_PAGE_SIZE, 513, 511, 1},
	{GIB512 - GIB, 5 * GIB512, GIB >> 11, 3, 100000},
	{GIB, 5 * GIB, 100, 100, 1},
};

START_TEST(test_move)
{
	const struct move_row *row = &move_rows[_i];
	u64 n = 0, len = row->pages * FL_PAGE_SIZE, va, before_bytes;

	test_mm_init(&mm, &mem);
	for (u64 i = row->first; i < row->pages; i += row->step, n++)
		set(row->old + i * FL_PAGE_SIZE, present((u32)i));
	before_bytes = mm.pgtables_bytes;
	/* Without memory nothing changes; it may be enough if all tables are there. */
	for (mem.fail_after = 0; fl_pt_move(&mm, row->old, row->new, len) == -ENOMEM;) {
		static s64 tries;

		ck_assert_uint_eq(mm.rss_anon, n);
		for (u64 i = row->first; i < row->pages; i += row->step)
			ck_assert_uint_eq(
				fl_pte_get(&mm, row->old + i * FL_PAGE_SIZE), present((u32)i));
		ck_valid(fl_pt_validate(&mm, &why));
		ck_assert_uint_eq(mm.pgtables_bytes, before_bytes);
		mem.fail_after = ++tries;
	}
	mem.fail_after = -1;
	ck_assert_uint_eq(mm.rss_anon, n);
	ck_assert_uint_eq(mm.hiwater_rss, n);
	for (u64 i = row->first; i < row->pages; i += row->step) {
		ck_assert_uint_eq(fl_pte_get(&mm, row->new + i *FL_PAGE_SIZE), present((u32)i));
		n--;
	}
	ck_assert_uint_eq(n, 0);
	va = row->old;
	if (row->new + len <= row->old || row->old + len <= row->new)
		ck_assert_ptr_null(fl_pt_next(&mm, &va, row->old + len));
	ck_valid(fl_pt_validate(&mm, &why));
	for (va = row->new; fl_pt_next(&mm, &va, row->new + len); va += FL_PAGE_SIZE)
		set(va, 0);
	ck_assert_uint_eq(mm.pgtables_bytes, 0);
	finish();
}
END_TEST

START_TEST(test_move_onto_itself_traps)
{
	test_mm_init(&mm, &mem);
	fl_pt_move(&mm, MIB2, MIB2 + FL_PAGE_SIZE, 2 * FL_PAGE_SIZE);
}
END_TEST

static const struct test_case tests[] = {
	{&test_move, 0, fl_array_size(move_rows)},
	{&test_move_onto_itself_traps, SIGILL, 0},
};

int main(void)
{
	return run_tests("mm/pgtable: move", tests, fl_array_size(tests));
}
