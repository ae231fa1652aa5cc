/* The slow swap device; see fake-swap.h. */
#include "fake-swap.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int swap_open(struct fl_queue *q, int fd)
{
	q->fd = fd;
	q->in_flight = 0;
	q->done = NULL;
	return 0;
}

static void swap_close(struct fl_queue *q)
{
}

static void swap_submit(struct fl_queue *q, struct fl_io *io)
{
	struct fake_swap_queue *s = q->impl;

	if (!io->write) /* nothing valid until the read has ended */
		for (u32 i = 0; i < io->npages; i++)
			memset(io->iov[i].iov_base, 0xd1, FL_PAGE_SIZE);
	io->next = s->pending;
	s->pending = io;
	q->in_flight++;
}

static void transfer(struct fake *f, struct fl_queue *q, struct fl_io *io)
{
	/* the swap file is open with O_DIRECT, and the program's pages are aligned */
	io->error = 0;
	if (io->write && f->swap_error) {
		io->error = -(int)f->swap_error;
		return;
	}
	for (u32 i = 0; i < io->npages; i++) {
		off_t at = (off_t)(io->slot + i) * (off_t)FL_PAGE_SIZE;
		void *page = io->iov[i].iov_base;
		ssize_t r = io->write ? pwrite(q->fd, page, FL_PAGE_SIZE, at)
				      : pread(q->fd, page, FL_PAGE_SIZE, at);

		if (r != (ssize_t)FL_PAGE_SIZE)
			io->error = r < 0 ? -errno : -EIO;
	}
	if (io->write)
		f->swap_writes += io->npages;
	else
		f->swap_reads += io->npages;
}

static struct fl_io *swap_reap(struct fl_queue *q, bool wait)
{
	struct fake_swap_queue *s = q->impl;
	struct fake *f = s->fake;
	struct fl_io **at = &s->pending, *io;

	if (wait && q->in_flight && f->meanwhile && !fl_lock_is_held(&f->p.lock))
		f->meanwhile(f);
	if (!s->pending || (!wait && fake_random(&f->rng) % 2))
		return NULL;
	for (u64 skip = fake_random(&f->rng) % q->in_flight; skip && (*at)->next; skip--)
		at = &(*at)->next;
	io = *at;
	*at = io->next;
	q->in_flight--;
	transfer(f, q, io);
	return io;
}

static int swap_poll_fd(const struct fl_queue *q)
{
	return -1;
}

static u32 swap_mappings(const struct fl_queue *q, struct iovec *ret)
{
	return 0;
}

static int swap_now(struct fl_queue *q, bool write, u32 slot, const struct iovec *iov, u32 n, u32 npages)
{
	return fl_backend_file.now(q, write, slot, iov, n, npages);
}

const struct fl_backend_ops fake_swap = {
	.name = "fake",
	.open = swap_open,
	.close = swap_close,
	.submit = swap_submit,
	.reap = swap_reap,
	.poll_fd = swap_poll_fd,
	.mappings = swap_mappings,
	.now = swap_now,
};
