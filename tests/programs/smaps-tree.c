/*
 * Memory whose figures in /proc/PID/smaps are known: a parent and a child that share part of it.
 * Addresses are fixed, so that the figures can be compared area by area.
 *
 *	smaps-tree MIB [shared]    area 0 has this size; MIB is 8 at least; with areas of shared memory
 *
 * Prints "PARENT CHILD" when all is as it shall be, and ends at the end of standard input.
 */
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB   (1ul << 20)
#define PLACE 0x200000000000ul /* area n: at PLACE + (n << 36) */

static char *map_as(unsigned long n, size_t bytes, int how)
{
	void *want = (void *)(PLACE + (n << 36));
	void *p = mmap(want, bytes, PROT_READ | PROT_WRITE,
		how | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != want)
		err(1, "mmap");
	return p;
}

static char *map(unsigned long n, size_t bytes)
{
	return map_as(n, bytes, MAP_PRIVATE);
}

/* No page is like another, or all untouched. */
static void write_pages(char *p, size_t bytes)
{
	static uint64_t seed = 88172645463325252u;

	for (size_t i = 0; i < bytes; i += sizeof(seed)) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		*(uint64_t *)(p + i) = seed;
	}
}

static void wait_for_end(void)
{
	char c;

	while (read(0, &c, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 8) * MIB;
	char *shared, *untouched, *half, *locked, *gone, *both = NULL, *parents = NULL;
	bool with_shared = argc > 2;
	int pipe_fds[2];
	char c = 0;
	pid_t child;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* huge pages are a matter of luck */
	shared = map(0, size);
	untouched = map(1, 2 * MIB);
	half = map(2, 2 * MIB);
	locked = map(3, MIB);
	gone = map(4, 2 * MIB);
	if (with_shared) {
		both = map_as(5, size / 2, MAP_SHARED);
		parents = map_as(6, 2 * MIB, MAP_SHARED);
		write_pages(both, size / 2);
	}
	write_pages(shared, size);
	write_pages(half, MIB);
	write_pages(locked, MIB);
	if (mlock(locked, MIB) < 0)
		err(1, "mlock");
	write_pages(gone, 2 * MIB);
	madvise(gone, MIB, MADV_DONTNEED);
	if (pipe(pipe_fds) < 0 || (child = fork()) < 0)
		err(1, "fork");
	if (child == 0) {
		if (with_shared)
			write_pages(both, size / 2);
		write_pages(shared, 2 * MIB);
		write_pages(untouched, MIB);
		munmap(half, MIB / 2);
		if (write(pipe_fds[1], &c, 1) != 1)
			err(1, "write");
		close(pipe_fds[1]);
		wait_for_end();
		_exit(0);
	}
	if (read(pipe_fds[0], &c, 1) != 1)
		err(1, "the child");
	if (with_shared)
		write_pages(parents, MIB);
	printf("%d %d\n", getpid(), child);
	fflush(stdout);
	wait_for_end();
	waitpid(child, NULL, 0);
	return 0;
}
