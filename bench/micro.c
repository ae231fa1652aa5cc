/*
 * The workloads of `./dev bench micro`: one way to walk through memory at a time.
 *
 *	micro WORKLOAD CONTENT MIB SECONDS [4k]
 *
 * MIB of private anonymous memory, a power of two, are filled with pages of CONTENT
 * (pages.h). Then the workload runs with the clock running for ROUNDS accesses a page or for
 * SECONDS, whichever comes first: a slow one ends in time, and its figure is the time an
 * access. Before, as warm-up, it runs for up to twice as long, so that what is in memory is
 * there by the workload's choice and not by that of the filling. A first touch is one of every
 * page, with nothing before it but another that was thrown away. 4k: no huge pages.
 *
 * Prints nanoseconds an access, accesses, and nanoseconds a page of the first filling.
 */
#include "pages.h"
#include "zipf.h"
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#define ROUNDS	    16
#define STRIDE	    16UL
#define MAX_THREADS 2
#define CHECK_EVERY 32 /* accesses between two looks at the clock */

struct walk {
	uint64_t seed, at, lap;
	uint64_t done; /* accesses */
	uint64_t deadline_ns;
};

struct workload {
	const char *name;
	void (*step)(struct walk *w); /* one access; NULL: a first touch */
	unsigned int threads;
	int random; /* order of a first touch */
};

static char *mem;
static uint64_t pages;
static struct zipf zipf;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "micro: ");
	perror(what);
	exit(1);
}

static void scan(struct walk *w)
{
	read_page(mem, w->at);
	w->at = (w->at + 1) & (pages - 1);
}

static void random_read(struct walk *w)
{
	read_page(mem, random_below(&w->seed, pages));
}

static void random_write(struct walk *w)
{
	write_page(mem, random_below(&w->seed, pages));
}

static void mix(struct walk *w, uint64_t page)
{
	if (random_next(&w->seed) >> 63)
		write_page(mem, page);
	else
		read_page(mem, page);
}

static void zipf_mix(struct walk *w)
{
	mix(w, zipf_page(&zipf, random_next(&w->seed)));
}

static void random_mix(struct walk *w)
{
	mix(w, random_below(&w->seed, pages));
}

/* Down one column of a matrix, then down the next one. */
static void stride(struct walk *w)
{
	read_page(mem, w->at);
	w->at += STRIDE;
	if (w->at >= pages) {
		w->lap = (w->lap + 1) % STRIDE;
		w->at = w->lap;
	}
}

static const struct workload workloads[] = {
	{"first-touch-sequential", NULL, 1, 0},
	{"first-touch-random", NULL, 1, 1},
	{"scan", scan, 1, 0},
	{"random-read", random_read, 1, 0},
	{"random-write", random_write, 1, 0},
	{"zipf", zipf_mix, 1, 0},
	{"stride", stride, 1, 0},
	{"two-threads", random_mix, 2, 0},
};

static const struct workload *work;

static void usage(void)
{
	fprintf(stderr, "usage: micro WORKLOAD byte|half|random MIB SECONDS [4k]\n"
			"       WORKLOAD is one of");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		fprintf(stderr, " %s", workloads[i].name);
	fprintf(stderr, "; MIB is a power of two\n");
	exit(2);
}

/* Every page once; the random order is a linear congruential sequence of full period. */
static uint64_t fill(int random)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0, page = 0; i < pages; i++) {
		fill_page(mem, page);
		page = random ? (page * 1664525 + 1013904223) & (pages - 1) : page + 1;
	}
	return now_ns() - start;
}

static void *walk(void *arg)
{
	struct walk *w = arg;
	uint64_t most = pages * ROUNDS / work->threads;

	for (w->done = 0; w->done < most; w->done++) {
		if (w->done % CHECK_EVERY == 0 && now_ns() >= w->deadline_ns)
			break;
		work->step(w);
	}
	return NULL;
}

/* Nanoseconds that all walks took together; each goes on where it was. */
static uint64_t walk_all(struct walk *walks, double seconds)
{
	uint64_t start = now_ns();
	pthread_t thread[MAX_THREADS];

	for (unsigned int i = 0; i < work->threads; i++) {
		walks[i].deadline_ns = start + (uint64_t)(seconds * 1e9);
		if (i && pthread_create(&thread[i], NULL, walk, &walks[i]))
			die("pthread_create");
	}
	walk(&walks[0]);
	for (unsigned int i = 1; i < work->threads; i++)
		pthread_join(thread[i], NULL);
	return now_ns() - start;
}

static void first_touch(void)
{
	uint64_t first = fill(work->random), ns;

	if (madvise(mem, pages * PAGE, MADV_DONTNEED) < 0)
		die("madvise");
	ns = fill(work->random);
	printf("%.2f %lu %.2f\n", (double)ns / (double)pages, pages, (double)first / (double)pages);
}

static void accesses(double seconds)
{
	struct walk walks[MAX_THREADS] = {{.seed = 1234567}, {.seed = 7654321}};
	uint64_t first = fill(0), done = 0, ns;

	walk_all(walks, 2 * seconds);
	ns = walk_all(walks, seconds);
	for (unsigned int i = 0; i < work->threads; i++)
		done += walks[i].done;
	printf("%.2f %lu %.2f\n", (double)ns / (double)done, done, (double)first / (double)pages);
}

static void parse(int argc, char **argv, double *ret_seconds)
{
	static const char *const contents[] = {"byte", "half", "random"};
	int known = 0;

	if (argc < 5 || argc > 6 || (argc == 6 && strcmp(argv[5], "4k")))
		usage();
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (!strcmp(argv[1], workloads[i].name))
			work = &workloads[i];
	for (unsigned int i = 0; i < sizeof(contents) / sizeof(contents[0]); i++)
		if (!strcmp(argv[2], contents[i])) {
			content = (enum content)i;
			known = 1;
		}
	pages = strtoull(argv[3], NULL, 10) << 8;
	*ret_seconds = strtod(argv[4], NULL);
	if (!work || !known || !pages || (pages & (pages - 1)) || pages >> 32 || *ret_seconds <= 0)
		usage();
}

int main(int argc, char **argv)
{
	double seconds;

	parse(argc, argv, &seconds);
	if (content != CONTENT_BYTE)
		make_templates();
	if (work->step == zipf_mix)
		zipf_init(&zipf, pages);
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	if (argc == 6 && madvise(mem, pages * PAGE, MADV_NOHUGEPAGE) < 0)
		die("madvise");
	if (work->step)
		accesses(seconds);
	else
		first_touch();
	return 0;
}
