/*
 * MADV_WILLNEED: what is named comes into memory although nobody touches it, as mincore(2) tells, with
 * its bytes; and whatever happens to the range meanwhile. The call itself does not wait.
 */
#include "sem-file.h"
#include <time.h>

enum { PAGES = 256, SECONDS = 20 };

static size_t in_memory(const char *p, size_t pages)
{
	unsigned char in[PAGES];
	size_t n = 0;

	CHECK(pages <= PAGES && mincore((void *)p, pages * PAGE, in) == 0, "mincore");
	for (size_t i = 0; i < pages; i++)
		n += in[i] & 1;
	return n;
}

/* Until all pages are there, or for ever so long. */
static void await(const char *p, size_t pages, const char *what)
{
	for (int i = 0; i < SECONDS * 1000 && in_memory(p, pages) < pages; i++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	say("%s: %zu of %zu\n", what, in_memory(p, pages), pages);
}

static void will_need(char *p, size_t bytes)
{
	CHECK(madvise(p, bytes, MADV_WILLNEED) == 0, "WILLNEED");
}

static void comes(void)
{
	char *p = map_apart_filled(PAGES, 1);

	push_out();
	will_need(p, PAGES * PAGE);
	await(p, PAGES, "in swap");
	expect(p, PAGES, 1);
	push_out();
	/* in pieces, which are not in order, of several mappings */
	CHECK(mprotect(p + 64 * PAGE, 64 * PAGE, PROT_READ) == 0, "mprotect");
	CHECK(mprotect(p + 128 * PAGE, 64 * PAGE, PROT_NONE) == 0, "mprotect");
	will_need(p + 192 * PAGE, 64 * PAGE);
	will_need(p, 192 * PAGE);
	await(p, PAGES, "in pieces");
	CHECK(mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
	expect(p, PAGES, 1);
	munmap(p, PAGES * PAGE);
}

/* Far more than there is memory for, many times. */
static void too_much(void)
{
	size_t pages = 6144;
	char *p = map_apart_filled(pages, 1);

	for (int i = 0; i < 20; i++)
		will_need(p, pages * PAGE);
	expect(p, pages, 1);
	for (size_t i = 0; i < pages; i += 64)
		will_need(p + i * PAGE, 32 * PAGE);
	fill(p, pages / 2, 9000);
	expect(p, pages / 2, 9000);
	expect(p + pages / 2 * PAGE, pages / 2, 1 + pages / 2);
	munmap(p, pages * PAGE);
	say("too much\n");
}

/* What is done with the range at once. */
static void meanwhile(void)
{
	for (int how = 0; how < 7; how++) {
		char *p = map_apart_filled(PAGES, 1), *q = p;
		pid_t pid;

		push_out();
		will_need(p, PAGES * PAGE);
		switch (how) {
		case 0:
			CHECK(madvise(p, PAGES * PAGE, MADV_DONTNEED) == 0, "DONTNEED");
			expect_zero(p, PAGES);
			fill(p, PAGES, 1);
			break;
		case 1:
			q = mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				map_apart_filled(PAGES, 5));
			CHECK(q != MAP_FAILED, "mremap");
			break;
		case 2:
			fill(p, PAGES, 7);
			expect(p, PAGES, 7);
			fill(p, PAGES, 1);
			break;
		case 3:
			pid = fork_checked();
			if (!pid) {
				expect(p, PAGES, 1);
				will_need(p, PAGES * PAGE);
				fill(p, PAGES, 3);
				expect(p, PAGES, 3);
				_exit(0);
			}
			expect(p, PAGES, 1);
			reap(pid);
			break;
		case 4:
			CHECK(munmap(p + 64 * PAGE, 64 * PAGE) == 0, "munmap");
			CHECK(mmap(p + 64 * PAGE, 64 * PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 64 * PAGE, "mmap");
			expect_zero(p + 64 * PAGE, 64);
			fill(p + 64 * PAGE, 64, 65);
			break;
		case 5:
			CHECK(mlock(p, PAGES * PAGE) == 0, "mlock");
			break;
		case 6:
			push_out();
			break;
		}
		expect(q, PAGES, 1);
		munmap(q, PAGES * PAGE);
	}
	say("meanwhile\n");
}

static void file(void)
{
	const char *name = file_of(PAGES, 1);
	char *p;

	forget_file(name);
	p = map_private(name, PAGES, 0);
	fill(p + 16 * PAGE, 16, 500);
	push_out();
	will_need(p, 32 * PAGE);
	await(p, 32, "a private file");
	expect(p, 16, 1);
	expect(p + 16 * PAGE, 16, 500);
	munmap(p, PAGES * PAGE);
}

static void refused(void)
{
	char *p = map_apart_filled(PAGES, 1);
	int r;

	munmap(p + 64 * PAGE, 64 * PAGE);
	push_out();
	r = madvise(p, PAGES * PAGE, MADV_WILLNEED);
	say("a hole: %d %d\n", r, errno);
	await(p, 64, "before it");
	await(p + 128 * PAGE, 128, "behind it");
	r = madvise(p + 64 * PAGE, PAGE, MADV_WILLNEED);
	say("nothing but a hole: %d %d\n", r, errno);
	r = madvise(p + 1, PAGE, MADV_WILLNEED);
	say("misaligned: %d %d\n", r, errno);
	r = madvise(p, 0, MADV_WILLNEED);
	say("no length: %d\n", r);
	munmap(p, PAGES * PAGE);
}

int main(void)
{
	comes();
	too_much();
	meanwhile();
	file();
	refused();
	return 0;
}
