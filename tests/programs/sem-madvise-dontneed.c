/*
 * MADV_DONTNEED: resident and swapped pages read as zeros afterwards, the
 * neighbours keep their bytes, and an old copy never comes back.
 */
#include "sem.h"

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 48);
	char *base = map_filled(pages, 1);

	/* The start is swapped out, the end is resident: every third page goes. */
	for (size_t i = 0; i < pages; i += 3)
		CHECK(madvise(base + i * PAGE, PAGE, MADV_DONTNEED) == 0, "madvise page %zu", i);
	for (size_t i = 0; i < pages; i++) {
		if (i % 3 == 0)
			expect_zero(base + i * PAGE, 1);
		else
			expect(base + i * PAGE, 1, 1 + i);
	}
	say("single pages: ok\n");

	/* Read zeros are pages like others: swapped out and back they are zeros still. */
	push_out();
	for (size_t i = 0; i < pages; i += 3)
		expect_zero(base + i * PAGE, 1);
	say("zeros stay zeros: ok\n");

	/* Dropped, written again, swapped, back. */
	for (size_t i = 0; i < pages; i += 3)
		fill_page(base + i * PAGE, 900000 + i);
	push_out();
	for (size_t i = 0; i < pages; i++)
		expect(base + i * PAGE, 1, i % 3 ? 1 + i : 900000 + i);
	say("written again: ok\n");

	/* A clean page that was read back from swap, dropped. */
	CHECK(madvise(base, pages / 2 * PAGE, MADV_DONTNEED) == 0, "madvise half");
	expect_zero(base, pages / 2);
	for (size_t i = pages / 2; i < pages; i++)
		expect(base + i * PAGE, 1, i % 3 ? 1 + i : 900000 + i);
	say("large range: ok\n");

	CHECK(madvise(base, pages * PAGE, MADV_DONTNEED) == 0, "madvise all");
	push_out();
	expect_zero(base, pages);
	CHECK(madvise(base + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL, "unaligned address");
	CHECK(munmap(base + 8 * PAGE, PAGE) == 0, "munmap");
	fill(base, 8, 1);
	fill(base + 9 * PAGE, 8, 1);
	CHECK(madvise(base, 17 * PAGE, MADV_DONTNEED) == -1 && errno == ENOMEM,
		"a hole in the range");
	expect_zero(base, 8);
	expect_zero(base + 9 * PAGE, 8);
	say("range with a hole: ENOMEM, the rest dropped\n");
	return 0;
}
