/*
 * Making and mapping the machine: layout of its memory file, the swap file.
 * See machine.h; processes are in procs.c, frames in zone.c, slots in swap.c.
 */
#include "machine/machine.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <time.h>

/* Frames that a budget keeps back: a page copied in or out exists twice for a
 * moment, and swap requests of a dying process may still be under way. */
#define TRANSIT_FRAMES 64u

#define DEFAULT_MAX_SLOTS (1u << 24) /* 64 GiB of swap unless size= says more */
#define LIMITED_MAX_SLOTS (1u << 22) /* the same where address space is limited */

u64 fl_now_ns(void)
{
	struct timespec ts;

	fl_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

u32 fl_now_ms(const struct fl_machine *t)
{
	return (u32)((fl_now_ns() - t->start_ns) / 1000000);
}

u64 fl_cycles_to_ns(const struct fl_machine *t, u64 cycles)
{
	return cycles / t->cycles_per_us * 1000 + cycles % t->cycles_per_us * 1000 / t->cycles_per_us;
}

/* The processor does not tell: 200 us of both clocks do, to a part in a thousand. */
static u64 measure_cycles_per_us(void)
{
	u64 ns = fl_now_ns(), cycles = fl_cycles(), took;

	while ((took = fl_now_ns() - ns) < 200000)
		;
	return fl_max((fl_cycles() - cycles) * 1000 / took, 1u);
}

static u32 total_ram_frames(void)
{
	struct sysinfo si;

	fl_syscall(SYS_sysinfo, &si);
	return (u32)fl_min((u64)si.totalram * si.mem_unit / FL_PAGE_SIZE, 1ull << 31);
}

/* What describes the swap file is mapped by all: it shall not take what little room there is. */
static u32 default_max_slots(void)
{
	struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};

	fl_syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, &l);
	return l.rlim_max == RLIM_INFINITY ? DEFAULT_MAX_SLOTS : LIMITED_MAX_SLOTS;
}

static u64 lay(u64 *at, u64 bytes)
{
	u64 start = fl_page_up(*at);

	*at = start + bytes;
	return start;
}

static void lay_out(struct fl_machine *t)
{
	u64 at = sizeof(*t), frames = t->nframes;

	t->procs_at = lay(&at, sizeof(struct fl_proc) * FL_NR_PROCS);
	t->next_at = lay(&at, frames * 4);
	t->prev_at = lay(&at, frames * 4);
	t->order_at = lay(&at, frames);
	t->refs_at = lay(&at, frames * 2);
	t->slot_count_at = lay(&at, (u64)t->max_slots * 2);
	t->slot_used_at = lay(&at, t->max_slots / FL_SLOT_CLUSTER);
	t->frame_slot_at = lay(&at, frames * 4);
	t->slot_frame_at = lay(&at, (u64)t->max_slots * 4);
	t->published_at = lay(&at, (frames + 63) / 64 * 8);
	t->shmems_at = lay(&at, sizeof(struct fl_shmem) * FL_NR_SHMEM);
	t->shmem_entries_at = lay(&at, t->config.page_shared ? (u64)FL_SHMEM_PAGES * 8 : 0);
	t->shmem_chunks_at = lay(&at,
		t->config.page_shared ? FL_SHMEM_PAGES / FL_SHMEM_CHUNK * sizeof(struct fl_shmem_chunk) : 0);
	t->shmem_slots_at = lay(&at, t->config.page_shared ? frames * 4 : 0);
	t->held_slots_at = fl_page_up((frames + 7) / 8);
	t->held_stride = t->held_slots_at + fl_page_up(t->max_slots / 8);
	t->shmem_held_at = lay(&at, t->held_stride);
	if (t->zpool.max_blocks) {
		t->zentries_at = lay(&at, (u64)t->max_slots * 8);
		t->zstamps_at = lay(&at, (u64)t->max_slots * 4);
		t->zblocks_at = lay(&at, t->zpool.max_blocks * sizeof(struct fl_zblock));
		t->zdata_at = lay(&at, t->zpool.max_blocks * FL_ZBLOCK_BYTES);
	}
	t->held_at = lay(&at, 0);
	t->file_bytes = t->held_at + t->held_stride * FL_NR_PROCS;
}

/* How much of the budget compressed pages may take: the rest is what a program works in. */
#define ZPOOL_SHARE(frames) ((frames) - (frames) / 8)

/* Charged or not, what it holds cannot be more than what it stands for. */
static void set_up_zpool(struct fl_machine *t)
{
	const struct fl_config *c = &t->config;
	u32 most = c->zram_uncharged ? total_ram_frames() : ZPOOL_SHARE(t->nframes);

	if (c->zram_max_bytes)
		most = (u32)fl_min(most, c->zram_max_bytes / FL_PAGE_SIZE);
	if (c->zram)
		fl_zpool_init(&t->zpool, fl_max(fl_min(most, t->max_slots) / FL_ZBLOCK_PAGES, 1u),
			!c->zram_uncharged);
}

static int open_swap(const struct fl_config *c, char *why, size_t n)
{
	const char *path = c->swap_path[0] ? c->swap_path : NULL;
	int flags = O_RDWR | O_CLOEXEC, direct = O_DIRECT;
	long fd;

	if (!path)
		path = "/tmp";
	for (;;) {
		fd = fl_syscall(SYS_openat, AT_FDCWD, path, flags | direct | O_TMPFILE | O_EXCL, 0600);
		if (fd == -EINVAL && direct) { /* no O_DIRECT here (an old tmpfs) */
			direct = 0;
			continue;
		}
		break;
	}
	if (fd == -ENOTDIR || fd == -ENOENT) {
		/* a file's name: made, opened and unlinked; its folder must exist */
		fd = fl_syscall(SYS_openat, AT_FDCWD, path, flags | O_DIRECT | O_CREAT | O_EXCL, 0600);
		if (fd == -EINVAL) {
			fl_syscall(SYS_unlink, path); /* made, and then not opened */
			fd = fl_syscall(SYS_openat, AT_FDCWD, path, flags | O_CREAT | O_EXCL, 0600);
		}
		if (fd == -EEXIST) {
			fl_format(why, n, "swap %s: exists already and is not a directory: name a directory, or a file to be made", path);
			return -EEXIST;
		}
		if (fd >= 0)
			fl_syscall(SYS_unlink, path);
	} else if (fd == -EOPNOTSUPP || fd == -EISDIR) {
		/* a file system without O_TMPFILE */
		char name[FL_PATH_MAX + 32];

		fl_format(name, sizeof(name), "%s/faultline-swap-%d-%lx", path,
			(int)fl_syscall(SYS_getpid), fl_cycles());
		fd = fl_syscall(SYS_openat, AT_FDCWD, name, flags | O_CREAT | O_EXCL, 0600);
		if (fd >= 0)
			fl_syscall(SYS_unlink, name);
	}
	if (fd < 0) {
		fl_format(why, n, "swap file in %s: %s: name a writable directory with --swap file:DIR", path, fl_errname((int)-fd));
		return (int)fd;
	}
	return (int)fd;
}

int fl_machine_create(const struct fl_config *c, int *ret_mem_fd, int *ret_swap_fd, char *why,
	size_t n)
{
	struct fl_machine *t;
	int swap_fd = -1;
	long fd, r;

	fd = fl_syscall(SYS_memfd_create, "faultline", MFD_CLOEXEC);
	if (fd < 0) {
		fl_format(why, n, "shared memory: %s: is the kernel older than 3.17?", fl_errname((int)-fd));
		return (int)fd;
	}
	/* where there is no file a descriptor has its place: all who hand it on need not know */
	swap_fd = fl_has_swap_file(c) ? open_swap(c, why, n) : (int)fl_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (swap_fd < 0) {
		fl_syscall(SYS_close, fd);
		return swap_fd;
	}
	struct fl_machine head = {.magic = FL_MACHINE_MAGIC, .version = FL_MACHINE_VERSION};
	u32 ram = total_ram_frames();
	u64 swap_max;

	head.config = *c;
	head.nframes = c->ram_bytes ?
		(u32)fl_min(c->ram_bytes / FL_PAGE_SIZE, (u64)1 << 31) - TRANSIT_FRAMES : ram;
	swap_max = fl_has_swap_file(c) ? c->swap_max_bytes : c->zram_max_bytes;
	head.max_slots = swap_max ?
		(u32)fl_min(swap_max / FL_PAGE_SIZE, (u64)1 << 31) : default_max_slots();
	head.max_slots = (u32)fl_max(head.max_slots & ~(FL_SLOT_CLUSTER - 1), FL_SLOT_CLUSTER);
	set_up_zpool(&head);
	lay_out(&head);

	r = fl_syscall(SYS_ftruncate, fd, head.file_bytes);
	if (r == 0)
		r = fl_syscall(SYS_mmap, NULL, fl_page_up(sizeof(*t)), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	if (fl_is_err(r)) {
		fl_format(why, n, "shared memory: %s: is a file size limit (ulimit -f) in force?", fl_errname((int)-r));
		fl_syscall(SYS_close, swap_fd);
		fl_syscall(SYS_close, fd);
		return (int)r;
	}
	t = (struct fl_machine *)r;
	*t = head;
	t->start_ns = fl_now_ns();
	t->start_cycles = fl_cycles();
	t->cycles_per_us = measure_cycles_per_us();
	fl_shlock_init(&t->limits_lock, FL_RANK_LIMITS);
	fl_shlock_init(&t->proc_lock, FL_RANK_PROC);
	fl_shlock_init(&t->shmem_lock, FL_RANK_SHMEM);
	fl_shlock_init(&t->zone_lock, FL_RANK_ZONE);
	fl_shlock_init(&t->swap_lock, FL_RANK_SWAP);
	fl_buddy_init(&t->zone, t->nframes);
	fl_slots_init(&t->slots, t->max_slots);
	fl_syscall(SYS_munmap, t, fl_page_up(sizeof(*t)));
	*ret_mem_fd = (int)fd;
	*ret_swap_fd = swap_fd;
	return 0;
}

int fl_machine_open(struct fl_machine_view *v, int mem_fd, int swap_fd)
{
	struct fl_machine *head;
	u64 bytes;
	long r;

	memset(v, 0, sizeof(*v));
	r = fl_syscall(SYS_mmap, NULL, FL_PAGE_SIZE, PROT_READ, MAP_SHARED, mem_fd, 0);
	if (fl_is_err(r))
		return (int)r;
	head = (struct fl_machine *)r;
	if (head->magic != FL_MACHINE_MAGIC || head->version != FL_MACHINE_VERSION) {
		fl_syscall(SYS_munmap, head, FL_PAGE_SIZE);
		return -EINVAL;
	}
	bytes = head->held_at + head->held_stride;
	fl_syscall(SYS_munmap, head, FL_PAGE_SIZE);
	r = fl_syscall(SYS_mmap, fl_own_hint(bytes), bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_NORESERVE, mem_fd, 0);
	if (fl_is_err(r))
		return (int)r;
	/* a core dump would give memory to every hole of it */
	fl_syscall(SYS_madvise, r, bytes, MADV_DONTDUMP);
	v->t = (struct fl_machine *)r;
	v->mapped_bytes = bytes;
	v->window = (u64)r + v->t->held_at;
	v->mem_fd = mem_fd;
	v->swap_fd = swap_fd;
	v->procs = (struct fl_proc *)(r + v->t->procs_at);
	v->zone.next = (u32 *)(r + v->t->next_at);
	v->zone.prev = (u32 *)(r + v->t->prev_at);
	v->zone.order = (u8 *)(r + v->t->order_at);
	v->refs = (u16 *)(r + v->t->refs_at);
	v->slots.count = (u16 *)(r + v->t->slot_count_at);
	v->slots.used = (u8 *)(r + v->t->slot_used_at);
	v->frame_slot = (u32 *)(r + v->t->frame_slot_at);
	v->slot_frame = (u32 *)(r + v->t->slot_frame_at);
	v->shmems = (struct fl_shmem *)(r + v->t->shmems_at);
	v->published = (u64 *)(r + v->t->published_at);
	if (v->t->zpool.max_blocks) {
		v->zpool.z = &v->t->zpool;
		v->zpool.entry = (u64 *)(r + v->t->zentries_at);
		v->zpool.stamp = (u32 *)(r + v->t->zstamps_at);
		v->zpool.block = (struct fl_zblock *)(r + v->t->zblocks_at);
		v->zpool.data = (u8 *)(r + v->t->zdata_at);
	}
	return 0;
}
