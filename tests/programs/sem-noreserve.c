/*
 * A reservation of 1 TiB with sparse touches: each touched page keeps its own
 * bytes, parts are dropped, moved and unmapped, and nothing costs by the byte.
 */
#include "sem.h"

#define TIB (1UL << 40)

int main(int argc, char **argv)
{
	size_t touches = pages_arg(argc, argv, 40), dropped = 0;
	char *base = mmap(NULL, TIB, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *none, *p;

	if (base == MAP_FAILED)
		sem_skip("this machine does not reserve 1 TiB");
	/* Half of the touches lie far from each other, half in runs. */
	for (size_t i = 0; i < touches; i++) {
		size_t page = i % 2 ? mix(i / 64 * 2 + 1) % (TIB / PAGE - 64) + i % 64
				    : mix(i) % (TIB / PAGE);

		*(uint64_t *)(base + page * PAGE + 8) ^= mix(i);
		*(uint64_t *)(base + page * PAGE + 4088) += 1;
	}
	for (size_t i = 0; i < touches; i++) {
		size_t page = i % 2 ? mix(i / 64 * 2 + 1) % (TIB / PAGE - 64) + i % 64
				    : mix(i) % (TIB / PAGE);
		uint64_t *w = (uint64_t *)(base + page * PAGE);

		CHECK(w[511] >= 1 && !w[0] && (w[511] > 1 || w[1] == mix(i)), "touch %zu", i);
	}
	say("sparse touches: ok\n");

	CHECK(madvise(base, TIB / 2, MADV_DONTNEED) == 0, "madvise of half");
	for (size_t i = 0; i < touches; i += 2) {
		size_t page = mix(i) % (TIB / PAGE);
		uint64_t *w = (uint64_t *)(base + page * PAGE);

		if (page < TIB / PAGE / 2) {
			CHECK(!w[1] && !w[511], "touch %zu survived", i);
			dropped++;
		} else {
			CHECK(w[511] >= 1, "touch %zu was lost", i);
		}
	}
	say("half dropped: %zu, ok\n", dropped);

	/* The way allocators use it: reserved without access, a part opened, and closed again. */
	none = mmap(NULL, TIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (none != MAP_FAILED) {
		p = none + TIB / 3 / PAGE * PAGE;
		CHECK(mprotect(p, 32 * MIB, PROT_READ | PROT_WRITE) == 0, "open a part");
		fill(p, 32 * MIB / PAGE, 1);
		expect(p, 32 * MIB / PAGE, 1);
		CHECK(mmap(p, 16 * MIB, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == p,
			"close a part");
		CHECK(mprotect(p, 16 * MIB, PROT_READ | PROT_WRITE) == 0, "open it again");
		expect_zero(p, 16 * MIB / PAGE);
		expect(p + 16 * MIB, 16 * MIB / PAGE, 1 + 16 * MIB / PAGE);
		CHECK(munmap(none, TIB) == 0, "munmap");
	}
	CHECK(munmap(base, TIB) == 0, "munmap");
	say("opened and closed: ok\n");
	return 0;
}
