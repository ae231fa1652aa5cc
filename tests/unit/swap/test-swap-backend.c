/*
 * The swap file's backend with real I/O on a temporary file: through io_uring,
 * and by plain reads and writes where the kernel refuses a ring.
 */
#include "swap/backend.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR_IOS	 24u
#define IO_PAGES 8u
#define PAGES	 (NR_IOS * IO_PAGES)

enum { RING, PLAIN, NR_WAYS };

static struct fl_queue queue;
static char *memory; /* PAGES pages */
static struct fl_io io[NR_IOS];

/* As container runtimes do: io_uring_setup fails with EPERM from now on. */
static void refuse_rings(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {fl_array_size(code), code};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

/* False when this kernel has no rings to test. */
static bool setup(int way)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	if (way == PLAIN)
		refuse_rings();
	snprintf(path, sizeof(path), "%s/faultline-test-XXXXXX", dir ? dir : "/tmp");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	unlink(path);
	/* as the swap file is opened; a file system without it does as well */
	fcntl(fd, F_SETFL, O_DIRECT);
	memory = mmap(NULL, PAGES * FL_PAGE_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	queue.ops = &fl_backend_file;
	queue.impl = calloc(1, fl_backend_file_bytes());
	ck_assert_int_eq(queue.ops->open(&queue, fd), 0);
	if (way == PLAIN)
		ck_assert_int_eq(queue.ops->poll_fd(&queue), -1);
	else if (queue.ops->poll_fd(&queue) < 0)
		return false;
	return true;
}

static void done(void)
{
	ck_assert_uint_eq(queue.in_flight, 0);
	ck_assert_ptr_null(queue.ops->reap(&queue, true)); /* nothing to wait for */
	queue.ops->close(&queue);
	close(queue.fd);
	free(queue.impl);
}

static char *page(u32 n)
{
	return memory + (size_t)n * FL_PAGE_SIZE;
}

/* Request i of the file's slots from 1 + i * IO_PAGES; its pages in memory lie
 * in the file's order, or every other one first, so that some can be joined. */
static void prepare(u32 i, bool write)
{
	io[i] = (struct fl_io){.write = write,
		.slot = 1 + i * IO_PAGES,
		.npages = IO_PAGES,
		.error = 1,
		.owner = &io[i]};
	for (u32 k = 0; k < IO_PAGES; k++) {
		u32 at = i % 2 ? (k * 2 + k / (IO_PAGES / 2)) % IO_PAGES : k;

		io[i].iov[k] = (struct iovec){page(i * IO_PAGES + at), FL_PAGE_SIZE};
	}
}

static void reap_all(int error)
{
	for (u32 n = 0; n < NR_IOS; n++) {
		struct fl_io *back = queue.ops->reap(&queue, true);

		ck_assert_ptr_nonnull(back);
		ck_assert_ptr_eq(back->owner, back);
		ck_assert_int_eq(back->error, error);
		back->owner = NULL; /* each comes back once */
	}
}

START_TEST(test_write_and_read)
{
	if (!setup(_i))
		return;
	for (u32 n = 0; n < PAGES; n++)
		memset(page(n), (int)(n % 251 + 1), FL_PAGE_SIZE);
	for (u32 i = 0; i < NR_IOS; i++) {
		prepare(i, true);
		queue.ops->submit(&queue, &io[i]);
	}
	reap_all(0);

	memset(memory, 0, PAGES * FL_PAGE_SIZE);
	for (u32 i = NR_IOS; i--;) {
		prepare(i, false);
		queue.ops->submit(&queue, &io[i]);
	}
	reap_all(0);
	for (u32 n = 0; n < PAGES; n++)
		for (size_t b = 0; b < FL_PAGE_SIZE; b++)
			ck_assert_int_eq((unsigned char)page(n)[b], (int)(n % 251 + 1));
	done();
}
END_TEST

/* Beyond the end of the file there is nothing to read: an error, not zeros. */
START_TEST(test_short_read)
{
	if (!setup(_i))
		return;
	for (u32 i = 0; i < NR_IOS; i++) {
		prepare(i, false);
		queue.ops->submit(&queue, &io[i]);
	}
	reap_all(-EIO);
	done();
}
END_TEST

START_TEST(test_error)
{
	int dev_null = open("/dev/null", O_WRONLY);

	if (!setup(_i))
		return;
	ck_assert_int_ge(dup2(dev_null, queue.fd), 0); /* cannot be read */
	for (u32 i = 0; i < NR_IOS; i++) {
		prepare(i, false);
		queue.ops->submit(&queue, &io[i]);
	}
	reap_all(-EBADF);
	done();
}
END_TEST

START_TEST(test_reap_without_waiting)
{
	struct fl_io *back;

	if (!setup(_i))
		return;
	ck_assert_ptr_null(queue.ops->reap(&queue, false));
	prepare(0, true);
	queue.ops->submit(&queue, &io[0]);
	while (!(back = queue.ops->reap(&queue, false)))
		usleep(1000);
	ck_assert_ptr_eq(back, &io[0]);
	ck_assert_int_eq(back->error, 0);
	done();
}
END_TEST

static const struct test_case tests[] = {
	{&test_write_and_read, 0, NR_WAYS},
	{&test_short_read, 0, NR_WAYS},
	{&test_error, 0, NR_WAYS},
	{&test_reap_without_waiting, 0, NR_WAYS},
};

int main(void)
{
	return run_tests("swap/backend", tests, fl_array_size(tests));
}
