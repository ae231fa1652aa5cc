/*
 * Mutual exclusion between threads and between processes, sleeping and waking,
 * and the take-over of a lock whose owner has died.
 */
#include "base/lock.h"

#include "../mm/check-main.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS	50000

static struct fl_lock lock = FL_LOCK_INIT(FL_RANK_MM);

/* What processes share: the guarded numbers are plain on purpose. */
struct shared {
	struct fl_shlock lock;
	u64 a, b;
	u32 word;
};

static struct shared *map_shared(void)
{
	struct shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	fl_shlock_init(&s->lock, FL_RANK_ZONE);
	return s;
}

static u64 total;

static void *add_up(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		fl_lock(&lock);
		total++;
		fl_unlock(&lock);
	}
	return NULL;
}

START_TEST(test_threads)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, add_up, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(total, (u64)THREADS * ROUNDS);
	ck_assert(!fl_lock_is_held(&lock));
}
END_TEST

START_TEST(test_trylock)
{
	ck_assert(fl_trylock(&lock));
	ck_assert(fl_lock_is_held(&lock));
	ck_assert(!fl_trylock(&lock));
	fl_unlock(&lock);
	ck_assert(!fl_lock_is_held(&lock));
}
END_TEST

/* A holder that sleeps makes the waiters go to sleep in the kernel. */
static void *hold_long(void *arg)
{
	fl_lock(&lock);
	usleep(20000);
	total++;
	fl_unlock(&lock);
	return NULL;
}

START_TEST(test_sleeping_waiters)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, hold_long, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	ck_assert_uint_eq(total, THREADS);
}
END_TEST

START_TEST(test_processes)
{
	struct shared *s = map_shared();

	for (int i = 0; i < THREADS; i++)
		if (fork() == 0) {
			for (int n = 0; n < ROUNDS / 5; n++) {
				fl_shlock(&s->lock);
				s->a++;
				s->b--;
				fl_shunlock(&s->lock);
			}
			_exit(0);
		}
	for (int i = 0; i < THREADS; i++)
		wait(NULL);
	ck_assert_uint_eq(s->a, (u64)THREADS * ROUNDS / 5);
	ck_assert_uint_eq(s->a + s->b, 0);
	ck_assert_uint_eq(s->lock.word, 0);
}
END_TEST

START_TEST(test_dead_owner)
{
	struct shared *s = map_shared();
	pid_t child = fork();

	if (child == 0) {
		fl_shlock(&s->lock);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_uint_eq(s->lock.word, (u32)child);
	ck_assert(fl_shlock(&s->lock)); /* taken over */
	fl_shunlock(&s->lock);
	ck_assert(!fl_shlock(&s->lock)); /* and healthy again */
	fl_shunlock(&s->lock);
	ck_assert_uint_eq(s->lock.word, 0);
}
END_TEST

/* Several wait while the owner dies: exactly one is told. */
START_TEST(test_dead_owner_waiters)
{
	struct shared *s = map_shared();
	pid_t owner = fork();

	if (owner == 0) {
		fl_shlock(&s->lock);
		usleep(50000);
		raise(SIGKILL);
	}
	while (!__atomic_load_n(&s->lock.word, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (int i = 0; i < THREADS; i++)
		if (fork() == 0) {
			bool repaired = fl_shlock(&s->lock);

			s->a++;
			s->b += repaired;
			fl_shunlock(&s->lock);
			_exit(0);
		}
	for (int i = 0; i < THREADS + 1; i++)
		wait(NULL);
	ck_assert_uint_eq(s->a, THREADS);
	ck_assert_uint_eq(s->b, 1);
	ck_assert_uint_eq(s->lock.word, 0);
}
END_TEST

START_TEST(test_futex)
{
	struct shared *s = map_shared();
	u64 wait_ns = 20000000;

	fl_futex_wait(&s->word, 1, 0, true);	   /* another value: returns at once */
	fl_futex_wait(&s->word, 0, wait_ns, true); /* time over */
	if (fork() == 0) {
		usleep(20000);
		__atomic_store_n(&s->word, 1, __ATOMIC_RELEASE);
		fl_futex_wake(&s->word, 1, true);
		_exit(0);
	}
	while (!__atomic_load_n(&s->word, __ATOMIC_ACQUIRE))
		fl_futex_wait(&s->word, 0, 0, true);
	wait(NULL);
}
END_TEST

#ifdef FL_DEBUG_LOCKS
START_TEST(test_reversal)
{
	struct fl_lock low = FL_LOCK_INIT(FL_RANK_MM), high = FL_LOCK_INIT(FL_RANK_ARENA);

	fl_lock(&low);
	fl_lock(&high);
	fl_unlock(&high);
	fl_unlock(&low);
	fl_lock(&high);
	fl_lock(&low); /* traps */
}
END_TEST
#endif

static const struct test_case tests[] = {
	{&test_threads, 0, 0},
	{&test_trylock, 0, 0},
	{&test_sleeping_waiters, 0, 0},
	{&test_processes, 0, 0},
	{&test_dead_owner, 0, 0},
	{&test_dead_owner_waiters, 0, 0},
	{&test_futex, 0, 0},
#ifdef FL_DEBUG_LOCKS
	{&test_reversal, SIGILL, 0},
#endif
};

int main(void)
{
	return run_tests("base/lock", tests, fl_array_size(tests));
}
