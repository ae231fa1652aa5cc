/*
 * Descriptors are the program's alone: numbers come out as if nobody else lived
 * in the process, and overwriting every number harms nobody, at the very moment
 * when a process begins to swap too.
 */
#include "sem.h"
#include <fcntl.h>

#define CHILDREN 100
#define NUMBERS	 64
#define OPENED	 8

static char *base;
static size_t pages;

/* The numbers that open gives are those that were free at start. */
static void same_numbers(void)
{
	static int at_start[OPENED];
	int fds[OPENED];

	for (int i = 0; i < OPENED; i++)
		fds[i] = open("/dev/null", O_RDWR);
	for (int i = 0; i < OPENED; i++) {
		CHECK(!at_start[i] || fds[i] == at_start[i], "open gave %d, not %d", fds[i],
			at_start[i]);
		at_start[i] = fds[i];
		close(fds[i]);
	}
}

/* Puts /dev/null at every number while pages are copied, read and pushed out. */
static void child(size_t seed)
{
	int null = open("/dev/null", O_RDWR);

	for (size_t i = 0; i < 256; i++) {
		size_t at = (i * 97 + seed) % pages;

		expect(base + at * PAGE, 1, 1 + at);
		fill(base + at * PAGE, 1, 1 + at);
		for (int fd = null + 1; fd < NUMBERS; fd++)
			CHECK(dup2(null, fd) == fd, "dup2");
	}
	for (int fd = null + 1; fd < NUMBERS; fd++)
		CHECK(close(fd) == 0, "close: a number was not the program's");
	_exit(0);
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 24);
	same_numbers();
	base = map_filled(pages, 1);
	same_numbers();
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork_checked();

		if (!pid)
			child((size_t)i * 131);
		reap(pid);
		same_numbers();
	}
	say("descriptors: ok\n");
	return 0;
}
