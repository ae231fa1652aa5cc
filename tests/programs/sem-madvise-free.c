/*
 * MADV_FREE: a page is either as it was or zero until it is written; a write
 * afterwards is never lost. Also the advice that must change nothing.
 */
#include "sem.h"

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif

int main(int argc, char **argv)
{
	static const int harmless[] = {MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_COLD,
		MADV_PAGEOUT};
	size_t pages = pages_arg(argc, argv, 48);
	char *base = map_filled(pages, 1);

	CHECK(madvise(base, pages * PAGE, MADV_FREE) == 0, "MADV_FREE");
	for (size_t i = 0; i < pages; i += 2)
		fill_page(base + i * PAGE, 300000 + i);
	push_out();
	for (size_t i = 0; i < pages; i++) {
		char *page = base + i * PAGE;

		if (i % 2)
			CHECK(page_zero(page) || page_has(page, 1 + i),
				"page %zu is neither old nor zero", i);
		else
			CHECK(page_has(page, 300000 + i), "page %zu lost its write after MADV_FREE",
				i);
	}
	say("freed, half rewritten: ok\n");

	/* One word written into a freed page keeps the page: the rest is old or zero, the word is
	 * new. */
	fill(base, pages, 600000);
	push_out();
	CHECK(madvise(base, pages * PAGE, MADV_FREE) == 0, "MADV_FREE on swapped pages");
	for (size_t i = 0; i < pages; i++)
		*(uint64_t *)(base + i * PAGE + 2048) = i + 1;
	push_out();
	for (size_t i = 0; i < pages; i++) {
		uint64_t *word = (uint64_t *)(base + i * PAGE + 2048);

		CHECK(*word == i + 1, "page %zu lost a word", i);
	}
	say("freed, one word written: ok\n");

	fill(base, pages, 1);
	for (size_t k = 0; k < sizeof(harmless) / sizeof(*harmless); k++) {
		int r = madvise(base, pages * PAGE, harmless[k]);

		CHECK(r == 0 || errno == EINVAL, "advice %d", harmless[k]);
		expect(base, pages, 1);
	}
	CHECK(posix_madvise(base, pages * PAGE, POSIX_MADV_DONTNEED) == 0, "posix_madvise");
	expect(base, pages, 1);
	CHECK(madvise(base, PAGE, 12345) == -1 && errno == EINVAL, "unknown advice");
	say("advice without effect: ok\n");
	return 0;
}
