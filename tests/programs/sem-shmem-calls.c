/*
 * Calls whose effect on shared anonymous memory is more than the mapping itself: advice and
 * locks that the kernel keeps for parts of it, and numbers that the kernel writes into it
 * while a process is made. Under pressure, so that the pages are somewhere else meanwhile.
 */
#include "sem.h"
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

enum { PART = 64, ROUNDS = 3 };

static size_t pages;
static char *pressure; /* shared memory too: it takes the place of all that is not in use */

static void press(void)
{
	for (size_t i = 0; i < pages; i++)
		((uint64_t *)(pressure + i * PAGE))[1] += i;
}

static char *shared(size_t n)
{
	return map_flags(n * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
}

/* The kernel makes three mappings of one, which all stay readable. */
static void advice_for_a_part(void)
{
	char *base = shared(PART);

	fill(base, PART, 100);
	CHECK(madvise(base + 5 * PAGE, 3 * PAGE, MADV_RANDOM) == 0, "random");
	CHECK(madvise(base, PART * PAGE, MADV_DONTNEED) == 0, "dontneed");
	for (size_t i = 0; i < PART; i++)
		CHECK(page_has(base + i * PAGE, 100 + i), "page %zu", i);
	press();
	for (size_t i = 0; i < PART; i++)
		CHECK(page_has(base + i * PAGE, 100 + i), "page %zu after pressure", i);
	CHECK(munmap(base, PART * PAGE) == 0, "munmap");
	say("advice ok\n");
}

/* Where the kernel writes the numbers of a child: the page may be in swap. */
static void numbers_of_a_child(void)
{
	char *base = shared(3);
	volatile int *pidfd = (int *)base, *in_child = (int *)(base + PAGE), *in_parent = (int *)(base + 2 * PAGE);
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID,
		.pidfd = (uintptr_t)pidfd,
		.child_tid = (uintptr_t)in_child,
		.parent_tid = (uintptr_t)in_parent,
		.exit_signal = SIGCHLD,
	};
	long pid;

	for (size_t i = 0; i < 3; i++)
		fill_page(base + i * PAGE, i);
	press();
	pid = syscall(SYS_clone3, &args, sizeof(args));
	CHECK(pid >= 0, "clone3");
	if (!pid)
		_exit(*in_child == (int)syscall(SYS_gettid) && *in_parent == *in_child ? 0 : 1);
	reap((pid_t)pid);
	CHECK(*in_child == pid && *in_parent == pid, "%d and %d, the child is %ld", *in_child, *in_parent, pid);
	CHECK(syscall(SYS_pidfd_send_signal, *pidfd, 0, NULL, 0) < 0 && errno == ESRCH, "pidfd %d", *pidfd);
	close(*pidfd);
	for (size_t i = 0; i < 3; i++) {
		char expect[PAGE];

		fill_page(expect, i);
		CHECK(!memcmp(base + i * PAGE + 8, expect + 8, PAGE - 8), "what is beside number %zu", i);
	}
	CHECK(munmap(base, 3 * PAGE) == 0, "munmap");
	say("numbers ok\n");
}

/* A second view of memory that is locked is locked, whatever becomes of the first. */
static void second_view_of_locked(void)
{
	char *base = shared(PART), *view;

	memset(base, 0, PART * PAGE);
	if (mlock(base, PART * PAGE) < 0) {
		say("locked ok\n"); /* a limit: nothing to see */
		return;
	}
	view = mremap(base, 0, PART * PAGE, MREMAP_MAYMOVE);
	CHECK(view != MAP_FAILED, "mremap");
	CHECK(munmap(base, PART * PAGE) == 0, "munmap");
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t k = 0; k < pages; k++) {
			pressure[k * PAGE + 64]++;
			++*(uint64_t *)(view + k % PART * PAGE);
		}
	}
	for (size_t i = 0; i < PART; i++) {
		size_t times = pages / PART + (i < pages % PART);

		CHECK(*(uint64_t *)(view + i * PAGE) == ROUNDS * times, "page %zu: %llu of %zu", i,
			(unsigned long long)*(uint64_t *)(view + i * PAGE), ROUNDS * times);
	}
	CHECK(munmap(view, PART * PAGE) == 0, "munmap");
	say("locked ok\n");
}

/* What is locked stays; all else of it has to go. */
static void locked_in_part(void)
{
	if (mlock(pressure, PAGE) == 0) {
		press();
		press();
		CHECK(munlock(pressure, PAGE) == 0, "munlock");
	}
	say("locked in part ok\n");
}

/* A child that was not given the memory does not keep it. Asked of the file behind it: is it
 * still there? The system's count would be that of all others too. */
static void memory_that_a_child_has_not(void)
{
	char *base = shared(PART), name[64], line[512];
	unsigned long from, ino = 0, at;
	bool found = false;
	FILE *maps;
	pid_t pid;
	int ready[2];

	fill(base, PART, 7);
	maps = fopen("/proc/self/maps", "r");
	CHECK(maps, "maps");
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%*x %*s %*x %*s %lu", &from, &at) == 2 && from == (uintptr_t)base)
			ino = at;
	fclose(maps);
	CHECK(ino, "no mapping at %p", (void *)base);
	CHECK(madvise(base, PART * PAGE, MADV_DONTFORK) == 0, "dontfork");
	CHECK(pipe(ready) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		CHECK(write(ready[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	CHECK(read(ready[0], name, 1) == 1, "read");
	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	maps = fopen(name, "r");
	CHECK(maps, "%s", name);
	while (fgets(line, sizeof(line), maps))
		found |= sscanf(line, "%lx-%*x %*s %*x %*s %lu", &from, &at) == 2 && at == ino;
	fclose(maps);
	kill(pid, SIGKILL);
	CHECK(waitpid(pid, NULL, 0) == pid, "waitpid");
	CHECK(!found, "the child has it mapped");
	CHECK(munmap(base, PART * PAGE) == 0, "munmap");
	say("not inherited ok\n");
}

int main(int argc, char **argv)
{
	pages = pages_arg(argc, argv, 24);
	pressure = shared(pages);
	press();
	advice_for_a_part();
	numbers_of_a_child();
	second_view_of_locked();
	locked_in_part();
	memory_that_a_child_has_not();
	return 0;
}
