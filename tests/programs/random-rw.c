/*
 * Random reads and writes over pages that compress by half, with a check of each page that is
 * met, and of all at the end.
 *
 *	random-rw MIB ACCESSES NOISE
 *
 * NOISE of 16 words of a page are random: 0 is a page that is nearly one word, 16 one that does
 * not compress at all. Exit status 1, with a line on standard error, if a page is another one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define WORDS 512u

static uint64_t state = 88172645463325252ull;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A page begins with its number and how often it was written; both are in its last word, too. */
static int is_right(const uint64_t *page, uint64_t number, uint32_t writes)
{
	return page[0] == number && page[1] == writes && page[WORDS - 1] == (number << 32 | writes);
}

static void mark(uint64_t *page, uint64_t number, uint32_t writes)
{
	page[0] = number;
	page[1] = writes;
	page[WORDS - 1] = number << 32 | writes;
}

int main(int argc, char **argv)
{
	size_t n = argc > 3 ? strtoul(argv[1], NULL, 0) * 256 : 0;
	unsigned long accesses = n ? strtoul(argv[2], NULL, 0) : 0, noise = n ? strtoul(argv[3], NULL, 0) : 0;
	uint64_t *memory = mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t *writes = calloc(n, sizeof(*writes));

	if (!n || memory == MAP_FAILED || !writes) {
		fprintf(stderr, "usage: random-rw MIB ACCESSES NOISE\n");
		return 2;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t *page = memory + i * WORDS;

		for (unsigned int k = 0; k < WORDS; k++)
			page[k] = k % 16 < noise ? rnd() : 0x4141414141414141ull;
		mark(page, i, 0);
	}
	for (unsigned long a = 0; a < accesses + n; a++) {
		size_t i = a < accesses ? rnd() % n : a - accesses;
		uint64_t *page = memory + i * WORDS;

		if (!is_right(page, i, writes[i])) {
			fprintf(stderr, "FAIL: page %zu: %lx %lx %lx after %u writes\n", i, page[0], page[1],
				page[WORDS - 1], writes[i]);
			return 1;
		}
		if (a < accesses && rnd() % 3 == 0)
			mark(page, i, ++writes[i]);
	}
	printf("%zu pages are right\n", n);
	return 0;
}
