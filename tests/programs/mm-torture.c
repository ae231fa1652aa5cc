/*
 * Random calls of the mmap family and touches by several threads, held against
 * a model of every page.
 *
 *	mm-torture [--ops N] [--seed S] [--threads T] [--mb M] [--check-every K]
 *
 * Each thread has an area of addresses of its own, in which it maps with
 * MAP_FIXED, and regions wherever the kernel puts them; the first thread also
 * moves the break. The model knows for each page whether it is mapped, with
 * which protection, and which stamp fills it. Every K calls of a thread (and
 * at the end) all threads stop, and the main thread runs the command in
 * $FAULTLINE_CHECK with the process id behind it, without LD_PRELOAD: its exit
 * status must be 0. The seed is printed: the same seed makes the same calls,
 * as far as the addresses that the kernel chooses allow it.
 */
#include "outside.h"
#include "sem.h"
#include <getopt.h>
#include <pthread.h>

#ifndef MADV_COLD
#define MADV_COLD    20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { REGIONS = 24, MAX_THREADS = 64 };
enum { RW = PROT_READ | PROT_WRITE };

struct page_model {
	uint32_t id;	/* of the call that made the mapping as it is: one id is one kernel area; 0:
			   hole */
	uint32_t stamp; /* 0: reads as zeros */
	uint8_t prot;
	bool shared;
	bool freed; /* MADV_FREE since the last write: the stamp or zeros */
};

struct region {
	char *base; /* NULL: this entry is free */
	size_t pages, capacity;
	struct page_model *page;
};

struct worker {
	pthread_t thread;
	unsigned int index;
	uint64_t random;
	uint32_t next_id, next_stamp;
	size_t mapped;		       /* pages, without the area's reserved ones */
	struct region region[REGIONS]; /* [0] is the fixed area, [1] the heap of thread 0 */
	uint64_t calls, touches, refused;
};

static unsigned long opt_ops = 10000, opt_threads = 4, opt_mb = 48, opt_check;
static uint64_t opt_seed = 1;
static struct worker workers[MAX_THREADS];
static pthread_barrier_t barrier;
static size_t area_pages, budget_pages;

static uint64_t draw(struct worker *w, uint64_t below)
{
	w->random += 0x9e3779b97f4a7c15ULL;
	return mix(w->random) % below;
}

#define REQUIRE(w, cond, ...)                                                                      \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			int saved_ = errno;                                                        \
			dprintf(2, "mm-torture: seed %llu thread %u call %llu: ",                  \
				(unsigned long long)opt_seed, (w)->index,                          \
				(unsigned long long)(w)->calls);                                   \
			errno = saved_;                                                            \
			sem_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                          \
		}                                                                                  \
	} while (0)

static uint64_t key_of(const struct worker *w, uint32_t stamp)
{
	return ((uint64_t)w->index << 40) + stamp;
}

static char *address(const struct region *r, size_t i)
{
	return r->base + i * PAGE;
}

static void set_pages(
	struct worker *w, struct region *r, size_t at, size_t n, uint8_t prot, bool shared)
{
	uint32_t id = ++w->next_id;

	for (size_t i = at; i < at + n; i++) {
		w->mapped += !r->page[i].id;
		r->page[i] = (struct page_model){.id = id, .prot = prot, .shared = shared};
	}
}

static void set_holes(struct worker *w, struct region *r, size_t at, size_t n)
{
	for (size_t i = at; i < at + n; i++) {
		w->mapped -= !!r->page[i].id;
		r->page[i] = (struct page_model){0};
	}
}

static struct region *pick_region(struct worker *w)
{
	for (int i = 0; i < 64; i++) {
		struct region *r = &w->region[draw(w, 3) ? draw(w, REGIONS) : 0];

		if (r->base && r->pages)
			return r;
	}
	return &w->region[0];
}

static struct region *free_region(struct worker *w)
{
	for (int i = 2; i < REGIONS; i++)
		if (!w->region[i].base)
			return &w->region[i];
	return NULL;
}

static void forget_if_empty(struct worker *w, struct region *r)
{
	if (r < &w->region[2])
		return;
	for (size_t i = 0; i < r->pages; i++)
		if (r->page[i].id)
			return;
	r->base = NULL;
	r->pages = 0;
}

/* A run of mapped pages, all of one call's id when same_id; 0 when there is none here. */
static size_t pick_run(
	struct worker *w, struct region *r, size_t longest, bool same_id, size_t *ret_at)
{
	size_t at = draw(w, r->pages), want = 1 + draw(w, draw(w, 4) ? 16 : longest), n = 0;

	for (size_t k = 0; k < r->pages && !r->page[at].id; k++)
		at = (at + 1) % r->pages;
	while (at + n < r->pages && n < want && r->page[at + n].id &&
		(!same_id || r->page[at + n].id == r->page[at].id))
		n++;
	*ret_at = at;
	return n;
}

static void verify_page(struct worker *w, struct region *r, size_t i)
{
	struct page_model *m = &r->page[i];
	char *p = address(r, i);

	if (!m->stamp) {
		REQUIRE(w, page_zero(p), "page %p (%zu of %zu) is not zero", (void *)p, i,
			r->pages);
		return;
	}
	if (m->freed && page_zero(p)) {
		m->stamp = 0;
		m->freed = false;
		return;
	}
	REQUIRE(w, page_has(p, key_of(w, m->stamp)), "page %p (%zu of %zu) has %s, not stamp %u",
		(void *)p, i, r->pages, page_zero(p) ? "zeros" : "other bytes", m->stamp);
}

static void touch(struct worker *w)
{
	struct region *r = pick_region(w);
	size_t at, n = pick_run(w, r, 256, false, &at);

	for (size_t i = at; i < at + n; i++) {
		struct page_model *m = &r->page[i];

		if (!(m->prot & PROT_READ))
			continue;
		w->touches++;
		if (draw(w, 8))
			verify_page(w, r, i);
		if (m->prot & PROT_WRITE && draw(w, 2)) {
			m->stamp = ++w->next_stamp;
			m->freed = false;
			fill_page(address(r, i), key_of(w, m->stamp));
		}
	}
}

static void do_mmap(struct worker *w)
{
	static const int prots[] = {RW, RW, RW, RW, PROT_READ, PROT_NONE};
	int prot = prots[draw(w, 6)], flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t n = 1 + draw(w, draw(w, 3) ? 64 : 512);
	struct region *r = free_region(w);
	char *p;

	if (!r || w->mapped + n > budget_pages)
		return;
	if (draw(w, 12) == 0)
		flags = MAP_SHARED | MAP_ANONYMOUS;
	else if (draw(w, 3) == 0)
		flags |= MAP_NORESERVE;
	if (draw(w, 10) == 0)
		flags |= MAP_POPULATE;
	p = mmap(NULL, n * PAGE, prot, flags, -1, 0);
	REQUIRE(w, p != MAP_FAILED, "mmap of %zu pages, prot %d, flags %#x", n, prot,
		(unsigned int)flags);
	r->base = p;
	r->pages = n;
	set_pages(w, r, 0, n, prot, flags & MAP_SHARED);
}

/* Over mapped pages of the area or into its holes, which another thread may have got meanwhile. */
static void do_mmap_fixed(struct worker *w)
{
	struct region *r = draw(w, 4) ? &w->region[0] : pick_region(w);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, prot = draw(w, 5) ? RW : PROT_NONE;
	size_t at = draw(w, r->pages), want = 1 + draw(w, 128), n = 0;
	bool hole = !r->page[at].id;
	char *p;

	if (r == &w->region[1])
		return; /* the heap is the break's */
	while (at + n < r->pages && n < want && !r->page[at + n].id == hole)
		n++;
	if (hole && w->mapped + n > budget_pages)
		return;
	if (hole)
		flags = (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE;
	if (draw(w, 4) == 0)
		flags |= MAP_NORESERVE;
	p = mmap(address(r, at), n * PAGE, prot, flags, -1, 0);
	if (p == MAP_FAILED && hole && errno == EEXIST) {
		w->refused++;
		return;
	}
	REQUIRE(w, p == address(r, at), "mmap at %p, %zu pages", (void *)address(r, at), n);
	set_pages(w, r, at, n, prot, false);
}

static void do_munmap(struct worker *w)
{
	struct region *r = pick_region(w);
	size_t at, n;

	if (r == &w->region[1])
		return;
	n = pick_run(w, r, r->pages, false, &at);
	if (!n)
		return;
	REQUIRE(w, munmap(address(r, at), n * PAGE) == 0, "munmap");
	set_holes(w, r, at, n);
	forget_if_empty(w, r);
}

static void do_mprotect(struct worker *w)
{
	static const int prots[] = {RW, RW, PROT_READ, PROT_NONE};
	struct region *r = pick_region(w);
	size_t at, n = pick_run(w, r, r->pages, false, &at);
	int prot = prots[draw(w, 4)];
	uint32_t id = 0, from = 0;

	if (!n || (r == &w->region[1] && prot != RW))
		return;
	REQUIRE(w, mprotect(address(r, at), n * PAGE, prot) == 0, "mprotect %d", prot);
	for (size_t i = at; i < at + n; i++) {
		if (r->page[i].id != from || !id) {
			from = r->page[i].id;
			id = ++w->next_id;
		}
		r->page[i].id = id;
		r->page[i].prot = prot;
	}
	/* What lies behind is an area of its own now. */
	if (at + n < r->pages && from && r->page[at + n].id == from) {
		id = ++w->next_id;
		for (size_t i = at + n; i < r->pages && r->page[i].id == from; i++)
			r->page[i].id = id;
	}
}

static void do_madvise(struct worker *w)
{
	static const int advice[] = {MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_FREE,
		MADV_FREE, MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
		MADV_POPULATE_WRITE};
	struct region *r = pick_region(w);
	int how = advice[draw(w, sizeof(advice) / sizeof(*advice))], e;
	size_t at, n = pick_run(w, r, 128, true, &at);
	struct page_model *m = &r->page[at];

	if (!n || (how == MADV_FREE && m->shared))
		return;
	e = madvise(address(r, at), n * PAGE, how) ? errno : 0;
	if (how == MADV_POPULATE_READ || how == MADV_POPULATE_WRITE) {
		bool allowed = m->prot & (how == MADV_POPULATE_READ ? PROT_READ : PROT_WRITE);

		REQUIRE(w, e == EINVAL || (!e) == allowed, "madvise %d with prot %d: %d", how,
			m->prot, e);
		return;
	}
	REQUIRE(w, !e || (how != MADV_DONTNEED && how != MADV_FREE && e == EINVAL),
		"madvise %d: %d", how, e);
	if (e || m->shared)
		return;
	for (size_t i = at; i < at + n; i++) {
		if (how == MADV_DONTNEED) {
			r->page[i].stamp = 0;
			r->page[i].freed = false;
		} else if (how == MADV_FREE) {
			r->page[i].freed = true;
		}
	}
}

/* Grows, shrinks or moves a run inside one kernel area. */
static void do_mremap(struct worker *w)
{
	struct region *r = pick_region(w), *to;
	size_t at, n, extra, room = 0;
	uint32_t id;
	char *p;

	if (r == &w->region[1])
		return;
	n = pick_run(w, r, 256, true, &at);
	to = free_region(w);
	if (!n || !to)
		return;
	switch (draw(w, 4)) {
	case 0: /* shrink */
		extra = draw(w, n);
		if (!extra)
			return;
		p = mremap(address(r, at), n * PAGE, (n - extra) * PAGE,
			draw(w, 2) ? MREMAP_MAYMOVE : 0);
		REQUIRE(w, p == address(r, at), "mremap, shrinking %zu pages by %zu", n, extra);
		set_holes(w, r, at + n - extra, extra);
		return;
	case 1: /* grow */
		extra = 1 + draw(w, 64);
		while (at + n + room < r->capacity && room < extra &&
			(at + n + room >= r->pages || !r->page[at + n + room].id))
			room++;
		if (r->page[at].shared || w->mapped + extra > budget_pages ||
			n + extra > to->capacity || at + n + extra > r->capacity)
			return;
		p = mremap(address(r, at), n * PAGE, (n + extra) * PAGE, MREMAP_MAYMOVE);
		REQUIRE(w, p != MAP_FAILED, "mremap, growing %zu pages by %zu", n, extra);
		if (p == address(r, at)) {
			REQUIRE(w, room == extra, "mremap grew over mapped pages");
			if (at + n + extra > r->pages) {
				for (size_t i = r->pages; i < at + n + extra; i++)
					r->page[i] = (struct page_model){0};
				r->pages = at + n + extra;
			}
			id = ++w->next_id;
			for (size_t i = at + n; i < at + n + extra; i++)
				r->page[i] =
					(struct page_model){.id = id, .prot = r->page[at].prot};
			w->mapped += extra;
			return;
		}
		to->base = p;
		to->pages = n + extra;
		set_pages(w, to, 0, n + extra, r->page[at].prot, false);
		break;
	case 2: /* move onto other pages of the area, which go */
	{
		size_t target = draw(w, area_pages), k = 0;

		to = &w->region[0];
		while (k < n && target + k < area_pages && to->page[target + k].id &&
			(to != r || target + k < at || target + k >= at + n))
			k++;
		if (k < n)
			return;
		p = mremap(address(r, at), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			address(to, target));
		REQUIRE(w, p == address(to, target), "mremap to a fixed address, %zu pages", n);
		set_pages(w, to, target, n, r->page[at].prot, r->page[at].shared);
		id = to->page[target].id;
		for (size_t i = 0; i < n; i++) {
			to->page[target + i] = r->page[at + i];
			to->page[target + i].id = id;
		}
		set_holes(w, r, at, n);
		forget_if_empty(w, r);
		return;
	}
	default: /* move and leave empty pages */
		if (r->page[at].shared || w->mapped + n > budget_pages)
			return;
		p = mremap(address(r, at), n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
			NULL);
		REQUIRE(w, p != MAP_FAILED && p != address(r, at), "mremap, leaving %zu pages", n);
		to->base = p;
		to->pages = n;
		set_pages(w, to, 0, n, r->page[at].prot, false);
		for (size_t i = 0; i < n; i++) {
			to->page[i].stamp = r->page[at + i].stamp;
			to->page[i].freed = r->page[at + i].freed;
			r->page[at + i].stamp = 0;
			r->page[at + i].freed = false;
		}
		return;
	}
	for (size_t i = 0; i < n; i++) {
		to->page[i].stamp = r->page[at + i].stamp;
		to->page[i].freed = r->page[at + i].freed;
	}
	set_holes(w, r, at, n);
	forget_if_empty(w, r);
}

static void do_brk(struct worker *w)
{
	struct region *r = &w->region[1];
	size_t n = 1 + draw(w, 128);

	if (draw(w, 2) && r->pages + n <= r->capacity && w->mapped + n <= budget_pages) {
		char *p = sbrk(n * PAGE);

		REQUIRE(w, p == r->base + r->pages * PAGE, "sbrk, growing by %zu pages: %p", n,
			(void *)p);
		for (size_t i = r->pages; i < r->pages + n; i++)
			r->page[i] = (struct page_model){0};
		r->pages += n;
		set_pages(w, r, r->pages - n, n, RW, false);
	} else if (n < r->pages) {
		REQUIRE(w, sbrk(-(intptr_t)(n * PAGE)) == r->base + r->pages * PAGE,
			"sbrk, shrinking by %zu", n);
		set_holes(w, r, r->pages - n, n);
		r->pages -= n;
	}
}

static void one_call(struct worker *w)
{
	uint64_t k = draw(w, 100);

	w->calls++;
	if (k < 40)
		touch(w);
	else if (k < 52)
		do_mmap(w);
	else if (k < 60)
		do_mmap_fixed(w);
	else if (k < 68)
		do_munmap(w);
	else if (k < 78)
		do_mprotect(w);
	else if (k < 89)
		do_madvise(w);
	else if (k < 97 || w->index)
		do_mremap(w);
	else
		do_brk(w);
}

static void verify_everything(struct worker *w)
{
	for (int k = 0; k < REGIONS; k++) {
		struct region *r = &w->region[k];

		for (size_t i = 0; r->base && i < r->pages; i++)
			if (r->page[i].id && r->page[i].prot & PROT_READ)
				verify_page(w, r, i);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned long n = opt_ops / opt_threads, every = opt_check ? opt_check : n;

	for (unsigned long i = 0; i < n; i++) {
		one_call(w);
		if ((i + 1) % every == 0 || i + 1 == n) {
			pthread_barrier_wait(&barrier); /* everyone stands still */
			pthread_barrier_wait(&barrier); /* the check is done */
		}
	}
	verify_everything(w);
	return NULL;
}

static void check_from_outside(void)
{
	static struct outside outside;
	int status;

	if (!outside_prepare(&outside))
		return;
	status = outside_check(&outside);
	posix_spawn_file_actions_destroy(&outside.actions);
	CHECK(status == 0, "seed %llu: '%s' ended with status %d", (unsigned long long)opt_seed,
		getenv("FAULTLINE_CHECK"), status);
}

static void prepare(struct worker *w, unsigned int index)
{
	w->index = index;
	w->random = mix(opt_seed * 1000003 + index);
	for (int i = 0; i < REGIONS; i++) {
		w->region[i].capacity = i == 0 ? area_pages : 2048;
		w->region[i].page = calloc(w->region[i].capacity, sizeof(*w->region[i].page));
		CHECK(w->region[i].page, "calloc");
	}
	w->region[0].base =
		map_flags(area_pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	w->region[0].pages = area_pages;
	set_pages(w, &w->region[0], 0, area_pages, RW, false);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"ops", 1, NULL, 'o'}, {"seed", 1, NULL, 's'},
		{"threads", 1, NULL, 't'}, {"mb", 1, NULL, 'm'}, {"check-every", 1, NULL, 'c'},
		{0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'o':
			opt_ops = n;
			break;
		case 's':
			opt_seed = n;
			break;
		case 't':
			opt_threads = n;
			break;
		case 'm':
			opt_mb = n;
			break;
		case 'c':
			opt_check = n;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc || !opt_threads || opt_threads > MAX_THREADS || opt_mb < opt_threads ||
		opt_ops < opt_threads) {
		fprintf(stderr, "usage: mm-torture [--ops N] [--seed S] [--threads T] [--mb M] "
				"[--check-every K]\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	unsigned long per_thread, stops;
	uint64_t touches = 0, refused = 0;

	parse(argc, argv);
	budget_pages = opt_mb * MIB / PAGE / opt_threads;
	area_pages = budget_pages / 2;
	per_thread = opt_ops / opt_threads;
	stops = opt_check ? (per_thread + opt_check - 1) / opt_check : 1;
	printf("mm-torture: seed %llu, %lu calls, %lu threads, %lu MiB\n",
		(unsigned long long)opt_seed, opt_ops, opt_threads, opt_mb);
	fflush(stdout);
	pthread_barrier_init(&barrier, NULL, opt_threads + 1);
	for (unsigned int i = 0; i < opt_threads; i++)
		prepare(&workers[i], i);

	/* From here on nobody but thread 0 moves the break: no malloc in a thread. */
	workers[0].region[1].base = sbrk(0);
	if ((uintptr_t)sbrk(0) % PAGE)
		sbrk(PAGE - (uintptr_t)sbrk(0) % PAGE);
	workers[0].region[1].base = sbrk(0);
	for (unsigned int i = 0; i < opt_threads; i++)
		CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0,
			"pthread_create");
	for (unsigned long i = 0; i < stops; i++) {
		pthread_barrier_wait(&barrier);
		check_from_outside();
		pthread_barrier_wait(&barrier);
	}
	for (unsigned int i = 0; i < opt_threads; i++) {
		pthread_join(workers[i].thread, NULL);
		touches += workers[i].touches;
		refused += workers[i].refused;
	}
	dprintf(2, "mm-torture: %llu touches, %llu holes taken by others, %lu checks\n",
		(unsigned long long)touches, (unsigned long long)refused, stops);
	printf("mm-torture: ok\n");
	return 0;
}
