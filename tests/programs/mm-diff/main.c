/*
 * Random valid and invalid calls of mm, and accesses, with a log of everything that can be seen of
 * them: results, errno, signals with their siginfo, bytes, and the layout.
 *
 *	mm-diff [--ops N] [--seed S] [--threads T] [--every K] [--only FILE] [--log PREFIX]
 *	mm-diff --list
 *
 * The log must be the same natively and under a memory manager: tests/stress/mm-diff.py compares,
 * and finds the least set of operations that shows a difference. --only FILE has the numbers of the
 * operations to run, one a line; the others are left out. Thread k writes PREFIX.k. Every K
 * operations of a thread everything is looked at, and the command in $FAULTLINE_CHECK as well.
 */
#include "../outside.h"
#include "diff.h"

#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define MAX_THREADS 16u
#define MAX_OPS	    1000000u
#define UNLOCK_EVERY 250u

static const struct op *const tables[] = {map_ops, unmap_ops, protect_ops, advise_ops, lock_ops,
	file_ops, access_ops, buffer_ops, process_ops};
#define NR_TABLES (sizeof(tables) / sizeof(*tables))

static unsigned long opt_ops = 2000, opt_threads = 1, opt_every = 1000;
static uint64_t opt_seed = 1;
static const char *opt_only, *opt_log = "mm-diff.log";
static unsigned char only[MAX_OPS / 8];
static struct worker workers[MAX_THREADS];
static pthread_barrier_t barrier;
static struct outside outside;
static bool look_from_outside;
static uint64_t total_weight;

static bool wanted(unsigned long i)
{
	return !opt_only || only[i / 8] >> i % 8 & 1;
}

static const struct op *draw_op(struct worker *w)
{
	uint64_t at = draw(w, total_weight);

	for (size_t t = 0; t < NR_TABLES; t++)
		for (const struct op *op = tables[t]; op->name; op++) {
			if (at < op->weight)
				return op;
			at -= op->weight;
		}
	abort();
}

static void check_together(struct worker *w)
{
	int status;

	note_everything(w);
	log_flush(w);
	pthread_barrier_wait(&barrier); /* everyone stands still */
	if (!w->index && look_from_outside) {
		status = outside_check(&outside);
		/* in the log, so that a disagreement is shrunk like any difference */
		note(w, "#%lu check = %d\n", w->op, status);
	}
	pthread_barrier_wait(&barrier);
}

static void one_op(struct worker *w, unsigned long i)
{
	const struct op *op;

	w->op = i;
	w->draws = mix(opt_seed * 1000003 + w->index) ^ mix(i);
	if ((i + 1) % UNLOCK_EVERY == 0)
		arena_unlock(w); /* locked memory cannot be evicted, and there is little */
	if ((i + 1) % opt_every == 0 || i + 1 == opt_ops) {
		note(w, "#%lu ", i);
		log_flush(w);
		check_together(w);
		return;
	}
	op = draw_op(w);
	if ((op->limits & ALONE) && opt_threads > 1)
		return;
	note(w, "#%lu %s: ", i, op->name);
	log_flush(w); /* who does not come back from it is known then */
	op->run(w, op);
	note(w, "\n");
}

static void *work(void *arg)
{
	struct worker *w = arg;

	guard_init(w);
	for (unsigned long i = 0; i < opt_ops; i++)
		if (wanted(i))
			one_op(w, i);
	log_flush(w);
	return NULL;
}

static int temporary_file(uint64_t key)
{
	char name[256];
	const char *dir = getenv("TMPDIR");
	static char page[PAGE];
	int fd;

	snprintf(name, sizeof(name), "%s/mm-diff.XXXXXX", dir ? dir : "/tmp");
	fd = mkostemp(name, O_CLOEXEC);
	CHECK(fd >= 0 && unlink(name) == 0, "%s", name);
	for (size_t i = 0; i < FILE_PAGES; i++) {
		fill_page(page, key + i);
		CHECK(write(fd, page, PAGE) == (ssize_t)PAGE, "%s", name);
	}
	return fd;
}

static int reopened(int fd)
{
	char name[64];
	int ro;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ro = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(ro >= 0, "%s", name);
	close(fd);
	return ro;
}

static void prepare_files(struct worker *w)
{
	static char page[PAGE];

	w->fd[ANON] = -1;
	w->fd[FILE_RW] = temporary_file(0xF11E0000);
	w->fd[FILE_RO] = reopened(temporary_file(0xF11E1000));
	w->fd[MEMFD] = memfd_create("mm-diff", MFD_CLOEXEC);
	w->fd[SEALED] = memfd_create("mm-diff-sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(w->fd[MEMFD] >= 0 && w->fd[SEALED] >= 0, "memfd_create");
	for (size_t i = 0; i < FILE_PAGES; i++) {
		fill_page(page, 0xF11E2000 + i);
		CHECK(write(w->fd[MEMFD], page, PAGE) == (ssize_t)PAGE, "memfd");
		CHECK(write(w->fd[SEALED], page, PAGE) == (ssize_t)PAGE, "memfd");
	}
	CHECK(fcntl(w->fd[SEALED], F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0,
		"seals");
}

/* A thread has its own of everything that it can change. */
static void prepare(struct worker *w, unsigned int index)
{
	char name[512];

	w->index = index;
	w->arena = (char *)(ARENA + index * ARENA_STEP);
	w->signal_stack = malloc(64 << 10);
	w->log = malloc(LOG_BYTES);
	w->scratch = malloc(64 << 10);
	CHECK(w->signal_stack && w->log && w->scratch, "malloc");
	snprintf(name, sizeof(name), "%s.%u", opt_log, index);
	w->log_fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	CHECK(w->log_fd >= 0, "%s", name);
	prepare_files(w);
	w->shm = shmget(IPC_PRIVATE, SHM_PAGES * PAGE, IPC_CREAT | 0600);
	/* removed at once, it is there until nobody has it attached any more */
	CHECK(w->shm >= 0 && shmat(w->shm, NULL, 0) != (void *)-1 && !shmctl(w->shm, IPC_RMID, NULL),
		"shmget");
	w->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CHECK(w->pidfd >= 0, "pidfd_open");
	CHECK(pipe2(w->pipe, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, w->socket) == 0,
		"socketpair");
}

/* From here on nobody may call malloc, which would move the break. */
static void prepare_heap(struct worker *w)
{
	w->heap = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
	CHECK(brk(w->heap) == 0, "brk");
}

static void read_only(void)
{
	FILE *f = fopen(opt_only, "r");
	unsigned long i;

	CHECK(f, "%s", opt_only);
	while (fscanf(f, "%lu", &i) == 1)
		if (i < MAX_OPS)
			only[i / 8] |= (unsigned char)(1 << i % 8);
	fclose(f);
}

static void list(void)
{
	unsigned int n = 0;

	for (size_t t = 0; t < NR_TABLES; t++)
		for (const struct op *op = tables[t]; op->name; op++, n++)
			printf("%s%s\n", op->name, op->limits & ALONE ? " (one thread)" : "");
	printf("%u variants\n", n);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {{"ops", 1, NULL, 'o'}, {"seed", 1, NULL, 's'},
		{"threads", 1, NULL, 't'}, {"every", 1, NULL, 'e'}, {"only", 1, NULL, 'f'},
		{"log", 1, NULL, 'l'}, {"list", 0, NULL, 'L'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long n = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'o': opt_ops = n; break;
		case 's': opt_seed = n; break;
		case 't': opt_threads = n; break;
		case 'e': opt_every = n; break;
		case 'f': opt_only = optarg; break;
		case 'l': opt_log = optarg; break;
		case 'L': list(); exit(0);
		default: exit(2);
		}
	}
	if (optind != argc || !opt_threads || opt_threads > MAX_THREADS || opt_ops > MAX_OPS || !opt_every) {
		fprintf(stderr, "usage: mm-diff [--ops N] [--seed S] [--threads T] [--every K] "
				"[--only FILE] [--log PREFIX] | --list\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (opt_only)
		read_only();
	for (size_t t = 0; t < NR_TABLES; t++)
		for (const struct op *op = tables[t]; op->name; op++)
			total_weight += op->weight;
	look_from_outside = outside_prepare(&outside);
	for (unsigned int i = 0; i < opt_threads; i++)
		prepare(&workers[i], i);
	CHECK(chdir("/") == 0, "chdir");
	pthread_barrier_init(&barrier, NULL, (unsigned int)opt_threads);
	if (opt_threads == 1) {
		prepare_heap(&workers[0]);
		work(&workers[0]);
	}
	for (unsigned int i = 0; opt_threads > 1 && i < opt_threads; i++)
		CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0,
			"pthread_create");
	for (unsigned int i = 0; opt_threads > 1 && i < opt_threads; i++)
		pthread_join(workers[i].thread, NULL);
	return 0;
}
