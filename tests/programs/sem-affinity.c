/*
 * A program's CPU mask is its own, however much it faults: it reads the mask that
 * it has, new threads and children inherit it, and what is set stays set, also
 * when another process set it.
 */
#include "sem.h"
#include <pthread.h>
#include <sched.h>

static char *base;
static size_t pages;
static cpu_set_t mine;

/* Faults for a while. */
static void busy(size_t seed)
{
	for (size_t i = 0; i < 400; i++) {
		size_t at = (i * 131 + seed * 17) % pages;

		expect(base + at * PAGE, 1, 1 + at);
	}
}

static void has(const cpu_set_t *mask, pid_t pid)
{
	cpu_set_t now;

	CHECK(sched_getaffinity(pid, sizeof(now), &now) == 0, "sched_getaffinity");
	CHECK(CPU_EQUAL(&now, mask), "%d CPUs, not %d", CPU_COUNT(&now), CPU_COUNT(mask));
}

static void *thread(void *seed)
{
	has(&mine, 0);
	busy((size_t)seed);
	has(&mine, 0);
	return NULL;
}

static int first_of(const cpu_set_t *mask)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, mask))
		cpu++;
	return cpu;
}

/* From outside, after we have faulted: the mask without its first CPU. */
static void set_by_another(void)
{
	cpu_set_t others = mine;
	pid_t self = getpid(), pid;

	CPU_CLR(first_of(&mine), &others);
	busy(0);
	pid = fork_checked();
	if (!pid) {
		CHECK(sched_setaffinity(self, sizeof(others), &others) == 0, "sched_setaffinity");
		_exit(0);
	}
	reap(pid);
	for (size_t i = 1; i < 10; i++)
		busy(i);
	has(&others, 0);
	CHECK(sched_setaffinity(0, sizeof(mine), &mine) == 0, "sched_setaffinity");
}

int main(int argc, char **argv)
{
	cpu_set_t one;

	pages = pages_arg(argc, argv, 24);
	CHECK(sched_getaffinity(0, sizeof(mine), &mine) == 0, "sched_getaffinity");
	if (CPU_COUNT(&mine) < 2) {
		say("SKIP: this needs two CPUs\n");
		return 77;
	}
	base = map_filled(pages, 1);
	for (size_t i = 0; i < 30; i++) {
		pthread_t t;
		pid_t pid;

		busy(i);
		has(&mine, 0);
		busy(i + 1);
		CHECK(pthread_create(&t, NULL, thread, (void *)i) == 0, "pthread_create");
		busy(i + 2);
		pthread_join(t, NULL);
		busy(i + 3);
		pid = fork_checked();
		if (!pid) {
			has(&mine, 0);
			_exit(0);
		}
		reap(pid);
	}
	say("read and inherited: ok\n");
	CPU_ZERO(&one);
	CPU_SET(first_of(&mine), &one);
	busy(1);
	CHECK(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
	busy(2);
	has(&one, 0);
	CHECK(sched_setaffinity(0, sizeof(mine), &mine) == 0, "sched_setaffinity");
	say("set: ok\n");
	for (int i = 0; i < 5; i++)
		set_by_another();
	say("set by another: ok\n");
	return 0;
}
