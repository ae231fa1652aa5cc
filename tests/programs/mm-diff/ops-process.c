/* fork(2): what a child sees, and what of each other's writes. */
#include "diff.h"

#include <fcntl.h>

enum { SPANS = 16 };

static void look(struct worker *w, struct span *spans)
{
	for (int i = 0; i < SPANS; i++)
		note_bytes(w, spans[i]);
}

static __attribute__((noreturn)) void be_child(struct worker *w, struct span *spans, bool write_too)
{
	char go;

	w->log_used = 0;
	note(w, " child");
	CHECK(read(w->socket[1], &go, 1) == 1, "nobody says when to look");
	look(w, spans);
	for (int i = 0; write_too && i < SPANS / 2; i++)
		note(w, " filled %zu", guarded_fill(w, spans[i].at, spans[i].bytes, w->op << 21));
	if (write_too)
		look(w, spans);
	CHECK(write(w->pipe[1], w->log, w->log_used) == (ssize_t)w->log_used, "cannot tell");
	_exit(0);
}

/* The parent writes when there is a child, which looks when that is done. */
static void op_fork(struct worker *w, const struct op *op)
{
	struct span spans[SPANS];
	int flags;
	pid_t pid;
	ssize_t n;

	/* where a region is, a child that lacks it (DONTFORK) may have something else */
	for (int i = 0; i < SPANS; i++)
		spans[i] = draw_arena(w, 12);
	log_flush(w);
	flags = fcntl(w->socket[1], F_GETFL);
	fcntl(w->socket[1], F_SETFL, flags & ~O_NONBLOCK);
	pid = fork();
	CHECK(pid >= 0, "fork");
	if (!pid)
		be_child(w, spans, op->arg);
	if (op->arg)
		for (int i = 4; i < SPANS; i++)
			note(w, " filled %zu", guarded_fill(w, spans[i].at, spans[i].bytes, w->op << 20));
	CHECK(write(w->socket[0], "g", 1) == 1, "cannot tell the child to go");
	reap(pid);
	fcntl(w->socket[1], F_SETFL, flags);
	while ((n = read(w->pipe[0], w->scratch, 3000)) > 0)
		note(w, "%.*s", (int)n, w->scratch);
	note(w, " parent");
	look(w, spans);
}

/* A child of a child, after some of the memory was kept from it. */
static void op_dontfork(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 24);

	note_span(w, s);
	note_result(w, madvise(s.at, s.bytes, (int)op->arg2));
	op_fork(w, op);
	note_result(w, madvise(s.at, s.bytes, MADV_DOFORK));
	note_result(w, madvise(s.at, s.bytes, MADV_KEEPONFORK));
}

const struct op process_ops[] = {
	{"fork", op_fork, 2, 0},
	{"fork and write", op_fork, 3, 1},
	{"fork with DONTFORK", op_dontfork, 2, 1, MADV_DONTFORK},
	{"fork with WIPEONFORK", op_dontfork, 2, 0, MADV_WIPEONFORK},
	{NULL},
};
