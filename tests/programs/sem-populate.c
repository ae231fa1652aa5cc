/*
 * MAP_POPULATE of more than the budget, MADV_POPULATE_*, and mlock of a small
 * part: populated memory is zero, locked memory stays, all of it keeps its bytes.
 */
#include "sem.h"
#include <sys/resource.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static bool resident(char *p, size_t pages)
{
	unsigned char vec[256];

	CHECK(pages <= sizeof(vec) && mincore(p, pages * PAGE, vec) == 0, "mincore");
	for (size_t i = 0; i < pages; i++)
		if (!(vec[i] & 1))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 40);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
	char *base = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, flags), *locked;

	expect_zero(base, pages);
	fill(base, pages, 1);
	expect(base, pages, 1);
	say("MAP_POPULATE: ok\n");

	CHECK(munmap(base + pages / 2 * PAGE, pages / 4 * PAGE) == 0, "munmap");
	CHECK(mmap(base + pages / 2 * PAGE, pages / 4 * PAGE, PROT_READ | PROT_WRITE,
		      flags | MAP_FIXED, -1, 0) == base + pages / 2 * PAGE,
		"populate a hole");
	expect_zero(base + pages / 2 * PAGE, pages / 4);
	expect(base, pages / 2, 1);
	if (madvise(base, pages * PAGE, MADV_POPULATE_READ) == 0) {
		expect(base, pages / 2, 1);
		CHECK(madvise(base, pages * PAGE, MADV_POPULATE_WRITE) == 0, "MADV_POPULATE_WRITE");
		expect(base, pages / 2, 1);
		expect_zero(base + pages / 2 * PAGE, pages / 4);
	}
	say("populated again: ok\n");

	locked = map_filled(128, 777);
	if (mlock(locked + 64 * PAGE, 64 * PAGE) != 0)
		sem_skip("mlock is not permitted here");
	for (int i = 0; i < 3; i++) {
		push_out();
		CHECK(resident(locked + 64 * PAGE, 64), "a locked page is not resident");
		expect(locked, 128, 777);
	}
	CHECK(munlock(locked + 64 * PAGE, 64 * PAGE) == 0, "munlock");
	push_out();
	expect(locked, 128, 777);
	say("mlock, munlock: ok\n");

	base = map_flags(
		64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED);
	expect_zero(base, 64);
	fill(base, 64, 3);
	push_out();
	expect(base, 64, 3);
	say("MAP_LOCKED: ok\n");
	return 0;
}
