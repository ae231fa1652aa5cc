/*
 * MAP_SHARED memory: what a child writes the parent reads, and the other way
 * round, while both are under pressure; for anonymous memory and a file.
 */
#include "sem.h"
#include <pthread.h>

static void both_ways(char *base, size_t pages, const char *what)
{
	int a[2], b[2];
	char c;
	pid_t pid;

	fill(base, pages, 1);
	push_out();
	CHECK(pipe(a) == 0 && pipe(b) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		expect(base, pages, 1);
		for (size_t i = 0; i < pages; i += 2)
			fill_page(base + i * PAGE, 500000 + i);
		CHECK(write(a[1], "x", 1) == 1 && read(b[0], &c, 1) == 1, "pipe");
		push_out();
		for (size_t i = 0; i < pages; i++)
			expect(base + i * PAGE, 1, (i % 2 ? 600000 : 500000) + i);
		_exit(0);
	}
	CHECK(read(a[0], &c, 1) == 1, "pipe");
	for (size_t i = 0; i < pages; i++)
		expect(base + i * PAGE, 1, i % 2 ? 1 + i : 500000 + i);
	for (size_t i = 1; i < pages; i += 2)
		fill_page(base + i * PAGE, 600000 + i);
	CHECK(write(b[1], "x", 1) == 1, "pipe");
	reap(pid);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	say("%s: ok, digest %016llx\n", what, (unsigned long long)digest(base, pages * PAGE));
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 16);
	pthread_mutexattr_t attr;
	pthread_mutex_t *lock;
	char *p, *own;
	uint64_t *count;
	FILE *f;
	pid_t pid;

	p = map_flags(pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	both_ways(p, pages, "anonymous");

	/* A process-shared mutex in it. */
	lock = (pthread_mutex_t *)p;
	count = (uint64_t *)(p + PAGE);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(lock, &attr);
	*count = 0;
	pid = fork_checked();
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(lock);
		++*count;
		pthread_mutex_unlock(lock);
	}
	if (!pid)
		_exit(0);
	reap(pid);
	CHECK(*count == 40000, "the count is %lu", *count);
	say("shared mutex: ok\n");
	munmap(p, pages * PAGE);

	f = tmpfile();
	CHECK(f && ftruncate(fileno(f), pages * PAGE) == 0, "tmpfile");
	p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	CHECK(p != MAP_FAILED, "mmap of a file");
	both_ways(p, pages, "file");

	/* A private mapping of the same file keeps its writes to itself. */
	own = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
	CHECK(own != MAP_FAILED, "private mapping of a file");
	for (size_t i = 0; i < pages; i += 2)
		fill_page(own + i * PAGE, 42 + i);
	push_out();
	for (size_t i = 0; i < pages; i++) {
		expect(own + i * PAGE, 1, i % 2 ? 600000 + i : 42 + i);
		expect(p + i * PAGE, 1, (i % 2 ? 600000 : 500000) + i);
	}
	CHECK(madvise(own, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
	for (size_t i = 0; i < pages; i++)
		expect(own + i * PAGE, 1, (i % 2 ? 600000 : 500000) + i);
	say("private file mapping: ok\n");
	return 0;
}
