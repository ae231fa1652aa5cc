/*
 * A process that sleeps on much memory, and one that works on a little less than what is
 * left and again as much.
 *
 *	cold-giver [--shared] COLD_MIB WORK_MIB ROUNDS
 *
 * The parent writes COLD_MIB and waits; the child, which gives its copy up, or with
 * --shared keeps it, goes ROUNDS times over WORK_MIB of its own. Prints the child's number.
 * In the end both look at every page. tests/stress/cold.sh counts the child's faults.
 */
#include "sem.h"
#include <sys/wait.h>

static unsigned char *make(size_t bytes, uint64_t key)
{
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED, "mmap");
	for (size_t i = 0; i < bytes; i += PAGE)
		*(uint64_t *)(p + i) = mix(key + i);
	return p;
}

static void look(const unsigned char *p, size_t bytes, uint64_t key)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		CHECK(*(const uint64_t *)(p + i) == mix(key + i), "page %zu", i / PAGE);
}

int main(int argc, char **argv)
{
	bool shared = argc > 1 && !strcmp(argv[1], "--shared");
	char **arg = argv + 1 + shared;
	size_t cold_bytes, work_bytes;
	unsigned char *cold, *work;
	int status, rounds;
	pid_t pid;

	CHECK(argc == 4 + shared, "usage: cold-giver [--shared] COLD_MIB WORK_MIB ROUNDS");
	cold_bytes = strtoul(arg[0], NULL, 10) << 20;
	work_bytes = strtoul(arg[1], NULL, 10) << 20;
	rounds = atoi(arg[2]);
	cold = make(cold_bytes, 1);
	pid = fork();
	CHECK(pid >= 0, "fork");
	if (!pid) {
		dprintf(1, "%d\n", (int)getpid());
		if (!shared)
			munmap(cold, cold_bytes);
		work = make(work_bytes, 2);
		for (int i = 0; i < rounds; i++)
			look(work, work_bytes, 2);
		if (shared)
			look(cold, cold_bytes, 1);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status, "the child: status %#x", status);
	look(cold, cold_bytes, 1);
	return 0;
}
