/*
 * Shared anonymous memory that a device writes to, while everything is evicted that can be. The
 * device is the kernel here, which has pinned the pages: with a buffer that was registered with
 * io_uring, for a direct read, and for a write by another process. What it writes must be there.
 */
#include "sem.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "sem-raw.h"

enum { PAGES = 2 * MIB / PAGE, FIRST = 100, BUFFER = 16, BEHIND = 200, DIRECT_ROUNDS = 6, POKE_ROUNDS = 8 };

static char *shared_filled(uint64_t key)
{
	char *p = map_flags(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);

	fill(p, PAGES, key);
	return p;
}

/* All of it, but for the buffer, which has what was read. */
static void expect_read(const char *base, uint64_t key, uint64_t read_key)
{
	expect(base, FIRST, key);
	expect(base + FIRST * PAGE, BUFFER, read_key);
	expect(base + (FIRST + BUFFER) * PAGE, PAGES - FIRST - BUFFER, key + FIRST + BUFFER);
}

/* A file with the pages of the key. */
static int file_of(size_t pages, uint64_t key)
{
	char path[] = "sem-shmem-pins.XXXXXX";
	char *p = map_filled(pages, key);
	int fd = mkstemp(path);

	CHECK(fd >= 0, "mkstemp in the working directory");
	CHECK(unlink(path) == 0, "unlink");
	CHECK(pwrite(fd, p, pages * PAGE, 0) == (ssize_t)(pages * PAGE), "pwrite");
	CHECK(fsync(fd) == 0, "fsync");
	munmap(p, pages * PAGE);
	return fd;
}

struct ring {
	int fd;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

/* By syscall(2), or, as liburing does, past libc. */
static void ring_open(struct ring *r, bool past_libc)
{
	int prot = PROT_READ | PROT_WRITE;

	memset(r, 0, sizeof(*r));
	r->fd = (int)(past_libc ? raw(SYS_io_uring_setup, 4, (uintptr_t)&r->params, 0, 0, 0, 0) :
			    syscall(SYS_io_uring_setup, 4, &r->params));
	if (r->fd < 0)
		sem_skip("io_uring is not available");
	r->sq = mmap(NULL, r->params.sq_off.array + r->params.sq_entries * 4, prot, MAP_SHARED, r->fd,
		IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, r->params.cq_off.cqes + r->params.cq_entries * sizeof(struct io_uring_cqe), prot,
		MAP_SHARED, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, r->params.sq_entries * sizeof(*r->sqes), prot, MAP_SHARED, r->fd, IORING_OFF_SQES);
	CHECK(r->sq != MAP_FAILED && r->cq != MAP_FAILED && r->sqes != MAP_FAILED, "the rings' memory");
}

static void ring_register(struct ring *r, char *buf)
{
	struct iovec iov = {buf, BUFFER * PAGE};

	CHECK(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, &iov, 1) == 0, "register");
}

/* Reads the file into the registered buffer. */
static void ring_read(struct ring *r, int file, char *buf)
{
	unsigned int *tail = (unsigned int *)(r->sq + r->params.sq_off.tail), i = *tail & (r->params.sq_entries - 1);
	unsigned int *head = (unsigned int *)(r->cq + r->params.cq_off.head);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(r->cq + r->params.cq_off.cqes);
	long n;

	r->sqes[i] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ_FIXED, .fd = file, .addr = (uintptr_t)buf, .len = BUFFER * PAGE};
	((unsigned int *)(r->sq + r->params.sq_off.array))[i] = i;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	n = syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	CHECK(n == 1, "io_uring_enter");
	CHECK(cqes[*head & (r->params.cq_entries - 1)].res == BUFFER * (int)PAGE, "read %d",
		cqes[*head & (r->params.cq_entries - 1)].res);
}

/* Two processes take turns: by these pipes, of which each has its own ends only. */
struct turns {
	int to, from;
};

static pid_t fork_turns(struct turns *t)
{
	int down[2], up[2];
	pid_t pid;

	CHECK(pipe(down) == 0 && pipe(up) == 0, "pipe");
	pid = fork_checked();
	*t = pid ? (struct turns){down[1], up[0]} : (struct turns){up[1], down[0]};
	close(pid ? down[0] : down[1]);
	close(pid ? up[1] : up[0]);
	return pid;
}

static void your_turn(const struct turns *t)
{
	CHECK(write(t->to, "t", 1) == 1, "hand over");
}

static void await_turn(const struct turns *t)
{
	char c;

	if (read(t->from, &c, 1) != 1) /* the other has failed, and said why */
		_exit(1);
}

static void registered(bool past_libc)
{
	char *base = shared_filled(1), *buf = base + FIRST * PAGE;
	int file = file_of(BUFFER, 9000);
	struct ring r;

	ring_open(&r, past_libc);
	ring_register(&r, buf);
	push_out();
	ring_read(&r, file, buf);
	expect_read(base, 1, 9000);
	push_out();
	expect_read(base, 1, 9000);
	say("registered buffer%s: ok\n", past_libc ? ", past libc" : "");
}

static void by_syscall(void)
{
	registered(false);
}

static void by_raw_call(void)
{
	registered(true);
}

/* Who has it registered has not got it mapped any more; others see what is read. */
static void unmapped(void)
{
	char *base = shared_filled(1), *buf = base + FIRST * PAGE;
	struct turns t;
	pid_t pid = fork_turns(&t);

	if (!pid) {
		int file = file_of(BUFFER, 9000);
		struct ring r;

		ring_open(&r, false);
		ring_register(&r, buf);
		CHECK(munmap(base, PAGES * PAGE) == 0, "munmap");
		your_turn(&t);
		await_turn(&t);
		ring_read(&r, file, buf);
		_exit(0);
	}
	await_turn(&t);
	push_out();
	your_turn(&t);
	reap(pid);
	expect_read(base, 1, 9000);
	say("registered buffer, unmapped: ok\n");
}

/* Another process takes memory away all the time. */
static pid_t begin_pressure(void)
{
	pid_t parent = getpid(), pid = fork_checked();

	while (!pid && getppid() == parent)
		push_out();
	if (!pid)
		_exit(0);
	return pid;
}

static void end_pressure(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid, "kill");
}

/* Reads into the buffer, and behind it into memory that is in swap: the kernel waits for that with
 * the buffer pinned, which is taken out meanwhile. */
static void direct(void)
{
	char *base = shared_filled(1), *buf = base + FIRST * PAGE, *behind = map(BEHIND * PAGE);
	struct iovec iov[2] = {{buf, BUFFER * PAGE}, {behind, BEHIND * PAGE}};
	int file = file_of(BUFFER + BEHIND, 9000);
	pid_t pid;

	if (fcntl(file, F_SETFL, O_DIRECT) < 0)
		sem_skip("no O_DIRECT on this filesystem");
	pid = begin_pressure();
	for (int i = 0; i < DIRECT_ROUNDS; i++) {
		fill(buf, BUFFER, i);
		fill(behind, BEHIND, i);
		push_out();
		CHECK(preadv(file, iov, 2, 0) == (ssize_t)((BUFFER + BEHIND) * PAGE), "preadv");
		expect(buf, BUFFER, 9000);
		expect(behind, BEHIND, 9000 + BUFFER);
	}
	end_pressure(pid);
	expect(base, FIRST, 1);
	say("direct reads: ok\n");
}

/* Another process writes, from memory of which some is in swap: it waits with pages pinned. */
static void poked(void)
{
	char *base = shared_filled(1), *from = map(PAGES * PAGE);
	struct iovec local = {from, PAGES * PAGE}, remote = {base, PAGES * PAGE};
	struct turns t;
	pid_t pid = fork_turns(&t);

	for (int i = 0; i < POKE_ROUNDS; i++)
		if (pid) {
			your_turn(&t);
			push_out();
			await_turn(&t);
			expect(base, PAGES, 9000 + i);
		} else {
			await_turn(&t);
			fill(from, PAGES, 9000 + i);
			push_out();
			CHECK(process_vm_writev(getppid(), &local, 1, &remote, 1, 0) == (ssize_t)(PAGES * PAGE),
				"process_vm_writev");
			your_turn(&t);
		}
	if (!pid)
		_exit(0);
	reap(pid);
	say("written by another process: ok\n");
}

/* All ways, or the one of that number. */
int main(int argc, char **argv)
{
	static void (*const ways[])(void) = {by_syscall, by_raw_call, unmapped, direct, poked};
	bool skipped = false;
	int status;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		pid_t pid;

		if (argc > 1 && strtoul(argv[1], NULL, 10) != i)
			continue;
		pid = fork_checked();
		if (!pid) {
			ways[i]();
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
		if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
			skipped = true; /* the others may not need it */
		else
			CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "way %zu ended with %#x", i, (unsigned int)status);
	}
	return skipped ? EXIT_SKIP : 0;
}
