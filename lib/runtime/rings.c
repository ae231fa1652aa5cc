/*
 * Where the rings of the swap file are mapped.
 *
 * io_uring refuses any address but one of the kernel's choice, and that would be in the midst of
 * the program's mappings at the moment when swapping begins: two that were to become one would be
 * kept apart. So the choice is arranged. A few pages are set apart at the start, where the kernel
 * puts what comes first, and given free for just the moment in which it chooses.
 *
 * Context: start; else mm lock held.
 */
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"

#include <sys/mman.h>

#define AREA_PAGES 4u /* two rings; each has one mapping for its heads and one for its requests */

static struct {
	u64 start;
	u32 plugged; /* a bit for each page that is set apart */
} area;

static long map_plug(u64 at, u64 bytes, int flags)
{
	return fl_syscall(SYS_mmap, at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static const struct fl_backend_ops *device;

static void plug(void)
{
	for (u32 i = 0; area.start && i < AREA_PAGES; i++)
		if (!fl_is_err(map_plug(
			    area.start + i * FL_PAGE_SIZE, FL_PAGE_SIZE, MAP_FIXED_NOREPLACE)))
			area.plugged |= 1u << i;
}

static void unplug(void)
{
	for (u32 i = 0; i < AREA_PAGES; i++)
		if (area.plugged & 1u << i)
			fl_syscall(SYS_munmap, area.start + i * FL_PAGE_SIZE, FL_PAGE_SIZE);
	area.plugged = 0;
}

static int open_queue(struct fl_queue *q, int fd)
{
	struct fl_limits limits;
	int r;

	fl_limits_lift(&limits);
	unplug();
	r = device->open(q, fd);
	plug();
	fl_limits_settle(&limits);
	return r;
}

const struct fl_backend_ops *fl_rings_init(const struct fl_config *c)
{
	static struct fl_backend_ops ops;
	long r;

	device = c->zram ? &fl_backend_zram : &fl_backend_file;
	ops = *device;
	ops.open = open_queue;
	if (!fl_has_swap_file(c))
		return &ops; /* no file, no rings */
	r = map_plug(0, AREA_PAGES * FL_PAGE_SIZE, 0);
	if (!fl_is_err(r)) {
		area.start = (u64)r;
		area.plugged = (1u << AREA_PAGES) - 1;
		fl_runtime_internal(area.start, area.start + AREA_PAGES * FL_PAGE_SIZE, false);
	}
	return &ops;
}

void fl_rings_child(void)
{
	plug(); /* the parent's are not here */
}
