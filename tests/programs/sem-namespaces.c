/*
 * Trees across namespaces: pids mean something else inside and outside, and
 * nobody takes a living process for a dead one because of it.
 */
#include "sem.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

enum { ROUNDS = 6, SHORT = 20, ALONE = 300 };

static char *base;
static size_t pages;

/* Many short children: each looks whether others have died. */
static void short_children(void)
{
	for (int i = 0; i < SHORT; i++) {
		pid_t pid = fork_checked();

		if (!pid) {
			expect(base + (size_t)i * 8 * PAGE, 8, 1 + (size_t)i * 8);
			fill(base, 32, 50);
			_exit(0);
		}
		reap(pid);
	}
}

static void tell(int fd)
{
	CHECK(write(fd, "k", 1) == 1, "pipe");
}

static void hear(int fd)
{
	char c;

	CHECK(read(fd, &c, 1) == 1, "the other side is gone");
}

/* Inside: pid 1 of a namespace of its own, with children and pages of its own. */
static void inside(int to, int from)
{
	char *own;

	CHECK(getpid() == 1, "not the first of its namespace");
	expect(base, pages, 1);
	own = map_filled(1024, 3000);
	for (int i = 0; i < ROUNDS; i++) {
		tell(to);
		short_children();
		expect(own, 1024, 3000);
		expect(base, pages, 1);
		hear(from);
	}
	_exit(0);
}

static void pid_namespace(void)
{
	int up[2], down[2];
	pid_t pid;

	CHECK(pipe(up) == 0 && pipe(down) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(errno == EPERM || errno == EINVAL ? EXIT_SKIP : 1);
		pid = fork_checked();
		if (!pid)
			inside(up[1], down[0]);
		for (int i = 0; i < ROUNDS; i++) {
			hear(up[0]);
			expect(base, pages, 1);
			tell(down[1]);
		}
		reap(pid);
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		short_children();
		push_out();
		expect(base, pages, 1);
	}
	reap(pid);
	say("pid namespace: ok\n");
}

/* By clone, and programs started inside whose pids are those of processes outside. */
static void programs_inside(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	CHECK(pid >= 0, "clone with CLONE_NEWPID");
	if (!pid) {
		for (int i = 0; i < 3; i++) {
			CHECK(system("x=$(echo $$) && test -n \"$x\"") == 0, "system");
			expect(base, pages, 1);
		}
		_exit(0);
	}
	short_children();
	reap(pid);
	expect(base, pages, 1);
	say("programs in a pid namespace: ok\n");
}

/* The first of a namespace ends: the kernel kills all that are in it. */
static void namespace_ends(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

	CHECK(pid >= 0, "clone with CLONE_NEWPID");
	if (!pid) {
		for (int i = 0; i < 4; i++)
			if (!fork_checked())
				for (;;)
					fill(base, pages, 7); /* with threads that are new */
		expect(base, pages, 1);
		_exit(0);
	}
	reap(pid);
	push_out();
	expect(base, pages, 1);
	say("a namespace that ends: ok\n");
}

static void others(void)
{
	pid_t pid = fork_checked();

	if (!pid) {
		CHECK(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) == 0,
			"unshare");
		CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "mount");
		CHECK(mount("none", "/proc", "tmpfs", 0, NULL) == 0, "mount");
		expect(base, pages, 1);
		short_children();
		_exit(0);
	}
	reap(pid);
	pid = fork_checked();
	if (!pid) {
		/* only for a process that has one thread; in it nobody is mapped who may do it again */
		CHECK(unshare(CLONE_NEWUSER) == 0, "unshare of a user namespace");
		CHECK(unshare(CLONE_NEWUSER) < 0 && errno == EPERM, "unshare of another");
		expect(base, pages, 1);
		fill(base, pages, 7); /* with threads that are new */
		expect(base, pages, 7);
		fill(base, pages, 1);
		short_children();
		_exit(0);
	}
	reap(pid);
	/* one that borrows our memory, which goes on being served */
	pid = vfork();
	if (!pid)
		_exit(unshare(CLONE_NEWUSER) != 0);
	CHECK(pid > 0, "vfork");
	reap(pid);
	expect(base, pages, 1);
	fill(base, pages, 7);
	expect(base, pages, 7);
	fill(base, pages, 1);
	say("other namespaces: ok\n");
}

/* Alone again and again, beside processes that look whether others have died. */
static void often_alone(void)
{
	pid_t pid = fork_checked();

	if (!pid) {
		for (int i = 0; i < ALONE; i++) {
			CHECK(unshare(CLONE_THREAD) == 0 && unshare(CLONE_SIGHAND) == 0, "unshare of what is ours alone");
			fill_page(base, (size_t)i + 5000);
			CHECK(page_has(base, (size_t)i + 5000), "page 0, round %d", i);
		}
		expect(base + PAGE, pages - 1, 2);
		_exit(0);
	}
	for (int i = 0; i < ROUNDS; i++)
		short_children();
	reap(pid);
	expect(base, pages, 1);
	say("alone again and again: ok\n");
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status;

	pages = pages_arg(argc, argv, 20);
	/* whether it may be done at all is asked in a process that is not needed any more */
	pid = fork_checked();
	if (!pid)
		_exit(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) < 0);
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		sem_skip("namespaces need root");
	base = map_filled(pages, 1);
	pid_namespace();
	programs_inside();
	namespace_ends();
	others();
	often_alone();
	return 0;
}
