/*
 * What the semantic tests share.
 *
 * Every sem-*.c program holds one property of memory against more memory than
 * the budget it is tested with (--ram 16M). A page is filled with a sequence
 * that depends on its key, so that a page in the wrong place, an old version
 * of a page and a half-written page are all seen. Results go to standard
 * output and are the same on every run; a failed check prints one line on
 * standard error and exits 1. Exit 77 means the kernel lacks what is tested.
 */
#ifndef TESTS_PROGRAMS_SEM_H
#define TESTS_PROGRAMS_SEM_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	  4096UL
#define MIB	  (1UL << 20)
#define WORDS	  (PAGE / sizeof(uint64_t))
#define UNUSED	  __attribute__((unused))
#define EXIT_SKIP 77

/* More than the 16 MiB budget of the test run, so that one sweep pushes everything else out. */
#define PRESSURE_BYTES (24 * MIB)

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			sem_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                          \
	} while (0)

static UNUSED __attribute__((noreturn, format(printf, 4, 5))) void sem_fail(
	const char *file, int line, const char *cond, const char *fmt, ...)
{
	int saved = errno;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	dprintf(2, "FAIL %s:%d: %s: %s (errno %d)\n", file, line, cond, text, saved);
	_exit(1);
}

static UNUSED __attribute__((noreturn)) void sem_skip(const char *why)
{
	printf("skip: %s\n", why);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

/* Prints at once, so that a forked child never repeats its parent's buffer. */
static UNUSED __attribute__((format(printf, 1, 2))) void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

static UNUSED inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static UNUSED void fill_page(void *page, uint64_t key)
{
	uint64_t *w = page, x = mix(key);

	for (size_t i = 0; i < WORDS; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		w[i] = x ^ (x >> 29);
	}
}

static UNUSED bool page_has(const void *page, uint64_t key)
{
	const uint64_t *w = page;
	uint64_t x = mix(key);

	for (size_t i = 0; i < WORDS; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		if (w[i] != (x ^ (x >> 29)))
			return false;
	}
	return true;
}

static UNUSED bool page_zero(const void *page)
{
	const uint64_t *w = page;
	uint64_t any = 0;

	for (size_t i = 0; i < WORDS; i++)
		any |= w[i];
	return !any;
}

/* Page i of the range gets key + i. */
static UNUSED void fill(void *base, size_t pages, uint64_t key)
{
	for (size_t i = 0; i < pages; i++)
		fill_page((char *)base + i * PAGE, key + i);
}

#define expect(base, pages, key) expect_at(__FILE__, __LINE__, base, pages, key)
static UNUSED void expect_at(
	const char *file, int line, const void *base, size_t pages, uint64_t key)
{
	for (size_t i = 0; i < pages; i++)
		if (!page_has((const char *)base + i * PAGE, key + i))
			sem_fail(file, line, "expect", "page %zu of %zu has %s", i, pages,
				page_zero((const char *)base + i * PAGE) ? "zeros" : "other bytes");
}

#define expect_zero(base, pages) expect_zero_at(__FILE__, __LINE__, base, pages)
static UNUSED void expect_zero_at(const char *file, int line, const void *base, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (!page_zero((const char *)base + i * PAGE))
			sem_fail(
				file, line, "expect_zero", "page %zu of %zu is not zero", i, pages);
}

static UNUSED uint64_t digest(const void *base, size_t bytes)
{
	const uint64_t *w = base;
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < bytes / sizeof(*w); i++)
		h = (h ^ w[i]) * 1099511628211ULL;
	return h;
}

static UNUSED __attribute__((noinline)) void *map_flags(size_t bytes, int prot, int flags)
{
	void *p = mmap(NULL, bytes, prot, flags, -1, 0);

	CHECK(p != MAP_FAILED, "mmap of %zu bytes", bytes);
	return p;
}

static UNUSED void *map(size_t bytes)
{
	return map_flags(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static UNUSED void *map_filled(size_t pages, uint64_t key)
{
	void *p = map(pages * PAGE);

	fill(p, pages, key);
	return p;
}

/* The same far from where the kernel puts anything by itself: a hole in it stays a hole. */
static UNUSED char *map_apart_filled(size_t pages, uint64_t key)
{
	static uintptr_t at = 0x300000000000UL;
	char *p = mmap((void *)at, pages * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(p == (char *)at, "mmap at %p", (void *)at);
	at += (pages * PAGE + MIB - 1) / MIB * MIB + MIB;
	fill(p, pages, key);
	return p;
}

/*
 * Writes a region larger than the budget, twice: what was in memory before is
 * swapped out now, under any policy that looks at recency.
 */
static UNUSED void push_out(void)
{
	static char *region;
	static uint64_t round;

	if (!region)
		region = map(PRESSURE_BYTES);
	for (int pass = 0; pass < 2; pass++, round++)
		fill(region, PRESSURE_BYTES / PAGE, 0xF00D0000ULL + round * 65536);
}

/* The size in MiB from the command line, as pages. */
static UNUSED size_t pages_arg(int argc, char **argv, size_t default_mib)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : default_mib;

	CHECK(mib >= 4, "the size is given in MiB, at least 4");
	return mib * MIB / PAGE;
}

/* Waits for a child that must have exited with 0. */
#define reap(pid) reap_at(__FILE__, __LINE__, pid)
static UNUSED void reap_at(const char *file, int line, pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		sem_fail(file, line, "reap", "child: waitpid %d, status %#x", (int)got,
			(unsigned int)status);
}

static UNUSED pid_t fork_checked(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0, "fork");
	return pid;
}

#endif
