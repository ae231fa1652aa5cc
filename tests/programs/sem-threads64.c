/* 64 threads fault at once: on different pages, and all on the same ones. */
#include "sem.h"
#include <pthread.h>

enum { THREADS = 64, ROUNDS = 3 };

static char *base;
static size_t pages;
static pthread_barrier_t barrier;

/* Each thread has its own pages, interleaved with those of the others. */
static void *different(void *arg)
{
	size_t id = (uintptr_t)arg;

	pthread_barrier_wait(&barrier);
	for (uint64_t r = 0; r < ROUNDS; r++) {
		for (size_t i = id; i < pages; i += THREADS) {
			if (r)
				CHECK(page_has(base + i * PAGE, (r << 32) + i),
					"round %lu page %zu", r, i);
			else
				CHECK(page_zero(base + i * PAGE), "page %zu is not zero at first",
					i);
			fill_page(base + i * PAGE, ((r + 1) << 32) + i);
		}
	}
	return NULL;
}

/* Every thread adds to its own word of every page. */
static void *same(void *arg)
{
	size_t id = (uintptr_t)arg;

	pthread_barrier_wait(&barrier);
	for (int r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < pages; i++)
			((uint64_t *)(base + i * PAGE))[id * 8] += i + id;
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t t[THREADS];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], &attr, fn, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 40);
	base = map(pages * PAGE);
	run(different);
	for (size_t i = 0; i < pages; i++)
		expect(base + i * PAGE, 1, ((uint64_t)ROUNDS << 32) + i);
	say("different pages: ok\n");

	CHECK(madvise(base, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
	pages /= 2;
	run(same);
	for (size_t i = 0; i < pages; i++)
		for (size_t id = 0; id < THREADS; id++)
			CHECK(((uint64_t *)(base + i * PAGE))[id * 8] == ROUNDS * (i + id),
				"page %zu, word of thread %zu", i, id);
	say("same pages: ok\n");
	return 0;
}
