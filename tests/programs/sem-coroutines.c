/*
 * Stacks inside malloc'ed memory: makecontext coroutines whose frames are
 * swapped out, which map and unmap memory and take signals on their own stack.
 */
#include "sem.h"
#include <signal.h>
#include <ucontext.h>

enum { COROUTINES = 48, ROUNDS = 6, STACK = 128 * 1024 };

static ucontext_t main_context, contexts[COROUTINES];
static int finished, signals;

static void on_signal(int sig UNUSED)
{
	signals++;
}

static __attribute__((noinline)) uint64_t deep(int id, int depth)
{
	volatile uint64_t frame[64];
	uint64_t sum = 0;

	for (int i = 0; i < 64; i++)
		frame[i] = mix(id * 1000 + depth * 64 + i);
	if (depth < 20)
		sum = deep(id, depth + 1);
	else
		swapcontext(&contexts[id], &main_context);
	for (int i = 0; i < 64; i++)
		CHECK(frame[i] == mix(id * 1000 + depth * 64 + i), "coroutine %d lost a frame", id);
	return sum + frame[depth];
}

static void body(int id)
{
	uint64_t sum = 0;

	for (int r = 0; r < ROUNDS; r++) {
		char *p = map(16 * PAGE);

		fill(p, 16, id * 100);
		sum += deep(id, 0);
		expect(p, 16, id * 100);
		CHECK(munmap(p, 16 * PAGE) == 0, "munmap from a coroutine");
		p = malloc(200000); /* an mmap inside libc, called on this stack */
		memset(p, id, 200000);
		free(p);
		if (r == 2)
			raise(SIGUSR1);
		swapcontext(&contexts[id], &main_context);
	}
	say("coroutine %d: %016llx\n", id, (unsigned long long)sum);
	finished++;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 24);
	char *base = map_filled(pages, 1);
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < COROUTINES; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = malloc(STACK);
		contexts[i].uc_stack.ss_size = STACK;
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], (void (*)(void))body, 1, i);
	}
	for (int r = 0; finished < COROUTINES; r++) {
		CHECK(r < 100, "the coroutines do not end");
		if (r % 3 == 0)
			push_out();
		if (finished)
			CHECK(finished == COROUTINES, "coroutines end together");
		for (int i = 0; i < COROUTINES; i++)
			swapcontext(&main_context, &contexts[i]);
	}
	CHECK(signals == COROUTINES, "%d signals", signals);
	expect(base, pages, 1);
	return 0;
}
