/*
 * Compressed memory as a swap device.
 *
 * As drivers/block/zram: a page that repeats one word takes no memory, one that hardly
 * becomes smaller is kept as it is, or goes to the file below if there is one. Pages are
 * compressed and expanded by the thread that the queue belongs to, for writes in lots, so that
 * the lock of the pool is taken once for many.
 *
 * A page of this device may go to the file at any time (write-back), by another process too. So
 * who has read an object looks at the slot's entry once more.
 */
#include "swap/backend.h"
#include "swap/zpool.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>

#define LOT_BYTES (64u << 10) /* of compressed pages: so many are stored at once */

struct zram_queue {
	struct fl_queue below;	/* the file's; not open without one */
	struct fl_compressor compressor;
	struct fl_io *todo, **todo_tail; /* that this thread is to do */
	u16 bytes[FL_IO_PAGES];
	u64 entries[FL_IO_PAGES];
	const void *from[FL_IO_PAGES];
	u8 lot[LOT_BYTES];
};

/* The pages of an array of segments, one after the other. */
struct pages {
	const struct iovec *iov;
	size_t at;
};

static u8 *next_page(struct pages *p)
{
	u8 *page = (u8 *)p->iov->iov_base + p->at;

	p->at += FL_PAGE_SIZE;
	if (p->at == p->iov->iov_len) {
		p->iov++;
		p->at = 0;
	}
	return page;
}

static size_t head_bytes(void)
{
	return fl_page_up(sizeof(struct zram_queue) + fl_backend_file_bytes());
}

size_t fl_backend_zram_bytes(enum fl_compression how)
{
	return head_bytes() + fl_compressor_bytes(how);
}

void *fl_backend_zram_init(void *memory, enum fl_compression how)
{
	struct zram_queue *z = memory;

	z->below.ops = &fl_backend_file;
	z->below.impl = z + 1;
	fl_compressor_init(&z->compressor, how, (u8 *)memory + head_bytes());
	return memory;
}

static int zram_open(struct fl_queue *q, int fd)
{
	struct zram_queue *z = q->impl;

	q->fd = fd;
	q->in_flight = 0;
	q->done = z->todo = NULL;
	z->todo_tail = &z->todo;
	return q->has_file ? z->below.ops->open(&z->below, fd) : 0;
}

static void zram_close(struct fl_queue *q)
{
	struct zram_queue *z = q->impl;

	if (q->has_file)
		z->below.ops->close(&z->below);
}

static bool repeats_word(const u8 *page)
{
	const u64 *word = (const u64 *)page;

	if ((u32)word[0] != (u32)(word[0] >> 32))
		return false;
	for (u32 i = 1; i < FL_PAGE_SIZE / sizeof(u64); i++)
		if (word[i] != word[0])
			return false;
	return true;
}

static void fill(u8 *page, u32 word)
{
	for (u32 i = 0; i < FL_PAGE_SIZE / sizeof(u64); i++)
		((u64 *)page)[i] = (u64)word << 32 | word;
}

/* Compresses pages, until there are no more or the lot is full. How many. */
static u32 compress_lot(struct zram_queue *z, struct pages *p, u32 n)
{
	u32 used = 0, i;

	for (i = 0; i < n && i < FL_IO_PAGES && used + FL_ZOBJECT_MOST <= LOT_BYTES; i++) {
		const u8 *page = next_page(p);
		u32 bytes;

		z->entries[i] = 0;
		z->bytes[i] = 0;
		if (repeats_word(page)) {
			z->entries[i] = fl_zentry_same(*(const u32 *)page);
			continue;
		}
		bytes = fl_compress(&z->compressor, page, z->lot + used, FL_ZOBJECT_MOST);
		z->bytes[i] = (u16)(bytes ? bytes : FL_PAGE_SIZE);
		z->from[i] = bytes ? z->lot + used : page;
		used += bytes;
	}
	return i;
}

/* Pages to the file, at their slots' places. 0 or -errno. */
static int write_below(struct fl_queue *q, u32 slot, struct pages p, u32 n)
{
	static const u16 none[FL_IO_PAGES];
	struct iovec iov[FL_IO_PAGES];
	u64 entries[FL_IO_PAGES];
	int err;

	if (!q->has_file)
		return -ENOSPC;
	for (u32 i = 0; i < n; i++) {
		iov[i] = (struct iovec){next_page(&p), FL_PAGE_SIZE};
		entries[i] = fl_zentry_file();
	}
	err = fl_backend_file.now(q, true, slot, iov, n, n);
	if (!err)
		fl_zpool_store(q->pool, slot, n, none, entries);
	return err;
}

/* One lot. 0 or -errno: there is no room. */
static int store_lot(struct fl_queue *q, u32 slot, struct pages p, u32 n)
{
	struct zram_queue *z = q->impl;
	u32 stored = fl_zpool_store(q->pool, slot, n, z->bytes, z->entries);

	for (u32 i = 0; i < stored; i++) {
		if (z->bytes[i])
			memcpy(fl_zobject(q->pool, z->entries[i]), z->from[i], z->bytes[i]);
		next_page(&p);
	}
	return stored == n ? 0 : write_below(q, slot + stored, p, n - stored);
}

static bool hardly_smaller(const struct zram_queue *z, u32 n)
{
	u32 huge = 0;

	for (u32 i = 0; i < n; i++)
		huge += z->bytes[i] == FL_PAGE_SIZE;
	return huge * 2 > n;
}

static int write_pages(struct fl_queue *q, u32 slot, const struct iovec *iov, u32 npages)
{
	struct zram_queue *z = q->impl;
	struct pages p = {iov, 0};

	while (npages) {
		struct pages first = p;
		u32 n = compress_lot(z, &p, npages);
		int err = q->has_file && hardly_smaller(z, n) ? write_below(q, slot, first, n) : -EAGAIN;

		if (err && (err = store_lot(q, slot, first, n)))
			return err;
		slot += n;
		npages -= n;
	}
	return 0;
}

/* 0 or -errno. */
static int read_page(struct fl_queue *q, u32 slot, u8 *page)
{
	struct zram_queue *z = q->impl;
	struct iovec iov = {page, FL_PAGE_SIZE};
	u64 e, again = fl_zentry(q->pool, slot);
	bool ok;

	do {
		e = again;
		ok = true;
		switch (fl_zentry_kind(e)) {
		case FL_Z_SAME:
			fill(page, fl_zentry_word(e));
			return 0;
		case FL_Z_OBJECT:
			if (fl_zentry_bytes(e) == FL_PAGE_SIZE)
				memcpy(page, fl_zobject(q->pool, e), FL_PAGE_SIZE);
			else
				ok = fl_decompress(&z->compressor, fl_zobject(q->pool, e), fl_zentry_bytes(e), page);
			break;
		case FL_Z_FILE:
			return fl_backend_file.now(q, false, slot, &iov, 1, 1);
		default:
			return -EIO;
		}
		/* what was read was read before the entry is: on x86-64 by itself, but for the compiler */
		__asm__ volatile("" : : : "memory");
		again = fl_zentry(q->pool, slot);
	} while (e != again);
	return ok ? 0 : -EIO;
}

static int read_pages(struct fl_queue *q, u32 slot, const struct iovec *iov, u32 npages)
{
	struct pages p = {iov, 0};
	int err = 0;

	for (u32 i = 0; i < npages && !err; i++)
		err = read_page(q, slot + i, next_page(&p));
	return err;
}

u32 fl_zram_write_back(struct fl_queue *q, u32 slot, u32 n, u8 *buf)
{
	struct iovec iov = {buf, 0};
	u32 stamp[FL_IO_PAGES], k, gone = 0;

	n = fl_min(n, FL_IO_PAGES);
	for (k = 0; k < n && fl_zentry_kind(fl_zentry(q->pool, slot + k)) == FL_Z_OBJECT; k++) {
		stamp[k] = q->pool->stamp[slot + k];
		if (read_page(q, slot + k, buf + k * FL_PAGE_SIZE) < 0)
			break;
	}
	iov.iov_len = k * FL_PAGE_SIZE;
	if (!k || fl_backend_file.now(q, true, slot, &iov, 1, k) < 0)
		return 0;
	for (u32 i = 0; i < k; i++)
		gone += fl_zpool_to_file(q->pool, slot + i, stamp[i]);
	return gone;
}

static int zram_now(struct fl_queue *q, bool write, u32 slot, const struct iovec *iov, u32 n, u32 npages)
{
	return write ? write_pages(q, slot, iov, npages) : read_pages(q, slot, iov, npages);
}

static bool is_in_file(const struct fl_queue *q, const struct fl_io *io)
{
	for (u32 i = 0; i < io->npages; i++)
		if (fl_zentry_kind(fl_zentry(q->pool, io->slot + i)) != FL_Z_FILE)
			return false;
	return true;
}

static void zram_submit(struct fl_queue *q, struct fl_io *io)
{
	struct zram_queue *z = q->impl;

	q->in_flight++;
	if (!io->write && q->has_file && is_in_file(q, io)) {
		z->below.ops->submit(&z->below, io);
		return;
	}
	io->next = NULL;
	*z->todo_tail = io;
	z->todo_tail = &io->next;
}

static void zram_work(struct fl_queue *q)
{
	struct zram_queue *z = q->impl;
	struct fl_io *io;

	while ((io = z->todo)) {
		z->todo = io->next;
		if (!z->todo)
			z->todo_tail = &z->todo;
		io->error = zram_now(q, io->write, io->slot, io->iov, io->npages, io->npages);
		io->next = q->done;
		q->done = io;
	}
}

static struct fl_io *zram_reap(struct fl_queue *q, bool wait)
{
	struct zram_queue *z = q->impl;
	struct fl_io *io;

	if (!q->done)
		zram_work(q);
	io = q->done;
	if (io)
		q->done = io->next;
	else if (z->below.in_flight)
		io = z->below.ops->reap(&z->below, wait);
	if (io)
		q->in_flight--;
	return io;
}

static int zram_poll_fd(const struct fl_queue *q)
{
	const struct zram_queue *z = q->impl;

	return q->has_file ? z->below.ops->poll_fd(&z->below) : -1;
}

static u32 zram_mappings(const struct fl_queue *q, struct iovec *ret)
{
	const struct zram_queue *z = q->impl;

	return q->has_file ? z->below.ops->mappings(&z->below, ret) : 0;
}

const struct fl_backend_ops fl_backend_zram = {
	.name = "zram",
	.open = zram_open,
	.close = zram_close,
	.submit = zram_submit,
	.reap = zram_reap,
	.poll_fd = zram_poll_fd,
	.mappings = zram_mappings,
	.work = zram_work,
	.now = zram_now,
};
