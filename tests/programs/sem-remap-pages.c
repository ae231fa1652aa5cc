/*
 * remap_file_pages(2): pages of shared memory in another order, by one and by many, with all of it
 * paged out, locked and not, and in a child.
 */
#include "sem.h"
#include <sys/syscall.h>

static char *base;
static size_t pages;

static void remap(size_t at, size_t n, size_t from, int flags)
{
	CHECK(syscall(SYS_remap_file_pages, base + at * PAGE, n * PAGE, 0, from, flags) == 0,
		"remap_file_pages at %zu of %zu", at, from);
}

/* The pages from at on are those from from on. */
static void is(size_t at, size_t n, size_t from, uint64_t key)
{
	for (size_t i = 0; i < n; i++)
		CHECK(page_has(base + (at + i) * PAGE, key + from + i), "page %zu has %s", at + i,
			page_zero(base + (at + i) * PAGE) ? "zeros" : "other bytes");
}

/* In reverse, by so many. */
static void reverse(size_t first, size_t n, size_t by, int flags)
{
	for (size_t i = 0; i < n; i += by)
		remap(first + i, by, first + n - by - i, flags);
}

static void is_reverse(size_t first, size_t n, size_t by, uint64_t key)
{
	for (size_t i = 0; i < n; i += by)
		is(first + i, by, first + n - by - i, key);
}

static void straight(size_t first, size_t n)
{
	remap(first, n, first, 0);
}

int main(int argc, char **argv)
{
	const size_t part = 256;
	pid_t pid;

	pages = pages_arg(argc, argv, 12);
	base = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	fill(base, pages, 1);
	push_out();
	reverse(0, part, 1, 0);
	reverse(part, part, 16, MAP_NONBLOCK);
	is_reverse(0, part, 1, 1);
	is_reverse(part, part, 16, 1);
	is(2 * part, pages - 2 * part, 2 * part, 1);
	say("another order: ok\n");

	push_out();
	is_reverse(0, part, 1, 1);
	is_reverse(part, part, 16, 1);
	say("paged out: ok\n");

	/* one page at two places */
	remap(0, 1, 7, 0);
	fill_page(base, 55);
	push_out();
	CHECK(page_has(base, 55) && page_has(base + (part - 1 - 7) * PAGE, 55), "two places");
	fill_page(base, 1 + 7);
	straight(0, 2 * part);
	push_out();
	is(0, pages, 0, 1);
	say("and back: ok\n");

	push_out();
	for (size_t i = 0; i < 64; i += 8) {
		CHECK(mlock(base + i * PAGE, 8 * PAGE) == 0, "mlock");
		remap(i, 8, 64 - 8 - i, 0);
		CHECK(munlock(base + i * PAGE, 8 * PAGE) == 0, "munlock");
	}
	is_reverse(0, 64, 8, 1);
	push_out();
	is_reverse(0, 64, 8, 1);
	say("locked: ok\n");

	pid = fork_checked();
	if (!pid) {
		straight(0, 64);
		reverse(64, 64, 8, 0);
		is(0, 64, 0, 1);
		is_reverse(64, 64, 8, 1);
		fill_page(base, 99);
		_exit(0);
	}
	reap(pid);
	push_out();
	CHECK(page_has(base + 56 * PAGE, 99), "what the child wrote");
	fill_page(base + 56 * PAGE, 1);
	is_reverse(0, 64, 8, 1);
	is(64, pages - 64, 64, 1);
	say("in a child: ok\n");
	CHECK(syscall(SYS_remap_file_pages, base, PAGE, PROT_READ, 0, 0) < 0 && errno == EINVAL, "a protection");
	CHECK(syscall(SYS_remap_file_pages, map(PAGE), PAGE, 0, 0, 0) < 0 && errno == EINVAL, "private memory");
	return 0;
}
