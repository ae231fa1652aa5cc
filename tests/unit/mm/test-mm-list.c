/*
 * Index-linked lists, and the accessors of struct fl_page and of ptes.
 */
#include "mm/list.h"

#include "check-main.h"
#include "mm-test.h"
#include "mm/page.h"
#include "mm/pgtable.h"

#define N 8

static u32 next[N], prev[N];

static void check_list(const struct fl_idx_list *list, const char *expect)
{
	const char *why = "?";
	u32 at = fl_idx_head(list);

	ck_assert_msg(fl_idx_validate(list, next, prev, N, &why) == 0, "%s", why);
	ck_assert_uint_eq(list->count, strlen(expect));
	for (; *expect; expect++, at = fl_idx_next(next, at))
		ck_assert_uint_eq(at, (u32)(*expect - '0'));
	ck_assert_uint_eq(at, FL_IDX_NONE);
}

START_TEST(test_push_pop)
{
	struct fl_idx_list list = {0};

	check_list(&list, "");
	ck_assert_uint_eq(fl_idx_pop_tail(&list, next, prev), FL_IDX_NONE);
	ck_assert_uint_eq(fl_idx_pop_head(&list, next, prev), FL_IDX_NONE);
	fl_idx_push_head(&list, next, prev, 0);
	fl_idx_push_head(&list, next, prev, 1);
	fl_idx_push_tail(&list, next, prev, N - 1);
	check_list(&list, "107");
	ck_assert_uint_eq(fl_idx_tail(&list), N - 1);
	ck_assert_uint_eq(fl_idx_pop_tail(&list, next, prev), N - 1);
	ck_assert_uint_eq(fl_idx_pop_head(&list, next, prev), 1);
	check_list(&list, "0");
	ck_assert_uint_eq(fl_idx_pop_tail(&list, next, prev), 0);
	check_list(&list, "");
	fl_idx_push_tail(&list, next, prev, 3);
	check_list(&list, "3");
}
END_TEST

/* Row: which of 2, 3, 4 (head, middle, tail) is removed; then the rest. */
START_TEST(test_remove)
{
	static const char *const rest[] = {"34", "24", "23"};
	struct fl_idx_list list = {0}, other = {0};

	fl_idx_push_tail(&list, next, prev, 2);
	fl_idx_push_tail(&list, next, prev, 3);
	fl_idx_push_tail(&list, next, prev, 4);
	fl_idx_push_tail(&other, next, prev, 5);
	fl_idx_remove(&list, next, prev, 2 + _i);
	ck_assert_uint_eq(next[2 + _i] | prev[2 + _i], 0);
	check_list(&list, rest[_i]);
	check_list(&other, "5");
}
END_TEST

START_TEST(test_validator_sees)
{
	struct fl_idx_list list = {0};

	for (u32 i = 0; i < 4; i++)
		fl_idx_push_tail(&list, next, prev, i);
	list.count = 3;
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, N, NULL), -1);
	list.count = 5;
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, N, NULL), -1);
	list.count = 4;
	prev[2] = 1;
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, N, NULL), -1);
	prev[2] = 2;
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, 3, NULL), -1);
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, N, NULL), 0);
	next[3] = 1; /* a ring */
	ck_assert_int_eq(fl_idx_validate(&list, next, prev, N, NULL), -1);
}
END_TEST

START_TEST(test_page)
{
	u64 va = 0xffffffffUL << 16 | 0xfffUL; /* the highest page of 48 bits, and an offset */
	struct fl_page page = fl_page_make(va, FL_PG_MAPPED | FL_PG_LOCAL_FREE);

	ck_assert_uint_eq(sizeof(page), 8);
	ck_assert_uint_eq(fl_page_va(page), fl_page_down(va));
	ck_assert_uint_eq(fl_page_vpn(page), va >> FL_PAGE_SHIFT);
	ck_assert(fl_page_has(page, FL_PG_MAPPED | FL_PG_LOCAL_FREE));
	ck_assert(!fl_page_has(page, FL_PG_MAPPED | FL_PG_COW));
	ck_assert(fl_page_has_any(page, FL_PG_MAPPED | FL_PG_COW));
	fl_page_set_flags(&page, FL_PG_COW);
	fl_page_clear_flags(&page, FL_PG_MAPPED);
	fl_page_set_va(&page, 0x5000);
	ck_assert_uint_eq(fl_page_va(page), 0x5000);
	ck_assert_uint_eq(fl_page_flags(page), FL_PG_COW | FL_PG_LOCAL_FREE);
}
END_TEST

START_TEST(test_pte)
{
	u64 pte = fl_pte_make(FL_PTE_SWAPIN, UINT32_MAX, FL_PTE_DIRTY | FL_PTE_COW);

	ck_assert_uint_eq(fl_pte_state(pte), FL_PTE_SWAPIN);
	ck_assert_uint_eq(fl_pte_payload(pte), UINT32_MAX);
	ck_assert_uint_eq(fl_pte_flags(pte), FL_PTE_DIRTY | FL_PTE_COW);
	ck_assert(fl_pte_has(pte, FL_PTE_DIRTY | FL_PTE_COW));
	ck_assert(!fl_pte_has(pte, FL_PTE_DIRTY | FL_PTE_WP));
	ck_assert(fl_pte_has_frame(pte));
	ck_assert(!fl_pte_has_frame(fl_pte_make(FL_PTE_SWAP, 1, 0)));
	ck_assert_uint_eq(fl_pte_with(pte, FL_PTE_STATE_MASK), pte);
	ck_assert_uint_eq(fl_pte_without(pte, ~0UL), fl_pte_make(FL_PTE_SWAPIN, UINT32_MAX, 0));
	ck_assert_uint_eq(fl_pte_make(FL_PTE_NONE, 0, 0), 0);
}
END_TEST

static const struct test_case tests[] = {
	{&test_push_pop, 0, 0},
	{&test_remove, 0, 3},
	{&test_validator_sees, 0, 0},
	{&test_page, 0, 0},
	{&test_pte, 0, 0},
};

int main(void)
{
	return run_tests("mm/list, mm/page", tests, fl_array_size(tests));
}
