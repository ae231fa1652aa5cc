/*
 * fork from one thread while others fault, map and allocate: every child
 * verifies what cannot change and uses malloc; no thread loses a write.
 */
#include "sem.h"
#include <pthread.h>

enum { THREADS = 3, CHILDREN = 12 };

static char *stable;
static size_t stable_pages, own_pages;
static volatile int stop;
static pthread_barrier_t started;

static void *busy(void *arg)
{
	uint64_t id = (uintptr_t)arg, round = 0;
	char *own = map(own_pages * PAGE);

	fill(own, own_pages, id << 40);
	pthread_barrier_wait(&started);
	while (!stop) {
		for (size_t i = 0; i < own_pages; i++) {
			char *page = own + i * PAGE;

			CHECK(page_has(page, (id << 40) + (round << 20) + i),
				"thread %d lost page %zu", (int)id, i);
			fill_page(page, (id << 40) + ((round + 1) << 20) + i);
			if (i % 64 == 0) {
				char *p = malloc(200000);

				memset(p, (int)i, 200000);
				CHECK(p[199999] == (char)i, "malloc");
				free(p);
			}
			if (stop && i % 16 == 0) {
				/* the rest of this round is checked as it is */
				for (size_t k = 0; k < own_pages; k++)
					CHECK(page_has(own + k * PAGE,
						      (id << 40) + ((round + (k <= i)) << 20) + k),
						"thread %d lost page %zu", (int)id, k);
				return NULL;
			}
		}
		round++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 48);
	pthread_t t[THREADS];

	stable_pages = pages / 2;
	own_pages = pages / 2 / THREADS;
	stable = map_filled(stable_pages, 1);
	pthread_barrier_init(&started, NULL, THREADS + 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, busy, (void *)(i + 1)) == 0, "pthread_create");
	pthread_barrier_wait(&started);

	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork_checked();

		if (!pid) {
			char *p = malloc(300000);

			memset(p, 7, 300000);
			expect(stable, stable_pages, 1);
			fill(stable, 64, 77);
			expect(stable, 64, 77);
			CHECK(p[12345] == 7, "malloc in the child");
			free(p);
			_exit(0);
		}
		reap(pid);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	expect(stable, stable_pages, 1);
	say("%d children, %d threads: ok\n", CHILDREN, THREADS);
	return 0;
}
