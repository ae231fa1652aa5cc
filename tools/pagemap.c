/* /proc/PID/pagemap; see pagemap.h. */
#include "pagemap.h"
#include "pagemap-compat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SCAN_REGIONS 1024
#define READ_PAGES   512u	  /* one table's worth: 2 MiB */
#define SMALL_BYTES  (1ull << 30) /* read in full without PAGEMAP_SCAN: 2 MiB of entries */

int pagemap_open(struct pagemap *p, int pid)
{
	char path[64];

	memset(p, 0, sizeof(*p));
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	return p->fd < 0 ? -errno : 0;
}

void pagemap_close(struct pagemap *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->run);
	memset(p, 0, sizeof(*p));
	p->fd = -1;
}

static int add(struct pagemap *p, u64 start, u64 end, u32 state)
{
	if (p->n && p->run[p->n - 1].end == start && p->run[p->n - 1].state == state) {
		p->run[p->n - 1].end = end;
		return 0;
	}
	if (p->n == p->room) {
		size_t room = p->room ? p->room * 2 : 256;
		struct kpage_run *run = realloc(p->run, room * sizeof(*run));

		if (!run)
			return -ENOMEM;
		p->run = run;
		p->room = room;
	}
	p->run[p->n++] = (struct kpage_run){start, end, state};
	return 0;
}

static int scan(struct pagemap *p, u64 start, u64 end)
{
	struct page_region found[SCAN_REGIONS];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.end = end,
		.vec = (u64)found,
		.vec_len = SCAN_REGIONS,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED | PAGE_IS_WRITTEN,
	};
	int err = 0;

	for (arg.start = start; arg.start < end && !err; arg.start = arg.walk_end) {
		int n = ioctl(p->fd, PAGEMAP_SCAN, &arg);

		if (n < 0)
			return -errno;
		for (int i = 0; i < n && !err; i++) {
			u64 c = found[i].categories;

			err = add(p, found[i].start, found[i].end,
				(c & PAGE_IS_PRESENT ? KPAGE_PRESENT : 0) |
					(c & PAGE_IS_SWAPPED ? KPAGE_SWAPPED : 0) |
					(c & PAGE_IS_WRITTEN ? 0 : KPAGE_WP));
		}
		if (arg.walk_end <= arg.start)
			break;
	}
	return err;
}

static int read_entries(struct pagemap *p, u64 start, u64 end)
{
	u64 entry[READ_PAGES];

	for (u64 at = start; at < end;) {
		size_t want = fl_min((end - at) / FL_PAGE_SIZE, (u64)READ_PAGES);
		ssize_t n = pread(p->fd, entry, want * 8, (off_t)(at / FL_PAGE_SIZE * 8));
		int err = 0;

		if (n < 8)
			return n < 0 ? -errno : 0;
		for (size_t i = 0; i < (size_t)n / 8 && !err; i++, at += FL_PAGE_SIZE)
			if (entry[i] & (PM_PRESENT | PM_SWAP))
				err = add(p, at, at + FL_PAGE_SIZE,
					(entry[i] & PM_PRESENT ? KPAGE_PRESENT : 0) |
						(entry[i] & PM_SWAP ? KPAGE_SWAPPED : 0) |
						(entry[i] & PM_UFFD_WP ? KPAGE_WP : 0));
		if (err)
			return err;
	}
	return 0;
}

/* The aligned 2 MiB around each known page. */
static int read_around(
	struct pagemap *p, u64 start, u64 end, const struct fl_snap_page *known, size_t nr_known)
{
	const u64 chunk = READ_PAGES * FL_PAGE_SIZE;
	u64 done = start;

	for (size_t i = 0; i < nr_known; i++) {
		u64 from = fl_max(known[i].va & ~(chunk - 1), done);
		u64 to = fl_min((known[i].va & ~(chunk - 1)) + chunk, end);
		int err = from < to ? read_entries(p, from, to) : 0;

		if (err)
			return err;
		done = fl_max(done, to);
	}
	return 0;
}

int pagemap_read(
	struct pagemap *p, u64 start, u64 end, const struct fl_snap_page *known, size_t nr_known)
{
	size_t before = p->n;
	int err;

	if (!p->no_scan) {
		err = scan(p, start, end);
		if (err != -ENOTTY && err != -EINVAL)
			return err;
		p->no_scan = true;
		p->n = before;
	}
	if (end - start <= SMALL_BYTES)
		return read_entries(p, start, end);
	return read_around(p, start, end, known, nr_known);
}
