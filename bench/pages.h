/*
 * What the pages of `./dev bench micro` hold, and how each access checks it.
 *
 * A page has one word, the tag, at a place that depends on its number (in one place of all
 * pages they would compete for the same lines of the cache). The low half of the tag is the
 * page's number and stays; writes count in the high half. The rest is
 *
 *	byte	nothing: only the tag is written, as by a program that touches memory
 *	half	groups of 128 bytes, 60 of them random: lz4 makes it about half as large
 *	random	random bytes, which nothing makes smaller
 */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	  4096UL
#define TEMPLATES 64UL
#define GROUP	  128UL

enum content { CONTENT_BYTE, CONTENT_HALF, CONTENT_RANDOM };

static unsigned char *template_page;
static enum content content;

/* xorshift64*: one word of state, which must not be 0. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* Below n, which is less than 2^32. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return ((random_next(state) >> 32) * n) >> 32;
}

static inline uint64_t *tag_of(char *mem, uint64_t page)
{
	return (uint64_t *)(mem + page * PAGE + page * 64 * 11 % PAGE);
}

/* Some pages are made beforehand, so that filling one costs a memcpy. */
static void make_templates(void)
{
	static const char text[GROUP - 60] = "the rest of a group is the same everywhere";
	uint64_t state = 88172645463325252ULL;

	template_page = aligned_alloc(PAGE, TEMPLATES * PAGE);
	if (!template_page) {
		perror("micro: aligned_alloc");
		exit(1);
	}
	for (uint64_t i = 0; i < TEMPLATES * PAGE; i++)
		template_page[i] = (unsigned char)(random_next(&state) >> 56);
	if (content == CONTENT_HALF)
		for (uint64_t i = 0; i < TEMPLATES * PAGE; i += GROUP)
			memcpy(template_page + i + 60, text, GROUP - 60);
}

static inline void fill_page(char *mem, uint64_t page)
{
	if (content != CONTENT_BYTE)
		memcpy(mem + page * PAGE, template_page + page % TEMPLATES * PAGE, PAGE);
	*tag_of(mem, page) = page;
}

static inline void check_tag(uint64_t tag, uint64_t page)
{
	if (__builtin_expect((uint32_t)tag != (uint32_t)page, 0)) {
		fprintf(stderr, "micro: page %lu holds %#lx\n", page, tag);
		abort();
	}
}

/* Two threads may write to one page: a count may be lost then, the number never. */
static inline void read_page(char *mem, uint64_t page)
{
	check_tag(__atomic_load_n(tag_of(mem, page), __ATOMIC_RELAXED), page);
}

static inline void write_page(char *mem, uint64_t page)
{
	uint64_t *tag = tag_of(mem, page), old = __atomic_load_n(tag, __ATOMIC_RELAXED);

	check_tag(old, page);
	__atomic_store_n(tag, old + (1ULL << 32), __ATOMIC_RELAXED);
}

#endif
