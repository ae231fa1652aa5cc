/*
 * clone(2) and clone3(2) without CLONE_VM write the child's number where the caller wants
 * it: in memory of its own, where the child does not see it; in shared memory, where the
 * child does, before it runs; and a bad address is no error. The number that the child
 * is to find, and the descriptor that the parent is to get, come to memory of its own too,
 * and leave what stands beside them.
 */
#include "sem.h"
#include <linux/sched.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>

static pid_t clone_old(uint64_t flags, pid_t *tid)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, tid, NULL, 0);
}

static pid_t clone_new(uint64_t flags, pid_t *tid)
{
	struct clone_args args = {
		.flags = flags, .parent_tid = (uint64_t)tid, .exit_signal = SIGCHLD};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* seen: whether the child sees the number too. */
static void check(const char *name, pid_t (*make)(uint64_t, pid_t *), pid_t *tid, bool asked,
	bool good, bool seen)
{
	pid_t pid;

	if (good)
		*tid = -1;
	push_out();
	pid = make(asked ? CLONE_PARENT_SETTID : 0, tid);
	CHECK(pid >= 0, "%s", name);
	if (!pid)
		_exit(good && *tid != (seen ? getpid() : -1));
	if (good)
		CHECK(*tid == (asked ? pid : -1), "%s: %d, not %d", name, (int)*tid, (int)pid);
	reap(pid);
	say("%s: right\n", name);
}

/* words: in pages of their own, between words that must not change. */
static void check_others(bool newer, int *words)
{
	int *child_tid = words + 1, *pidfd = words + PAGE / sizeof(int) + 1;
	struct clone_args args = {.flags = CLONE_CHILD_SETTID | CLONE_PIDFD,
		.child_tid = (uint64_t)child_tid,
		.pidfd = (uint64_t)pidfd,
		.exit_signal = SIGCHLD};
	pid_t pid;

	for (size_t i = 0; i < 2 * PAGE / sizeof(int); i++)
		words[i] = (int)i;
	push_out();
	if (newer)
		pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	else
		pid = (pid_t)syscall(SYS_clone, args.flags | SIGCHLD, NULL, pidfd, child_tid, 0);
	CHECK(pid >= 0, "clone");
	if (!pid)
		_exit(*child_tid != getpid() || words[0] != 0 || words[2] != 2);
	CHECK(*child_tid == 1, "the parent sees the child's number: %d", *child_tid);
	CHECK(fcntl(*pidfd, F_GETFD) == FD_CLOEXEC && !close(*pidfd), "pidfd %d", *pidfd);
	CHECK(pidfd[-1] == (int)(PAGE / sizeof(int)) && words[0] == 0, "beside them");
	reap(pid);
	say("others%s: right\n", newer ? ", by clone3" : "");
}

int main(void)
{
	char *pair = map(2 * PAGE);
	pid_t *private = map(PAGE), *readonly = map(PAGE);
	pid_t *shared = map_flags(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);

	CHECK(mprotect(readonly, PAGE, PROT_READ) == 0, "mprotect");
	for (int i = 0; i < 2; i++) {
		pid_t (*make)(uint64_t, pid_t *) = i ? clone_new : clone_old;

		if (i && syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS)
			break;
		check_others(i, (int *)pair);
		check("private memory", make, private, true, true, false);
		check("shared memory", make, shared, true, true, true);
		check("not asked for", make, shared, false, true, false);
		check("read-only memory", make, readonly, true, false, false);
		check("no memory", make, (pid_t *)8, true, false, false);
	}
	return 0;
}
