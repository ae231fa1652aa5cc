/*
 * The layout: where the bases are, and where a mapping goes from there.
 */
#include "mm/layout.h"

#include "check-main.h"
#include "mm-test.h"
#include "mm/vma.h"

#define PAGE FL_PAGE_SIZE
#define MB   (1UL << 20)
#define GB   (1UL << 30)
#define TB   (1UL << 40)
#define TOP  0x7ffff7fff000UL		     /* without random offsets, 8 MiB of stack */
#define RTOP (0x7ffffffff000UL - 8 * MB - MB - (16 * GB - PAGE)) /* with a random stack */
#define LOW  0x2aaaaaaab000UL

static struct test_alloc mem;
static struct fl_mm mm;

static void map_flags(u64 start, u64 end, u64 flags)
{
	struct fl_vma template = {.start = start, .end = end, .pgoff = start >> 12, .flags = flags};

	ck_assert_int_eq(fl_vma_prealloc(&mm, FL_VMA_MAX_NODES), 0);
	fl_mm_map(&mm, &template);
}

static void map(u64 start, u64 end)
{
	map_flags(start, end, FL_VM_READ);
}

/* Row: where the kernel has put the end of the stack and a mapping, what is wished for, and the
 * bases. Random offsets of our own are 7 pages. */
static const struct base_row {
	u64 stack_end, start, end;
	struct fl_layout_wish wish;
	bool topdown, randomize;
	u64 mmap_base, legacy_base;
} bases[] = {
	/* as the kernel has it */
	{FL_TASK_SIZE, TOP - MB, TOP, {}, true, false, TOP, LOW},
	{FL_TASK_SIZE, LOW, LOW + MB, {}, false, false, LOW, LOW},
	{FL_TASK_SIZE - GB, RTOP - 2 * MB, RTOP - MB, {}, true, true, RTOP - MB, LOW + MB},
	{FL_TASK_SIZE - GB, LOW + 3 * MB, LOW + 9 * MB, {}, false, true, LOW + 3 * MB, LOW + 3 * MB},
	/* the kernel's offset, as it is what is wished for */
	{FL_TASK_SIZE - GB, RTOP - 2 * MB, RTOP - MB, {.flexible = true}, true, true, RTOP - MB,
		LOW + MB},
	{FL_TASK_SIZE - GB, LOW + 3 * MB, LOW + 9 * MB, {.legacy = true}, false, true, LOW + 3 * MB,
		LOW + 3 * MB},
	/* and one of our own, as it is not */
	{FL_TASK_SIZE - GB, RTOP - 2 * MB, RTOP - MB, {.legacy = true}, false, true, LOW + 7 * PAGE,
		LOW + 7 * PAGE},
	{FL_TASK_SIZE - GB, LOW + 3 * MB, LOW + 9 * MB, {.flexible = true}, true, true,
		RTOP - 7 * PAGE, LOW + 7 * PAGE},
	{FL_TASK_SIZE, TOP - MB, TOP, {.legacy = true}, false, false, LOW, LOW},
	/* without random offsets: the stack's, which is there, stays clear */
	{FL_TASK_SIZE - GB, RTOP - 2 * MB, RTOP - MB, {.no_randomize = true}, true, false, RTOP,
		LOW},
	{FL_TASK_SIZE - GB, RTOP - 2 * MB, RTOP - MB, {.legacy = true, .no_randomize = true}, false,
		false, LOW, LOW},
	/* nothing to see: a draw of our own */
	{FL_TASK_SIZE - GB, 4 * MB, 5 * MB, {}, true, true, RTOP - 7 * PAGE, LOW + 7 * PAGE},
	{FL_TASK_SIZE, 4 * MB, 5 * MB, {}, true, false, TOP, LOW},
	/* room for the stack */
	{FL_TASK_SIZE, 4 * MB, 5 * MB, {.stack_limit_bytes = 200 * MB}, true, false,
		FL_TASK_SIZE - 201 * MB, LOW},
	{FL_TASK_SIZE, 4 * MB, 5 * MB, {.stack_limit_bytes = ~0UL}, true, false,
		(FL_TASK_SIZE - FL_TASK_SIZE / 6 * 5 + PAGE - 1) & FL_PAGE_MASK, LOW},
};

START_TEST(test_bases)
{
	const struct base_row *row = &bases[_i];
	struct fl_layout_wish wish = row->wish;

	test_mm_init(&mm, &mem);
	wish.random = 7 | TB << 20; /* no more of it than an offset may have */
	if (!wish.stack_limit_bytes)
		wish.stack_limit_bytes = 8 * MB;
	map_flags(row->stack_end - MB, row->stack_end, FL_VM_READ | FL_VM_GROWSDOWN);
	map(row->start, row->end);
	map(0x555555554000, 0x555555555000); /* a program */
	fl_layout_init(&mm, &wish);
	ck_assert_int_eq(mm.topdown, row->topdown);
	ck_assert_int_eq(mm.randomize, row->randomize);
	ck_assert_uint_eq(mm.mmap_base, row->mmap_base);
	ck_assert_uint_eq(mm.legacy_base, row->legacy_base);
	fl_mm_deinit(&mm);
}
END_TEST

/* What is not in the mirror. */
static bool taken(u64 start, u64 end, u64 *ret_start, u64 *ret_end)
{
	*ret_start = TOP - 40 * MB;
	*ret_end = TOP - 20 * MB;
	return start < *ret_end && end > *ret_start;
}

/* Row: a search in an address space with a mapping of 1 MiB at TOP - 8 MiB, one at LOW + 4 MiB and
 * a stack's end at TOP + 64 MiB. */
static const struct place_row {
	bool legacy;
	struct fl_place place;
	u64 expect;
} places[] = {
	{false, {.bytes = PAGE}, TOP - PAGE},
	{false, {.bytes = 8 * MB}, TOP - 16 * MB},
	{false, {.bytes = 7 * MB}, TOP - 7 * MB},
	{true, {.bytes = PAGE}, LOW},
	{true, {.bytes = 8 * MB}, LOW + 5 * MB},
	/* hints */
	{false, {.bytes = PAGE, .hint = 5 * GB}, 5 * GB},
	{true, {.bytes = PAGE, .hint = 5 * GB}, 5 * GB},
	{false, {.bytes = PAGE, .hint = TOP - 8 * MB}, TOP - PAGE},
	{false, {.bytes = 2 * PAGE, .hint = TOP - 8 * MB - PAGE}, TOP - 2 * PAGE},
	{false, {.bytes = PAGE, .hint = TOP + 62 * MB}, TOP + 62 * MB},
	{false, {.bytes = PAGE, .hint = TOP + 63 * MB}, TOP - PAGE}, /* guard */
	{false, {.bytes = PAGE, .hint = 1UL << 47}, TOP - PAGE},
	{false, {.bytes = PAGE, .hint = ~0UL << 12}, TOP - PAGE},
	/* windows */
	{false, {.bytes = PAGE, .window32 = true}, 0x40000000},
	{true, {.bytes = PAGE, .window32 = true}, 0x40000000},
	{false, {.bytes = PAGE, .window32 = true, .hint = 0x1000000}, 0x1000000},
	{false, {.bytes = PAGE, .window32 = true, .hint = 5 * GB}, 0x40000000},
	{false, {.bytes = GB, .window32 = true}, 0x40000000},
	{false, {.bytes = GB + PAGE, .window32 = true}, 0},
	{false, {.bytes = 3 * GB, .window32 = true}, 0},
	{false, {.bytes = TOP - 9 * MB}, 0},
	{false, {.bytes = 80 * TB, .above4g = true}, TOP - 8 * MB - 80 * TB},
	{false, {.bytes = TOP - 8 * MB - 4 * GB, .above4g = true}, 4 * GB},
	{false, {.bytes = TOP - 8 * MB - 4 * GB + PAGE, .above4g = true}, 0},
	{false, {.bytes = 200 * TB}, 0},
	/* aligned for huge pages, if there is one to map */
	{false, {.bytes = 2 * MB, .huge = true}, (TOP & ~(2 * MB - 1)) - 2 * MB},
	{false, {.bytes = 2 * MB, .huge = true, .file_bytes = MB}, TOP - 2 * MB},
	{false, {.bytes = 4 * MB, .huge = true, .file_bytes = MB}, (TOP & ~(2 * MB - 1)) - 3 * MB},
	{false, {.bytes = MB, .huge = true}, TOP - MB},
	{true, {.bytes = 2 * MB, .huge = true}, (LOW + 2 * MB - 1) & ~(2 * MB - 1)},
	{false, {.bytes = 2 * MB, .huge = true, .hint = 5 * GB + PAGE}, 5 * GB + PAGE},
	/* behind what is not in the mirror */
	{false, {.bytes = 10 * MB, .taken = taken}, TOP - 18 * MB},
	{false, {.bytes = 13 * MB, .taken = taken}, TOP - 53 * MB},
	{false, {.bytes = PAGE, .hint = TOP - 30 * MB, .taken = taken}, TOP - PAGE},
	{true, {.bytes = PAGE, .hint = TOP - 30 * MB, .taken = taken}, LOW},
};

START_TEST(test_places)
{
	const struct place_row *row = &places[_i];
	struct fl_layout_wish wish = {.stack_limit_bytes = 8 * MB, .legacy = row->legacy};

	test_mm_init(&mm, &mem);
	map_flags(FL_TASK_SIZE - MB, FL_TASK_SIZE, FL_VM_READ | FL_VM_GROWSDOWN);
	fl_layout_init(&mm, &wish);
	map_flags(TOP + 64 * MB, TOP + 65 * MB, FL_VM_READ | FL_VM_GROWSDOWN);
	map(TOP - 8 * MB, TOP - 7 * MB);
	if (!row->place.above4g) /* else all is free down to 4 GiB */
		map(LOW + 4 * MB, LOW + 5 * MB);
	ck_assert_uint_eq(fl_layout_place(&mm, &row->place), row->expect);
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_up_when_down_is_full)
{
	struct fl_layout_wish wish = {.stack_limit_bytes = ~0UL};
	struct fl_place place = {.bytes = 40 * TB};

	test_mm_init(&mm, &mem);
	map_flags(FL_TASK_SIZE - MB, FL_TASK_SIZE, FL_VM_READ | FL_VM_GROWSDOWN);
	fl_layout_init(&mm, &wish);
	ck_assert_uint_lt(mm.mmap_base, 40 * TB);
	ck_assert_uint_eq(fl_layout_place(&mm, &place), LOW);
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_window_is_random)
{
	struct fl_layout_wish wish = {0};
	struct fl_place place = {.bytes = PAGE, .window32 = true, .random = ~0UL};

	test_mm_init(&mm, &mem);
	fl_layout_init(&mm, &wish);
	ck_assert(mm.randomize);
	ck_assert_uint_eq(fl_layout_place(&mm, &place), 0x42000000 - PAGE);
	fl_mm_deinit(&mm);
}
END_TEST

static const struct test_case tests[] = {
	{&test_bases, 0, fl_array_size(bases)},
	{&test_places, 0, fl_array_size(places)},
	{&test_up_when_down_is_full, 0, 0},
	{&test_window_is_random, 0, 0},
};

int main(void)
{
	return run_tests("mm/layout", tests, fl_array_size(tests));
}
