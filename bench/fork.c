/*
 * What fork costs, and what it saves: the jobs of `./dev bench` on trees.
 *
 *	fork latency MIB			ms of fork(2), and until the child has ended
 *	fork cow sequential|random MIB		us a page: to write to one that a living
 *						child shares, and once the child has gone
 *	fork tree MIB CHILDREN PERCENT		MiB of a parent and its children together, when
 *						each has written to so much of what it inherited
 *
 * MIB is private anonymous memory with one byte written to each page, a power of two.
 * The random order is the one of touch.c.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	     4096UL
#define MAX_CHILDREN 64

static volatile char *mem;
static uint64_t pages;

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what)
{
	fprintf(stderr, "fork: ");
	perror(what);
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: fork latency MIB | cow sequential|random MIB | "
			"tree MIB CHILDREN PERCENT\n");
	exit(2);
}

/* No page is all zeros: those would cost no swap. */
static void fill(const char *mib)
{
	pages = strtoull(mib, NULL, 10) << 8;
	if (!pages || (pages & (pages - 1)))
		usage();
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < pages; i++)
		mem[i * PAGE] = 1;
}

/* A child does not outlive its parent, whatever that dies of. */
static pid_t make_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	return pid;
}

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "fork: a child ended with status %#x\n", status);
		exit(1);
	}
}

static void make_pipe(int fds[2])
{
	if (pipe(fds) < 0)
		die("pipe");
}

/* Waits for a byte, or for the other side's end. */
static int got_byte(int fd)
{
	char c;

	return read(fd, &c, 1) == 1;
}

static void latency(void)
{
	double start = now_us(), forked;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		_exit(0);
	forked = now_us();
	wait_for(pid);
	printf("%.3f %.3f\n", (forked - start) / 1e3, (now_us() - start) / 1e3);
}

static double write_all(int random)
{
	double start = now_us();

	for (uint64_t i = 0, page = 0; i < pages; i++) {
		mem[page * PAGE]++;
		page = random ? (page * 1664525 + 1013904223) & (pages - 1) : page + 1;
	}
	return (now_us() - start) / (double)pages;
}

static void cow(int random)
{
	double copied, reused;
	int go[2];
	pid_t pid;

	make_pipe(go);
	pid = make_child();
	if (pid == 0) {
		close(go[1]);
		got_byte(go[0]);
		_exit(0);
	}
	copied = write_all(random);
	close(go[1]);
	wait_for(pid);

	/* All pages are shared again, by one that is gone before the first write. */
	pid = make_child();
	if (pid == 0)
		_exit(0);
	wait_for(pid);
	reused = write_all(random);
	printf("%.3f %.3f\n", copied, reused);
}

static unsigned long pss_kib(pid_t pid)
{
	unsigned long kib = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f) && sscanf(line, "Pss: %lu", &kib) != 1)
		;
	fclose(f);
	return kib;
}

/* Each child writes to other pages, evenly spread. */
static void write_part(unsigned int child, unsigned int percent)
{
	for (uint64_t i = 0; i < pages; i++)
		if ((i + child * percent) % 100 < percent)
			mem[i * PAGE]++;
}

static void tree(unsigned int children, unsigned int percent)
{
	pid_t pid[MAX_CHILDREN];
	int ready[MAX_CHILDREN][2], go[2];
	unsigned long kib;

	make_pipe(go);
	for (unsigned int i = 0; i < children; i++) {
		make_pipe(ready[i]);
		pid[i] = make_child();
		if (pid[i] == 0) {
			close(go[1]);
			write_part(i, percent);
			if (write(ready[i][1], "", 1) != 1)
				_exit(1);
			got_byte(go[0]);
			_exit(0);
		}
		close(ready[i][1]);
	}
	for (unsigned int i = 0; i < children; i++)
		if (!got_byte(ready[i][0])) {
			fprintf(stderr, "fork: child %u has died\n", i);
			exit(1);
		}
	kib = pss_kib(getpid());
	for (unsigned int i = 0; i < children; i++)
		kib += pss_kib(pid[i]);
	printf("%.3f\n", (double)kib / 1024);
	close(go[1]);
	for (unsigned int i = 0; i < children; i++)
		wait_for(pid[i]);
}

int main(int argc, char **argv)
{
	const char *job = argc > 1 ? argv[1] : "";

	if (!strcmp(job, "latency") && argc == 3) {
		fill(argv[2]);
		latency();
	} else if (!strcmp(job, "cow") && argc == 4 &&
		   (!strcmp(argv[2], "sequential") || !strcmp(argv[2], "random"))) {
		fill(argv[3]);
		cow(!strcmp(argv[2], "random"));
	} else if (!strcmp(job, "tree") && argc == 5) {
		unsigned long children = strtoul(argv[3], NULL, 10);
		unsigned long percent = strtoul(argv[4], NULL, 10);

		if (!children || children > MAX_CHILDREN || !percent || percent > 100)
			usage();
		fill(argv[2]);
		tree((unsigned int)children, (unsigned int)percent);
	} else {
		usage();
	}
	return 0;
}
