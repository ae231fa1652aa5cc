/*
 * The swap file: io_uring where there is one, else preadv and pwritev.
 *
 * One ring a thread, made at its first request, so that a program that never
 * swaps never pays for it. O_DIRECT pages go between the disk and the pool's
 * frames without a copy.
 */
#include "swap/backend.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <liburing.h>

#define DEPTH 64

struct file_queue {
	struct io_uring ring;
	bool has_ring;
};

size_t fl_backend_file_bytes(void)
{
	return sizeof(struct file_queue);
}

static int file_open(struct fl_queue *q, int fd)
{
	struct file_queue *f = q->impl;

	q->fd = fd;
	q->in_flight = 0;
	q->done = NULL;
	f->has_ring = io_uring_queue_init(DEPTH, &f->ring, IORING_SETUP_CLAMP) == 0;
	if (f->has_ring)
		io_uring_ring_dontfork(&f->ring);
	return 0;
}

static void file_close(struct fl_queue *q)
{
	struct file_queue *f = q->impl;

	if (f->has_ring)
		io_uring_queue_exit(&f->ring);
	f->has_ring = false;
}

/* Pages next to each other in memory become one segment. */
static int join(struct fl_io *io)
{
	int n = 0;

	for (u32 i = 0; i < io->npages; i++)
		if (n && (char *)io->iov[n - 1].iov_base + io->iov[n - 1].iov_len ==
				(char *)io->iov[i].iov_base)
			io->iov[n - 1].iov_len += io->iov[i].iov_len;
		else
			io->iov[n++] = io->iov[i];
	return n;
}

static int result_of(long bytes, u32 npages)
{
	if (bytes == (long)(npages * FL_PAGE_SIZE))
		return 0;
	return bytes < 0 ? (int)bytes : -EIO;
}

static int file_now(struct fl_queue *q, bool write, u32 slot, const struct iovec *iov, u32 n, u32 npages)
{
	long r;

	do
		r = fl_syscall(
			write ? SYS_pwritev : SYS_preadv, q->fd, iov, n, (u64)slot * FL_PAGE_SIZE, 0);
	while (r == -EINTR);
	return result_of(r, npages);
}

static void submit_plain(struct fl_queue *q, struct fl_io *io, int segments)
{
	io->error = file_now(q, io->write, io->slot, io->iov, (u32)segments, io->npages);
	io->next = q->done;
	q->done = io;
	q->in_flight++;
}

static void file_submit(struct fl_queue *q, struct fl_io *io)
{
	struct file_queue *f = q->impl;
	struct io_uring_sqe *sqe;
	int segments = join(io);

	if (!f->has_ring || q->in_flight >= DEPTH || !(sqe = io_uring_get_sqe(&f->ring))) {
		submit_plain(q, io, segments);
		return;
	}
	if (io->write)
		io_uring_prep_writev(sqe, q->fd, io->iov, (unsigned int)segments,
			(u64)io->slot * FL_PAGE_SIZE);
	else
		io_uring_prep_readv(sqe, q->fd, io->iov, (unsigned int)segments,
			(u64)io->slot * FL_PAGE_SIZE);
	io_uring_sqe_set_data(sqe, io);
	q->in_flight++;
}

/* Begins all that was taken up, in one go. */
static void begin(struct file_queue *f)
{
	int r;

	if (!f->has_ring || !io_uring_sq_ready(&f->ring))
		return;
	do
		r = io_uring_submit(&f->ring);
	while (r == -EINTR || r == -EAGAIN || r == -EBUSY);
}

static struct fl_io *file_reap(struct fl_queue *q, bool wait)
{
	struct file_queue *f = q->impl;
	struct io_uring_cqe *cqe = NULL;
	struct fl_io *io = q->done;
	int r;

	begin(f);
	if (io) {
		q->done = io->next;
		q->in_flight--;
		return io;
	}
	if (!f->has_ring || !q->in_flight)
		return NULL;
	do
		r = wait ? io_uring_wait_cqe(&f->ring, &cqe) : io_uring_peek_cqe(&f->ring, &cqe);
	while (r == -EINTR || (wait && r == -EAGAIN));
	if (r < 0 || !cqe)
		return NULL;
	io = io_uring_cqe_get_data(cqe);
	io->error = result_of(cqe->res, io->npages);
	io_uring_cqe_seen(&f->ring, cqe);
	q->in_flight--;
	return io;
}

static int file_poll_fd(const struct fl_queue *q)
{
	const struct file_queue *f = q->impl;

	return f->has_ring ? f->ring.ring_fd : -1;
}

static u32 file_mappings(const struct fl_queue *q, struct iovec *ret)
{
	const struct file_queue *f = q->impl;
	const struct io_uring *r = &f->ring;
	u32 n = 0;

	if (!f->has_ring)
		return 0;
	ret[n++] = (struct iovec){r->sq.ring_ptr, r->sq.ring_sz};
	if (r->cq.ring_ptr != r->sq.ring_ptr)
		ret[n++] = (struct iovec){r->cq.ring_ptr, r->cq.ring_sz};
	ret[n++] = (struct iovec){r->sq.sqes, r->sq.ring_entries * sizeof(struct io_uring_sqe)};
	return n;
}

const struct fl_backend_ops fl_backend_file = {
	.name = "file",
	.open = file_open,
	.close = file_close,
	.submit = file_submit,
	.reap = file_reap,
	.poll_fd = file_poll_fd,
	.mappings = file_mappings,
	.now = file_now,
};
