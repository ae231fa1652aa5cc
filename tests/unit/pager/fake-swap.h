/*
 * A swap device that takes its time: a request reads or writes only when it is reaped, and requests
 * end in any order. What changes a page under I/O, or uses it too early, shows in its content.
 *
 * Context: the thread that owns the queue.
 */
#ifndef FL_TEST_FAKE_SWAP_H
#define FL_TEST_FAKE_SWAP_H

#include "fake-host.h"

extern const struct fl_backend_ops fake_swap;

struct fake_swap_queue {
	struct fake *fake;
	struct fl_io *pending;
};

#endif
