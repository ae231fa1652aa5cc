/*
 * The pager with all its threads over the fake host: programs that fault, a handler as
 * lib/fault/handler.c has it, kswapd as lib/runtime/threads.c has it, and system calls and forks
 * in between. Made for -fsanitize=thread.
 *
 *	test-pager-threads [SEED [ACCESSES]]
 *
 * Pages come in chunks. Who locks a chunk owns its content: a program to access it, a caller to
 *drop or move it. One part of memory has no owners: every page of it holds zeros or its own number.
 */
#include "fake-host.h"

#include "arch/x86_64/syscall.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRAMS   4u
#define CHUNK	   16u
#define CHUNKS	   40u
#define WILD	   (CHUNK * CHUNKS) /* the first page without owners */
#define WILD_PAGES 128u
#define PAGES	   (WILD + WILD_PAGES)
#define PATIENCE_S 60u

struct message {
	u64 va;
	u32 flags;
};

struct chunk {
	pthread_mutex_t lock;
	u32 version[CHUNK];
};

static struct fake *f;
static struct chunk chunk[CHUNKS];
static u32 next_version; /* atomic */

/* the userfaultfd */
static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
/* a thread that was woken early asks again before its first message is read */
static struct message queue[PROGRAMS * 256];
static u32 nr_queued;
static int queue_fd;

static u32 stop_caller, stop_kswapd, stop_handler; /* atomic */
static u64 accesses, seed;

static bool stopped(u32 *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void stop(u32 *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

static void knock(void)
{
	u64 one = 1;

	fake_must(f, write(queue_fd, &one, sizeof(one)) == sizeof(one));
}

/* The handler. */

static void take_reads(void)
{
	struct fl_pager *p = &f->p;
	struct fl_io *io;

	while (p->reads.in_flight && (io = p->backend->reap(&p->reads, false))) {
		fl_lock(&p->lock);
		fl_pager_read_done(p, io);
		fl_unlock(&p->lock);
	}
}

static bool take_fault(void)
{
	struct fl_pager *p = &f->p;
	struct message m;

	pthread_mutex_lock(&queue_lock);
	if (!nr_queued) {
		pthread_mutex_unlock(&queue_lock);
		return false;
	}
	m = queue[0];
	memmove(queue, queue + 1, --nr_queued * sizeof(queue[0]));
	pthread_mutex_unlock(&queue_lock);
	fl_lock(&p->lock);
	p->submit_to = &p->reads;
	fl_pager_fault(p, m.va, m.flags);
	fl_pager_update_stats(p);
	fl_unlock(&p->lock);
	return true;
}

static void *handler(void *unused)
{
	struct fl_pager *p = &f->p;

	while (!stopped(&stop_handler)) {
		struct pollfd fds[2] = {{.fd = queue_fd, .events = POLLIN}, {.fd = -1}};
		u64 n;

		if (p->reads.in_flight)
			fds[1] = (struct pollfd){p->backend->poll_fd(&p->reads), POLLIN, 0};
		if (p->reads.done) {
			take_reads();
			continue;
		}
		poll(fds, 2, -1);
		if (fds[0].revents)
			fake_must(f, read(queue_fd, &n, sizeof(n)) == sizeof(n));
		while (take_fault())
			;
		if (p->reads.in_flight)
			take_reads();
	}
	return NULL;
}

/* kswapd. */

static void on_kick(struct fake *fake)
{
	u32 *bell = &fake->p.machine.self->doorbell;

	__atomic_add_fetch(bell, 1, __ATOMIC_RELEASE);
	fl_futex_wake(bell, 1, true);
}

static void *kswapd(void *unused)
{
	u32 *bell = &f->p.machine.self->doorbell;

	while (!stopped(&stop_kswapd)) {
		u32 seq = __atomic_load_n(bell, __ATOMIC_ACQUIRE);

		if (fl_kswapd_round(&f->p, &f->writes) == ~0ull)
			fl_futex_wait(bell, seq, 0, true);
		else
			fl_futex_wait(bell, seq, 100000, true); /* or the lock is never free */
	}
	return NULL;
}

/* The program. */

static void access_page(u32 page, bool write, u32 old_version, u32 version)
{
	struct fake_waiter w = {.woken = PTHREAD_COND_INITIALIZER};
	u32 flags;

	while ((flags = fake_try(f, page, write, old_version, version, &w))) {
		pthread_mutex_lock(&queue_lock);
		if (nr_queued == sizeof(queue) / sizeof(queue[0]))
			abort(); /* the handler is stuck */
		queue[nr_queued++] = (struct message){fake_va(f, page), flags & ~FAKE_FAULT};
		pthread_mutex_unlock(&queue_lock);
		knock();
		if (fake_wait(f, &w, PATIENCE_S))
			continue;
		printf("a fault on page %u (flags %#x) was forgotten; its pte is %#lx\n", page,
			flags, fl_pte_get(&f->p.mm, fake_va(f, page)));
		fake_fail(f, __FILE__, __LINE__, "lost fault");
	}
	pthread_cond_destroy(&w.woken);
}

static void use_chunk(struct chunk *c, u64 *rng)
{
	u32 first = (u32)(c - chunk) * CHUNK;
	u32 n = 1 + (u32)(fake_random(rng) % CHUNK);

	for (u32 i = 0; i < n; i++) {
		u64 r = fake_random(rng);
		u32 at = r % 2 ? i : (u32)(r >> 8) % CHUNK, new = c->version[at];
		bool write = r % 5 == 0;

		if (write)
			new = r % 50 ? __atomic_add_fetch(&next_version, 1, __ATOMIC_RELAXED) : 0;
		access_page(first + at, write, c->version[at], new);
		c->version[at] = new;
	}
}

static void *program(void *arg)
{
	u64 rng = seed + 1000 + (u64)(uintptr_t)arg;

	for (u64 i = 0; i < accesses; i += CHUNK / 2) {
		struct chunk *c = &chunk[fake_random(&rng) % CHUNKS];
		u32 wild = WILD + (u32)(fake_random(&rng) % WILD_PAGES);

		access_page(wild, fake_random(&rng) % 2, wild | FAKE_ANY, wild);
		pthread_mutex_lock(&c->lock);
		use_chunk(c, &rng);
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

/* System calls of yet another thread. */

static void call_on(u32 page, struct chunk *c, u64 r)
{
	switch (r % 4) {
	case 0:
	case 1:
		fake_dontneed(f, page, CHUNK);
		memset(c->version, 0, sizeof(c->version));
		break;
	case 2:
		fake_mprotect(f, page, CHUNK, FL_VM_READ);
		fake_mprotect(f, page, CHUNK, r % 8 < 4 ? FAKE_RWX : FAKE_RW);
		break;
	default:
		fake_mlock(f, page, CHUNK, r % 64 == 3);
	}
}

static void move_chunk(struct chunk *from, struct chunk *to)
{
	u32 src = (u32)(from - chunk) * CHUNK, dst = (u32)(to - chunk) * CHUNK;

	if (from == to || pthread_mutex_trylock(&to->lock))
		return;
	fake_munmap(f, dst, CHUNK);
	fake_mprotect(f, src, CHUNK, FAKE_RW);
	fake_mlock(f, src, CHUNK, false);
	fake_mremap(f, src, dst, CHUNK);
	fake_mmap(f, src, CHUNK, FAKE_RW);
	memcpy(to->version, from->version, sizeof(to->version));
	memset(from->version, 0, sizeof(from->version));
	pthread_mutex_unlock(&to->lock);
}

static void *caller(void *unused)
{
	u64 rng = seed;

	while (!stopped(&stop_caller)) {
		u64 r = fake_random(&rng);
		struct chunk *c = &chunk[(r >> 8) % CHUNKS];

		if (r % 8 == 0) {
			fake_dontneed(f, WILD + (u32)(r >> 8) % (WILD_PAGES - 8), 8);
		} else if (r % 64 == 1) {
			fake_fork(f);
		} else if (!pthread_mutex_trylock(&c->lock)) {
			if (r % 16 == 2)
				move_chunk(c, &chunk[(r >> 32) % CHUNKS]);
			else
				call_on((u32)(c - chunk) * CHUNK, c, r >> 16);
			pthread_mutex_unlock(&c->lock);
		}
		usleep((useconds_t)(r >> 40) % 300);
		if (r % 16 == 5) {
			fl_lock(&f->p.lock);
			fake_fork_end(f);
			fl_unlock(&f->p.lock);
		}
	}
	return NULL;
}

static void check(void)
{
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	while (fake_reap_reads(f, true) || f->p.nr_deferred)
		fake_kswapd(f);
	fake_check(f, false);
	for (u32 i = 0; i < WILD; i++)
		fake_must(f, fake_holds(f, i, chunk[i / CHUNK].version[i % CHUNK]));
	for (u32 i = WILD; i < PAGES; i++)
		fake_must(f, fake_holds(f, i, 0) || fake_holds(f, i, i));
}

static void run(bool copy_only)
{
	struct fake_options o = {
		.nr_frames = 256,
		.nr_pages = PAGES,
		.around_order = 3,
		.copy_only = copy_only,
		.errors = 5,
		.seed = seed,
	};
	pthread_t programs[PROGRAMS], handler_thread, kswapd_thread, caller_thread;

	f = fake_create(&o);
	f->on_kick = on_kick;
	next_version = PAGES; /* a number of its own for each wild page */
	stop_caller = stop_kswapd = stop_handler = 0;
	for (u32 i = 0; i < CHUNKS; i++) {
		pthread_mutex_init(&chunk[i].lock, NULL);
		memset(chunk[i].version, 0, sizeof(chunk[i].version));
	}
	fake_mmap(f, 0, PAGES, FAKE_RW);

	pthread_create(&handler_thread, NULL, handler, NULL);
	pthread_create(&kswapd_thread, NULL, kswapd, NULL);
	pthread_create(&caller_thread, NULL, caller, NULL);
	for (u32 i = 0; i < PROGRAMS; i++)
		pthread_create(&programs[i], NULL, program, (void *)(uintptr_t)i);
	for (u32 i = 0; i < PROGRAMS; i++)
		pthread_join(programs[i], NULL);
	stop(&stop_caller);
	pthread_join(caller_thread, NULL);
	stop(&stop_kswapd);
	on_kick(f);
	pthread_join(kswapd_thread, NULL);
	stop(&stop_handler);
	knock();
	pthread_join(handler_thread, NULL);
	f->on_kick = NULL;
	check();
	printf("%s: %lu major, %lu soft, %lu cow, %lu stalled; %lu pages written, %lu forks\n",
		copy_only ? "copy" : "move", fake_counter(f, FL_C_pgmajfault),
		fake_counter(f, FL_C_pgfault_soft), fake_counter(f, FL_C_pgfault_cow),
		fake_counter(f, FL_C_allocstall), fake_counter(f, FL_C_pswpout),
		fake_counter(f, FL_C_nr_fork));
	fake_destroy(f);
}

int main(int argc, char **argv)
{
	seed = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	accesses = argc > 2 ? strtoul(argv[2], NULL, 0) : 8000;
	queue_fd = eventfd(0, EFD_CLOEXEC);
	if (queue_fd < 0)
		return 77;
	run(false);
	run(true);
	return EXIT_SUCCESS;
}
