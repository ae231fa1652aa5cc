/*
 * Limits that a program sets itself: fork, threads and exec go on, or fail, as they
 * would without anybody else in the process.
 */
#include "sem.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

static char *base;
static size_t pages;

static void child_and_program(int status_of_sh)
{
	pid_t pid = fork_checked();

	if (!pid) {
		expect(base, pages, 1);
		fill(base, 256, 5);
		expect(base, 256, 5);
		execl("/bin/sh", "sh", "-c", "exit 42", NULL);
		_exit(1);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == status_of_sh, "status %#x",
		(unsigned int)status);
}

static void limited(const char *what, int resource, rlim_t limit, int status_of_sh)
{
	pid_t pid = fork_checked();

	if (!pid) {
		CHECK(setrlimit(resource, &(struct rlimit){limit, limit}) == 0, "setrlimit");
		child_and_program(status_of_sh);
		expect(base, pages, 1);
		fill(base, pages, 8);
		expect(base, pages, 8);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("%s %lu: ok\n", what, (unsigned long)limit);
}

/* The program's numbers are all that the limit allows, none is taken. */
static void all_numbers(void)
{
	enum { LIMIT = 16 };
	pid_t pid = fork_checked();

	if (!pid) {
		struct rlimit rl;
		int fd, n = 0;

		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = LIMIT;
		CHECK(setrlimit(RLIMIT_NOFILE, &rl) == 0, "setrlimit");
		closefrom(3);
		while ((fd = open("/dev/null", O_RDONLY)) >= 0)
			CHECK(fd == 3 + n++, "number %d", fd);
		CHECK(errno == EMFILE && n == LIMIT - 3, "%d numbers", n);
		expect(base, pages, 1);
		pid = fork_checked();
		if (!pid) {
			expect(base, pages, 1);
			fill(base, pages, 2);
			closefrom(3);
			execl("/bin/sh", "sh", "-c", "x=$(echo 42) && exit $x", NULL);
			_exit(1);
		}
		int status;
		CHECK(waitpid(pid, &status, 0) == pid && status == 42 << 8, "status %#x",
			(unsigned int)status);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("every number used: ok\n");
}

/* As nobody, who may have no more processes: fork says so, and all goes on. */
static void processes(void)
{
	pid_t pid = fork_checked();

	if (!pid) {
		CHECK(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
		CHECK(setrlimit(RLIMIT_NPROC, &(struct rlimit){0, 0}) == 0, "setrlimit");
		CHECK(fork() < 0 && errno == EAGAIN, "fork past the limit");
		expect(base, pages, 1);
		fill(base, pages, 8);
		expect(base, pages, 8);
		_exit(0);
	}
	reap(pid);
	expect(base, pages, 1);
	say("RLIMIT_NPROC: ok\n");
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 12);
	base = map_filled(pages, 1);
	push_out();
	limited("RLIMIT_NOFILE", RLIMIT_NOFILE, 64, 42);
	limited("RLIMIT_NOFILE", RLIMIT_NOFILE, 16, 42);
	limited("RLIMIT_CORE", RLIMIT_CORE, 0, 42);
	limited("RLIMIT_STACK", RLIMIT_STACK, 256 * 1024, 42);
	all_numbers();
	if (geteuid() == 0)
		processes();
	return 0;
}
