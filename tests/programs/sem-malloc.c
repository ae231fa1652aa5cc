/* malloc arenas: eight threads allocate, check, resize, free, and pass blocks to each other. */
#include "sem.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 8, SLOTS = 1500, OPS = 12000 };

struct slot {
	unsigned char *p;
	size_t n;
	uint64_t key;
};

static struct slot exchange[THREADS];
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;

static void stamp(struct slot *s, size_t from)
{
	uint64_t x = mix(s->key);

	for (size_t i = from; i < s->n; i++)
		s->p[i] = (unsigned char)((x >> (i % 8 * 8)) + i / 8);
}

static void verify(const struct slot *s, size_t n)
{
	uint64_t x = mix(s->key);

	for (size_t i = 0; i < n; i++)
		CHECK(s->p[i] == (unsigned char)((x >> (i % 8 * 8)) + i / 8), "byte %zu of %zu", i,
			n);
}

static size_t a_size(uint64_t r)
{
	if (r % 100 < 70)
		return 1 + r / 100 % 4000;
	if (r % 100 < 99)
		return 1 + r / 100 % 40000;
	return 1 + r / 100 % 400000;
}

static void *worker(void *arg)
{
	uint64_t r = mix((uintptr_t)arg), key = (uint64_t)(uintptr_t)arg << 32;
	struct slot *slots = calloc(SLOTS, sizeof(*slots));

	for (int op = 0; op < OPS; op++) {
		struct slot *s = &slots[(r = mix(r)) % SLOTS];

		if (!s->p) {
			s->n = a_size(r >> 16);
			s->key = key++;
			s->p = op % 5 ? malloc(s->n) : calloc(1, s->n);
			CHECK(s->p, "malloc");
			if (op % 5 == 0)
				for (size_t i = 0; i < s->n; i++)
					CHECK(!s->p[i], "calloc is not zero");
			stamp(s, 0);
		} else if (r >> 60 < 4) {
			size_t was = s->n;

			s->n = a_size(r >> 20);
			s->p = realloc(s->p, s->n);
			CHECK(s->p, "realloc");
			verify(s, was < s->n ? was : s->n);
			stamp(s, was < s->n ? was : s->n);
		} else if (r >> 60 < 6) {
			struct slot *x = &exchange[r >> 8 & (THREADS - 1)], tmp;

			pthread_mutex_lock(&exchange_lock);
			tmp = *x;
			*x = *s;
			*s = tmp;
			pthread_mutex_unlock(&exchange_lock);
		} else {
			verify(s, s->n);
			free(s->p);
			s->p = NULL;
		}
	}
	for (int i = 0; i < SLOTS; i++)
		if (slots[i].p) {
			verify(&slots[i], slots[i].n);
			free(slots[i].p);
		}
	free(slots);
	return NULL;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 32);
	pthread_t t[THREADS];
	char *big = malloc(pages * PAGE + PAGE), *aligned;

	aligned = (char *)(((uintptr_t)big + PAGE - 1) & -PAGE);
	fill(aligned, pages, 1);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, worker, (void *)(i + 1)) == 0, "pthread_create");
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	say("eight arenas: ok\n");
	expect(aligned, pages, 1);
	malloc_trim(0);
	expect(aligned, pages, 1);
	free(big);
	say("large block: ok\n");
	return 0;
}
