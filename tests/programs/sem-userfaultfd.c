/*
 * A userfaultfd of the program's own: pages that were there stay as they are, swapped out or
 * not, pages that were not are the program's to fill, writes to protected pages are told of,
 * and pages can be moved into such memory.
 */
#include "sem.h"
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

#define EVERY 5 /* one page in so many is there */

static char *base;
static size_t pages, told_missing, told_wp;
static int uffd;

static int open_uffd(__u64 features)
{
	struct uffdio_api api = {.api = UFFD_API, .features = features};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		sem_skip("userfaultfd is not permitted");
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int reg(int fd, void *start, size_t n, __u64 mode)
{
	struct uffdio_register r = {.range = {(uintptr_t)start, n * PAGE}, .mode = mode};

	return ioctl(fd, UFFDIO_REGISTER, &r);
}

static void unreg(int fd, void *start, size_t n)
{
	struct uffdio_range r = {(uintptr_t)start, n * PAGE};

	CHECK(ioctl(fd, UFFDIO_UNREGISTER, &r) == 0, "UFFDIO_UNREGISTER");
}

/* Fills what is missing with the page's number, and lets writers go on. */
static void *serve(void *arg)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffd_msg m;

	while (read(uffd, &m, sizeof(m)) == sizeof(m)) {
		uintptr_t va = m.arg.pagefault.address & ~(PAGE - 1);
		size_t n = (va - (uintptr_t)base) / PAGE;

		if (m.event != UFFD_EVENT_PAGEFAULT)
			continue;
		if (n == pages - 1 && !(m.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP)) {
			struct uffdio_zeropage z = {.range = {va, PAGE}};

			CHECK(ioctl(uffd, UFFDIO_ZEROPAGE, &z) == 0, "UFFDIO_ZEROPAGE");
			break; /* the last */
		}
		if (m.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) {
			struct uffdio_writeprotect w = {.range = {va, PAGE}};

			told_wp++;
			CHECK(ioctl(uffd, UFFDIO_WRITEPROTECT, &w) == 0, "UFFDIO_WRITEPROTECT");
		} else {
			struct uffdio_copy c = {.dst = va, .src = (uintptr_t)page, .len = PAGE};

			told_missing++;
			fill_page(page, 1000000 + n);
			CHECK(ioctl(uffd, UFFDIO_COPY, &c) == 0, "UFFDIO_COPY");
		}
	}
	return arg;
}

/* Pages 0, EVERY, 2 * EVERY and so on are written, and all of it is paged out then. */
static void sparse(void)
{
	base = map(pages * PAGE);
	for (size_t i = 0; i < pages; i += EVERY)
		fill_page(base + i * PAGE, i);
	push_out();
	/* some are there again */
	for (size_t i = 0; i < pages / 2; i += EVERY * 7)
		CHECK(page_has(base + i * PAGE, i), "page %zu", i);
}

static void missing(void)
{
	pthread_t t;
	pid_t pid;

	sparse();
	uffd = open_uffd(0);
	CHECK(uffd >= 0, "UFFDIO_API");
	CHECK(reg(uffd, base, pages, UFFDIO_REGISTER_MODE_MISSING) == 0, "UFFDIO_REGISTER");
	CHECK(reg(open_uffd(0), base, pages, UFFDIO_REGISTER_MODE_MISSING) < 0 && errno == EBUSY,
		"two userfaultfds have it");
	pthread_create(&t, NULL, serve, NULL);
	for (size_t i = 0; i < pages - 1; i++)
		CHECK(page_has(base + i * PAGE, i % EVERY ? 1000000 + i : i), "page %zu has %s", i,
			page_zero(base + i * PAGE) ? "zeros" : "other bytes");
	CHECK(page_zero(base + (pages - 1) * PAGE), "the last page");
	pthread_join(t, NULL);
	say("missing: %zu pages were asked for\n", told_missing);
	push_out();
	pid = fork_checked();
	if (!pid) {
		for (size_t i = 0; i < pages - 1; i++)
			CHECK(page_has(base + i * PAGE, i % EVERY ? 1000000 + i : i), "page %zu", i);
		fill(base, pages, 77);
		expect(base, pages, 77);
		_exit(0);
	}
	reap(pid);
	unreg(uffd, base, pages);
	fill(base, pages, 3);
	push_out();
	expect(base, pages, 3);
	munmap(base, pages * PAGE);
	close(uffd);
}

static void protected(void)
{
	struct uffdio_writeprotect w = {.mode = UFFDIO_WRITEPROTECT_MODE_WP};
	pthread_t t;

	sparse();
	uffd = open_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	if (uffd < 0 || reg(uffd, base, pages, UFFDIO_REGISTER_MODE_WP | UFFDIO_REGISTER_MODE_MISSING) < 0)
		sem_skip("no write protection by userfaultfd");
	w.range.start = (uintptr_t)base;
	w.range.len = pages * PAGE;
	CHECK(ioctl(uffd, UFFDIO_WRITEPROTECT, &w) == 0, "UFFDIO_WRITEPROTECT");
	pthread_create(&t, NULL, serve, NULL);
	for (size_t i = 0; i < pages; i += EVERY) {
		CHECK(page_has(base + i * PAGE, i), "page %zu", i);
		if (i % 2)
			fill_page(base + i * PAGE, 50 + i);
	}
	CHECK(page_zero(base + (pages - 1) * PAGE), "the last page");
	pthread_join(t, NULL);
	unreg(uffd, base, pages);
	for (size_t i = 0; i < pages; i += EVERY)
		CHECK(page_has(base + i * PAGE, i % 2 ? 50 + i : i), "page %zu", i);
	say("protected: %zu writes were told of\n", told_wp);
	munmap(base, pages * PAGE);
	close(uffd);
}

/* From memory that nobody watches into memory that is watched. */
static void moved(void)
{
	size_t n = pages / 4;
	char *to = map(n * PAGE), *from = map_filled(n, 900);
	struct uffdio_move m = {.dst = (uintptr_t)to, .src = (uintptr_t)from, .len = n * PAGE};
	int fd = open_uffd(UFFD_FEATURE_MOVE), r;

	push_out();
	if (fd < 0) {
		say("moved: not in this kernel\n");
		return;
	}
	CHECK(reg(fd, to, n, UFFDIO_REGISTER_MODE_MISSING) == 0, "UFFDIO_REGISTER");
	do
		r = ioctl(fd, UFFDIO_MOVE, &m);
	while (r < 0 && errno == EAGAIN && m.move <= 0);
	CHECK(r == 0 && m.move == (__s64)(n * PAGE), "UFFDIO_MOVE: %lld", (long long)m.move);
	expect(to, n, 900);
	expect_zero(from, n);
	fill(from, n, 40);
	push_out();
	expect(from, n, 40);
	expect(to, n, 900);
	say("moved: ok\n");
	close(fd);
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 12);
	missing();
	protected();
	moved();
	return 0;
}
