/*
 * What the first touch of a page costs: the job of `./dev bench first-touch-*`.
 *
 *	touch sequential|random MIB
 *
 * Maps MIB of private anonymous memory (a power of two), writes one byte to
 * each page in the given order and prints the nanoseconds a page. The random
 * order is a linear congruential sequence of full period: every page once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE 4096UL

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t pages, page = 0, start, spent;
	volatile char *mem;
	int random;

	if (argc != 3 || (strcmp(argv[1], "sequential") && strcmp(argv[1], "random"))) {
		fprintf(stderr, "usage: touch sequential|random MIB\n");
		return 2;
	}
	random = !strcmp(argv[1], "random");
	pages = strtoull(argv[2], NULL, 10) << 8;
	if (!pages || (pages & (pages - 1))) {
		fprintf(stderr, "touch: %s: not a power of two: give 64, 128, 256...\n", argv[2]);
		return 2;
	}
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED) {
		perror("touch: mmap");
		return 1;
	}
	start = now_ns();
	for (uint64_t i = 0; i < pages; i++) {
		mem[page * PAGE] = 1;
		page = random ? (page * 1664525 + 1013904223) & (pages - 1) : page + 1;
	}
	spent = now_ns() - start;
	printf("%.1f\n", (double)spent / (double)pages);
	return 0;
}
