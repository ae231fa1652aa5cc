/* Files under mappings: written by calls, cut, grown, with holes punched. */
#include "diff.h"

#include <fcntl.h>
#include <linux/falloc.h>

static void fill_scratch(struct worker *w, uint64_t key)
{
	for (size_t i = 0; i < 4; i++)
		fill_page(w->scratch + i * PAGE, key + i);
}

static void op_pwrite(struct worker *w, const struct op *op)
{
	size_t at = draw(w, FILE_PAGES * PAGE), n = 1 + draw(w, 4 * PAGE);

	fill_scratch(w, w->op << 20);
	note(w, "%#zx at %#zx", n, at);
	note_result(w, pwrite(w->fd[op->source], w->scratch, n, (off_t)at));
}

/* Through a descriptor that is open for just this: private mappings show it where they were never
 * written to. The file keeps its length. */
static void write_open(struct worker *w, int file, size_t at, size_t n)
{
	char name[64];
	int fd;

	fill_scratch(w, w->op << 20);
	note(w, "%#zx at %#zx", n, at);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	note_result(w, fd < 0 ? -1 : pwrite(fd, w->scratch, n, (off_t)at));
	close(fd);
}

static void op_write_open(struct worker *w, const struct op *op)
{
	size_t at = draw(w, (FILE_PAGES - 4) * PAGE), n = 1 + draw(w, 4 * PAGE);

	write_open(w, w->fd[op->source], at, n);
}

/* Under a private mapping of which some pages were read, some written, and some neither. */
static void op_write_under(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 1);
	size_t n = 6 * PAGE, first = draw(w, FILE_PAGES - 6);

	if (s.at + n > w->arena + ARENA_PAGES * PAGE)
		return;
	note_addr(w, s.at);
	note_pointer(w, mmap(s.at, n, RW, MAP_FIXED | MAP_PRIVATE, w->fd[op->source],
				(off_t)(first * PAGE)));
	note_bytes(w, span_of(s.at, n));
	note(w, " filled %zu", guarded_fill(w, s.at + (1 + draw(w, 5)) * PAGE, PAGE, w->op << 19));
	write_open(w, w->fd[op->source], (first + draw(w, 3)) * PAGE, 3 * PAGE);
	for (size_t at = 0; at < n; at += PAGE)
		note_bytes(w, span_of(s.at + at, PAGE));
}

static void op_pread(struct worker *w, const struct op *op)
{
	size_t at = draw(w, FILE_PAGES * PAGE), n = 1 + draw(w, 4 * PAGE);
	uint64_t sum = 0;
	ssize_t got;

	note(w, "%#zx at %#zx", n, at);
	got = pread(w->fd[op->source], w->scratch, n, (off_t)at);
	note_result(w, got);
	if (got > 0 && guarded_sum(w, w->scratch, (size_t)got, &sum))
		note(w, " %08x", (unsigned int)sum);
}

static void op_truncate(struct worker *w, const struct op *op)
{
	size_t bytes = draw(w, 3) ? FILE_PAGES * PAGE - draw(w, 16) * PAGE : draw(w, FILE_PAGES * PAGE);

	note(w, "%#zx", bytes);
	note_result(w, ftruncate(w->fd[op->source], (off_t)bytes));
}

static void op_fallocate(struct worker *w, const struct op *op)
{
	size_t at = draw(w, FILE_PAGES * PAGE), n = draw(w, 8 * PAGE);

	if (draw(w, 2)) {
		at &= -PAGE;
		n &= -PAGE;
	}
	note(w, "%#zx at %#zx", n, at);
	note_result(w, fallocate(w->fd[op->source], (int)op->arg, (off_t)at, (off_t)n));
}

/* A mapping that reaches beyond the end of its file, touched there. */
static void op_past_end(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 1);
	size_t end = draw(w, 12 * PAGE), n = 12 * PAGE;
	char *p;

	if (s.at + n > w->arena + ARENA_PAGES * PAGE)
		return;
	note_addr(w, s.at);
	note(w, " file of %#zx", end);
	note_result(w, ftruncate(w->fd[op->source], (off_t)end));
	p = mmap(s.at, n, RW, MAP_FIXED | (int)op->arg, w->fd[op->source], 0);
	note_pointer(w, p);
	if (p == MAP_FAILED)
		return;
	for (size_t at = 0; at < n; at += PAGE) {
		note(w, " %zu", guarded_fill(w, p + at, PAGE, (w->op << 20) + at));
		note_caught(w, &w->caught);
	}
	note_bytes(w, span_of(p, n));
	note_result(w, ftruncate(w->fd[op->source], (off_t)(FILE_PAGES * PAGE)));
	note_bytes(w, span_of(p, n));
}

/* The same pages twice: what is written here is read there, unless it is private. */
static void op_twice(struct worker *w, const struct op *op)
{
	struct span a = draw_arena(w, 1), b = draw_arena(w, 1);
	size_t n = 4 * PAGE;
	off_t offset = (off_t)(draw(w, FILE_PAGES - 4) * PAGE);
	char *p, *q;

	if (a.at + n > w->arena + ARENA_PAGES * PAGE || b.at + n > w->arena + ARENA_PAGES * PAGE)
		return;
	note_addr(w, a.at);
	note(w, " and ");
	note_addr(w, b.at);
	p = mmap(a.at, n, RW, MAP_FIXED | MAP_SHARED, w->fd[op->source], offset);
	q = mmap(b.at, n, RW, MAP_FIXED | (int)op->arg, w->fd[op->source], offset);
	note_pointer(w, p);
	note_pointer(w, q);
	note(w, " filled %zu", guarded_fill(w, a.at, n, w->op << 20));
	note_bytes(w, span_of(b.at, n));
	note(w, " filled %zu", guarded_fill(w, b.at, PAGE, w->op << 19));
	note_bytes(w, span_of(a.at, n));
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

const struct op file_ops[] = {
	{"pwrite file", op_pwrite, 5, 0, 0, FILE_RW},
	{"pwrite memfd", op_pwrite, 4, 0, 0, MEMFD},
	{"pwrite read-only file", op_pwrite, 1, 0, 0, FILE_RO},
	{"pwrite to a read-only file opened anew", op_write_open, 3, 0, 0, FILE_RO},
	{"pwrite under a private mapping", op_write_under, 5, 0, 0, FILE_RO},
	{"pwrite sealed memfd", op_pwrite, 1, 0, 0, SEALED},
	{"pread file", op_pread, 3, 0, 0, FILE_RW},
	{"pread memfd", op_pread, 3, 0, 0, MEMFD},
	{"ftruncate file", op_truncate, 4, 0, 0, FILE_RW},
	{"ftruncate memfd", op_truncate, 4, 0, 0, MEMFD},
	{"fallocate file PUNCH_HOLE", op_fallocate, 4, PUNCH, 0, FILE_RW},
	{"fallocate memfd PUNCH_HOLE", op_fallocate, 4, PUNCH, 0, MEMFD},
	{"fallocate memfd", op_fallocate, 3, 0, 0, MEMFD},
	{"fallocate file ZERO_RANGE", op_fallocate, 2, FALLOC_FL_ZERO_RANGE, 0, FILE_RW},
	{"past the end of a shared file", op_past_end, 3, MAP_SHARED, 0, FILE_RW},
	{"past the end of a private file", op_past_end, 3, MAP_PRIVATE, 0, FILE_RW},
	{"past the end of a shared memfd", op_past_end, 3, MAP_SHARED, 0, MEMFD},
	{"past the end of a private memfd", op_past_end, 2, MAP_PRIVATE, 0, MEMFD},
	{"a file mapped twice", op_twice, 4, MAP_SHARED, 0, FILE_RW},
	{"a file mapped shared and private", op_twice, 3, MAP_PRIVATE, 0, FILE_RW},
	{"a memfd mapped twice", op_twice, 3, MAP_SHARED, 0, MEMFD},
	{NULL},
};
