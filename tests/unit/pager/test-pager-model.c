/*
 * Random faults, system calls and evictions against a naive model of memory.
 *
 *	test-pager-model [SEED [OPERATIONS]]
 *
 * The model is one version number a page. Reads and writes to swap end late and out of order, and
 * while reclaim waits for them, with the lock let go, more faults and calls come in. The seed comes
 * from the command line, else from FL_SEED, else from the clock, and is printed: the same seed
 * repeats the same run.
 */
#include "fake-host.h"

#include "../mm/mm-test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGES	      600u
#define RANGE	      24u
#define OPS_PER_CHECK 500u
#define OPS_PER_ROUND 12500u
#define MAX_HARD      40u /* pages locked or pinned at once */

static u64 seed, rng, ops;
static struct fake *f;
static u32 version[PAGES], next_version;
static u32 busy = PAGES; /* the page under way */
static bool unseen_round, lazy_round, fork_round;

static u32 rnd(u32 n)
{
	return (u32)(fake_random(&rng) % n);
}

static void range(u32 *ret_page, u32 *ret_n)
{
	*ret_n = rnd(4) ? 1 + rnd(RANGE) : 1;
	*ret_page = rnd(PAGES - *ret_n + 1);
}

static bool in(u32 what, u32 page, u32 n)
{
	return what >= page && what < page + n;
}

static u32 count(u8 flag)
{
	u32 n = 0;

	for (u32 i = 0; i < PAGES; i++)
		n += !!(f->page[i].flags & flag);
	return n;
}

static void forget(u32 page, u32 n)
{
	memset(version + page, 0, n * sizeof(version[0]));
}

/* What may happen at any time the lock is free: also in the midst of a reclaim. */
static void op_fault(void)
{
	u32 page = rnd(PAGES);
	struct fake_page g = f->page[page];
	bool write = rnd(2);

	if (!(g.flags & FAKE_MAPPED) || !(g.prot & (write ? FL_VM_WRITE : FL_VM_READ)))
		return;
	if (!(g.flags & FAKE_PRESENT))
		fake_fault(f, page, write ? FL_FAULT_WRITE : 0);
	else if (write && g.flags & FAKE_WP)
		fake_fault(f, page, FL_FAULT_WRITE | FL_FAULT_WP);
	else if (!rnd(20)) /* another thread was first */
		fake_fault(f, page, write ? FL_FAULT_WRITE : 0);
}

static void op_call(void)
{
	static const u8 prots[] = {FAKE_RW, FAKE_RW, FAKE_RW, FL_VM_READ, FAKE_RWX, 0};
	u64 prot = prots[rnd(fl_array_size(prots))];
	u32 page, n, to;

	range(&page, &n);
	if (in(busy, page, n))
		return;
	switch (rnd(9)) {
	case 0:
		fake_munmap(f, page, n);
		forget(page, n);
		break;
	case 1:
	case 2:
		fake_mmap(f, page, n, FAKE_RW);
		forget(page, n);
		break;
	case 3:
	case 4:
	case 5:
		fake_dontneed(f, page, n);
		forget(page, n);
		break;
	case 6:
		for (u32 i = page; i < page + n; i++)
			if (!(f->page[i].flags & FAKE_MAPPED))
				return;
		fake_mprotect(f, page, n, prot);
		break;
	case 7:
		for (u32 i = page; i < page + n; i++)
			if (!(f->page[i].flags & FAKE_MAPPED))
				return;
		fake_mlock(f, page, n, count(FAKE_LOCKED) + n < MAX_HARD && rnd(2));
		break;
	case 8:
		to = rnd(PAGES - n + 1);
		if (in(to, page, n) || in(page, to, n) || in(busy, to, n))
			return;
		for (u32 i = page; i < page + n; i++)
			if (!(f->page[i].flags & FAKE_MAPPED) ||
				f->page[i].prot != f->page[page].prot ||
				((f->page[i].flags ^ f->page[page].flags) & FAKE_LOCKED) ||
				f->page[i].flags & FAKE_PINNED ||
				fl_vma_at(&f->p.mm, fake_va(f, i)) !=
					fl_vma_at(&f->p.mm, fake_va(f, page)))
				return;
		fake_mremap(f, page, to, n);
		memcpy(version + to, version + page, n * sizeof(version[0]));
		forget(page, n);
		break;
	}
}

static void op_unseen(void)
{
	u32 page = rnd(PAGES);
	struct fake_page g = f->page[page];

	if (page == busy || !unseen_round || g.flags & (FAKE_PINNED | FAKE_LOCKED))
		return;
	if (g.flags & FAKE_PRESENT && rnd(2)) {
		fake_unseen_drop(f, page);
		version[page] = 0;
	} else if (g.flags & FAKE_MAPPED && !(g.flags & FAKE_PRESENT) &&
		   fake_state(f, page) == FL_PTE_NONE) {
		fake_unseen_make(f, page, 0);
	}
}

static void meanwhile(struct fake *fake)
{
	for (u32 n = rnd(4); n; n--)
		switch (rnd(8)) {
		case 0:
			op_call();
			break;
		case 1:
			op_unseen();
			break;
		default:
			op_fault();
		}
}

/* The disk is full only for a while: a fault that waits for it must end. */
static void on_kick(struct fake *fake)
{
	if (rnd(8) == 0)
		fake->swap_error = 0;
	if (rnd(4) == 0)
		fake_fork_end(fake);
}

/* One access, complete. */
static void op_touch(void)
{
	static u32 at;
	u32 page = at = rnd(4) ? (at + 1) % PAGES : rnd(PAGES);
	struct fake_page g = f->page[page];
	bool write = rnd(3) == 0;

	if (!(g.flags & FAKE_MAPPED) || !(g.prot & (write ? FL_VM_WRITE : FL_VM_READ)))
		return;
	busy = page;
	if (write) {
		/* zeros are worth writing too */
		u32 v = rnd(8) ? ++next_version : 0;

		fake_store(f, page, version[page], v);
		version[page] = v;
	} else {
		fake_load(f, page, version[page]);
	}
	busy = PAGES;
}

static void op_pressure(void)
{
	switch (rnd(4)) {
	case 0:
		fake_reclaim(f, 1 + rnd(40));
		break;
	case 1: /* another process asks */
		__atomic_store_n(&f->p.machine.self->wanted, 1 + rnd(30), __ATOMIC_RELAXED);
		fake_kswapd(f);
		break;
	case 2:
		f->swap_error = rnd(20) ? 0 : 28; /* a full disk, for a while */
		break;
	default:
		fake_kswapd(f);
	}
}

static void op_pin(void)
{
	u32 page = rnd(PAGES);

	if (!(f->page[page].flags & FAKE_PRESENT))
		return;
	fake_set(f, page, 1, FAKE_PINNED, rnd(2) && count(FAKE_PINNED) < MAX_HARD);
}

static void op_fork(void)
{
	if (!fork_round)
		return;
	if (f->child.t) {
		fl_lock(&f->p.lock);
		fake_fork_end(f);
		fl_unlock(&f->p.lock);
		return;
	}
	fake_reap_reads(f, true); /* nobody else would end them */
	fake_fork(f);
}

static void step(void)
{
	u32 r = rnd(100);

	/* late enough, faults find nothing free */
	if (f->kicked && rnd(lazy_round ? 300 : 3) == 0)
		fake_kswapd(f);
	if (r < 70)
		op_touch();
	else if (r < 84)
		op_fault();
	else if (r < 88)
		op_call();
	else if (r < 92)
		op_pressure();
	else if (r < 94)
		op_pin();
	else if (r < 96)
		op_unseen();
	else if (r < 97 && rnd(4) == 0)
		op_fork();
	else
		fake_reap_reads(f, false);
}

static void check(void)
{
	fake_check(f, f->child.t);
	for (u32 i = 0; i < PAGES; i++)
		if (!fake_holds(f, i, version[i])) {
			printf("page %u should hold version %u; its pte is %#lx, the kernel has it "
			       "as %#x\n",
				i, version[i], fl_pte_get(&f->p.mm, fake_va(f, i)),
				f->page[i].flags);
			fake_fail(f, __FILE__, __LINE__, "wrong content");
		}
}

static void settle(void)
{
	f->swap_error = 0;
	while (fake_reap_reads(f, true) || f->p.nr_deferred)
		fake_kswapd(f);
}

static void run_round(u32 round, u64 nr_ops)
{
	static const char *const policies[] = {"second-chance", "fifo", "clock", "s3-fifo", "car",
		"random", "s3-fifo,small=50", "clock,aside=50"};
	static const char *const prefetchers[] = {"readahead", "stride", "majority"};
	struct fake_options o = {
		.policy = policies[rnd(fl_array_size(policies))],
		.prefetch = prefetchers[rnd(fl_array_size(prefetchers))],
		.nr_frames = 160 + rnd(160),
		.nr_pages = PAGES,
		.copy_only = round % 4 == 3,
		.no_readahead = round % 8 == 2,
		.slow_swap = true,
		.around_order = (u8)rnd(5),
		.errors = round % 2 ? 30 : 0,
		.seed = fake_random(&rng),
	};

	f = fake_create(&o);
	f->meanwhile = meanwhile;
	f->on_kick = on_kick;
	unseen_round = round % 4 == 2;
	lazy_round = rnd(2);
	fork_round = round % 3 == 1 && !unseen_round;
	memset(version, 0, sizeof(version));
	fake_mmap(f, 0, PAGES, FAKE_RW);
	for (u64 i = 0; i < nr_ops; i++, ops++) {
		step();
		if (i < 50 || i % OPS_PER_CHECK == 0)
			check();
	}
	f->meanwhile = NULL;
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	fake_set(f, 0, PAGES, FAKE_PINNED, false);
	settle();
	check();
	fake_munmap(f, 0, PAGES);
	forget(0, PAGES);
	check();
	fake_must(f, !f->p.policy.nr_mapped && !f->p.policy.nr_aside && !f->p.machine.t->slots.nr_used);
	fl_lock(&f->p.lock);
	fl_frames_give_back(&f->p, f->nr_frames);
	fl_unlock(&f->p.lock);
	fake_must(f, !f->p.machine.t->frames_used && !f->storage);
	fake_destroy(f);
}

static void on_signal(int sig)
{
	printf("FAILED after %lu operations: signal %d; again: FL_SEED=%lu\n", ops, sig, seed);
	fflush(stdout);
	signal(sig, SIG_DFL);
	raise(sig);
}

int main(int argc, char **argv)
{
	u64 nr_ops = argc > 2 ? strtoul(argv[2], NULL, 0) : 200000;

	seed = rng = test_seed(argc, argv);
	signal(SIGILL, on_signal); /* traps in lib */
	signal(SIGABRT, on_signal);
	printf("seed %lu\n", seed);
	fflush(stdout);
	for (u32 round = 0; ops < nr_ops; round++)
		run_round(round, fl_min((u64)OPS_PER_ROUND, nr_ops - ops));
	printf("%lu operations\n", ops);
	return EXIT_SUCCESS;
}
