/*
 * What programs do to those who live in their process: close every descriptor,
 * change user and directory, lower limits, detach, fork without libc's help,
 * run with small stacks, and leave without a word.
 */
#include "sem.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char *base;
static size_t pages;

static void in_child(const char *what, void (*fn)(void))
{
	pid_t pid = fork_checked();

	if (!pid) {
		fn();
		expect(base, pages, 1);
		fill(base, pages / 2, 5);
		expect(base, pages / 2, 5);
		expect(base + pages / 2 * PAGE, pages - pages / 2, 1 + pages / 2);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("%s: ok\n", what);
}

static void close_all(void)
{
	for (int fd = 3; fd < 20000; fd++)
		close(fd);
}

static void close_by_range(void)
{
	syscall(SYS_close_range, 3, ~0U, 0);
}

static void overwrite_descriptors(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 3; fd < 200; fd++)
		if (fd != null)
			dup2(null, fd);
}

static void change_user(void)
{
	if (geteuid() == 0)
		CHECK(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
	CHECK(chdir("/") == 0, "chdir");
	prctl(PR_SET_DUMPABLE, 0);
}

static void no_descriptors_left(void)
{
	struct rlimit none = {3, 3};

	setrlimit(RLIMIT_NOFILE, &none);
}

static void no_descriptors_at_all(void)
{
	struct rlimit none = {0, 0};

	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit");
	push_out();
}

/* The limit is below the numbers that are Faultline's. */
static void few_descriptors(void)
{
	struct rlimit few = {64, 64};
	pid_t pid;

	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
	pid = fork_checked();
	if (!pid) {
		expect(base, pages, 1);
		execl("/bin/sh", "sh", "-c", "x=$(echo 1) && exit $((x - 1))", NULL);
		_exit(127);
	}
	reap(pid);
}

static void new_session(void)
{
	CHECK(setsid() > 0, "setsid");
	umask(0777);
	clearenv();
}

static void raw_fork(void)
{
	pid_t pid = syscall(SYS_fork);
	int status;

	CHECK(pid >= 0, "SYS_fork");
	if (!pid) {
		expect(base, 256, 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "a child by SYS_fork: %#x",
		(unsigned int)status);
}

static void *small_thread(void *arg)
{
	expect(base, pages, 1);
	return arg;
}

static void small_stacks(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	CHECK(pthread_create(&t, &attr, small_thread, NULL) == 0, "pthread_create");
	pthread_join(t, NULL);
}

static void daemonise(void)
{
	int fds[2];
	char c;

	CHECK(pipe(fds) == 0, "pipe");
	if (fork_checked() == 0) {
		setsid();
		if (fork_checked() == 0) {
			expect(base, pages, 1);
			CHECK(write(fds[1], "k", 1) == 1, "pipe");
		}
		_exit(0);
	}
	close(fds[1]);
	CHECK(read(fds[0], &c, 1) == 1 && c == 'k', "the grandchild whose parent is gone");
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 24);
	base = map_filled(pages, 1);
	in_child("closes every descriptor", close_all);
	in_child("closes by range", close_by_range);
	in_child("overwrites every descriptor", overwrite_descriptors);
	in_child("changes user and directory", change_user);
	in_child("has no descriptor left", no_descriptors_left);
	in_child("may have no descriptor at all", no_descriptors_at_all);
	in_child("forks and execs with few descriptors", few_descriptors);
	in_child("new session, empty environment", new_session);
	in_child("forks by system call", raw_fork);
	in_child("small stacks", small_stacks);
	in_child("daemon", daemonise);
	close_all();
	push_out();
	expect(base, pages, 1);
	say("closes every descriptor itself: ok\n");
	return 0;
}
