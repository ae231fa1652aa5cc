/* mmap(2), with each flag and each kind of memory, and calls that must be refused. */
#include "diff.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#define ANY_PROT (-1)
#define PRIV	 (MAP_PRIVATE | MAP_ANONYMOUS)
#define GIB	 (1UL << 30)

static int draw_prot(struct worker *w, const struct op *op)
{
	static const int prots[] = {
		RW, RW, RW, RW, PROT_READ, PROT_NONE, PROT_WRITE, RX, RW | PROT_EXEC, PROT_EXEC};
	int prot = prots[draw(w, sizeof(prots) / sizeof(*prots))];

	return op->arg2 == ANY_PROT ? prot : (int)op->arg2;
}

/* How long it may be: locked memory cannot be evicted, and populating takes time. */
static size_t longest(const struct op *op)
{
	if (op->arg & MAP_LOCKED)
		return 8;
	if (op->source != ANON)
		return FILE_PAGES;
	return op->arg & MAP_POPULATE ? 256 : 1024;
}

static void show_mapping(struct worker *w, struct span s, uint64_t how)
{
	if (how == 0)
		note(w, " filled %zu", guarded_fill(w, s.at, s.bytes, w->op << 20));
	if (how <= 1)
		note_bytes(w, s);
}

static void op_mmap(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, longest(op));
	int prot = draw_prot(w, op), fd = op->source == ANON ? -1 : w->fd[op->source], k = -1;
	bool fixed = op->arg & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	bool place = draw(w, 5) > 1, hint = draw(w, 2);
	off_t offset = op->source == ANON ? 0 : (off_t)(draw(w, FILE_PAGES + 8) * PAGE);
	size_t cut = draw(w, 8) ? 0 : draw(w, PAGE);
	uint64_t how = draw(w, 3);
	long flags = op->arg;
	char *p, *at = s.at;

	/* most are put into the arena, some near it, some anywhere */
	if (!fixed && place)
		flags |= draw(w, 2) ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	else if (!fixed && !hint)
		at = NULL;
	if (!(flags & MAP_FIXED))
		k = draw_region(w);
	note_addr(w, at);
	note(w, " %#zx prot %d flags %#lx offset %#lx", s.bytes - cut, prot, flags, (long)offset);
	p = mmap(at, s.bytes - cut, prot, (int)flags, fd, offset);
	if (p != MAP_FAILED && p != at)
		region_set(w, k, p, s.bytes);
	note_pointer(w, p);
	if (p == MAP_FAILED)
		return;
	s.at = p;
	show_mapping(w, s, how);
}

/* Where the kernel must stay below 2 GiB. */
static void op_mmap_low(struct worker *w, const struct op *op)
{
	int k = draw_region(w);
	size_t bytes = (1 + draw(w, 64)) * PAGE;
	char *p = mmap(NULL, bytes, RW, (int)op->arg, -1, 0);

	if (p != MAP_FAILED) {
		region_set(w, k, p, bytes);
		note(w, " %s", (uintptr_t)p + bytes <= 1UL << 31 ? "low" : "HIGH");
	}
	note_pointer(w, p);
	if (p != MAP_FAILED)
		show_mapping(w, (struct span){p, bytes, k}, 0);
}

/* Memory that grows when what lies below it is touched. */
static void op_grows(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 16);
	size_t below = 1 + draw(w, 40);
	char *p = mmap(s.at, s.bytes, RW, (int)op->arg, -1, 0);

	note_span(w, s);
	note_pointer(w, p);
	if (p == MAP_FAILED || p < w->arena + below * PAGE)
		return;
	note(w, " %zu below:", below);
	s.at = p - below * PAGE;
	s.bytes = PAGE;
	note(w, " filled %zu", guarded_fill(w, s.at, PAGE, w->op << 20));
	note_caught(w, &w->caught);
}

/* Lengths that are refused, or taken without a reservation; given back at once. */
static void op_length(struct worker *w, const struct op *op)
{
	char *p = mmap(NULL, (size_t)op->arg2, RW, (int)op->arg, -1, 0);

	/* how many huge pages the machine has is not ours to say */
	if ((op->arg & MAP_HUGETLB) && (p != MAP_FAILED || errno == ENOMEM)) {
		note(w, " = as there are");
		if (p != MAP_FAILED)
			munmap(p, (size_t)op->arg2);
		return;
	}
	if (p == MAP_FAILED) {
		note_pointer(w, p);
		return;
	}
	note(w, " = mapped, munmap");
	note_result(w, munmap(p, (size_t)op->arg2));
}

enum bad {
	BAD_FD,
	BAD_NO_FD,
	BAD_OFFSET,
	BAD_TYPE,
	BAD_NO_TYPE,
	BAD_PLACE,
	BAD_PAST_END,
	BAD_RO_SHARED,
	BAD_WRITE_ONLY,
	BAD_FLAG,
	BAD_SYNC,
	BAD_PIPE,
	BAD_PROT,
	BAD_OFFSET_LIMIT,
};

static void op_bad(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 16);
	int prot = RW, flags = MAP_PRIVATE | MAP_FIXED, fd = w->fd[FILE_RW];
	char *at = s.at, *p;
	off_t offset = 0;

	switch ((enum bad)op->arg) {
	case BAD_FD: fd = 987; break;
	case BAD_NO_FD: fd = -1; break;
	case BAD_OFFSET: offset = 1 + (off_t)draw(w, PAGE - 1); break;
	case BAD_TYPE: flags = MAP_FIXED | MAP_ANONYMOUS | MAP_TYPE; break;
	case BAD_NO_TYPE: flags = MAP_FIXED | MAP_ANONYMOUS; break;
	case BAD_PLACE: at += 1 + draw(w, PAGE - 1); break;
	case BAD_PAST_END: at = (char *)TASK_END; break;
	case BAD_RO_SHARED: flags = MAP_SHARED | MAP_FIXED, fd = w->fd[FILE_RO]; break;
	case BAD_WRITE_ONLY: fd = w->pipe[1]; break;
	case BAD_FLAG: flags = MAP_SHARED_VALIDATE | MAP_FIXED | 1 << 25; break;
	case BAD_SYNC: flags = MAP_SHARED_VALIDATE | MAP_FIXED | MAP_SYNC; break;
	case BAD_PIPE: fd = w->pipe[0]; break;
	case BAD_PROT: flags |= MAP_ANONYMOUS, prot = 0x40; break;
	case BAD_OFFSET_LIMIT: offset = (off_t)(-PAGE * 4); break;
	}
	p = mmap(at, s.bytes, prot, flags, fd, offset);
	note_span(w, s);
	note_pointer(w, p);
}

const struct op map_ops[] = {
	{"mmap private rw", op_mmap, 60, PRIV, RW, ANON},
	{"mmap private any", op_mmap, 20, PRIV, ANY_PROT, ANON},
	{"mmap FIXED", op_mmap, 20, PRIV | MAP_FIXED, ANY_PROT, ANON},
	{"mmap FIXED_NOREPLACE", op_mmap, 20, PRIV | MAP_FIXED_NOREPLACE, ANY_PROT, ANON},
	{"mmap FIXED|FIXED_NOREPLACE", op_mmap, 3, PRIV | MAP_FIXED | MAP_FIXED_NOREPLACE, RW, ANON},
	{"mmap POPULATE", op_mmap, 8, PRIV | MAP_POPULATE, ANY_PROT, ANON},
	{"mmap POPULATE|NONBLOCK", op_mmap, 4, PRIV | MAP_POPULATE | MAP_NONBLOCK, ANY_PROT, ANON},
	{"mmap NORESERVE", op_mmap, 16, PRIV | MAP_NORESERVE, ANY_PROT, ANON},
	{"mmap STACK", op_mmap, 6, PRIV | MAP_STACK, RW, ANON},
	{"mmap STACK|NORESERVE", op_mmap, 3, PRIV | MAP_STACK | MAP_NORESERVE, RW, ANON},
	{"mmap GROWSDOWN", op_grows, 4, PRIV | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, RW, ANON},
	{"mmap GROWSDOWN|STACK", op_grows, 3, PRIV | MAP_GROWSDOWN | MAP_STACK | MAP_FIXED, RW, ANON},
	{"mmap LOCKED", op_mmap, 3, PRIV | MAP_LOCKED, RW, ANON},
	{"mmap LOCKED|POPULATE any", op_mmap, 2, PRIV | MAP_LOCKED | MAP_POPULATE, ANY_PROT, ANON},
	{"mmap 32BIT", op_mmap_low, 4, PRIV | MAP_32BIT, RW, ANON},
	{"mmap 32BIT|SHARED", op_mmap_low, 2, MAP_SHARED | MAP_ANONYMOUS | MAP_32BIT, RW, ANON},
	{"mmap HUGETLB", op_length, 2, PRIV | MAP_HUGETLB, 2 << 20, ANON},
	{"mmap HUGETLB 1G", op_length, 1, PRIV | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, 1 << 30, ANON},
	{"mmap HUGETLB odd size", op_length, 1, PRIV | MAP_HUGETLB | 13 << MAP_HUGE_SHIFT, 1 << 20, ANON},
	{"mmap DROPPABLE", op_length, 2, MAP_DROPPABLE | MAP_ANONYMOUS, 1 << 16, ANON},
	{"mmap shared anonymous", op_mmap, 12, MAP_SHARED | MAP_ANONYMOUS, ANY_PROT, ANON},
	{"mmap shared POPULATE", op_mmap, 3, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, RW, ANON},
	{"mmap file private", op_mmap, 14, MAP_PRIVATE, ANY_PROT, FILE_RW},
	{"mmap file private POPULATE", op_mmap, 3, MAP_PRIVATE | MAP_POPULATE, RW, FILE_RW},
	{"mmap file shared", op_mmap, 12, MAP_SHARED, ANY_PROT, FILE_RW},
	{"mmap file SHARED_VALIDATE", op_mmap, 4, MAP_SHARED_VALIDATE, RW, FILE_RW},
	{"mmap read-only file private", op_mmap, 5, MAP_PRIVATE, ANY_PROT, FILE_RO},
	{"mmap read-only file private rw", op_mmap, 10, MAP_PRIVATE, RW, FILE_RO},
	{"mmap read-only file shared", op_mmap, 4, MAP_SHARED, PROT_READ, FILE_RO},
	{"mmap memfd private", op_mmap, 6, MAP_PRIVATE, ANY_PROT, MEMFD},
	{"mmap memfd shared", op_mmap, 8, MAP_SHARED, ANY_PROT, MEMFD},
	{"mmap sealed memfd private", op_mmap, 2, MAP_PRIVATE, RW, SEALED},
	{"mmap sealed memfd shared", op_mmap, 3, MAP_SHARED, ANY_PROT, SEALED},
	{"mmap length 0", op_length, 2, PRIV, 0, ANON},
	{"mmap length -1", op_length, 2, PRIV, -1, ANON},
	{"mmap longer than the address space", op_length, 2, PRIV, (long)(1UL << 47), ANON},
	{"mmap more than is promised", op_length, 2, PRIV, (long)(4096 * GIB), ANON},
	{"mmap much NORESERVE", op_length, 2, PRIV | MAP_NORESERVE, (long)(4096 * GIB), ANON},
	{"mmap bad fd", op_bad, 2, BAD_FD, 0, NO_FD},
	{"mmap no fd", op_bad, 2, BAD_NO_FD, 0, NO_FD},
	{"mmap bad offset", op_bad, 2, BAD_OFFSET, 0, NO_FD},
	{"mmap offset past all", op_bad, 1, BAD_OFFSET_LIMIT, 0, NO_FD},
	{"mmap bad type", op_bad, 2, BAD_TYPE, 0, NO_FD},
	{"mmap no type", op_bad, 2, BAD_NO_TYPE, 0, NO_FD},
	{"mmap misaligned", op_bad, 2, BAD_PLACE, 0, NO_FD},
	{"mmap past the end", op_bad, 2, BAD_PAST_END, 0, NO_FD},
	{"mmap read-only file for writing", op_bad, 2, BAD_RO_SHARED, 0, NO_FD},
	{"mmap write-only fd", op_bad, 1, BAD_WRITE_ONLY, 0, NO_FD},
	{"mmap SHARED_VALIDATE unknown flag", op_bad, 2, BAD_FLAG, 0, NO_FD},
	{"mmap SHARED_VALIDATE SYNC", op_bad, 2, BAD_SYNC, 0, NO_FD},
	{"mmap pipe", op_bad, 1, BAD_PIPE, 0, NO_FD},
	{"mmap unknown prot", op_bad, 2, BAD_PROT, 0, NO_FD},
	{NULL},
};
