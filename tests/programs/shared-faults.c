/*
 * Faults on shared file mappings, counted by the kernel (getrusage(2), of the thread that takes them):
 * "minor MAJOR IN-CALLS" of all at the end, for tests/cli/shared-faults.sh. Nothing else faults where it
 * is counted, and nothing on such mappings where it is not.
 *
 *	shared-faults FOLDER [wait]
 *
 * With "wait" a part of it stays mapped: it says its number, the file, the address and the faults on
 * it, and waits for its input to end.
 */
#include "sem.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

enum { PAGES = 600, MANY = 20000 };

static struct total {
	long minor, major;
} *total; /* shared with children */
static char name[512];

struct job {
	char *at;
	size_t pages;
	bool write;
};

static void *touch(void *arg)
{
	const struct job *j = arg;
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	for (size_t i = 0; i < j->pages; i++)
		if (j->write)
			((volatile char *)j->at)[i * PAGE] = 1;
		else
			(void)((volatile char *)j->at)[i * PAGE];
	getrusage(RUSAGE_THREAD, &after);
	__atomic_fetch_add(&total->minor, after.ru_minflt - before.ru_minflt, __ATOMIC_RELAXED);
	__atomic_fetch_add(&total->major, after.ru_majflt - before.ru_majflt, __ATOMIC_RELAXED);
	return NULL;
}

static int make_file(size_t pages)
{
	static char page[PAGE];
	int fd;

	unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0, "%s", name);
	for (size_t i = 0; i < pages; i++)
		CHECK(write(fd, page, PAGE) == (ssize_t)PAGE, "page %zu", i);
	CHECK(fsync(fd) == 0, "fsync");
	return fd;
}

static char *map_shared(int fd, size_t pages)
{
	char *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(m != MAP_FAILED, "mmap");
	madvise(m, pages * PAGE, MADV_RANDOM);
	return m;
}

static void touch_once(int fd, size_t pages, bool write)
{
	struct job j = {map_shared(fd, pages), pages, write};

	touch(&j);
	munmap(j.at, pages * PAGE);
}

static void in_thread(struct job *j)
{
	pthread_t t;

	CHECK(pthread_create(&t, NULL, touch, j) == 0, "pthread_create");
	pthread_join(t, NULL);
}

/* It is there before anything is mapped that is counted. */
static int early_pipe[2];

static void *early_thread(void *arg)
{
	char c;

	CHECK(read(early_pipe[0], &c, 1) == 1, "read");
	return touch(arg);
}

/* The kernel's own access, in a system call. */
static long by_read(char *to)
{
	struct rusage before, after;
	int zero = open("/dev/zero", O_RDONLY);

	getrusage(RUSAGE_THREAD, &before);
	CHECK(read(zero, to, PAGE) == (ssize_t)PAGE, "read");
	getrusage(RUSAGE_THREAD, &after);
	total->minor += after.ru_minflt - before.ru_minflt;
	total->major += after.ru_majflt - before.ru_majflt;
	close(zero);
	return after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt;
}

int main(int argc, char **argv)
{
	struct job early = {NULL, PAGES, true}, job = {NULL, PAGES, true};
	char *other, buf[1];
	pthread_t t;
	long in_calls;
	int fd;

	CHECK(argc > 1, "no folder");
	snprintf(name, sizeof(name), "%s/shared-faults.%d", argv[1], (int)getpid());
	total = map_flags(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	*total = (struct total){0};
	other = map_filled(64, 1);

	CHECK(pipe(early_pipe) == 0 && pthread_create(&t, NULL, early_thread, &early) == 0, "a thread");
	fd = make_file(PAGES);
	early.at = map_shared(fd, PAGES);
	CHECK(write(early_pipe[1], "", 1) == 1, "write");
	pthread_join(t, NULL);
	munmap(early.at, PAGES * PAGE);

	touch_once(fd, PAGES, false);
	touch_once(fd, PAGES, true);
	/* pages to be read from the disk, if there is one */
	CHECK(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
	touch_once(fd, PAGES, false);

	job.at = map_shared(fd, PAGES);
	in_thread(&job);
	munmap(job.at, PAGES * PAGE);
	job.at = map_shared(fd, PAGES);
	in_calls = by_read(job.at + 7 * PAGE);
	/* it inherits the mapping, and is to be counted by itself */
	if (!fork_checked()) {
		touch(&job);
		touch_once(fd, PAGES, true);
		/* while that is done Faultline is without its threads, and their descriptors */
		unshare(CLONE_NEWUSER);
		touch_once(fd, PAGES, true);
		_exit(0);
	}
	wait(NULL);
	/* other memory is not counted */
	fill(other, 64, 2);
	free(calloc(1, 4 * MIB));
	close(fd);
	munmap(job.at, PAGES * PAGE);

	fd = make_file(MANY);
	touch_once(fd, MANY, true);

	if (argc > 2) {
		struct total before = *total;

		job.at = map_shared(fd, PAGES);
		touch(&job);
		say("%d %s %lu %ld\n", (int)getpid(), name, (unsigned long)job.at,
			total->minor + total->major - before.minor - before.major);
		CHECK(read(0, buf, 1) == 0, "read");
	}
	unlink(name);
	say("%ld %ld %ld\n", total->minor, total->major, in_calls);
	return 0;
}
