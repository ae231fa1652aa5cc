/*
 * Robust mutexes in shared memory: whoever holds one and ends, in whatever way, leaves word
 * of it to the next, also if its page was in nobody's way for long and others have pushed
 * all else out of memory.
 */
#include "sem.h"
#include <pthread.h>
#include <signal.h>

enum { EXITS, IS_KILLED, THREAD_ENDS, WAYS };

static char *base;
static size_t pages;
static pthread_mutex_t *mutex;

static void press(char key)
{
	for (size_t i = 1; i < pages; i++)
		memset(base + i * PAGE, key, PAGE);
}

static void *take(void *ready)
{
	int *fds = ready;

	CHECK(pthread_mutex_lock(mutex) == 0, "lock");
	CHECK(write(fds[1], "", 1) == 1, "write");
	CHECK(read(fds[2], &(char){0}, 1) == 1, "read");
	return NULL;
}

static void hold(int way, int *fds)
{
	pthread_t thread;

	if (way == THREAD_ENDS) {
		CHECK(pthread_create(&thread, NULL, take, fds) == 0, "thread");
		CHECK(pthread_join(thread, NULL) == 0, "join");
		CHECK(write(fds[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	take(fds);
	if (way == EXITS)
		_exit(0);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	pthread_mutexattr_t attr;

	pages = pages_arg(argc, argv, 40);
	base = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	mutex = (pthread_mutex_t *)base;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	CHECK(pthread_mutex_init(mutex, &attr) == 0, "init");
	for (int way = 0; way < WAYS; way++) {
		int up[2], down[2], r;
		pid_t pid;

		CHECK(pipe(up) == 0 && pipe(down) == 0, "pipe");
		pid = fork_checked();
		if (!pid)
			hold(way, (int[]){0, up[1], down[0]});
		CHECK(read(up[0], &(char){0}, 1) == 1, "read");
		press((char)way);
		press((char)(way + 1));
		if (way == IS_KILLED)
			kill(pid, SIGKILL);
		else
			CHECK(write(down[1], "", 1) == 1, "write");
		if (way == THREAD_ENDS) {
			CHECK(read(up[0], &(char){0}, 1) == 1, "read");
		} else {
			CHECK(waitpid(pid, NULL, 0) == pid, "waitpid");
		}
		r = pthread_mutex_lock(mutex);
		CHECK(r == EOWNERDEAD, "way %d: %d", way, r);
		CHECK(pthread_mutex_consistent(mutex) == 0, "consistent");
		CHECK(pthread_mutex_unlock(mutex) == 0, "unlock");
		if (way == THREAD_ENDS) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		say("way %d\n", way);
	}
	return 0;
}
