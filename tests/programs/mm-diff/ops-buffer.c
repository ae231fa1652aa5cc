/* System calls with buffers anywhere: EFAULT, or a count as far as it goes. */
#include "diff.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A buffer that likes to lie across a border between pages. */
static struct span draw_buffer(struct worker *w)
{
	struct span s = draw_span(w, 8);
	size_t at = draw(w, PAGE), n = 1 + draw(w, s.bytes - at);

	s.at += at;
	s.bytes = draw(w, 3) ? n : s.bytes - at;
	return s;
}

static void drain(int fd)
{
	char sink[4096];

	while (read(fd, sink, sizeof(sink)) > 0)
		;
}

/* What had come through: how much, and the sum of it. */
static void note_drained(struct worker *w, int fd)
{
	size_t all = 0;
	uint64_t sum, h = 0;
	ssize_t n;

	while ((n = read(fd, w->scratch, 32768)) > 0) {
		guarded_sum(w, w->scratch, (size_t)n, &sum);
		h = mix(h ^ sum);
		all += (size_t)n;
	}
	note(w, " through: %#zx %08x", all, (unsigned int)h);
}

static void op_write(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_buffer(w);

	note_span(w, s);
	note_result(w, write(w->pipe[1], s.at, s.bytes));
	note_drained(w, w->pipe[0]);
}

static void op_send(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_buffer(w);

	note_span(w, s);
	note_result(w, send(w->socket[0], s.at, s.bytes, MSG_DONTWAIT));
	note_drained(w, w->socket[1]);
}

static void op_read(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_buffer(w);

	for (size_t i = 0; i < 8; i++)
		fill_page(w->scratch + i * PAGE, (w->op << 20) + i);
	note_span(w, s);
	note(w, " of %zd", write(w->pipe[1], w->scratch, s.bytes));
	note_result(w, read(w->pipe[0], s.at, s.bytes));
	drain(w->pipe[0]);
	s.bytes += (uintptr_t)s.at % PAGE;
	note_bytes(w, span_of((char *)((uintptr_t)s.at & -PAGE), (s.bytes + PAGE - 1) & -PAGE));
}

static void op_readv(struct worker *w, const struct op *op)
{
	struct span a = draw_buffer(w), b = draw_buffer(w);
	struct iovec v[2] = {{a.at, a.bytes}, {b.at, b.bytes}};
	off_t offset = (off_t)draw(w, FILE_PAGES * PAGE);

	note_span(w, a);
	note(w, " and ");
	note_span(w, b);
	note(w, " at %#lx", (long)offset);
	note_result(w, op->arg ? pwritev(w->fd[op->source], v, 2, offset) :
				 preadv(w->fd[op->source], v, 2, offset));
}

static void op_vm(struct worker *w, const struct op *op)
{
	struct span a = draw_buffer(w), b = draw_buffer(w);
	struct iovec local = {w->scratch, a.bytes}, remote[2] = {{a.at, a.bytes}, {b.at, b.bytes}};
	pid_t pid = getpid();
	uint64_t sum = 0;
	ssize_t n;

	local.iov_len = a.bytes + b.bytes < 65536 ? a.bytes + b.bytes : 65536;
	note_span(w, a);
	note(w, " and ");
	note_span(w, b);
	memset(w->scratch, (int)w->op, 65536);
	n = op->arg ? process_vm_writev(pid, &local, 1, remote, 2, 0) :
		      process_vm_readv(pid, &local, 1, remote, 2, 0);
	note_result(w, n);
	guarded_sum(w, w->scratch, local.iov_len, &sum);
	note(w, " %08x", (unsigned int)sum);
}

/* Random bytes are made known ones afterwards: of the call only the result counts. */
static void op_getrandom(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_buffer(w);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	note_span(w, s);
	note_result(w, getrandom(s.at, s.bytes, 0));
	note_result(w, read(zero, s.at, s.bytes));
	close(zero);
}

static void op_futex(struct worker *w, const struct op *op)
{
	struct span s = draw_span(w, 4);
	char *at = s.at + draw(w, PAGE / 4) * 4 + (draw(w, 12) ? 0 : 2);

	struct iovec local = {w->scratch, 1}, remote = {s.at, 1};
	int kind = (int)op->arg;

	/* of memory that may only be executed the page is found if it is mapped just now, or not */
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != 1)
		kind |= FUTEX_PRIVATE_FLAG;
	note_addr(w, at);
	note_result(w, syscall(SYS_futex, at, kind, 0x12345678, NULL, at + 64, 0));
}

/* Calls that read or write something small at an address. */
static void op_small(struct worker *w, const struct op *op)
{
	struct span s = draw_span(w, 4);
	char *at = s.at + draw(w, PAGE - 512);
	long ret;

	if (s.bytes > PAGE && draw(w, 2))
		at = s.at + PAGE - 4;
	note_addr(w, at);
	switch (op->arg) {
	case SYS_rt_sigprocmask: ret = syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, at, 8); break;
	case SYS_rt_sigaction: ret = syscall(SYS_rt_sigaction, SIGUSR2, NULL, at, 8); break;
	case SYS_newfstatat: ret = syscall(SYS_newfstatat, w->fd[FILE_RO], at, w->scratch, 0); break;
	case SYS_getcwd: ret = syscall(SYS_getcwd, at, 256); break;
	case SYS_openat: ret = syscall(SYS_openat, w->fd[FILE_RO], at, O_RDONLY); break;
	case SYS_rt_sigpending: ret = syscall(SYS_rt_sigpending, at, 8); break;
	default: ret = 0; break;
	}
	/* a path may go on where a region ends, and what lies there is the kernel's choice */
	if ((op->arg == SYS_newfstatat || op->arg == SYS_openat) && s.region >= 0 &&
		at + PAGE > s.at + s.bytes)
		return;
	if (op->arg == SYS_newfstatat || op->arg == SYS_openat)
		note(w, ret == -1 && errno == EFAULT ? " EFAULT" : " other"); /* by what lies there */
	else
		note_result(w, ret);
}

/* The kernel writes the frame of a signal onto a stack in the arena. */
static void handler(int sig UNUSED, siginfo_t *info UNUSED, void *context UNUSED)
{
}

static void op_signal_frame(struct worker *w, const struct op *op UNUSED)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct span s = draw_arena(w, 1);
	stack_t ss = {.ss_size = 8 * PAGE}, old;

	ss.ss_sp = s.at;
	if (s.at + ss.ss_size > w->arena + ARENA_PAGES * PAGE)
		return;
	note_addr(w, s.at);
	note_pointer(w, mmap(s.at, ss.ss_size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	sigaction(SIGUSR1, &sa, NULL);
	note_result(w, sigaltstack(&ss, &old));
	note_result(w, raise(SIGUSR1));
	note_result(w, sigaltstack(&old, NULL));
	note_result(w, munmap(s.at, ss.ss_size)); /* what a frame holds is not determined */
}

const struct op buffer_ops[] = {
	{"write to a pipe", op_write, 8},
	{"read from a pipe", op_read, 8},
	{"send", op_send, 4},
	{"preadv file", op_readv, 4, 0, 0, FILE_RW},
	{"pwritev file", op_readv, 4, 1, 0, FILE_RW},
	{"preadv memfd", op_readv, 3, 0, 0, MEMFD},
	{"pwritev memfd", op_readv, 3, 1, 0, MEMFD},
	{"process_vm_readv", op_vm, 5, 0},
	{"process_vm_writev", op_vm, 5, 1},
	{"getrandom", op_getrandom, 3},
	{"futex WAKE", op_futex, 2, FUTEX_WAKE},
	{"futex WAIT", op_futex, 3, FUTEX_WAIT | FUTEX_PRIVATE_FLAG},
	{"futex CMP_REQUEUE", op_futex, 2, FUTEX_CMP_REQUEUE},
	{"rt_sigprocmask", op_small, 2, SYS_rt_sigprocmask},
	{"rt_sigaction", op_small, 1, SYS_rt_sigaction},
	{"fstatat", op_small, 2, SYS_newfstatat},
	{"getcwd", op_small, 1, SYS_getcwd},
	{"openat", op_small, 1, SYS_openat},
	{"rt_sigpending", op_small, 1, SYS_rt_sigpending},
	{"signal frame", op_signal_frame, 2},
	{NULL},
};
