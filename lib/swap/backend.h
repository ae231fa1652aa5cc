/*
 * A swap device: requests of whole pages, several in flight.
 *
 * A queue belongs to one thread. Requests belong to the caller and stay put
 * until they come back from fl_backend_reap.
 *
 * A queue's descriptors are in the table of the thread that opened it.
 *
 * Context: the thread that owns the queue; no lock needs to be held, any may be.
 */
#ifndef FL_SWAP_BACKEND_H
#define FL_SWAP_BACKEND_H

#include "base/types.h"
#include "swap/compress.h"

#include <sys/uio.h>

struct fl_zpool_view;

#define FL_QUEUE_MAPS 3u
#define FL_IO_PAGES 64u	/* most pages of one request */

struct fl_io {
	bool write;
	u32 slot;		/* first of npages consecutive slots */
	u32 npages;
	struct iovec iov[FL_IO_PAGES];	/* one page each; neighbours are joined */
	int error;		/* 0, or a negative errno */
	u64 start_cycles;
	u32 tid;		/* the thread that waits for it, 0: none */
	void *owner, *shared;	/* the caller's */
	struct fl_io *next;	/* the caller's */
};

struct fl_queue;

struct fl_backend_ops {
	const char *name;
	/* Opens a queue; 0 or -errno. */
	int (*open)(struct fl_queue *q, int fd);
	void (*close)(struct fl_queue *q);
	/* Takes a request up; it begins with the next reap, together with the
	 * others. Never fails: errors come back with the request. */
	void (*submit)(struct fl_queue *q, struct fl_io *io);
	/* One finished request, or NULL if none is; waits for one if wait is
	 * set and any is in flight. */
	struct fl_io *(*reap)(struct fl_queue *q, bool wait);
	/* A descriptor that polls readable when reap has something; -1: none
	 * is needed, requests finish within submit. */
	int (*poll_fd)(const struct fl_queue *q);
	/* The queue's own mappings, FL_QUEUE_MAPS at most: how many. */
	u32 (*mappings)(const struct fl_queue *q, struct iovec *ret);
	/* Of what was taken up, what takes this thread's own time (and touches the pages
	 * itself), instead of the device's: to be called where no lock is held that others
	 * wait for. reap does it else. NULL: there is never any. */
	void (*work)(struct fl_queue *q);
	/* npages from slot on, at once. The queue need not be open. 0 or -errno. */
	int (*now)(struct fl_queue *q, bool write, u32 slot, const struct iovec *iov, u32 n, u32 npages);
};

struct fl_queue {
	const struct fl_backend_ops *ops;
	int fd;			/* the swap file */
	struct fl_zpool_view *pool; /* of compressed pages; fl_backend_zram only */
	bool has_file;		/* below them */
	u32 in_flight;
	struct fl_io *done;	/* finished within submit */
	void *impl;		/* memory of the backend, zeroed at first */
};

static inline void fl_queue_work(struct fl_queue *q)
{
	if (q->ops->work && q->in_flight)
		q->ops->work(q);
}

/* The swap file through io_uring; where the kernel refuses it a queue, plain
 * reads and writes. impl must point to fl_backend_file_bytes() zeroed bytes. */
extern const struct fl_backend_ops fl_backend_file;
size_t fl_backend_file_bytes(void);

/* Compressed pages in memory (swap/zpool.h), by the queue's own thread; what does not fit, or
 * hardly becomes smaller, goes to the file below them, if there is one. pool and has_file of
 * the queue must be set, and impl be what fl_backend_zram_init has made of as many zeroed bytes. */
extern const struct fl_backend_ops fl_backend_zram;
size_t fl_backend_zram_bytes(enum fl_compression how);
void *fl_backend_zram_init(void *memory, enum fl_compression how);
/*
 * Write-back: up to n objects from slot on go to the file below, by way of n pages at buf. The
 * caller holds the slots, and none of them is given back meanwhile. How many pages went; a page in
 * between that is no object ends it, and so does an error: they stay.
 */
u32 fl_zram_write_back(struct fl_queue *q, u32 slot, u32 n, u8 *buf);

#endif
