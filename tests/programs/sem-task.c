/*
 * How many threads a process has is what the program has made: by the links of
 * /proc/self/task and by what is listed there, asked for in every way, with memory paged
 * out, in a child, and with threads.
 */
#include "sem.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MAX_THREADS 300

static char *base;
static size_t pages;
static pthread_barrier_t come, go;

/* The threads in the list, each once and of this process. */
static int listed(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	CHECK(d, "opendir");
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* The same by calls, with room for one name or two at a time. */
static int listed_in_steps(void)
{
	int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY), n = 0;
	char buf[64];
	long got;

	while ((got = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < got; at += *(unsigned short *)(buf + at + 16))
			n += buf[at + 19] != '.';
	CHECK(got == 0, "getdents64");
	close(fd);
	return n;
}

static void count(const char *when, int threads)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY), task = open("/proc/self/task", O_RDONLY);
	struct stat st;
	struct statx stx;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/", (int)getpid());
	CHECK(stat(path, &st) == 0 && (int)st.st_nlink == 2 + threads, "stat: %d", (int)st.st_nlink);
	CHECK(lstat("/proc/self/task", &st) == 0 && (int)st.st_nlink == 2 + threads, "lstat: %d",
		(int)st.st_nlink);
	CHECK(fstatat(proc, "self/task/", &st, 0) == 0 && (int)st.st_nlink == 2 + threads,
		"fstatat: %d", (int)st.st_nlink);
	CHECK(fstat(task, &st) == 0 && (int)st.st_nlink == 2 + threads, "fstat: %d",
		(int)st.st_nlink);
	CHECK(syscall(SYS_fstat, task, &st) == 0 && (int)st.st_nlink == 2 + threads,
		"SYS_fstat: %d", (int)st.st_nlink);
	CHECK(syscall(SYS_newfstatat, proc, "self/task", &st, 0) == 0 &&
		(int)st.st_nlink == 2 + threads, "SYS_newfstatat: %d", (int)st.st_nlink);
	CHECK(statx(proc, "self/task", 0, STATX_BASIC_STATS, &stx) == 0 &&
		(int)stx.stx_nlink == 2 + threads, "statx: %d", (int)stx.stx_nlink);
	CHECK(syscall(SYS_statx, task, "", AT_EMPTY_PATH, STATX_NLINK, &stx) == 0 &&
		(int)stx.stx_nlink == 2 + threads, "SYS_statx: %d", (int)stx.stx_nlink);
	CHECK(listed() == threads, "listed: %d, not %d", listed(), threads);
	CHECK(listed_in_steps() == threads, "listed in steps: %d", listed_in_steps());
	/* folders like it are as they are */
	CHECK(fstatat(proc, "self/fd", &st, 0) == 0 && st.st_nlink == 2, "fd: %d",
		(int)st.st_nlink);
	CHECK(stat("/nowhere", &st) < 0 && errno == ENOENT, "a name that is not there");
	CHECK(statx(-1, "x", 0, STATX_NLINK, &stx) < 0 && errno == EBADF, "no folder");
	close(proc);
	close(task);
	say("%s: %d\n", when, threads);
}

static void *thread(void *arg)
{
	pthread_barrier_wait(&come);
	pthread_barrier_wait(&go);
	return arg;
}

/* In a process of its own: a thread that was joined may still be in the list for a moment. */
static void with_threads(int n)
{
	pthread_t t[MAX_THREADS];
	pid_t pid = fork_checked();

	if (pid) {
		reap(pid);
		return;
	}
	pthread_barrier_init(&come, NULL, (unsigned int)n + 1);
	pthread_barrier_init(&go, NULL, (unsigned int)n + 1);
	for (int i = 0; i < n; i++)
		CHECK(pthread_create(&t[i], NULL, thread, NULL) == 0, "pthread_create");
	pthread_barrier_wait(&come);
	count("with threads", n + 1);
	pthread_barrier_wait(&go);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t pid;

	pages = pages_arg(argc, argv, 12);
	count("at first", 1);
	base = map_filled(pages, 1);
	push_out();
	count("with memory paged out", 1);
	pid = fork_checked();
	if (!pid) {
		count("in a child", 1);
		expect(base, pages, 1);
		with_threads(3);
		_exit(0);
	}
	reap(pid);
	with_threads(5);
	with_threads(MAX_THREADS);
	expect(base, pages, 1);
	return 0;
}
