/*
 * MAP_FIXED over half of a swapped region: zeros, a file, shared memory or no
 * access there, and the other half untouched.
 */
#include "sem.h"

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 40), half = pages / 2;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, rw = PROT_READ | PROT_WRITE;
	char *base = map_filled(pages, 1), *mid = base + half / 2 * PAGE;
	FILE *f = tmpfile();

	CHECK(mmap(mid, half * PAGE, rw, flags, -1, 0) == mid, "anonymous over it");
	expect_zero(mid, half);
	expect(base, half / 2, 1);
	expect(mid + half * PAGE, pages - half - half / 2, 1 + half + half / 2);
	fill(mid, half, 1 + half / 2);
	push_out();
	expect(base, pages, 1);
	say("anonymous memory: ok\n");

	CHECK(f, "tmpfile");
	for (size_t i = 0; i < half; i++) {
		char page[PAGE];

		fill_page(page, 300000 + i);
		CHECK(fwrite(page, PAGE, 1, f) == 1, "fwrite");
	}
	CHECK(fflush(f) == 0, "fflush");
	CHECK(mmap(mid, half * PAGE, rw, MAP_PRIVATE | MAP_FIXED, fileno(f), 0) == mid,
		"a file over it");
	expect(mid, half, 300000);
	fill(mid, half / 2, 600000);
	push_out();
	expect(mid, half / 2, 600000);
	expect(mid + half / 2 * PAGE, half - half / 2, 300000 + half / 2);
	expect(base, half / 2, 1);
	say("file: ok\n");

	CHECK(mmap(mid, half * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mid,
		"shared over it");
	expect_zero(mid, half);
	fill(mid, half, 1);
	CHECK(mmap(mid, half * PAGE, PROT_NONE, flags, -1, 0) == mid, "no access over it");
	CHECK(mmap(mid, half * PAGE, rw, flags, -1, 0) == mid, "anonymous again");
	expect_zero(mid, half);
	expect(base, half / 2, 1);
	expect(mid + half * PAGE, pages - half - half / 2, 1 + half + half / 2);
	say("shared, none, anonymous again: ok\n");

	/* Two alternating pages, replaced one by one while both halves go in and out. */
	for (size_t i = 0; i < half; i += 5) {
		char *p = mid + i * PAGE;

		fill_page(p, i);
		CHECK(mmap(p, PAGE, rw, flags, -1, 0) == p, "single page %zu", i);
		CHECK(page_zero(p), "single page %zu is not zero", i);
		fill_page(p, 42 + i);
	}
	push_out();
	for (size_t i = 0; i < half; i++) {
		if (i % 5)
			expect_zero(mid + i * PAGE, 1);
		else
			expect(mid + i * PAGE, 1, 42 + i);
	}
	say("single pages: ok\n");
	return 0;
}
