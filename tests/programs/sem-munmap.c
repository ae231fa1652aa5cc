/*
 * munmap of parts of swapped memory, and new mappings in the holes: zeros, and
 * never an old page; the rest keeps its bytes. An access to a hole is a fault.
 */
#include "sem.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf escape;

static void on_segv(int sig)
{
	siglongjmp(escape, sig);
}

static bool is_hole(volatile char *p)
{
	if (sigsetjmp(escape, 1))
		return true;
	(void)*p;
	return false;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_segv};
	size_t pages = pages_arg(argc, argv, 48);
	char *base = map_filled(pages, 1), *p;

	sigaction(SIGSEGV, &sa, NULL);
	for (int round = 0; round < 6; round++) {
		size_t at = mix(round) % (pages - 1024), n = 1 + mix(round + 99) % 1023;

		CHECK(munmap(base + at * PAGE, n * PAGE) == 0, "munmap");
		CHECK(is_hole(base + at * PAGE) && is_hole(base + (at + n - 1) * PAGE),
			"the hole can be read");
		p = mmap(base + at * PAGE, n * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		CHECK(p == base + at * PAGE, "mapping into the hole");
		if (round % 2)
			push_out();
		expect_zero(p, n);
		fill(p, n, 1 + at);
		expect(base, pages, 1);
	}
	say("holes: zeros, neighbours keep\n");

	/* Everything goes in pieces from both ends, and munmap over holes is no error. */
	for (size_t i = 0; i < pages / 2 - 500; i += 250) {
		CHECK(munmap(base + i * PAGE, 100 * PAGE) == 0, "munmap");
		CHECK(munmap(base + (pages - i - 100) * PAGE, 100 * PAGE) == 0, "munmap");
	}
	CHECK(munmap(base, pages * PAGE) == 0, "munmap over holes");
	CHECK(is_hole(base) && is_hole(base + pages / 2 * PAGE) &&
			is_hole(base + (pages - 1) * PAGE),
		"unmapped memory can be read");
	say("unmapped: ok\n");

	/* The same addresses again and again, each time with something else. */
	for (int round = 0; round < 8; round++) {
		p = mmap(base, 4096 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		CHECK(p == base, "mmap");
		for (size_t i = round; i < 4096; i += 7)
			CHECK(page_zero(p + i * PAGE), "round %d: page %zu is old", round, i);
		fill(p, 4096, round * 10000);
		expect(p, 4096, round * 10000);
		CHECK(munmap(p, 4096 * PAGE) == 0, "munmap");
	}
	say("addresses used again: ok\n");
	CHECK(munmap(base + 1, PAGE) == -1 && errno == EINVAL, "unaligned munmap");
	return 0;
}
