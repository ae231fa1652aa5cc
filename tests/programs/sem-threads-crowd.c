/*
 * Threads by the hundred: they fault, map and unmap at once; come and go quickly,
 * detached and cancelled ones too; the first leaves before the others; and a process
 * ends, with its status, while they fault.
 */
#include "sem.h"
#include <limits.h>
#include <pthread.h>

enum { CROWD = 300, OWN = 12, ROUNDS = 4, STORM = 600, AT_ONCE = 30 };

static char *base;
static size_t pages;
static pthread_attr_t tiny;

static pthread_t start(void *(*fn)(void *), size_t arg)
{
	pthread_t t;
	int r = pthread_create(&t, &tiny, fn, (void *)arg);

	CHECK(r == 0, "pthread_create: %d", r);
	return t;
}

static void *own_data(void *arg)
{
	uint64_t key = (uintptr_t)arg << 32;

	for (int round = 0; round < ROUNDS; round++) {
		char *p = map(OWN * PAGE), *q;

		fill(p, OWN, key);
		CHECK(munmap(p + 4 * PAGE, 4 * PAGE) == 0, "munmap");
		expect(p, 4, key);
		expect(p + 8 * PAGE, OWN - 8, key + 8);
		q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
		CHECK(q != MAP_FAILED, "mremap");
		expect(q, 4, key);
		expect_zero(q + 4 * PAGE, 60);
		munmap(q, 64 * PAGE);
		munmap(p + 8 * PAGE, (OWN - 8) * PAGE);
		expect(base + (uintptr_t)arg % pages * PAGE, 1, 1 + (uintptr_t)arg % pages);
	}
	return NULL;
}

static void crowd(void)
{
	static pthread_t t[CROWD];

	for (size_t i = 0; i < CROWD; i++)
		t[i] = start(own_data, i + 1);
	for (int i = 0; i < CROWD; i++)
		pthread_join(t[i], NULL);
	expect(base, pages, 1);
	say("%d threads: ok\n", CROWD);
}

static int finished;

static void *look_and_go(void *arg)
{
	size_t i = mix((uintptr_t)arg) % pages;

	CHECK(page_has(base + i * PAGE, 1 + i), "page %zu", i);
	__atomic_add_fetch(&finished, 1, __ATOMIC_RELEASE);
	return arg;
}

static void storm(void)
{
	pthread_t t[AT_ONCE];

	for (size_t i = 0; i < STORM; i += AT_ONCE) {
		for (size_t k = 0; k < AT_ONCE; k++)
			t[k] = start(look_and_go, i + k);
		for (size_t k = 0; k < AT_ONCE; k++)
			if (k % 3)
				pthread_join(t[k], NULL);
			else
				pthread_detach(t[k]);
	}
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < STORM)
		usleep(1000);
	say("%d threads one after the other, some detached: ok\n", STORM);
}

static void *for_ever(void *arg)
{
	for (size_t i = (size_t)arg;; i++) {
		expect(base + i % pages * PAGE, 1, 1 + i % pages);
		pthread_testcancel();
	}
	return NULL;
}

static void cancelled(void)
{
	pthread_t t[AT_ONCE];
	void *result;

	for (size_t i = 0; i < AT_ONCE; i++)
		t[i] = start(for_ever, i * 50);
	for (int i = 0; i < AT_ONCE; i++) {
		CHECK(pthread_cancel(t[i]) == 0, "pthread_cancel");
		CHECK(pthread_join(t[i], &result) == 0 && result == PTHREAD_CANCELED, "joined");
	}
	expect(base, pages, 1);
	say("cancelled: ok\n");
}

/* The process ends in the midst of faults. */
static void ends(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork_checked();
		int status;

		if (!pid) {
			for (size_t k = 0; k < 8; k++)
				start(for_ever, k * 100);
			expect(base, pages, 1);
			exit(17);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 17 << 8, "status %#x",
			(unsigned int)status);
	}
	expect(base, pages, 1);
	say("ends while threads fault: ok\n");
}

static pthread_t first;

/* Goes on alone, with more memory than there is. */
static void *remains(void *arg)
{
	pthread_join(first, NULL);
	push_out();
	expect(base, pages, 1);
	if (arg)
		exit(19);
	return NULL;
}

static void first_leaves(void)
{
	for (size_t i = 0; i < 2; i++) {
		pid_t pid = fork_checked();
		int status;

		if (!pid) {
			first = pthread_self();
			start(remains, i);
			pthread_exit(NULL);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == (i ? 19 << 8 : 0), "status %#x",
			(unsigned int)status);
	}
	say("the first leaves before the others: ok\n");
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 20);
	base = map_filled(pages, 1);
	pthread_attr_init(&tiny);
	pthread_attr_setstacksize(&tiny, PTHREAD_STACK_MIN);
	push_out();
	crowd();
	storm();
	cancelled();
	ends();
	first_leaves();
	return 0;
}
