/*
 * A program whose mm_struct is known: it waits, maps and touches a known amount of memory of each
 * kind, and waits again. For tests/cli/mm.sh, which looks at it natively and under Faultline.
 *
 *	mm-stages FILE    a file of 2 MiB
 *
 * Prints "stage 0 PID" and "stage 1 PID NAME=ADDRESS...", and goes on at a line from standard input.
 */
#include <alloca.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define MIB (1ul << 20)

extern char etext, edata;
extern char **environ;
static int initialised = 1; /* has a place between start_data and end_data */

static void *map(size_t bytes, int prot, int flags, int fd)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* A byte of each page. */
static unsigned long read_pages(volatile const char *p, size_t bytes)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < bytes; i += 4096)
		sum += (unsigned char)p[i];
	return sum;
}

static void write_pages(volatile char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 4096)
		p[i] = (char)(i >> 12 | 1);
}

static void __attribute__((noinline)) grow_stack(void)
{
	write_pages(alloca(MIB), MIB);
}

/* A call that is done in part makes whoever keeps books look again at what there is. */
static void fail_halfway(void)
{
	char *p = map(3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	munmap(p + 4096, 4096);
	if (mprotect(p, 3 * 4096, PROT_NONE) == 0)
		errx(1, "mprotect over a hole");
}

static void wait_for_line(void)
{
	char c = 0;

	while (c != '\n')
		if (read(0, &c, 1) != 1)
			exit(0);
}

int main(int argc, char **argv)
{
	const int private = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
	int fd = open(argc > 1 ? argv[1] : "", O_RDWR);
	unsigned long sum;
	char *locked;

	if (fd < 0)
		err(1, "open");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* huge pages are a matter of luck */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("stage 0 %d\n", getpid());
	wait_for_line();

	write_pages(map(8 * MIB, rw, private, -1), 8 * MIB);
	map(16 * MIB, rw, private, -1); /* never touched */
	map(MIB, PROT_READ | PROT_EXEC, private, -1);
	locked = map(MIB, rw, private, -1);
	if (mlock(locked, MIB / 2) < 0)
		err(1, "mlock");
	map(MIB, rw, private | MAP_LOCKED, -1);
	fail_halfway();
	write_pages(map(3 * MIB, rw, MAP_SHARED | MAP_ANONYMOUS, -1), 3 * MIB);
	sum = read_pages(map(2 * MIB, PROT_READ, MAP_SHARED, fd), 2 * MIB);
	write_pages(map(2 * MIB, rw, MAP_PRIVATE, fd), MIB);
	write_pages(sbrk((intptr_t)MIB), MIB);
	grow_stack();
	printf("stage 1 %d main=%ld etext=%ld data=%ld edata=%ld brk=%ld arg=%ld env=%ld sum=%ld\n",
		getpid(), (long)main, (long)&etext, (long)&initialised, (long)&edata, (long)sbrk(0),
		(long)argv[0], (long)environ[0], (long)(sum & 1));
	wait_for_line();
	return 0;
}
