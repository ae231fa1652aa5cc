/*
 * What the tests of the page table share: an mm over a counting allocator, and
 * an end at which everything adds up.
 */
#ifndef FL_TEST_PGTABLE_FIXTURE_H
#define FL_TEST_PGTABLE_FIXTURE_H

#include "mm/pgtable.h"

#include "check-main.h"
#include "mm-test.h"

#define MIB2   (1UL << 21)
#define GIB    (1UL << 30)
#define GIB512 (1UL << 39)

static struct test_alloc mem;
static struct fl_mm mm;

static u64 present(u32 frame)
{
	return fl_pte_make(FL_PTE_PRESENT, frame, FL_PTE_DIRTY);
}

static void set(u64 va, u64 pte)
{
	ck_assert_int_eq(fl_pte_set(&mm, va, pte), 0);
	ck_assert_uint_eq(fl_pte_get(&mm, va), pte);
}

static void finish(void)
{
	ck_valid(fl_pt_validate(&mm, &why));
	ck_assert_uint_eq(fl_mm_bookkeeping_bytes(&mm), (u64)mem.bytes);
	fl_mm_deinit(&mm);
	ck_assert_int_eq(mem.bytes, 0);
}

#endif
