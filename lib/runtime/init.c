/*
 * Starting in a program: memory of our own, the pool, the mirror, the handler.
 *
 * Everything is reserved and nothing is touched: what a program does not use
 * it does not pay for, and starting `true` costs some twenty system calls.
 */
#include "runtime/filemap.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/syscall.h"
#include "arch/x86_64/thread.h"
#include "base/log.h"
#include "base/own.h"
#include "base/procfs.h"
#include "machine/handoff.h"
#include "runtime/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* Reserved, and much less where address space is short. */
#define ARENA_BYTES	 (4ull << 30)
#define ARENA_LEAST	 (8ull << 20)
#define STACKS_BYTES	 (64ull << 20)
#define STACKS_LEAST	 (4ull << 20)
#define PART_OF_ROOM(room) ((room) / 32)

struct fl_runtime fl;

struct fl_range *fl_runtime_internal(u64 start, u64 end, bool data)
{
	struct fl_range *r = fl.internal, *past = fl.internal + fl.nr_internal;

	/* as it was before: a ring that is opened anew */
	while (r < past && (r->start != fl_page_down(start) || r->end != fl_page_up(end)))
		r++;
	if (r == past && fl.nr_internal < FL_MAX_INTERNAL) {
		*r = (struct fl_range){fl_page_down(start), fl_page_up(end), false, data};
		fl.nr_internal++;
	}
	return r < fl.internal + fl.nr_internal ? r : NULL;
}

void fl_runtime_not_internal(u64 start, u64 end)
{
	for (u32 i = 0; i < fl.nr_internal; i++)
		if (fl.internal[i].start == start && fl.internal[i].end == end) {
			fl.internal[i] = fl.internal[--fl.nr_internal];
			return;
		}
}

bool fl_is_internal(u64 start, u64 end, u64 *ret_stop)
{
	bool inside = false;

	*ret_stop = end;
	for (u32 i = 0; i < fl.nr_internal; i++) {
		const struct fl_range *r = &fl.internal[i];

		if (r->end <= start || r->start >= end)
			continue;
		if (r->start > start) {
			*ret_stop = fl_min(*ret_stop, r->start);
			continue;
		}
		inside = true;
		end = *ret_stop = fl_min(r->end, end);
	}
	return inside;
}

static void *reserve(u64 bytes)
{
	long r = fl_syscall(SYS_mmap, fl_own_hint(bytes), bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fl_is_err(r))
		return NULL;
	fl_runtime_internal((u64)r, (u64)r + bytes, true);
	return (void *)r;
}

/* With vm.overcommit_memory=2 what is reserved is promised memory, whatever we ask for
 * (MAP_NORESERVE): a part of what may be promised to all. */
static u64 commit_room(void)
{
	const char *name = "CommitLimit:", *s;
	char buf[4096];

	if (fl_read_file("/proc/sys/vm/overcommit_memory", buf, sizeof(buf)) <= 0 || buf[0] != '2' ||
		fl_read_file("/proc/meminfo", buf, sizeof(buf)) <= 0)
		return ~0ull;
	for (s = buf; *s && strncmp(s, name, strlen(name)); s++)
		;
	if (!*s)
		return ~0ull;
	s += strlen(name);
	return (fl_read_number(&s) << 10) / 16;
}

/* So much, or a part of what a limit that could not be lifted allows in all. */
static u64 fitting(u64 most, u64 least)
{
	u64 room = fl_min(fl_limits_room(), commit_room());

	return fl_page_up(fl_max(fl_min(most, PART_OF_ROOM(room)), least));
}

static void *mm_alloc(void *ctx, size_t bytes)
{
	return fl_arena_alloc(ctx, bytes);
}

static void mm_free(void *ctx, void *p, size_t bytes)
{
	fl_arena_free(ctx, p, bytes);
}

static u64 make_stage(struct fl_pager *p)
{
	struct fl_limits limits;
	long r;

	fl_limits_lift(&limits);
	r = fl_syscall(SYS_mmap, fl_own_hint(FL_PAGE_SIZE), FL_PAGE_SIZE,
		PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!fl_is_err(r))
		fl_runtime_internal((u64)r, (u64)r + FL_PAGE_SIZE, true);
	fl_limits_settle(&limits);
	if (fl_is_err(r) || fl_uffd_register(&fl.uffd, (u64)r, (u64)r + FL_PAGE_SIZE, false) < 0)
		return 0;
	return (u64)r;
}

static void __attribute__((noreturn)) dead(struct fl_pager *p, const char *why)
{
	fl_warn("%s (pid %d): killed: %s", p->machine.self->comm,
		(int)fl_syscall(SYS_getpid), why);
	fl_syscall(SYS_kill, fl_syscall(SYS_getpid), 9);
	for (;;)
		fl_syscall(SYS_pause);
}

/* The rings are our own mappings, and are not inherited by a child. */
static void queue_opened(struct fl_pager *p, struct fl_queue *q)
{
	struct iovec maps[FL_QUEUE_MAPS];
	u32 n = p->backend->mappings(q, maps);
	struct fl_limits limits;

	fl_limits_lift(&limits);
	for (u32 i = 0; i < n; i++) {
		u64 start = (u64)maps[i].iov_base;
		struct fl_range *r = fl_runtime_internal(start, start + maps[i].iov_len, false);

		if (r)
			r->not_inherited = true;
	}
	fl_limits_settle(&limits); /* they may lie elsewhere than in the place set apart for them */
}

static int reserve_arrays(struct fl_pager *p, u32 nframes)
{
	u64 n = nframes, links = fl_page_up(n * 4);
	u64 policy = fl_policy_bytes(&p->machine.t->config.policy_options, nframes);
	/* in one mapping: each of ours is one that the program cannot have (vm.max_map_count) */
	char *at = reserve(fl_page_up(n * sizeof(struct fl_page)) + 3 * links + fl_page_up(n) + policy);

	fl.pool_bytes = n * FL_PAGE_SIZE;
	p->pool = (u64)reserve(fl.pool_bytes);
	if (!at || !p->pool)
		return -ENOMEM;
	p->pages.page = (struct fl_page *)at;
	at += fl_page_up(n * sizeof(struct fl_page));
	p->pages.next = (u32 *)at;
	p->pages.prev = (u32 *)(at + links);
	p->pages.slot = (u32 *)(at + 2 * links);
	p->local_order = (u8 *)(at + 3 * links);
	p->policy_memory = at + 3 * links + fl_page_up(n);
	/* the child of a fork makes itself a new one */
	fl_syscall(SYS_madvise, p->pool, fl.pool_bytes, MADV_DONTFORK);
	return 0;
}

static int open_machine(struct fl_pager *p, const struct fl_config *c, int base, char *why,
	size_t n)
{
	int mem, swap, r;

	if (base < 0) {
		fl.is_root = true;
		base = fl.fd_base;
		r = fl_machine_create(c, &mem, &swap, why, n);
		if (r < 0)
			return r;
		mem = fl_fd_place(base, FL_FD_MEM, mem, false);
		swap = fl_fd_place(base, FL_FD_SWAP, swap, false);
		if (mem < 0 || swap < 0) {
			fl_format(why, n, "descriptors: no number is free below the limit: raise ulimit -n");
			return -EMFILE;
		}
	}
	fl.dev_fd = base + FL_FD_UFFD_DEV;
	r = fl_machine_open(&p->machine, base + FL_FD_MEM, base + FL_FD_SWAP);
	if (r < 0)
		fl_format(why, n, "shared memory: %s: an address space limit (ulimit -v) leaves no room for it: raise it, or give CAP_SYS_RESOURCE", fl_errname(-r));
	else
		fl_runtime_internal((u64)p->machine.t, (u64)p->machine.t + p->machine.mapped_bytes,
			false);
	return r;
}

static int open_uffd(const struct fl_config *c, char *why, size_t n)
{
	int r = fl_uffd_open(&fl.uffd, fl.dev_fd, c->copy_only);

	if (r < 0) {
		fl_format(why, n, "userfaultfd: %s: run as root, or allow it with sysctl vm.unprivileged_userfaultfd=1", fl_errname(-r));
		return r;
	}
	r = fl_fd_place(fl.fd_base, FL_FD_UFFD, fl.uffd.fd, true);
	if (r >= 0)
		fl.uffd.fd = r;
	r = fl_uffd_register(&fl.uffd, fl.pager.pool, fl.pager.pool + fl.pool_bytes, false);
	if (r < 0)
		fl_format(why, n, "userfaultfd: write protection: %s: this needs Linux 5.7 or newer", fl_errname(-r));
	return r;
}

int fl_runtime_stacks(char *why, size_t n)
{
	u64 bytes = fitting(STACKS_BYTES, STACKS_LEAST);
	void *stacks;

	/* as random as the place that the kernel has given to the library */
	fl_own_init((u64)&fl);
	stacks = reserve(bytes);
	if (!stacks) {
		fl_format(why, n, "address space: a limit (ulimit -v or -d) leaves no room: raise it, or give CAP_SYS_RESOURCE");
		return -ENOMEM;
	}
	fl_hook_stacks_init(stacks, bytes);
	return 0;
}

static void make_queue(struct fl_pager *p, struct fl_queue *q, const struct fl_config *c)
{
	enum fl_compression how = c->zram == FL_ZRAM_ZSTD ? FL_ZSTD : FL_LZ4;

	q->ops = p->backend;
	q->pool = &p->machine.zpool;
	q->has_file = fl_has_swap_file(c);
	q->impl = fl_arena_alloc(
		&fl.arena, c->zram ? fl_backend_zram_bytes(how) : fl_backend_file_bytes());
	if (c->zram)
		fl_backend_zram_init(q->impl, how);
}

int fl_runtime_start(const struct fl_config *c, int base, char *why, size_t n)
{
	struct fl_pager *p = &fl.pager;
	struct fl_mm_alloc alloc = {mm_alloc, mm_free, &fl.arena};
	const struct fl_config *conf;
	u64 arena_bytes = fitting(ARENA_BYTES, ARENA_LEAST);
	void *arena;
	int r;

	r = open_machine(p, c, base, why, n);
	if (r < 0)
		return r;
	conf = &p->machine.t->config;
	/* huge pages would be split by every eviction of a small one */
	fl_syscall(SYS_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0);

	arena = reserve(arena_bytes);
	r = arena ? reserve_arrays(p, p->machine.t->nframes) : -ENOMEM;
	if (r < 0) {
		fl_format(why, n, "address space: %s: a limit (ulimit -v or -d, vm.overcommit_memory) leaves no room for the memory itself: give a smaller --ram, or CAP_SYS_RESOURCE", fl_errname(-r));
		return r;
	}
	fl_arena_init(&fl.arena, arena, arena_bytes);
	r = open_uffd(conf, why, n);
	if (r < 0)
		return r;
	fl.uffd.pagemap_fd = -1;

	fl_mm_init(&p->mm, &alloc);
	p->kick = fl_kick_kswapd;
	p->dead = dead;
	p->queue_opened = queue_opened;
	p->unmap_view = fl_shared_unmap_view;
	p->make_stage = make_stage;
	p->unreadable = fl_filemap_unreadable;
	p->backend = fl_rings_init(conf);
	fl_pager_init(p, &fl.arena, &fl.uffd.host);
	fl.handler_stack = fl_arena_alloc(&fl.arena, FL_THREAD_STACK);
	fl.kswapd_stack = fl_arena_alloc(&fl.arena, FL_THREAD_STACK);
	make_queue(p, &p->reads, conf);
	make_queue(p, &fl.writes, conf);
	make_queue(p, &p->now, conf);
	p->zeros = fl_arena_alloc(&fl.arena, 64 << 10);
	p->mm.mm_users = 1;

	fl_lock(&p->lock);
	fl.pid = (u32)fl_syscall(SYS_getpid);
	r = fl_proc_enter(&p->machine, fl.pid, fl_gettid());
	if (r >= 0)
		r = fl_start_handler(); /* the record's keeper */
	if (r >= 0)
		fl_proc_settle(&p->machine, fl.pid, (u32)r);
	if (r < 0) {
		fl_format(why, n, "threads: %s", fl_errname(-r));
		return r; /* the lock stays taken: the handler, if any, waits for ever */
	}
	fl_runtime_internal((u64)p->machine.held_frames,
		(u64)p->machine.held_frames + p->machine.t->held_stride, false);
	fl.uffd.nr_move = &p->machine.self->stats.counter[FL_C_uffd_move];
	fl.uffd.nr_copy = &p->machine.self->stats.counter[FL_C_uffd_copy];
	r = fl_resync(true);
	fl_runtime_layout(conf);
	fl.active = r == 0;
	fl_sample(&fl.handler);
	fl_unlock(&p->lock);
	if (r < 0)
		fl_format(why, n, "/proc/self/maps: %s: is /proc mounted?", fl_errname(-r));
	return r;
}
