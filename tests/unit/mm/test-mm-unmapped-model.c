/*
 * The search for free memory against a naive one: one million random operations on the VMAs of a
 * small window, each search compared with a scan page by page. Then what a search costs among
 * 60,000 VMAs: nodes looked at, by the tree's height.
 *
 *	test-mm-unmapped-model [SEED [OPERATIONS]]
 */
#include "base/types.h"

/* The real thing, with each node that it looks at counted. */
static u64 nr_looked_at;
#undef fl_container_of
#define fl_container_of(ptr, type, member)                                                         \
	(nr_looked_at++, (type *)((char *)(ptr)-offsetof(type, member)))
#include "../../../lib/mm/unmapped-area.c"

#include <stdio.h>

#include "mm-test.h"

#define NR_PAGES   1200U
#define BASE	   (1UL << 32)
#define VA(page)   (BASE + (u64)(page)*FL_PAGE_SIZE)
#define GUARD	   (FL_STACK_GUARD_BYTES >> FL_PAGE_SHIFT)
#define NR_CROWD   60000U
#define CROWD_STEP 3U

enum { FREE, PLAIN, OTHER, STACK };

static u8 kind_of[NR_PAGES];
static bool is_taken[NR_PAGES]; /* a VMA, or the guard below a stack: for the current search */
static struct test_alloc mem;
static struct fl_mm mm;
static u64 seed, state, nr_ops;

static u64 rnd(u64 below)
{
	return test_random(&state) % below;
}

static void fail(const char *what)
{
	printf("FAILED after %lu operations: %s; again: FL_SEED=%lu\n", nr_ops, what, seed);
	exit(EXIT_FAILURE);
}

static void check_valid(void)
{
	const char *why = "?";

	if (fl_vma_validate(&mm, &why))
		fail(why);
}

static void map(u32 from, u32 to, u8 kind)
{
	static const u64 flags[] = {0, FL_VM_READ, FL_VM_WRITE, FL_VM_READ | FL_VM_GROWSDOWN};
	struct fl_vma template = {.start = VA(from), .end = VA(to), .pgoff = VA(from) >> 12};

	fl_vma_prealloc(&mm, FL_VMA_MAX_NODES);
	if (kind == FREE) {
		fl_mm_unmap(&mm, VA(from), VA(to));
	} else {
		template.flags = flags[kind];
		fl_mm_map(&mm, &template);
	}
	memset(kind_of + from, kind, to - from);
}

/* What is not free. The guard is below the lowest page of a stack, and holds no new mapping. */
static void take(void)
{
	for (u32 i = 0; i < NR_PAGES; i++)
		is_taken[i] = kind_of[i] != FREE;
	for (u32 i = 0; i < NR_PAGES; i++)
		if (kind_of[i] == STACK)
			for (u32 j = i; j-- > 0 && i - j <= GUARD && kind_of[j] == FREE;)
				is_taken[j] = true;
}

/* Pages beyond the window are free. */
static bool is_room(s64 page, u64 pages)
{
	for (u64 i = 0; i < pages; i++)
		if (page + (s64)i < NR_PAGES && is_taken[page + (s64)i])
			return false;
	return true;
}

static u64 naive(u64 pages, u32 low, u32 high, bool down)
{
	u64 found = 0;

	for (u32 at = low; at + pages <= high; at++) {
		if (!is_room(at, pages))
			continue;
		found = VA(at);
		if (!down)
			break;
	}
	return found;
}

static void search(void)
{
	u64 pages = rnd(4) ? 1 + rnd(8) : 1 + rnd(400);
	u32 low = rnd(3) ? 0 : (u32)rnd(NR_PAGES), high = rnd(3) ? NR_PAGES : (u32)rnd(NR_PAGES + 50);
	bool down = rnd(2);
	u64 got = down ? fl_unmapped_area_topdown(&mm, pages << 12, VA(low), VA(high)) :
			 fl_unmapped_area(&mm, pages << 12, VA(low), VA(high));

	take();
	if (got != naive(pages, low, high, down))
		fail(down ? "another place, downwards" : "another place, upwards");
	if (fl_is_unmapped(&mm, VA(low), VA(low) + (pages << 12)) != is_room(low, pages))
		fail("fl_is_unmapped");
}

static void step(void)
{
	u32 pages = rnd(8) ? 1 + (u32)rnd(6) : 1 + (u32)rnd(200), from = (u32)rnd(NR_PAGES - pages);
	static const u8 kinds[] = {FREE, FREE, FREE, PLAIN, PLAIN, OTHER, OTHER};

	map(from, from + pages, rnd(60) ? kinds[rnd(fl_array_size(kinds))] : STACK);
}

static void run(u64 nr)
{
	test_mm_init(&mm, &mem);
	memset(kind_of, FREE, sizeof(kind_of));
	for (u64 i = 0; i < nr; i++, nr_ops++) {
		if (rnd(4))
			step();
		else
			search();
		if (i % 50 == 0)
			check_valid();
	}
	fl_mm_deinit(&mm);
}

/* Among many VMAs with holes of two pages and one of three: no search looks at more than some nodes
 * a level, whether it finds something or not. */
static void crowd(void)
{
	struct fl_vma template = {.flags = FL_VM_READ};
	u64 limit, most = 0;
	const struct row {
		u64 pages, low, high;
	} rows[] = {
		{2, 0, ~0UL}, {3, 0, ~0UL}, {4, 0, VA(NR_CROWD * CROWD_STEP)},
		{3, VA(9000), VA(12000)}, {2, VA(30001), VA(30004)},
		{3, VA(1), VA(NR_CROWD * CROWD_STEP - 1)},
	};

	test_mm_init(&mm, &mem);
	for (u32 i = 0; i < NR_CROWD; i++) {
		template.start = VA(i * CROWD_STEP + (i > NR_CROWD / 3));
		template.end = template.start + FL_PAGE_SIZE;
		fl_vma_prealloc(&mm, FL_VMA_MAX_NODES);
		fl_mm_map(&mm, &template);
	}
	check_valid();
	limit = 6 * mm.vmas.root->height;
	for (size_t i = 0; i < fl_array_size(rows); i++) {
		nr_looked_at = 0;
		fl_unmapped_area_topdown(&mm, rows[i].pages << 12, rows[i].low, rows[i].high);
		most = fl_max(most, nr_looked_at);
		nr_looked_at = 0;
		fl_unmapped_area(&mm, rows[i].pages << 12, rows[i].low, rows[i].high);
		most = fl_max(most, nr_looked_at);
	}
	printf("%u VMAs, %u levels: at most %lu looks at a node\n", NR_CROWD,
		mm.vmas.root->height, most);
	if (most > limit)
		fail("a search does not keep to its way down the tree");
	fl_mm_deinit(&mm);
}

int main(int argc, char **argv)
{
	u64 nr = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;

	seed = state = test_seed(argc, argv);
	printf("seed %lu\n", seed);
	fflush(stdout);
	while (nr_ops < nr)
		run(fl_min(100000UL, nr - nr_ops));
	crowd();
	printf("%lu operations\n", nr_ops);
	return EXIT_SUCCESS;
}
