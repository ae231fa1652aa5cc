/*
 * Futex words in memory that is swapped out: mutexes, condition variables,
 * barriers and semaphores, robust mutexes, and the plain system call.
 */
#include "sem.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>

enum { THREADS = 4, OBJECTS = 512, ROUNDS = 4 };

struct object {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t count;
	char pad[PAGE - sizeof(pthread_mutex_t) - sizeof(pthread_cond_t) - 8];
};

static struct object *objects;
static pthread_barrier_t *barrier;

static void *count_all(void *arg)
{
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < OBJECTS; i++) {
			struct object *o = &objects[(i * 7 + (long)arg * 13) % OBJECTS];

			pthread_mutex_lock(&o->lock);
			o->count++;
			if (o->count % THREADS == 0)
				pthread_cond_broadcast(&o->cond);
			pthread_mutex_unlock(&o->lock);
		}
		if (pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			push_out();
		pthread_barrier_wait(barrier);
	}
	return NULL;
}

static void *wait_for_value(void *arg)
{
	struct object *o = arg;

	pthread_mutex_lock(&o->lock);
	while (o->count != 1000)
		pthread_cond_wait(&o->cond, &o->lock);
	o->count = 2000;
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

static void *die_with_lock(void *arg)
{
	pthread_mutex_lock(arg);
	push_out(); /* the robust list's entry is swapped out when the kernel walks it */
	return NULL;
}

static void *wake_later(void *arg)
{
	uint32_t *word = arg;

	push_out();
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	push_out();
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return NULL;
}

static void *post_later(void *arg)
{
	push_out();
	sem_post(arg);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 16);
	char *memory = map(pages * PAGE);
	pthread_mutexattr_t attr;
	pthread_mutex_t *robust;
	pthread_t t[THREADS];
	uint32_t *word;
	sem_t *sem;

	objects = (struct object *)memory;
	barrier = (pthread_barrier_t *)(memory + OBJECTS * sizeof(*objects));
	robust = (pthread_mutex_t *)(memory + (OBJECTS + 1) * PAGE);
	word = (uint32_t *)(memory + (OBJECTS + 2) * PAGE);
	sem = (sem_t *)(memory + (OBJECTS + 3) * PAGE);
	pthread_barrier_init(barrier, NULL, THREADS);
	for (int i = 0; i < OBJECTS; i++) {
		pthread_mutex_init(&objects[i].lock, NULL);
		pthread_cond_init(&objects[i].cond, NULL);
	}

	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, count_all, (void *)i) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < OBJECTS; i++)
		CHECK(objects[i].count == THREADS * ROUNDS, "object %d counts %lu", i,
			objects[i].count);
	say("mutex and barrier: ok\n");

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, wait_for_value, &objects[i * 100]);
	push_out();
	for (int i = 0; i < THREADS; i++) {
		struct object *o = &objects[i * 100];

		pthread_mutex_lock(&o->lock);
		o->count = 1000;
		pthread_cond_broadcast(&o->cond);
		pthread_mutex_unlock(&o->lock);
		pthread_join(t[i], NULL);
		CHECK(o->count == 2000, "condition %d not seen", i);
	}
	say("condition: ok\n");

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(robust, &attr);
	pthread_create(&t[0], NULL, die_with_lock, robust);
	pthread_join(t[0], NULL);
	CHECK(pthread_mutex_lock(robust) == EOWNERDEAD, "robust mutex");
	CHECK(pthread_mutex_consistent(robust) == 0 && pthread_mutex_unlock(robust) == 0,
		"robust mutex");
	say("robust mutex: ok\n");

	*word = 0;
	pthread_create(&t[0], NULL, wake_later, word);
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0) {
		long r = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);

		CHECK(r == 0 || errno == EAGAIN || errno == EINTR, "futex wait");
	}
	pthread_join(t[0], NULL);
	push_out();
	CHECK(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 &&
			errno == EAGAIN,
		"futex wait on a swapped word with another value");
	say("futex call: ok\n");

	sem_init(sem, 0, 0);
	push_out();
	CHECK(sem_trywait(sem) == -1 && errno == EAGAIN, "semaphore has a value from nowhere");
	pthread_create(&t[0], NULL, post_later, sem);
	CHECK(sem_wait(sem) == 0, "sem_wait");
	pthread_join(t[0], NULL);
	say("semaphore: ok\n");
	return 0;
}
