/*
 * Every system call that makes a process, by libc and past it: _Fork, fork and
 * vfork and clone by number, clone with a stack given and without, clone3 with
 * what it can do more, and processes that live in our memory beside us.
 */
#include "sem.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#define STACK_BYTES (256 * 1024)

static char *base, *stack;
static size_t pages;
static int shared_word;

/* What every child does: sees all pages as they were, writes some of its own. */
static void verify_and_write(void)
{
	expect(base, pages, 1);
	fill(base, pages / 4, 900000);
	expect(base, pages / 4, 900000);
	expect(base + pages / 4 * PAGE, pages - pages / 4, 1 + pages / 4);
}

static void done(const char *what, pid_t pid)
{
	CHECK(pid > 0, "%s: %d", what, (int)pid);
	reap(pid);
	expect(base, pages, 1);
	say("%s: ok\n", what);
}

static void by_number(const char *what, long nr, long flags)
{
	pid_t pid = (pid_t)syscall(nr, flags, 0, 0, 0, 0);

	if (!pid) {
		verify_and_write();
		_exit(0);
	}
	done(what, pid);
}

/* What one opens the other has, and numbers come out as if nobody else had any. */
static void files_shared(void)
{
	int first = open("/dev/null", O_RDWR), fd;

	close(first);
	for (int i = 0; i < 20; i++) {
		pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_FILES | CLONE_FS, 0, 0, 0, 0);

		CHECK(pid >= 0, "clone");
		if (!pid) {
			CHECK(open("/dev/null", O_RDWR) == first, "another number");
			verify_and_write();
			_exit(0);
		}
		reap(pid);
		CHECK(close(first) == 0, "what the child has opened");
		fd = open("/dev/null", O_RDWR);
		CHECK(fd == first, "open gave %d, not %d", fd, first);
		close(fd);
		expect(base, pages, 1);
		fill(base, 64, 1);
	}
	say("files shared: ok\n");
}

/* They all have what we need to serve them at numbers of one table. */
static void files_shared_by_many(void)
{
	enum { MANY = 40 };
	pid_t pid[MANY];
	int go[2];
	char c;

	CHECK(pipe(go) == 0, "pipe");
	for (int i = 0; i < MANY; i++) {
		pid[i] = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_FILES, 0, 0, 0, 0);
		CHECK(pid[i] >= 0, "clone");
		if (!pid[i]) {
			CHECK(read(go[0], &c, 1) == 1, "read");
			verify_and_write();
			_exit(0);
		}
	}
	for (int i = 0; i < MANY; i++)
		CHECK(write(go[1], "", 1) == 1, "write");
	for (int i = 0; i < MANY; i++)
		reap(pid[i]);
	close(go[0]);
	close(go[1]);
	expect(base, pages, 1);
	say("files shared by many: ok\n");
}

static int on_stack(void *arg)
{
	char here[4096];

	memset(here, 1, sizeof(here));
	__asm__ volatile("" : : "r"(here) : "memory");
	CHECK(here > stack && here < stack + STACK_BYTES, "not on the stack that was given");
	CHECK(arg == &shared_word, "the argument");
	verify_and_write();
	return 0;
}

static void with_stack(void)
{
	pid_t parent_tid = 0;
	pid_t pid = clone(on_stack, stack + STACK_BYTES, SIGCHLD | CLONE_PARENT_SETTID, &shared_word,
		&parent_tid);

	CHECK(pid == parent_tid, "CLONE_PARENT_SETTID: %d, not %d", (int)parent_tid, (int)pid);
	done("clone with a stack", pid);
}

static pid_t clone3(struct clone_args *a)
{
	return (pid_t)syscall(SYS_clone3, a, sizeof(*a));
}

static void never(int sig UNUSED)
{
}

static void with_pidfd(void)
{
	int pidfd = -1, caught;
	pid_t pid, child_tid = 0, parent_tid = 0;
	struct clone_args a = {
		.flags = CLONE_PIDFD | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&pidfd,
		.child_tid = (uintptr_t)&child_tid,
		.parent_tid = (uintptr_t)&parent_tid,
		.exit_signal = SIGCHLD,
	};
	struct sigaction sa = {.sa_handler = never}, now;
	struct pollfd p;

	sigaction(SIGUSR2, &sa, NULL);
	pid = clone3(&a);
	if (!pid) {
		sigaction(SIGUSR2, NULL, &now);
		CHECK(now.sa_handler == SIG_DFL, "CLONE_CLEAR_SIGHAND");
		CHECK(child_tid == getpid(), "CLONE_CHILD_SETTID");
		verify_and_write();
		_exit(0);
	}
	CHECK(pid > 0, "clone3");
	CHECK(parent_tid == pid && child_tid == 0, "CLONE_PARENT_SETTID");
	CHECK(fcntl(pidfd, F_GETFD) == FD_CLOEXEC, "the pidfd");
	p = (struct pollfd){pidfd, POLLIN, 0};
	do
		caught = poll(&p, 1, -1);
	while (caught < 0 && errno == EINTR);
	close(pidfd);
	signal(SIGUSR2, SIG_DFL);
	done("clone3: pidfd, tids, handlers cleared", pid);
}

/* The child's tid is chosen; whether that may be done is the same natively. */
static void with_set_tid(void)
{
	pid_t want = 30000, pid;
	struct clone_args a = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&want,
		.set_tid_size = 1,
	};

	do {
		want++;
		pid = clone3(&a);
	} while (pid < 0 && errno == EEXIST);
	if (!pid) {
		CHECK(getpid() == want, "set_tid: %d, not %d", (int)getpid(), (int)want);
		verify_and_write();
		_exit(0);
	}
	if (pid < 0 && errno == EPERM)
		say("clone3: the tid chosen: ok\n"); /* an ordinary user */
	else
		done("clone3: the tid chosen", pid);
}

static __attribute__((noreturn)) void returned_to(void)
{
	char here[4096];

	CHECK(here > stack && here < stack + STACK_BYTES, "not on the stack that was given");
	verify_and_write();
	_exit(0);
}

/* syscall(2) returns on the new stack, to the address that lies at its top. */
static void clone3_stack(void)
{
	void (**top)(void) = (void (**)(void))(stack + STACK_BYTES - 64);
	struct clone_args a = {
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = (uint64_t)((char *)top - stack),
	};

	*top = returned_to;
	done("clone3 with a stack", clone3(&a));
}

/* A program of tomorrow, which does not use what is new. */
static void clone3_larger(void)
{
	struct clone_args a[2] = {{.exit_signal = SIGCHLD}};
	pid_t pid = (pid_t)syscall(SYS_clone3, a, sizeof(a));

	if (!pid) {
		verify_and_write();
		_exit(0);
	}
	done("clone3 with larger arguments", pid);
}

static void errors(void)
{
	struct clone_args a = {.exit_signal = SIGCHLD};
	struct clone_args newer[2] = {{.exit_signal = SIGCHLD}, {.flags = 1}};
	int got[8], n = 0;

	a.flags = CLONE_SIGHAND; /* not without CLONE_VM */
	got[n++] = clone3(&a) < 0 ? errno : 0;
	a.flags = CLONE_NEWNS | CLONE_FS;
	got[n++] = clone3(&a) < 0 ? errno : 0;
	a = (struct clone_args){.exit_signal = 1000};
	got[n++] = clone3(&a) < 0 ? errno : 0;
	a = (struct clone_args){.exit_signal = SIGCHLD, .stack_size = 4096};
	got[n++] = clone3(&a) < 0 ? errno : 0;
	got[n++] = syscall(SYS_clone3, &a, 16) < 0 ? errno : 0;
	got[n++] = syscall(SYS_clone3, newer, sizeof(newer)) < 0 ? errno : 0;
	got[n++] = syscall(SYS_clone3, 8, sizeof(a)) < 0 ? errno : 0;
	got[n++] = syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0) < 0 ? errno : 0;
	for (int i = 0; i < n; i++)
		say("error %d: %s\n", i, strerrorname_np(got[i]));
	CHECK(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "a process was made after all");
	expect(base, pages, 1);
}

/* A process of its own in our memory: it faults, maps and writes like a thread. */
static int beside(void *arg)
{
	char *own;

	(void)arg;
	for (size_t i = 0; i < pages; i += 2)
		if (!page_has(base + i * PAGE, 1 + i))
			return 1;
	own = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return 2;
	fill(own, 64, 5);
	for (size_t i = 0; i < 64; i++)
		if (!page_has(own + i * PAGE, 5 + i))
			return 3;
	munmap(own, 64 * PAGE);
	for (size_t i = 0; i < pages; i += 2)
		fill_page(base + i * PAGE, 700000 + i);
	__atomic_store_n(&shared_word, 1, __ATOMIC_RELEASE);
	return 0;
}

static void in_our_memory(const char *what, int flags)
{
	pid_t pid;

	shared_word = 0;
	pid = clone(beside, stack + STACK_BYTES, CLONE_VM | SIGCHLD | flags, NULL);
	CHECK(pid > 0, "clone with CLONE_VM");
	/* meanwhile, the other half */
	for (size_t i = 1; i < pages; i += 2)
		CHECK(page_has(base + i * PAGE, 1 + i), "page %zu beside another process", i);
	reap(pid);
	CHECK(shared_word == 1, "its write is not there");
	for (size_t i = 0; i < pages; i++)
		CHECK(page_has(base + i * PAGE, (i & 1 ? 1 : 700000) + i), "page %zu after it", i);
	fill(base, pages, 1);
	say("%s: ok\n", what);
}

/* One that lives on until we have forked: the child has a memory of its own. */
static int waits(void *arg)
{
	volatile int *word = arg;

	while (!*word) {
		for (size_t i = 0; i < 64; i++)
			if (!page_has(base + i * PAGE, 1 + i))
				return 1;
		usleep(1000);
	}
	return 0;
}

static void fork_beside_it(void)
{
	static volatile int word;
	pid_t other = clone(waits, stack + STACK_BYTES, CLONE_VM | SIGCHLD, (void *)&word), pid;

	CHECK(other > 0, "clone with CLONE_VM");
	pid = fork_checked();
	if (!pid) {
		verify_and_write();
		_exit(0);
	}
	reap(pid);
	word = 1;
	done("fork beside a process in our memory", other);
}

static void by_vfork_number(void)
{
	/* both return on one stack: the child must not call anything on it */
	register long rax __asm__("rax") = SYS_vfork;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov $60, %%eax\n\t"
			 "xor %%edi, %%edi\n\t"
			 "syscall\n\t"
			 "1:\n\t"
			 : "+r"(rax)
			 :
			 : "rcx", "r11", "rdi", "memory");
	done("SYS_vfork", (pid_t)rax);
}

int main(int argc, char **argv)
{
	pid_t pid;

	pages = pages_arg(argc, argv, 12);
	base = map_filled(pages, 1);
	stack = map(STACK_BYTES);
	push_out();

	pid = _Fork();
	if (!pid) {
		verify_and_write();
		_exit(0);
	}
	done("_Fork", pid);
	by_number("SYS_fork", SYS_fork, 0);
	by_number("SYS_clone", SYS_clone, SIGCHLD);
	by_vfork_number();
	files_shared();
	files_shared_by_many();
	with_stack();
	with_pidfd();
	with_set_tid();
	clone3_stack();
	clone3_larger();
	errors();
	in_our_memory("a process in our memory", 0);
	in_our_memory("the same with CLONE_VFORK", CLONE_VFORK);
	in_our_memory("the same with our files", CLONE_FILES | CLONE_FS | CLONE_SIGHAND);
	fork_beside_it();
	return 0;
}
