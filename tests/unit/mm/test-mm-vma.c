/*
 * VMAs: one table of operations with the list before and after, then the cases with details.
 * The pictures are explained in vma-draw.h.
 */
#include "mm/vma.h"

#include <errno.h>
#include <signal.h>

#include "vma-draw.h"

static const struct row {
	const char *before;
	char op; /* u: unmap, p: mprotect to read only, L: mlock, K: owner kernel; a kind: map */
	u32 from, to;
	const char *after;
} rows[] = {
	{"", 'w', 2, 4, "..ww)"},
	{"ww).w)", 'w', 2, 3, "wwww)"},
	{"ww).r)", 'w', 2, 3, "www)r)"},
	{"rr).w)", 'w', 2, 3, "rr)ww)"},
	{"rr).x)", 'w', 2, 3, "rr)w)x)"},
	{"wwwww)", 'r', 1, 3, "w)rr)ww)"},
	{"wwwww)", 'w', 1, 3, "wwwww)"},
	{"rr)ww)xx)", 'w', 1, 5, "r)wwww)x)"},
	{"r)w)x)", 'k', 0, 3, "kkk)"},
	{"ww).ww)", 'k', 2, 3, "ww)k)ww)"},
	{"f)..f)", 'f', 1, 3, "ffff)"},
	{"h)", 'h', 1, 2, "h)h)"},
	{"", 'u', 0, 9, ""},
	{"wwwww)", 'u', 0, 5, ""},
	{"wwwww)", 'u', 0, 2, "..www)"},
	{"wwwww)", 'u', 3, 9, "www)"},
	{"wwwww)", 'u', 2, 3, "ww).ww)"},
	{"ww).r)x)w)", 'u', 1, 5, "w)....w)"},
	{"ww).r)", 'u', 2, 3, "ww).r)"},
	{"ww)", 'u', 1, 1, "ww)"},
	{"wwwww)", 'p', 0, 5, "rrrrr)"},
	{"wwwww)", 'p', 0, 2, "rr)www)"},
	{"wwwww)", 'p', 3, 5, "www)rr)"},
	{"wwwww)", 'p', 2, 3, "ww)r)ww)"},
	{"rr)ww)rr)", 'p', 2, 4, "rrrrrr)"},
	{"rr)ww)rr)", 'p', 2, 3, "rrr)w)rr)"},
	{"rr)ww)rr)", 'p', 3, 4, "rr)w)rrr)"},
	{"r)w)r)w)", 'p', 0, 4, "rrrr)"},
	{"ww)..ww)", 'p', 1, 5, "w)r)..r)w)"},
	{"rrrr)", 'p', 1, 2, "rrrr)"},
	{"..ww)", 'p', 0, 2, "..ww)"},
	{"wwww)", 'L', 1, 3, "w)ll)w)"},
	{"l)ww)l)", 'L', 0, 4, "llll)"},
	{"wwww)", 'K', 1, 3, "w)kk)w)"},
	{"k)ww)k)", 'K', 1, 3, "kkkk)"},
	{"wwww)", 'K', 3, 9, "www)k)"},
};

START_TEST(test_table)
{
	const struct row *row = &rows[_i];

	test_mm_init(&mm, &mem);
	map_all(row->before);
	reserve(row->op == 'u' ? 1 : 2);
	switch (row->op) {
	case 'u':
		fl_mm_unmap(&mm, VA(row->from), VA(row->to));
		break;
	case 'p':
		fl_mm_change(&mm, VA(row->from), VA(row->to), FL_VM_READ, FL_VM_WRITE | FL_VM_EXEC);
		break;
	case 'L':
		fl_mm_change(&mm, VA(row->from), VA(row->to), FL_VM_LOCKED, 0);
		break;
	case 'K':
		fl_mm_set_owner(&mm, VA(row->from), VA(row->to), FL_OWNER_KERNEL);
		break;
	default:
		map(row->from, row->to, row->op);
	}
	expect(row->after);
	fl_mm_deinit(&mm);
	ck_assert_int_eq(mem.bytes, 0);
}
END_TEST

START_TEST(test_lookup)
{
	test_mm_init(&mm, &mem);
	ck_assert_ptr_null(fl_vma_find(&mm, 0));
	map_all(".ww).r)");
	ck_assert_uint_eq(fl_vma_find(&mm, 0)->start, VA(1));
	ck_assert_uint_eq(fl_vma_find(&mm, VA(3) - 1)->start, VA(1));
	ck_assert_uint_eq(fl_vma_find(&mm, VA(3))->start, VA(4));
	ck_assert_ptr_null(fl_vma_find(&mm, VA(5)));
	ck_assert_ptr_null(fl_vma_at(&mm, VA(3)));
	ck_assert_uint_eq(fl_vma_at(&mm, VA(4) + 5)->start, VA(4));
	ck_assert_ptr_null(fl_vma_intersects(&mm, VA(3), VA(4)));
	ck_assert_ptr_null(fl_vma_intersects(&mm, VA(0), VA(1)));
	ck_assert_uint_eq(fl_vma_intersects(&mm, VA(0), VA(2))->start, VA(1));
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_merge_needs_contiguous_pgoff)
{
	struct fl_vma template = {.start = VA(1), .end = VA(2), .pgoff = 5, .flags = FL_VM_READ};

	test_mm_init(&mm, &mem);
	map(0, 1, 'r');
	reserve(2);
	fl_mm_map(&mm, &template);
	expect("r)r)");
	template.start = VA(2);
	template.end = VA(3);
	template.pgoff = 6;
	reserve(2);
	fl_mm_map(&mm, &template);
	expect("r)rr)");
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_counters)
{
	test_mm_init(&mm, &mem);
	map_all("ww)rrr)xxxx)lllll)ssssss)");
	ck_assert_uint_eq(mm.total_vm, 20);
	ck_assert_uint_eq(mm.data_vm, 7);
	ck_assert_uint_eq(mm.exec_vm, 4);
	ck_assert_uint_eq(mm.stack_vm, 6);
	ck_assert_uint_eq(mm.locked_vm, 5);
	ck_assert_uint_eq(mm.map_count, 5);
	reserve(1);
	fl_mm_unmap(&mm, VA(0), VA(20));
	ck_assert_uint_eq(mm.total_vm | mm.data_vm | mm.exec_vm | mm.stack_vm | mm.locked_vm, 0);
	ck_assert_uint_eq(mm.hiwater_vm, 20);
	ck_assert_uint_eq(fl_mm_bookkeeping_bytes(&mm), (u64)mem.bytes);
	fl_mm_deinit(&mm);
	ck_assert_int_eq(mem.bytes, 0);
}
END_TEST

static const struct move_row {
	const char *before;
	u32 old, old_len, new, new_len;
	bool keep;
	const char *after;
	u64 pgoff_page; /* pgoff at the new place: that of this page */
} move_rows[] = {
	{"ww)", 0, 2, 5, 2, false, ".....ww)", 0},
	{"wwww)", 1, 2, 6, 2, false, "w)..w)..ww)", 1},
	{"wwww)", 1, 2, 6, 2, true, "wwww)..ww)", 1},
	{"llll)", 1, 2, 6, 2, true, "wwww)..ll)", 1},
	{"wwww)", 0, 4, 6, 6, false, "......wwwwww)", 0},
	{"wwww)", 0, 4, 6, 2, false, "......ww)", 0},
	{"wwwww)", 1, 3, 7, 1, false, "w)...w)..w)", 1},
	{"ww)..rrrr)", 0, 2, 5, 2, false, "....r)ww)r)", 0},
	{"wwwwww)", 0, 1, 3, 1, false, ".ww)w)ww)", 0},
	{"ww)", 0, 2, 0, 4, false, "wwww)", 0},
	{"ww)", 0, 2, 0, 1, false, "w)", 0},
	{"ww)rr)", 0, 2, 0, 3, false, "www)r)", 0},
	{"ww)", 1, 0, 4, 2, false, "ww)..ww)", 1},
};

START_TEST(test_move)
{
	const struct move_row *row = &move_rows[_i];
	struct fl_vma *vma;

	test_mm_init(&mm, &mem);
	map_all(row->before);
	reserve(3);
	vma = fl_mm_move(&mm, VA(row->old), row->old_len * FL_PAGE_SIZE, VA(row->new),
		row->new_len * FL_PAGE_SIZE, row->keep);
	ck_assert_ptr_eq(vma, fl_vma_at(&mm, VA(row->new)));
	ck_assert_uint_eq(vma->pgoff + ((VA(row->new) - vma->start) >> FL_PAGE_SHIFT),
		(VA(row->pgoff_page) >> FL_PAGE_SHIFT));
	expect(row->after);
	fl_mm_deinit(&mm);
	ck_assert_int_eq(mem.bytes, 0);
}
END_TEST

START_TEST(test_move_and_back_merges_again)
{
	test_mm_init(&mm, &mem);
	map_all("wwww)");
	reserve(3);
	fl_mm_move(&mm, VA(1), FL_PAGE_SIZE, VA(9), FL_PAGE_SIZE, false);
	expect("w).ww).....w)");
	reserve(3);
	fl_mm_move(&mm, VA(9), FL_PAGE_SIZE, VA(1), FL_PAGE_SIZE, false);
	expect("wwww)");
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_prealloc_fails)
{
	test_mm_init(&mm, &mem);
	mem.fail_after = 2;
	ck_assert_int_eq(fl_vma_prealloc(&mm, 3), -ENOMEM);
	ck_assert_uint_eq(mm.nr_free_vmas, 2);
	ck_valid(fl_vma_validate(&mm, &why));
	fl_mm_deinit(&mm);
	ck_assert_int_eq(mem.bytes, 0);
}
END_TEST

START_TEST(test_no_node_traps)
{
	struct fl_vma template = {.start = VA(1), .end = VA(2)};

	test_mm_init(&mm, &mem);
	fl_mm_map(&mm, &template);
}
END_TEST

START_TEST(test_validator_sees)
{
	struct fl_vma *vma;

	test_mm_init(&mm, &mem);
	map_all("ww).r)x)");
	vma = mm.first;
#define sees(field, value)                                                                         \
	do {                                                                                       \
		typeof(field) saved_ = (field);                                                    \
		(field) = (value);                                                                 \
		ck_assert_int_eq(fl_vma_validate(&mm, NULL), -1);                                  \
		(field) = saved_;                                                                  \
		ck_assert_int_eq(fl_vma_validate(&mm, NULL), 0);                                   \
	} while (0)
	sees(vma->end, vma->start);
	sees(vma->end, VA(4));
	sees(vma->end, VA(1) + 1);
	sees(vma->next->next->flags, FL_VM_READ);
	sees(vma->flags, FL_VM_READ);
	sees(vma->next, vma->next->next);
	sees(vma->next->gap, 2 * FL_PAGE_SIZE);
	sees(vma->subtree_gap, 0);
	sees(mm.last, vma);
	sees(mm.first, vma->next);
	sees(mm.total_vm, 3);
	sees(mm.data_vm, 3);
	sees(mm.exec_vm, 0);
	sees(mm.stack_vm, 1);
	sees(mm.locked_vm, 1);
	sees(mm.map_count, 2);
	sees(mm.hiwater_vm, 0);
	sees(mm.nr_free_vmas, 9);
	fl_mm_deinit(&mm);
}
END_TEST

static const struct test_case tests[] = {
	{&test_table, 0, fl_array_size(rows)},
	{&test_lookup, 0, 0},
	{&test_merge_needs_contiguous_pgoff, 0, 0},
	{&test_counters, 0, 0},
	{&test_move, 0, fl_array_size(move_rows)},
	{&test_move_and_back_merges_again, 0, 0},
	{&test_prealloc_fails, 0, 0},
	{&test_no_node_traps, SIGILL, 0},
	{&test_validator_sees, 0, 0},
};

int main(void)
{
	return run_tests("mm/vma", tests, fl_array_size(tests));
}
