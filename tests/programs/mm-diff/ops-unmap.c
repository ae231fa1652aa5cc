/* munmap(2), mremap(2), shmat(2) and shmdt(2), brk(2). */
#include "diff.h"

#include <sys/shm.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif

static void op_munmap(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_arena(w, (size_t)op->arg));

	note_span(w, s);
	note_result(w, munmap(s.at, s.bytes));
}

static void op_munmap_region(struct worker *w, const struct op *op UNUSED)
{
	draw_region(w);
}

enum remap {
	SHRINK,
	GROW,
	GROW_OR_MOVE,
	MOVE,	   /* FIXED, to a place of the same size */
	MOVE_SIZE, /* FIXED, and another size */
	MOVE_ANY,
	KEEP,
	KEEP_FIXED,
	KEEP_SIZE,
	COPY, /* old size 0 */
	COPY_FIXED,
	NO_MAYMOVE,
	BAD_FLAGS,
	OVERLAP,
	NEW_ZERO,
	NEW_HUGE,
	NEW_MISALIGNED,
};

/* Some kinds take only what is one VMA: mostly it is one page, or what was just mapped. */
static bool needs_one(long kind)
{
	return kind == GROW || kind == GROW_OR_MOVE || kind == MOVE_SIZE || kind == KEEP ||
		kind == KEEP_SIZE;
}

static void make_one(struct worker *w, struct span *s)
{
	static const int flags[] = {MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, MAP_SHARED | MAP_ANONYMOUS};
	int how = flags[draw(w, 4)], prot = draw(w, 4) ? RW : PROT_READ;

	if (draw(w, 3)) {
		CHECK(mmap(s->at, s->bytes, prot, how | MAP_FIXED, -1, 0) == s->at, "mmap");
		note(w, "new %#x filled %zu ", (unsigned int)how,
			guarded_fill(w, s->at, s->bytes / (1 + draw(w, 3)), w->op << 20));
	} else {
		s->bytes = PAGE;
	}
}

static void op_mremap(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, op->arg == MOVE || op->arg == MOVE_SIZE ? 160 : 48);
	struct span to = draw_arena(w, 8);
	size_t room = (size_t)(w->arena + ARENA_PAGES * PAGE - to.at);
	size_t more = (1 + draw(w, 48)) * PAGE, less, bytes;
	int flags = MREMAP_MAYMOVE, k;
	char *at = to.at, *p;
	bool odd = !draw(w, 24);

	if (needs_one(op->arg) && draw(w, 2))
		make_one(w, &s);
	bytes = s.bytes;
	less = draw(w, bytes / PAGE + 1) * PAGE;
	switch ((enum remap)op->arg) {
	case SHRINK: bytes -= less, flags = draw(w, 2) ? flags : 0; break;
	case GROW: bytes += more, flags = 0; break;
	case GROW_OR_MOVE: bytes += more; break;
	case MOVE: flags |= MREMAP_FIXED; break;
	case MOVE_SIZE: bytes = draw(w, 2) ? bytes - less : bytes + more, flags |= MREMAP_FIXED; break;
	case MOVE_ANY: break;
	case KEEP: flags |= MREMAP_DONTUNMAP, at = draw(w, 2) ? at : NULL; break;
	case KEEP_FIXED: flags |= MREMAP_DONTUNMAP | MREMAP_FIXED; break;
	case KEEP_SIZE: bytes += more, flags |= MREMAP_DONTUNMAP; break;
	case COPY: s.bytes = 0; break;
	case COPY_FIXED: s.bytes = 0, flags |= MREMAP_FIXED; break;
	case NO_MAYMOVE: flags = MREMAP_FIXED; break;
	case BAD_FLAGS: flags |= 1 << (3 + draw(w, 28)); break;
	case OVERLAP: flags |= MREMAP_FIXED, at = s.at + draw(w, bytes / PAGE) * PAGE; break;
	case NEW_ZERO: bytes = 0; break;
	case NEW_HUGE: bytes = draw(w, 2) ? ~0UL : 1UL << 47; break;
	case NEW_MISALIGNED: flags |= MREMAP_FIXED, at += 1 + draw(w, PAGE - 1); break;
	}
	if ((flags & MREMAP_FIXED) && bytes > room)
		bytes = room;
	if (odd)
		s = draw_odd(w, s);
	if (flags == 0 && s.at + bytes > w->arena + ARENA_PAGES * PAGE)
		return;
	k = draw_region(w);
	note_span(w, s);
	note(w, " to %#zx flags %#x ", bytes, (unsigned int)flags);
	note_addr(w, at);
	p = mremap(s.at, s.bytes, bytes, flags, at);
	/* whether it had to go elsewhere is the arena's matter; where to is not */
	if (p != MAP_FAILED && (p < w->arena || p >= w->arena + ARENA_PAGES * PAGE))
		region_set(w, k, p, bytes);
	note_pointer(w, p);
	if (p != MAP_FAILED)
		note_bytes(w, span_of(p, bytes));
}

/* From where the kernel had put it into the arena, as a whole. */
static void op_fetch(struct worker *w, const struct op *op)
{
	int k = (int)draw(w, REGIONS);
	struct region *r = &w->region[k];
	char *to = draw_arena(w, 1).at, *p;
	size_t bytes = r->pages * PAGE;

	if (!r->base || to + bytes > w->arena + ARENA_PAGES * PAGE)
		return;
	note(w, "R%d to ", k);
	note_addr(w, to);
	p = mremap(r->base, bytes, bytes, (int)op->arg, to);
	if (p != MAP_FAILED && !(op->arg & MREMAP_DONTUNMAP))
		r->base = NULL;
	note_pointer(w, p);
	if (p != MAP_FAILED)
		note_bytes(w, span_of(p, bytes));
}

static void op_shmat(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 1);
	size_t by = op->arg & SHM_RND || !draw(w, 6) ? draw(w, PAGE) : 0;
	void *p;

	if (s.at + SHM_PAGES * PAGE > w->arena + ARENA_PAGES * PAGE)
		return;
	note_addr(w, s.at + by);
	p = shmat(op->arg2 ? -5 : w->shm, s.at + by, (int)op->arg);
	note_pointer(w, p);
	if (p == (void *)-1)
		return;
	s = span_of(p, SHM_PAGES * PAGE);
	if (!draw(w, 2))
		note(w, " filled %zu", guarded_fill(w, s.at, s.bytes, w->op << 20));
	note_bytes(w, s);
}

/* Looks for a segment to detach at a few places; mostly there is none. */
static void op_shmdt(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_arena(w, 64);
	size_t by = draw(w, 8) ? 0 : draw(w, PAGE);

	for (size_t i = 0; i < s.bytes; i += PAGE)
		if (!shmdt(s.at + i + by))
			note(w, " %#lx", (unsigned long)(s.at + i + by - w->arena));
	note_result(w, -1);
}

static void op_brk(struct worker *w, const struct op *op)
{
	size_t bytes = draw(w, 3) ? draw(w, HEAP_PAGES) * PAGE : draw(w, HEAP_PAGES * PAGE);
	unsigned long to = (unsigned long)w->heap + bytes;
	char *now;
	int ret;

	switch (op->arg) {
	case 1: to = 0; break;
	case 2: to = 0x1000; break;
	case 3: to = TASK_END - bytes; break;
	case 4: to = (unsigned long)w->heap + (4096UL << 30); break;
	}
	ret = brk((void *)to);
	note_addr(w, (void *)to);
	note_result(w, ret);
	now = sbrk(0);
	note_pointer(w, now);
	if (!draw(w, 2))
		note(w, " filled %zu", guarded_fill(w, w->heap, (size_t)(now - w->heap), w->op << 20));
}

static void op_sbrk(struct worker *w, const struct op *op)
{
	void *p = sbrk(op->arg);

	note_pointer(w, p);
	if (p == (void *)-1)
		return;
	p = sbrk(0);
	note_pointer(w, p);
}

const struct op unmap_ops[] = {
	{"munmap", op_munmap, 24, 64},
	{"munmap long", op_munmap, 3, 700},
	{"munmap region", op_munmap_region, 8},
	{"mremap shrink", op_mremap, 8, SHRINK},
	{"mremap grow in place", op_mremap, 8, GROW},
	{"mremap grow", op_mremap, 10, GROW_OR_MOVE},
	{"mremap FIXED", op_mremap, 16, MOVE},
	{"mremap FIXED other size", op_mremap, 10, MOVE_SIZE},
	{"mremap same size", op_mremap, 3, MOVE_ANY},
	{"mremap DONTUNMAP", op_mremap, 7, KEEP},
	{"mremap DONTUNMAP|FIXED", op_mremap, 7, KEEP_FIXED},
	{"mremap DONTUNMAP other size", op_mremap, 2, KEEP_SIZE},
	{"mremap old size 0", op_mremap, 5, COPY},
	{"mremap old size 0 FIXED", op_mremap, 5, COPY_FIXED},
	{"mremap FIXED without MAYMOVE", op_mremap, 2, NO_MAYMOVE},
	{"mremap unknown flags", op_mremap, 2, BAD_FLAGS},
	{"mremap onto itself", op_mremap, 3, OVERLAP},
	{"mremap new size 0", op_mremap, 2, NEW_ZERO},
	{"mremap too large", op_mremap, 2, NEW_HUGE},
	{"mremap misaligned", op_mremap, 2, NEW_MISALIGNED},
	{"mremap region into arena", op_fetch, 10, MREMAP_MAYMOVE | MREMAP_FIXED},
	{"mremap region DONTUNMAP", op_fetch, 4, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP},
	{"shmat", op_shmat, 3, 0},
	{"shmat REMAP", op_shmat, 4, SHM_REMAP},
	{"shmat RND|REMAP", op_shmat, 3, SHM_RND | SHM_REMAP},
	{"shmat RDONLY|REMAP", op_shmat, 2, SHM_RDONLY | SHM_REMAP},
	{"shmat EXEC|REMAP", op_shmat, 1, SHM_EXEC | SHM_REMAP},
	{"shmat bad id", op_shmat, 1, 0, 1},
	{"shmdt", op_shmdt, 4},
	{"brk", op_brk, 14, 0, 0, ANON, ALONE},
	{"brk 0", op_brk, 1, 1, 0, ANON, ALONE},
	{"brk too low", op_brk, 1, 2, 0, ANON, ALONE},
	{"brk too high", op_brk, 1, 3, 0, ANON, ALONE},
	{"brk too much", op_brk, 1, 4, 0, ANON, ALONE},
	{"sbrk", op_sbrk, 1, 0, 0, ANON, ALONE},
	{"sbrk too much", op_sbrk, 1, (long)(1UL << 45), 0, ANON, ALONE},
	{NULL},
};
