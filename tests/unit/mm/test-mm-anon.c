/* Which anonymous mappings become one VMA, by who had been written when they met. */
#include "vma-draw.h"

#define RW (FL_VM_READ | FL_VM_WRITE)

/* Of two pages with a hole between them each is untouched ('.'), written by itself ('1', '2') or come
 * from a fork ('f'); then the hole is filled. */
static const struct row {
	char low, high;
	const char *after;
} rows[] = {
	{'.', '.', "www)"}, {'.', '2', "www)"}, {'1', '.', "www)"}, {'1', '1', "www)"},
	{'1', '2', "ww)w)"}, {'f', '.', "w)ww)"}, {'.', 'f', "ww)w)"}, {'f', '2', "w)ww)"},
	{'1', 'f', "ww)w)"},
};

static struct fl_vma *page(u32 at, u64 flags, u32 anon, bool inherited)
{
	struct fl_vma template = {.start = VA(at), .end = VA(at + 1), .pgoff = VA(at) >> FL_PAGE_SHIFT,
		.flags = flags, .anon = anon, .inherited = inherited};

	reserve(2);
	return fl_mm_map(&mm, &template);
}

static struct fl_vma *page_as(u32 at, char how)
{
	return page(at, RW, how == '.' ? 0 : how == '1' ? 1 : how == '2' ? 2 : 3 + at, how == 'f');
}

START_TEST(test_between)
{
	test_mm_init(&mm, &mem);
	page_as(0, rows[_i].low);
	page_as(2, rows[_i].high);
	page_as(1, '.');
	expect(rows[_i].after);
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_written)
{
	struct fl_vma *a, *b, *c;

	test_mm_init(&mm, &mem);
	a = page(0, RW, 0, false);
	b = page(1, FL_VM_READ, 0, false);
	c = page(2, RW | FL_VM_DONTFORK, 0, false);
	a->only_read = true;
	fl_vma_written(&mm, a);
	fl_vma_written(&mm, b); /* mprotect can make it like its neighbour: it takes the same */
	fl_vma_written(&mm, c);
	ck_assert(a->anon && !a->only_read && a->anon == b->anon && b->anon != c->anon);
	fl_vma_written(&mm, c);
	ck_assert_uint_eq(c->anon, mm.last_anon);
	reserve(2);
	fl_mm_change(&mm, VA(1), VA(2), FL_VM_WRITE, 0);
	expect("ww)?)");
	reserve(2);
	fl_mm_change(&mm, VA(2), VA(3), 0, FL_VM_DONTFORK);
	expect("ww)w)");
	fl_mm_inherited(&mm);
	ck_assert(mm.first->inherited && mm.last->inherited && mm.first->anon != mm.last->anon);
	fl_mm_deinit(&mm);
}
END_TEST

START_TEST(test_read_stays_known)
{
	struct fl_vma *a;

	test_mm_init(&mm, &mem);
	page(0, RW, 0, false)->only_read = true;
	a = page(1, RW, 0, false);
	expect("ww)");
	ck_assert(a->only_read && !a->anon);
	a = page(2, RW, 1, false);
	expect("www)");
	ck_assert(!a->only_read && a->anon == 1);
	fl_mm_deinit(&mm);
}
END_TEST

/* What was never written belongs to its new place; what is left behind was never written. */
START_TEST(test_move)
{
	test_mm_init(&mm, &mem);
	page(0, RW, 0, false);
	page(5, RW, 1, false);
	reserve(3);
	fl_mm_move(&mm, VA(0), FL_PAGE_SIZE, VA(6), FL_PAGE_SIZE, false);
	expect(".....ww)");
	reserve(3);
	fl_mm_move(&mm, VA(5), 2 * FL_PAGE_SIZE, VA(8), 2 * FL_PAGE_SIZE, true);
	expect(".....ww).ww)");
	ck_assert(mm.last->anon == 1 && !mm.first->anon);
	page(7, RW, 0, false);
	expect(".....www)ww)");
	fl_mm_deinit(&mm);
}
END_TEST

static const struct test_case tests[] = {
	{&test_between, 0, fl_array_size(rows)},
	{&test_written, 0, 0},
	{&test_read_stays_known, 0, 0},
	{&test_move, 0, 0},
};

int main(void)
{
	return run_tests("mm/anon", tests, fl_array_size(tests));
}
