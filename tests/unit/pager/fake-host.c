/* The emulated kernel: struct fl_host_ops over arrays, and the world around a pager. */
#include "fake-host.h"

#include "base/config.h"
#include "fake-swap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_BYTES (256ul << 20)
#define POISON	    0xdb
#define TRANSIT	    64u /* frames that fl_machine_create keeps back */

void fake_fail(struct fake *f, const char *file, int line, const char *why)
{
	/* no lock is given back: the test is over */
	printf("FAILED: %s (%s:%d)\n", why, file, line);
	fflush(stdout);
	abort();
}

u64 fake_random(u64 *state)
{
	u64 x = *state += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

void *fake_reserve(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

static struct fake *from_host(struct fl_host *h)
{
	return fl_container_of(h, struct fake, host);
}

/* One page of program or pool. */
struct place {
	u64 at;
	struct fake_page *page; /* NULL: in the pool */
	u8 *full;		/* NULL: in the program */
	u8 prot;
	bool locked;
};

static bool find(struct fake *f, u64 at, struct place *ret)
{
	*ret = (struct place){.at = at};
	if (at >= f->base && at < f->base + (u64)f->nr_pages * FL_PAGE_SIZE) {
		ret->page = &f->page[(at - f->base) / FL_PAGE_SIZE];
		ret->prot = ret->page->prot;
		ret->locked = ret->page->flags & FAKE_LOCKED;
		return ret->page->flags & FAKE_MAPPED;
	}
	if (at < f->p.pool || at > f->p.pool + (u64)f->nr_frames * FL_PAGE_SIZE)
		return false;
	ret->full = &f->slot_full[(at - f->p.pool) / FL_PAGE_SIZE];
	ret->prot = ret->full == &f->slot_full[f->nr_frames] ? FAKE_RWX : FAKE_RW;
	return true;
}

static bool has_storage(const struct place *w)
{
	return w->page ? w->page->flags & FAKE_PRESENT : *w->full;
}

static void give_storage(struct fake *f, const struct place *w)
{
	if (w->page)
		w->page->flags |= FAKE_PRESENT;
	else
		*w->full = 1;
	f->storage++;
}

static void take_storage(struct fake *f, const struct place *w)
{
	if (!has_storage(w))
		return;
	memset((void *)w->at, POISON, FL_PAGE_SIZE);
	if (w->page)
		w->page->flags &= (u8) ~(FAKE_PRESENT | FAKE_WP | FAKE_SHARED);
	else
		*w->full = 0;
	f->storage--;
}

static void wake(struct fake *f, u64 va, u64 n)
{
	for (struct fake_waiter **at = &f->waiters, *w; (w = *at);) {
		if (w->va < va || w->va >= va + n * FL_PAGE_SIZE) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->waiting = false;
		pthread_cond_signal(&w->woken);
	}
}

static int injected(struct fake *f)
{
	static const int errors[] = {-EAGAIN, -EBUSY, -EEXIST};

	if (!f->errors || fake_random(&f->rng) % 1000 >= f->errors)
		return 0;
	return errors[fake_random(&f->rng) % fl_array_size(errors)];
}

static int move_one(struct fake *f, u64 dst, u64 src)
{
	struct place to, from;
	int r = injected(f);

	if (!find(f, dst, &to) || !find(f, src, &from))
		return -EINVAL;
	fake_must(f, !to.page != !from.page); /* between program and pool */
	if (to.prot != from.prot || to.locked != from.locked)
		return -EINVAL;
	if (has_storage(&to))
		return -EEXIST;
	if (!has_storage(&from))
		return -ENOENT;
	if (from.page && from.page->flags & (FAKE_PINNED | FAKE_SHARED))
		return -EBUSY;
	if (r)
		return r;
	memcpy((void *)dst, (void *)src, FL_PAGE_SIZE);
	take_storage(f, &from);
	give_storage(f, &to);
	return 0;
}

static u32 host_move(struct fl_host *h, u64 dst, u64 src, u32 n, int *ret_error)
{
	struct fake *f = from_host(h);
	u32 done = 0;

	fake_must(f, f->host.can_move);
	pthread_mutex_lock(&f->lock);
	*ret_error = 0;
	while (done < n && !*ret_error) {
		u64 at = done * FL_PAGE_SIZE;

		*ret_error = move_one(f, dst + at, src + at);
		done += !*ret_error;
	}
	wake(f, dst, done);
	pthread_mutex_unlock(&f->lock);
	return done;
}

static int copy_one(struct fake *f, u64 dst, const void *src, bool wp)
{
	struct place to;
	int r = injected(f);

	if (!find(f, dst, &to))
		return -ENOENT;
	fake_must(f, to.page);
	if (has_storage(&to))
		return -EEXIST;
	if (r)
		return r;
	memcpy((void *)dst, src, FL_PAGE_SIZE);
	give_storage(f, &to);
	if (wp)
		to.page->flags |= FAKE_WP;
	return 0;
}

static u32 host_copy(struct fl_host *h, u64 dst, const void *src, u32 n, bool wp, int *ret_error)
{
	struct fake *f = from_host(h);
	u32 done = 0;

	pthread_mutex_lock(&f->lock);
	*ret_error = 0;
	while (done < n && !*ret_error) {
		u64 at = done * FL_PAGE_SIZE;

		*ret_error = copy_one(f, dst + at, (const char *)src + at, wp);
		done += !*ret_error;
	}
	wake(f, dst, done);
	pthread_mutex_unlock(&f->lock);
	return done;
}

static int host_protect(struct fl_host *h, u64 va, u64 n, bool on)
{
	struct fake *f = from_host(h);

	pthread_mutex_lock(&f->lock);
	for (u64 i = 0; i < n; i++) {
		struct place w;

		if (!find(f, va + i * FL_PAGE_SIZE, &w) || !has_storage(&w))
			continue;
		if (on)
			w.page->flags |= FAKE_WP;
		else
			w.page->flags &= (u8)~FAKE_WP;
	}
	if (!on)
		wake(f, va, n);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void host_wake(struct fl_host *h, u64 va, u64 n)
{
	struct fake *f = from_host(h);

	pthread_mutex_lock(&f->lock);
	wake(f, va, n);
	pthread_mutex_unlock(&f->lock);
}

static int host_discard(struct fl_host *h, u64 va, u64 n)
{
	struct fake *f = from_host(h);

	pthread_mutex_lock(&f->lock);
	for (u64 i = 0; i < n; i++) {
		struct place w;

		if (find(f, va + i * FL_PAGE_SIZE, &w))
			take_storage(f, &w);
	}
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static int host_populate(struct fl_host *h, u64 slot, u64 n)
{
	struct fake *f = from_host(h);

	pthread_mutex_lock(&f->lock);
	for (u64 i = 0; i < n; i++) {
		struct place w;

		fake_must(f, find(f, slot + i * FL_PAGE_SIZE, &w) && w.full);
		fake_must(f, !*w.full); /* it would keep its old content */
		memset((void *)w.at, 0, FL_PAGE_SIZE);
		give_storage(f, &w);
	}
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static int host_fetch(struct fl_host *h, void *to, u64 va, bool readable)
{
	struct fake *f = from_host(h);
	struct place w;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	fake_must(f, find(f, va, &w) && (!readable || w.prot & FL_VM_READ));
	/* only what was dropped unseen may be missing */
	fake_must(f, has_storage(&w) || f->loose);
	if (has_storage(&w))
		memcpy(to, (void *)va, FL_PAGE_SIZE);
	else
		r = -EFAULT;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static bool host_present(struct fl_host *h, u64 va)
{
	struct fake *f = from_host(h);
	struct place w;
	bool r;

	pthread_mutex_lock(&f->lock);
	r = find(f, va, &w) && has_storage(&w);
	pthread_mutex_unlock(&f->lock);
	return r;
}

static void host_own(struct fl_host *h, u64 va, u32 n)
{
	struct fake *f = from_host(h);

	pthread_mutex_lock(&f->lock);
	for (u32 i = 0; i < n; i++) {
		struct place w;

		fake_must(f, find(f, va + i * FL_PAGE_SIZE, &w) && w.page);
		fake_must(f, f->loose || has_storage(&w));
		fake_must(f, !(w.page->flags & FAKE_WP) && w.prot & FL_VM_WRITE);
		w.page->flags &= (u8)~FAKE_SHARED;
	}
	pthread_mutex_unlock(&f->lock);
}

static bool host_shared(struct fl_host *h, u64 va)
{
	struct fake *f = from_host(h);
	struct place w;
	bool r;

	pthread_mutex_lock(&f->lock);
	r = find(f, va, &w) && w.page->flags & FAKE_SHARED;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static const struct fl_host_ops host_ops = {
	.move = host_move,
	.copy = host_copy,
	.protect = host_protect,
	.wake = host_wake,
	.discard = host_discard,
	.populate = host_populate,
	.fetch = host_fetch,
	.own = host_own,
	.shared = host_shared,
	.present = host_present,
};

/* The world: as lib/runtime/init.c builds it. */

static void *mm_alloc(void *ctx, size_t bytes)
{
	return fl_arena_alloc(ctx, bytes);
}

static void mm_free(void *ctx, void *p, size_t bytes)
{
	fl_arena_free(ctx, p, bytes);
}

static void kick(struct fl_pager *p)
{
	struct fake *f = fake_of(p);

	f->kicked++;
	if (f->on_kick)
		f->on_kick(f);
}

static void __attribute__((noreturn)) dead(struct fl_pager *p, const char *why)
{
	struct fake *f = fake_of(p);

	snprintf(f->dead_why, sizeof(f->dead_why), "%s", why);
	if (f->on_dead)
		longjmp(*f->on_dead, 1);
	fake_fail(f, "pager", 0, why);
}

static void queue_opened(struct fl_pager *p, struct fl_queue *q)
{
	struct iovec maps[FL_QUEUE_MAPS];

	fake_must(fake_of(p), p->backend->mappings(q, maps) <= FL_QUEUE_MAPS);
}

/* The stage is one slot more, behind the pool. */
static u64 make_stage(struct fl_pager *p)
{
	return p->pool + (u64)fake_of(p)->nr_frames * FL_PAGE_SIZE;
}

static void open_machine(struct fake *f, const struct fake_options *o)
{
	struct fl_config c;
	char why[512] = "?";
	int mem, swap;
	const char *dir = getenv("TMPDIR");

	fl_config_init(&c);
	c.page_shared = true;
	c.ram_bytes = (u64)(o->nr_frames + TRANSIT) * FL_PAGE_SIZE;
	c.swap_max_bytes = o->swap_bytes ? o->swap_bytes : 64ul << 20;
	c.copy_only = o->copy_only;
	c.fault_around_order = o->around_order;
	snprintf(c.prefetch, sizeof(c.prefetch), "%s", o->no_readahead ? "none" : o->prefetch ? o->prefetch : "readahead");
	if (o->policy && fl_config_set(&c, "policy", o->policy, why, sizeof(why)) < 0)
		fake_fail(f, __FILE__, __LINE__, why);
	snprintf(c.swap_path, sizeof(c.swap_path), "%s", dir && *dir ? dir : "/tmp");
	if (fl_machine_create(&c, &mem, &swap, why, sizeof(why)) < 0 ||
		fl_machine_open(&f->p.machine, mem, swap) < 0 ||
		fl_proc_enter(&f->p.machine, (u32)getpid(), fl_gettid()) < 0)
		fake_fail(f, __FILE__, __LINE__, why);
	f->nr_frames = f->p.machine.t->nframes;
}

static void open_queue(struct fake *f, struct fl_queue *q)
{
	q->ops = f->p.backend;
	q->impl = fl_arena_alloc(
		&f->arena, fl_max(fl_backend_file_bytes(), sizeof(struct fake_swap_queue)));
	if (f->p.backend == &fake_swap)
		((struct fake_swap_queue *)q->impl)->fake = f;
}

static u64 policy_bytes(const struct fl_pager *p)
{
	const struct fl_machine *t = p->machine.t;

	return fl_policy_bytes(&t->config.policy_options, t->nframes);
}

struct fake *fake_create(const struct fake_options *o)
{
	struct fake *f = calloc(1, sizeof(*f));
	struct fl_pager *p = &f->p;
	u64 n;

	pthread_mutex_init(&f->lock, NULL);
	open_machine(f, o);
	n = f->nr_frames;
	f->rng = o->seed;
	f->errors = o->errors;
	f->host = (struct fl_host){&host_ops, !o->copy_only};
	f->nr_pages = o->nr_pages;
	f->base = (u64)fake_reserve(o->nr_pages * FL_PAGE_SIZE);
	f->page = calloc(o->nr_pages, sizeof(*f->page));
	f->slot_full = calloc(n + 1, 1);
	f->arena_at = fake_reserve(ARENA_BYTES);
	fl_arena_init(&f->arena, f->arena_at, ARENA_BYTES);

	p->pages.page = fake_reserve(n * sizeof(struct fl_page));
	p->pages.next = fake_reserve(n * 4);
	p->pages.prev = fake_reserve(n * 4);
	p->pages.slot = fake_reserve(n * 4);
	p->local_order = fake_reserve(n);
	p->policy_memory = fake_reserve(policy_bytes(p));
	p->pool = (u64)fake_reserve((n + 1) * FL_PAGE_SIZE);
	fl_mm_init(&p->mm, &(struct fl_mm_alloc){mm_alloc, mm_free, &f->arena});
	p->kick = kick;
	p->dead = dead;
	p->queue_opened = queue_opened;
	p->make_stage = make_stage;
	p->backend = o->slow_swap ? &fake_swap : &fl_backend_file;
	fl_pager_init(p, &f->arena, &f->host);
	open_queue(f, &p->reads);
	open_queue(f, &f->writes);
	p->submit_to = &p->reads;
	p->backend->open(&f->writes, p->machine.swap_fd);
	p->zeros = fl_arena_alloc(&f->arena, 64 << 10);
	return f;
}

void fake_destroy(struct fake *f)
{
	struct fl_pager *p = &f->p;
	u64 n = f->nr_frames;

	if (p->reads_open)
		p->backend->close(&p->reads);
	p->backend->close(&f->writes);
	munmap((void *)f->base, f->nr_pages * FL_PAGE_SIZE);
	munmap(f->arena_at, ARENA_BYTES);
	munmap(p->pages.page, n * sizeof(struct fl_page));
	munmap(p->pages.next, n * 4);
	munmap(p->pages.prev, n * 4);
	munmap(p->pages.slot, n * 4);
	munmap(p->local_order, n);
	munmap(p->policy_memory, policy_bytes(p));
	munmap((void *)p->pool, (n + 1) * FL_PAGE_SIZE);
	munmap(p->machine.held_frames, p->machine.t->held_stride);
	close(p->machine.mem_fd);
	close(p->machine.swap_fd);
	munmap(p->machine.t, p->machine.mapped_bytes);
	free(f->page);
	free(f->slot_full);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
