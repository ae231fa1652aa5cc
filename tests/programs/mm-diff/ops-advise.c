/* madvise(2) and process_madvise(2) on the process itself. */
#include "diff.h"

#include <sys/syscall.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define ADV_COLD	    20
#define ADV_PAGEOUT	    21
#define ADV_POPULATE_READ   22
#define ADV_POPULATE_WRITE  23
#define ADV_DONTNEED_LOCKED 24
#define ADV_GUARD_INSTALL   102
#define ADV_GUARD_REMOVE    103
#define HUGE_PAGE	    (2UL << 20)

/* What a child lacks of a region may become anything there: only the arena has holes. And where
 * huge pages would begin in a region is not determined. */
static struct span draw_for(struct worker *w, const struct op *op, size_t most)
{
	bool arena = op->arg == MADV_DONTFORK || op->arg == MADV_COLLAPSE;

	return draw_odd(w, arena ? draw_arena(w, most) : draw_span(w, most));
}

static void op_madvise(struct worker *w, const struct op *op)
{
	struct span s = draw_for(w, op, (size_t)op->arg2);
	int ret;

	/* whether a huge page can be had is not determined: not even one fits */
	if (op->arg == MADV_COLLAPSE && s.bytes < TASK_END && s.bytes >= HUGE_PAGE / 2)
		s.bytes = HUGE_PAGE / 2;
	note_span(w, s);
	ret = madvise(s.at, s.bytes, (int)op->arg);
	note_result(w, ret);
	if (!draw(w, 2))
		note_bytes(w, s);
}

/* Within memory that has room for a huge page, but not of it; refused where they are not wanted. */
static void op_collapse(struct worker *w, const struct op *op)
{
	char *at = w->arena + draw(w, ARENA_PAGES * PAGE / HUGE_PAGE - 2) * HUGE_PAGE;
	struct span s = span_of(at + draw(w, 512) * PAGE, (1 + draw(w, 511)) * PAGE);

	note_span(w, s);
	note_pointer(w, mmap(at, 2 * HUGE_PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	note(w, " filled %zu", guarded_fill(w, s.at, s.bytes, w->op << 20));
	note_result(w, madvise(at, 2 * HUGE_PAGE, (int)op->arg));
	note_result(w, madvise(s.at, s.bytes, MADV_COLLAPSE));
	note_bytes(w, s);
}

enum { MOST_FREED = 64 };

/*
 * Until it is written again, a page that was freed holds what it held or zeros, as the kernel
 * pleases. So each is looked at for one of both, and then all are made zeros.
 */
static void op_free(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_odd(w, draw_span(w, MOST_FREED));
	size_t n = s.bytes / PAGE;
	uint64_t before[MOST_FREED], after, zeros;
	bool there[MOST_FREED];

	note_span(w, s);
	if ((uintptr_t)s.at % PAGE || n > MOST_FREED)
		n = 0;
	memset(w->scratch, 0, PAGE);
	guarded_sum(w, w->scratch, PAGE, &zeros);
	for (size_t i = 0; i < n; i++)
		there[i] = guarded_sum(w, s.at + i * PAGE, PAGE, &before[i]);
	note_result(w, madvise(s.at, s.bytes, MADV_FREE));
	for (size_t i = 0; i < n; i++)
		if (guarded_sum(w, s.at + i * PAGE, PAGE, &after) != there[i])
			note(w, " [%zu] other access", i);
		else if (there[i] && after != before[i] && after != zeros)
			note(w, " [%zu] other bytes", i);
	note(w, " then DONTNEED_LOCKED");
	note_result(w, madvise(s.at, s.bytes, ADV_DONTNEED_LOCKED));
	note_bytes(w, s);
}

/* With one page's worth of a hole of the file, or of shared memory. */
static void op_remove(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_odd(w, draw_arena(w, 8));

	note_span(w, s);
	note_result(w, madvise(s.at, s.bytes, MADV_REMOVE));
	note_bytes(w, s);
}

static void op_guard(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_arena(w, 12));

	note_span(w, s);
	note_result(w, madvise(s.at, s.bytes, (int)op->arg));
	note(w, " filled %zu", s.bytes > ARENA_PAGES * PAGE || (uintptr_t)s.at % PAGE ? 0 :
		guarded_fill(w, s.at, s.bytes, w->op << 20));
	note_bytes(w, s);
}

enum { SELF = -10000, ONE = 0, SEVERAL, NO_VECTOR, BAD_VECTOR, LONG_VECTOR, BAD_PIDFD, BAD_FLAG, BY_PID };

static void op_process_madvise(struct worker *w, const struct op *op)
{
	struct span a = draw_for(w, op, 32), b = draw_for(w, op, 32), c = draw_arena(w, 32);
	struct iovec v[3] = {{a.at, a.bytes}, {b.at, b.bytes}, {c.at, c.bytes}}, *vec = v;
	unsigned long n = 3, flags = 0;
	int fd = w->pidfd;

	switch (op->arg2) {
	case ONE: n = 1; break;
	case SEVERAL: break;
	case NO_VECTOR: n = 0; break;
	case BAD_VECTOR: vec = (struct iovec *)64; break;
	case LONG_VECTOR: n = 1025; break;
	case BAD_PIDFD: fd = w->fd[MEMFD]; break;
	case BAD_FLAG: flags = 1; break;
	case BY_PID: fd = SELF; break;
	}
	note_span(w, a);
	note(w, ", ");
	note_span(w, b);
	note(w, ", ");
	note_span(w, c);
	note_result(w, syscall(SYS_process_madvise, fd, vec, n, (int)op->arg, flags));
	if (n == 3 && op->arg != MADV_FREE)
		note_bytes(w, c);
}

#define ADVICE(name, advice, weight) {"madvise " name, op_madvise, weight, advice, 64}

const struct op advise_ops[] = {
	ADVICE("NORMAL", MADV_NORMAL, 2),
	ADVICE("RANDOM", MADV_RANDOM, 2),
	ADVICE("SEQUENTIAL", MADV_SEQUENTIAL, 2),
	ADVICE("WILLNEED", MADV_WILLNEED, 5),
	ADVICE("DONTNEED", MADV_DONTNEED, 14),
	{"madvise FREE", op_free, 8},
	{"madvise REMOVE", op_remove, 5},
	ADVICE("DONTFORK", MADV_DONTFORK, 4),
	ADVICE("DOFORK", MADV_DOFORK, 3),
	ADVICE("MERGEABLE", MADV_MERGEABLE, 3),
	ADVICE("UNMERGEABLE", MADV_UNMERGEABLE, 3),
	ADVICE("HUGEPAGE", MADV_HUGEPAGE, 2),
	ADVICE("NOHUGEPAGE", MADV_NOHUGEPAGE, 2),
	ADVICE("DONTDUMP", MADV_DONTDUMP, 3),
	ADVICE("DODUMP", MADV_DODUMP, 3),
	ADVICE("WIPEONFORK", MADV_WIPEONFORK, 4),
	ADVICE("KEEPONFORK", MADV_KEEPONFORK, 3),
	ADVICE("COLD", ADV_COLD, 6),
	ADVICE("PAGEOUT", ADV_PAGEOUT, 8),
	ADVICE("POPULATE_READ", ADV_POPULATE_READ, 6),
	ADVICE("POPULATE_WRITE", ADV_POPULATE_WRITE, 6),
	ADVICE("DONTNEED_LOCKED", ADV_DONTNEED_LOCKED, 6),
	ADVICE("COLLAPSE", MADV_COLLAPSE, 3),
	{"madvise COLLAPSE in large", op_collapse, 2, MADV_NORMAL},
	{"madvise COLLAPSE after NOHUGEPAGE", op_collapse, 1, MADV_NOHUGEPAGE},
	{"madvise GUARD_INSTALL", op_guard, 5, ADV_GUARD_INSTALL},
	{"madvise GUARD_REMOVE", op_guard, 5, ADV_GUARD_REMOVE},
	ADVICE("5", 5, 1),
	ADVICE("6", 6, 1),
	ADVICE("7", 7, 1),
	ADVICE("26", 26, 1),
	ADVICE("99", 99, 1),
	ADVICE("104", 104, 1),
	ADVICE("-1", -1, 1),
	{"madvise DONTNEED long", op_madvise, 2, MADV_DONTNEED, 700},
	{"madvise PAGEOUT long", op_madvise, 2, ADV_PAGEOUT, 700},
	{"madvise COLD long", op_madvise, 2, ADV_COLD, 700},
	{"process_madvise DONTNEED", op_process_madvise, 4, MADV_DONTNEED, SEVERAL},
	{"process_madvise DONTNEED one", op_process_madvise, 3, MADV_DONTNEED, ONE},
	{"process_madvise COLD", op_process_madvise, 3, ADV_COLD, SEVERAL},
	{"process_madvise PAGEOUT", op_process_madvise, 4, ADV_PAGEOUT, SEVERAL},
	{"process_madvise PAGEOUT one", op_process_madvise, 2, ADV_PAGEOUT, ONE},
	{"process_madvise WILLNEED", op_process_madvise, 3, MADV_WILLNEED, SEVERAL},
	{"process_madvise POPULATE_READ", op_process_madvise, 2, ADV_POPULATE_READ, SEVERAL},
	{"process_madvise GUARD_INSTALL", op_process_madvise, 1, ADV_GUARD_INSTALL, ONE},
	{"process_madvise DONTFORK", op_process_madvise, 1, MADV_DONTFORK, SEVERAL},
	{"process_madvise unknown", op_process_madvise, 2, 99, SEVERAL},
	{"process_madvise nothing", op_process_madvise, 1, MADV_DONTNEED, NO_VECTOR},
	{"process_madvise unknown nothing", op_process_madvise, 1, 99, NO_VECTOR},
	{"process_madvise bad vector", op_process_madvise, 1, MADV_DONTNEED, BAD_VECTOR},
	{"process_madvise long vector", op_process_madvise, 1, MADV_DONTNEED, LONG_VECTOR},
	{"process_madvise bad fd", op_process_madvise, 1, MADV_DONTNEED, BAD_PIDFD},
	{"process_madvise bad flag", op_process_madvise, 1, MADV_DONTNEED, BAD_FLAG},
	{"process_madvise PIDFD_SELF", op_process_madvise, 3, MADV_DONTNEED, BY_PID},
	{NULL},
};
