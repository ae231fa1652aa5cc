/*
 * RLIMIT_AS and RLIMIT_DATA of processes that are busy with something else: making others, becoming
 * another program. What is set and read is as if nothing went on.
 */
#include "sem.h"
#include <poll.h>
#include <sys/resource.h>

static const char *self;

static const char *name_of(int what)
{
	return what == RLIMIT_AS ? "RLIMIT_AS" : "RLIMIT_DATA";
}

static struct rlimit get(int what)
{
	struct rlimit l;

	CHECK(getrlimit(what, &l) == 0, "getrlimit");
	return l;
}

static void set_soft(int what, rlim_t soft)
{
	struct rlimit l = get(what);

	l.rlim_cur = soft;
	CHECK(setrlimit(what, &l) == 0, "setrlimit");
}

/* Of a process that makes others all the time, and of those: from the moment when there is one. */
static void busy(int what)
{
	struct rlimit l = {0, RLIM_INFINITY}, old;
	rlim_t last = RLIM_INFINITY;
	int go[2];
	pid_t pid;

	CHECK(pipe(go) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		close(go[1]);
		for (char byte;;) {
			struct pollfd end = {go[0], POLLIN, 0};
			pid_t child;

			if (poll(&end, 1, 0) > 0 && read(go[0], &byte, 1) == 0)
				_exit(get(what).rlim_cur != 1UL << 40);
			child = fork();
			if (!child)
				_exit(get(what).rlim_cur < 1UL << 40);
			CHECK(child > 0, "fork");
			reap(child);
		}
	}
	close(go[0]);
	for (unsigned int i = 0; i < 3000; i++) {
		l.rlim_cur = (1UL << 40) + i * PAGE + 1;
		CHECK(prlimit(pid, what, &l, &old) == 0, "prlimit");
		CHECK(old.rlim_cur == last, "it was %lx, not %lx", (long)old.rlim_cur, (long)last);
		CHECK(prlimit(pid, what, NULL, &old) == 0, "prlimit");
		CHECK(old.rlim_cur == l.rlim_cur, "it is %lx, not %lx", (long)old.rlim_cur, (long)l.rlim_cur);
		last = l.rlim_cur;
	}
	l.rlim_cur = 1UL << 40;
	CHECK(prlimit(pid, what, &l, NULL) == 0, "prlimit");
	close(go[1]);
	reap(pid);

	/* a child that was made just now */
	set_soft(what, 1UL << 41);
	for (int i = 0; i < 200; i++) {
		CHECK(pipe(go) == 0, "pipe");
		pid = fork_checked();
		if (!pid) {
			char byte;

			CHECK(read(go[0], &byte, 1) == 1, "read");
			_exit(get(what).rlim_cur != (1UL << 40) + 7);
		}
		l.rlim_cur = (1UL << 40) + 7;
		CHECK(prlimit(pid, what, &l, &old) == 0 && old.rlim_cur == 1UL << 41, "prlimit");
		CHECK(write(go[1], "", 1) == 1, "write");
		reap(pid);
		close(go[0]), close(go[1]);
	}
	set_soft(what, RLIM_INFINITY);
	say("%s: of a busy process\n", name_of(what));
}

/* Programs that are found at the third try, with an environment of nothing or the usual one: a child of
 * its own, and one that borrows the memory. */
static void bare(void)
{
	static char *none[] = {NULL};
	char *argv[] = {(char *)self, "limit", "512000001", NULL};

	set_soft(RLIMIT_AS, 512000001);
	for (int i = 0; i < 8; i++) {
		/* not in registers: the child of a vfork may change those */
		char **volatile env = i & 1 ? none : environ, **volatile first = i & 2 ? none : environ;
		pid_t pid = i & 4 ? vfork() : fork();
		int status;

		CHECK(pid >= 0, "a child");
		if (!pid) {
			execve("/nowhere/at/all", argv, first);
			execve("/dev/null", argv, first);
			execve(self, argv, env);
			_exit(99);
		}
		CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
		say("%s, tried with%s an environment, started with%s: status %d\n", i & 4 ? "vfork" : "fork",
			i & 2 ? "out" : "", i & 1 ? "out" : "", WEXITSTATUS(status));
		CHECK(get(RLIMIT_AS).rlim_cur == 512000001, "in the parent");
	}
	set_soft(RLIMIT_AS, RLIM_INFINITY);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 3) /* the limit that there should be */
		return get(RLIMIT_AS).rlim_cur != strtoul(argv[2], NULL, 10);

	size_t pages = pages_arg(argc, argv, 12);
	char *base = map_filled(pages, 1);

	push_out();
	busy(RLIMIT_AS);
	busy(RLIMIT_DATA);
	bare();
	expect(base, pages, 1);
	return 0;
}
