/*
 * io_uring reads and writes with buffers in managed memory: the kernel's own
 * workers fault on swapped pages.
 */
#include "sem.h"
#include <linux/io_uring.h>
#include <sys/syscall.h>

enum { ENTRIES = 16, CHUNK = 16 };

static struct io_uring_params params;
static unsigned int *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static int ring;

static void setup(void)
{
	char *sq, *cq;

	ring = syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring < 0)
		sem_skip("io_uring is not available");
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(*cqes),
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, params.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && sqes != MAP_FAILED, "the rings' memory");
	sq_tail = (unsigned int *)(sq + params.sq_off.tail);
	sq_mask = (unsigned int *)(sq + params.sq_off.ring_mask);
	sq_array = (unsigned int *)(sq + params.sq_off.array);
	cq_head = (unsigned int *)(cq + params.cq_off.head);
	cq_tail = (unsigned int *)(cq + params.cq_off.tail);
	cq_mask = (unsigned int *)(cq + params.cq_off.ring_mask);
	cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
}

static void transfer(int op, int fd, char *base, size_t first, unsigned int count)
{
	for (unsigned int k = 0; k < count; k++) {
		unsigned int tail = *sq_tail, i = tail & *sq_mask;
		size_t page = first + k * CHUNK;

		memset(&sqes[i], 0, sizeof(sqes[i]));
		sqes[i].opcode = op;
		sqes[i].fd = fd;
		sqes[i].addr = (uintptr_t)(base + page * PAGE);
		sqes[i].len = CHUNK * PAGE;
		sqes[i].off = page * PAGE;
		sqes[i].flags = k % 2 ? IOSQE_ASYNC : 0;
		sq_array[i] = i;
		__atomic_store_n(sq_tail, tail + 1, __ATOMIC_RELEASE);
	}
	for (unsigned int submitted = 0, seen = 0; seen < count;) {
		long r = syscall(SYS_io_uring_enter, ring, count - submitted, 1,
			IORING_ENTER_GETEVENTS, NULL, 0);

		CHECK(r >= 0 || errno == EINTR, "io_uring_enter");
		submitted += r > 0 ? r : 0;
		while (*cq_head != __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE)) {
			struct io_uring_cqe *c = &cqes[*cq_head & *cq_mask];

			CHECK(c->res == (int)(CHUNK * PAGE), "a transfer ended with %d", c->res);
			__atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
			seen++;
		}
	}
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 32);
	char *src = map_filled(pages, 1), *dst = map(pages * PAGE);
	FILE *f = tmpfile();

	CHECK(f, "tmpfile");
	setup();
	push_out();
	for (size_t i = 0; i < pages; i += ENTRIES * CHUNK)
		transfer(IORING_OP_WRITE, fileno(f), src, i, ENTRIES);
	push_out();
	for (size_t i = 0; i < pages; i += ENTRIES * CHUNK)
		transfer(IORING_OP_READ, fileno(f), dst, i, ENTRIES);
	expect(dst, pages, 1);
	expect(src, pages, 1);
	say("io_uring: ok\n");
	return 0;
}
