/*
 * exec in every way: that fails and the program goes on, with no environment, by
 * descriptor, from a thread while others fault, as another user, and in a root
 * where there is nothing but the program. Nothing appears on standard error that
 * does not natively.
 */
#include "sem.h"
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

extern char **environ;

static char *base;
static size_t pages;

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	struct stat st;

	CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0, "%s to %s", from, to);
	CHECK(sendfile(out, in, NULL, (size_t)st.st_size) == st.st_size, "copy");
	close(in);
	close(out);
}

static void expect_exit(const char *what, pid_t pid, int code)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "%s: status %#x", what,
		(unsigned int)status);
	expect(base, pages, 1);
	say("%s: ok\n", what);
}

static void fails(void)
{
	char *args[] = {"x", NULL, NULL}, *huge = map(3 * MIB), **volatile bad = (char **)8;

	CHECK(execv("/nonexistent", args) < 0 && errno == ENOENT, "of nothing");
	CHECK(execv("/", args) < 0 && errno == EACCES, "of a directory");
	memset(huge, 'a', 3 * MIB - 1);
	args[1] = huge;
	CHECK(execv("/bin/sh", args) < 0 && errno == E2BIG, "with too much");
	CHECK(execve("/bin/sh", bad, environ) < 0 && errno == EFAULT, "bad arguments");
	CHECK(execve("/bin/sh", (char *[]){"x", NULL}, bad) < 0 && errno == EFAULT,
		"bad environment");
	munmap(huge, 3 * MIB);
	expect(base, pages, 1);
	say("exec that fails: ok\n");
}

/* In a child, by fork or vfork: the new program's status is 42 if all is well. */
static void by_descriptor(int way)
{
	static char *args[] = {"sh", "-c", "exit 42", NULL}, *none[] = {NULL};
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);

	if (way == 0)
		fexecve(fd, args, environ);
	else if (way == 1)
		syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
	else
		execve("/bin/sh", args, none);
	_exit(1);
}

static void *faults(void *arg)
{
	for (size_t i = (size_t)arg;; i += 7)
		fill(base + i % pages * PAGE, 1, 3);
	return NULL;
}

static void *execs(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit 42", NULL);
	return arg;
}

/* From the first thread, or from another one, while threads fault. */
static void while_others_fault(int other)
{
	pthread_t t;

	for (size_t i = 0; i < 3; i++)
		CHECK(pthread_create(&t, NULL, faults, (void *)(i * 100)) == 0, "pthread_create");
	if (!other)
		execs(NULL);
	pthread_create(&t, NULL, execs, NULL);
	pthread_join(t, NULL);
	_exit(1);
}

static void as_nobody(void)
{
	CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "setuid");
	expect(base, pages, 1);
	reap(({
		pid_t pid = fork_checked();

		if (!pid) {
			fill(base, pages, 9);
			execl("/bin/sh", "sh", "-c", "test $(id -u) = 65534", NULL);
			_exit(1);
		}
		pid;
	}));
	execl("/bin/sh", "sh", "-c", "x=$(echo 42) && exit $x", NULL);
	_exit(1);
}

/* Nothing is there but a shell, its C library and its loader. */
static const char *const in_root[][2] = {
	{"/bin/sh", "bin/sh"},
	{"/lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libc.so.6"},
	{"/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"},
};
static const char *const folders[] = {"bin", "lib", "lib/x86_64-linux-gnu", "lib64"};
static char root[] = "sem-root.XXXXXX";

static void make_root(void)
{
	char path[256];

	CHECK(mkdtemp(root), "mkdtemp");
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		CHECK(mkdir(path, 0755) == 0, "%s", path);
	}
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, in_root[i][1]);
		copy(in_root[i][0], path);
	}
}

static void remove_root(void)
{
	char path[256];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", root, in_root[i][1]);
		unlink(path);
	}
	for (size_t i = 4; i--;) {
		snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		rmdir(path);
	}
	rmdir(root);
}

/* Also many times by vfork: what exec needs is not lost to the parent. */
static void in_a_root(void)
{
	static const char script[] = "test \"$KEPT\" = yes && test -z \"$LD_PRELOAD\" && exit 42";
	pid_t pid;

	CHECK(chroot(root) == 0 && chdir("/") == 0, "chroot");
	setenv("KEPT", "yes", 1);
	expect(base, pages, 1);
	for (int i = 0; i < 100; i++) {
		pid = vfork();
		if (!pid) {
			execl("/nonexistent", "sh", NULL);
			execl("/bin/sh", "sh", "-c", script, NULL);
			_exit(1);
		}
		int status;
		CHECK(waitpid(pid, &status, 0) == pid && status == 42 << 8, "status %#x",
			(unsigned int)status);
	}
	CHECK(system("exit 3") == 3 << 8, "system");
	pid = fork_checked();
	if (!pid) {
		expect(base, pages, 1);
		fill(base, 64, 4);
		_exit(0);
	}
	reap(pid);
	execl("/bin/sh", "sh", "-c", script, NULL);
	_exit(1);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = {"fexecve", "execveat without an environment",
		"execve without an environment"};
	pid_t pid;

	pages = pages_arg(argc, argv, 12);
	base = map_filled(pages, 1);
	push_out();
	fails();
	for (int way = 0; way < 3; way++) {
		pid = fork_checked();
		if (!pid)
			by_descriptor(way);
		expect_exit(ways[way], pid, 42);
		pid = vfork();
		if (!pid)
			by_descriptor(way);
		expect_exit("the same by vfork", pid, 42);
	}
	for (int other = 0; other < 2; other++)
		for (int i = 0; i < 5; i++) {
			pid = fork_checked();
			if (!pid)
				while_others_fault(other);
			expect_exit(other ? "exec from a thread" : "exec while threads fault", pid, 42);
		}
	if (geteuid() != 0) {
		say("the rest needs root\n");
		return 0;
	}
	pid = fork_checked();
	if (!pid)
		as_nobody();
	expect_exit("as nobody", pid, 42);
	make_root();
	pid = fork_checked();
	if (!pid)
		in_a_root();
	int status;
	waitpid(pid, &status, 0);
	remove_root();
	CHECK(status == 42 << 8, "in a root of its own: status %#x", (unsigned int)status);
	expect(base, pages, 1);
	say("in a root of its own: ok\n");
	return 0;
}
