/*
 * Shared anonymous memory that is larger than the budget: several processes write to all
 * of it at random, page by page under locks that lie in the pages themselves, while others
 * give up, move and map their views of it anew. Every page must say at any time what was
 * written last, and in the end each write must have been counted.
 */
#include "sem.h"
#include <pthread.h>
#include <signal.h>
#include <sys/uio.h>

enum { PROCS = 4, ROUNDS = 6000 };

/* A page: a lock, how often it was written, and a body that follows from both. */
struct shared_page {
	pthread_mutex_t lock;
	uint64_t version;
	uint64_t body[(PAGE - sizeof(pthread_mutex_t) - 8) / 8];
};

#define BODY (sizeof(((struct shared_page *)0)->body) / 8)

static uint64_t random_state;
static bool filling = true; /* pages may be empty still */

static uint64_t draw(uint64_t below)
{
	return mix(++random_state) % below;
}

static void check_body(const struct shared_page *p, size_t page)
{
	for (size_t i = 0; i < BODY; i++)
		CHECK(p->body[i] == (p->version ? mix(page << 32 ^ p->version << 10 ^ i) : 0) &&
				(p->version || filling),
			"page %zu version %llu word %zu", page, (unsigned long long)p->version, i);
}

static void visit(struct shared_page *p, size_t page, bool write)
{
	CHECK(pthread_mutex_lock(&p->lock) == 0, "lock");
	check_body(p, page);
	if (write) {
		p->version++;
		for (size_t i = 0; i < BODY; i++)
			p->body[i] = mix(page << 32 ^ p->version << 10 ^ i);
	}
	CHECK(pthread_mutex_unlock(&p->lock) == 0, "unlock");
}

/* The same through a system call: a page is copied by the kernel, and may be in swap. */
static void visit_by_call(struct shared_page *p, size_t page)
{
	static struct shared_page copy;
	struct iovec to = {&copy, sizeof(copy)}, from = {p, sizeof(*p)};

	CHECK(pthread_mutex_lock(&p->lock) == 0, "lock");
	CHECK(process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)PAGE, "process_vm_readv");
	check_body(&copy, page);
	CHECK(pthread_mutex_unlock(&p->lock) == 0, "unlock");
}

/* Changes this process's view, not what it shows. Returns the view. */
static char *disturb(char *base, size_t pages)
{
	size_t at = draw(pages), n = 1 + draw(pages - at < 64 ? pages - at : 64);
	char *to;

	switch (draw(5)) {
	case 0:
		CHECK(madvise(base + at * PAGE, n * PAGE, MADV_DONTNEED) == 0, "dontneed");
		return base;
	case 1:
		CHECK(mprotect(base + at * PAGE, n * PAGE, PROT_NONE) == 0, "mprotect");
		CHECK(mprotect(base + at * PAGE, n * PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect");
		return base;
	case 2: /* a second view of all, instead of the first */
		to = mremap(base, 0, pages * PAGE, MREMAP_MAYMOVE);
		CHECK(to != MAP_FAILED, "mremap of nothing");
		CHECK(munmap(base, pages * PAGE) == 0, "munmap");
		return to;
	case 3: /* elsewhere */
		to = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		CHECK(to != MAP_FAILED, "mmap");
		to = mremap(base, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
		CHECK(to != MAP_FAILED, "mremap");
		return to;
	default:
		CHECK(msync(base + at * PAGE, n * PAGE, MS_SYNC) == 0, "msync");
		return base;
	}
}

static void work(char *base, size_t pages, int who)
{
	random_state = (uint64_t)(who + 1) << 40;
	for (int i = 0; i < ROUNDS; i++) {
		size_t page = draw(4) ? draw(pages) : draw(pages / 8);
		struct shared_page *p = (struct shared_page *)(base + page * PAGE);

		if (i % 97 == 13)
			visit_by_call(p, page);
		else
			visit(p, page, i % 2);
		if (i % 61 == 60)
			base = disturb(base, pages);
		if (i % 300 == 150) { /* a child that looks at some, and is gone */
			pid_t pid = fork_checked();

			if (!pid) {
				volatile char sum = 0;

				for (;;) /* without a lock: it may die at any time */
					sum += base[draw(pages * PAGE)];
			}
			usleep((useconds_t)draw(20000));
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 40);
	pthread_mutexattr_t attr;
	uint64_t versions = 0, writes = 0;
	pid_t pid[PROCS];
	char *base, *empty;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	base = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	for (size_t i = 0; i < pages; i++) {
		struct shared_page *p = (struct shared_page *)(base + i * PAGE);

		pthread_mutex_init(&p->lock, &attr);
		visit(p, i, true); /* zeros are wrong from now on */
	}
	filling = false;
	for (int i = 0; i < PROCS; i++) {
		pid[i] = fork_checked();
		if (!pid[i]) {
			work(base, pages, i);
			_exit(0);
		}
	}
	for (int i = 0; i < PROCS; i++)
		reap(pid[i]);
	for (size_t i = 0; i < pages; i++) {
		struct shared_page *p = (struct shared_page *)(base + i * PAGE);

		visit(p, i, false);
		versions += p->version;
	}
	for (int i = 0; i < ROUNDS; i++)
		writes += i % 97 != 13 && i % 2;
	versions -= pages;
	CHECK(versions == PROCS * writes, "%llu writes, %llu are there", (unsigned long long)(PROCS * writes),
		(unsigned long long)versions);
	say("%llu writes\n", (unsigned long long)versions);

	/* given up: zeros for all; and past the end of what was mapped there is nothing */
	CHECK(madvise(base, pages / 2 * PAGE, MADV_REMOVE) == 0, "remove");
	for (size_t i = 0; i < pages; i++)
		CHECK(base[i * PAGE + PAGE - 1] == 0 || i >= pages / 2, "page %zu is not given up", i);
	for (size_t i = pages / 2; i < pages; i++)
		visit((struct shared_page *)(base + i * PAGE), i, false);
	/* so are pages before memory that refuses it, be they in swap or not */
	CHECK(mmap(base + (pages - 1) * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		MAP_FAILED, "mmap");
	CHECK(madvise(base + pages / 2 * PAGE, (pages - pages / 2) * PAGE, MADV_REMOVE) < 0 && errno == EINVAL,
		"remove of private memory");
	for (size_t i = pages / 2; i < pages - 1; i++)
		CHECK(base[i * PAGE + PAGE - 1] == 0, "page %zu is not given up", i);
	CHECK(munmap(base, pages * PAGE) == 0, "munmap");

	/* a new one where the last was: nothing of that is in it */
	empty = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	for (size_t i = 0; i < pages; i++)
		CHECK(empty[i * PAGE + PAGE / 2] == 0, "page %zu of new memory", i);
	say("ok\n");
	return 0;
}
