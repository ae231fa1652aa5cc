/*
 * fork from everywhere: from threads at once, from a signal handler that interrupts
 * faults (on an alternate stack too), fifty deep, three hundred at once, by daemon(3)
 * and twice over, with and without what prctl can do to a process.
 */
#include "sem.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>

enum { DEPTH = 50, CROWD = 300, FORKERS = 4, EACH = 10, HANDLED = 30 };

static char *base;
static size_t pages;

/* Some pages, all over one half, read and then written. */
static void some_of(size_t half, size_t seed)
{
	for (size_t i = 0; i < 32; i++) {
		char *page = base + (mix(seed * 64 + i) % (pages / 2) * 2 + half) * PAGE;

		CHECK(page_has(page, 1 + (size_t)(page - base) / PAGE), "a page in child %zu", seed);
	}
	for (size_t i = 0; i < 32; i++)
		fill(base + (mix(seed * 64 + i) % (pages / 2) * 2 + half) * PAGE, 1, 777);
}

static void some(size_t seed)
{
	some_of(0, seed);
}

static void deep(int depth)
{
	pid_t pid;

	expect(base + (size_t)depth * 8 * PAGE, 8, 1 + (size_t)depth * 8);
	if (depth < DEPTH) {
		/* what each writes its descendants see */
		if (depth)
			expect(base + (size_t)(depth - 1) * 8 * PAGE, 1, 60000 + (size_t)depth);
		fill(base + (size_t)depth * 8 * PAGE, 1, 60001 + (size_t)depth);
		pid = fork_checked();
		if (!pid) {
			deep(depth + 1);
			_exit(0);
		}
		reap(pid);
		expect(base + (size_t)depth * 8 * PAGE, 1, 60001 + (size_t)depth);
	}
}

static void fifty_deep(void)
{
	pid_t pid = fork_checked();

	if (!pid) {
		deep(0);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("%d deep: ok\n", DEPTH);
}

static void crowd(void)
{
	static pid_t pids[CROWD];
	int ready[2], go[2];
	char c;

	CHECK(pipe(ready) == 0 && pipe(go) == 0, "pipe");
	for (size_t i = 0; i < CROWD; i++) {
		pids[i] = fork_checked();
		if (!pids[i]) {
			close(go[1]);
			some(i);
			CHECK(write(ready[1], "r", 1) == 1, "pipe");
			CHECK(read(go[0], &c, 1) == 0, "pipe");
			some_of(1, i); /* while all are here */
			_exit(0);
		}
	}
	for (int i = 0; i < CROWD; i++)
		CHECK(read(ready[0], &c, 1) == 1, "a child is gone");
	close(go[1]);
	for (int i = 0; i < CROWD; i++)
		reap(pids[i]);
	close(ready[0]), close(ready[1]), close(go[0]);
	expect(base, pages, 1);
	say("%d at once: ok\n", CROWD);
}

static void *forker(void *arg)
{
	for (size_t i = 0; i < EACH; i++) {
		pid_t pid = fork_checked();

		if (!pid) {
			some((size_t)arg * 100 + i);
			_exit(0);
		}
		reap(pid);
	}
	return NULL;
}

static void several_at_once(void)
{
	pthread_t t[FORKERS];

	for (size_t i = 0; i < FORKERS; i++)
		CHECK(pthread_create(&t[i], NULL, forker, (void *)(i + 1)) == 0, "pthread_create");
	for (int i = 0; i < FORKERS; i++)
		pthread_join(t[i], NULL);
	expect(base, pages, 1);
	say("several threads fork: ok\n");
}

static volatile sig_atomic_t handled;

static void forks(int sig UNUSED)
{
	int saved = errno;
	pid_t pid = _Fork();

	if (!pid) {
		some((size_t)handled);
		_exit(0);
	}
	reap(pid);
	handled++;
	errno = saved;
}

/* Every fault may be the one that the handler interrupts. */
static void from_a_handler(const char *what, int flags)
{
	struct sigaction sa = {.sa_handler = forks, .sa_flags = SA_RESTART | flags};
	struct itimerval once = {.it_value = {0, 500}}, never = {0};
	stack_t alt = {.ss_sp = map(64 * 1024), .ss_size = 64 * 1024};
	int before;

	handled = 0;
	CHECK(sigaltstack(&alt, NULL) == 0 && sigaction(SIGALRM, &sa, NULL) == 0, "sigaction");
	while (handled < HANDLED) {
		before = handled;
		setitimer(ITIMER_REAL, &once, NULL);
		for (size_t i = 0; handled == before; i = (i + 37) % pages)
			expect(base + i * PAGE, 1, 1 + i);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	alt.ss_flags = SS_DISABLE;
	sigaltstack(&alt, NULL);
	munmap(alt.ss_sp, 64 * 1024);
	expect(base, pages, 1);
	say("%s: ok\n", what);
}

/* daemon(3), and its orphan comes to whoever said that it takes orphans. */
static void daemons(void)
{
	int fds[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
	pid = fork_checked();
	if (!pid) {
		CHECK(daemon(0, 1) == 0, "daemon");
		some(5);
		CHECK(write(fds[1], "k", 1) == 1, "pipe");
		_exit(7);
	}
	reap(pid);
	CHECK(read(fds[0], &c, 1) == 1, "the daemon is gone");
	CHECK(waitpid(-1, &status, 0) > 0 && status == 7 << 8, "the orphan: %#x", (unsigned int)status);
	close(fds[0]), close(fds[1]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	expect(base, pages, 1);
	say("daemon: ok\n");
}

/* One dies with its parent. */
static void dies_with_it(void)
{
	int fds[2], ready[2];
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0 && pipe(ready) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		close(fds[0]);
		pid = fork_checked();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			CHECK(write(fds[1], "k", 1) == 1 && write(ready[1], "k", 1) == 1, "pipe");
			for (;;)
				fill(base, pages, 3);
		}
		CHECK(read(ready[0], &c, 1) == 1, "nobody");
		_exit(0);
	}
	close(ready[0]), close(ready[1]);
	close(fds[1]);
	CHECK(read(fds[0], &c, 1) == 1, "nobody");
	reap(pid);
	CHECK(read(fds[0], &c, 1) == 0, "it lives on");
	close(fds[0]);
	expect(base, pages, 1);
	say("dies with its parent: ok\n");
}

static void *looks(void *arg)
{
	expect(base, pages, 1);
	return arg;
}

static void with_prctl(const char *what, int option, long value)
{
	pid_t pid = fork_checked();

	if (!pid) {
		pthread_t t;

		CHECK(prctl(option, value, 0, 0, 0) == 0, "prctl");
		CHECK(pthread_create(&t, NULL, looks, NULL) == 0, "pthread_create");
		pthread_join(t, NULL);
		pid = fork_checked();
		if (!pid) {
			some(3);
			CHECK(system("exit 3") == 3 << 8, "system");
			_exit(0);
		}
		reap(pid);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("%s: ok\n", what);
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 12);
	base = map_filled(pages, 1);
	push_out();
	fifty_deep();
	crowd();
	several_at_once();
	from_a_handler("fork in a signal handler", 0);
	from_a_handler("the same on an alternate stack", SA_ONSTACK);
	daemons();
	dies_with_it();
	with_prctl("not dumpable", PR_SET_DUMPABLE, 0);
	with_prctl("no new privileges", PR_SET_NO_NEW_PRIVS, 1);
	return 0;
}
