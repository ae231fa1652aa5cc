/*
 * Signals: frames on an alternate stack in memory that was swapped out, many
 * of them while threads fault; everything blocked; and timers that interrupt
 * faults all the time.
 */
#include "sem.h"
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static char *alt;
static size_t alt_bytes = 64 * 1024;
static volatile sig_atomic_t handled, outside;
static char *work;
static size_t pages;

static void on_alt_stack(int sig UNUSED)
{
	char here[8192];

	if (here < alt || here >= alt + alt_bytes)
		outside++;
	memset(here, 0x5a, sizeof(here));
	__asm__ volatile("" : : "r"(here) : "memory");
	handled++;
}

static void on_timer(int sig UNUSED)
{
	static unsigned int n;
	size_t i = mix(n++) % pages;

	/* a handler touches managed memory itself */
	CHECK(page_has(work + i * PAGE, 1 + i), "page %zu seen from a handler", i);
	handled++;
}

static void *blocked_thread(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	expect(work, pages, 1);
	return arg;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_alt_stack, .sa_flags = SA_ONSTACK};
	struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
	stack_t ss = {0};
	pthread_t t;

	pages = pages_arg(argc, argv, 40);
	alt = map(alt_bytes);
	ss.ss_sp = alt;
	ss.ss_size = alt_bytes;
	CHECK(sigaltstack(&ss, NULL) == 0, "sigaltstack");
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0, "sigaction");
	raise(SIGUSR1);
	work = map_filled(pages, 1); /* larger than the budget: the stack goes out, if it can */
	for (int i = 0; i < 10; i++) {
		push_out();
		raise(SIGUSR1);
	}
	CHECK(handled == 11 && !outside, "%d handled, %d outside the stack", handled, outside);
	say("alternate stack: ok\n");

	handled = 0;
	sa.sa_handler = on_timer;
	sa.sa_flags = SA_RESTART;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0, "sigaction");
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 3 || handled < 20; i++)
		expect(work, pages, 1);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK(handled >= 20, "%d timer signals", handled);
	say("timer during faults: ok\n");

	CHECK(pthread_create(&t, NULL, blocked_thread, NULL) == 0, "pthread_create");
	pthread_join(t, NULL);
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	push_out();
	expect(work, pages, 1);
	say("all signals blocked: ok\n");
	return 0;
}
