/*
 * The mirror against /proc/self/maps: at start, and after calls whose effect on
 * the address space is easier read than predicted.
 *
 * What the mirror does not know is entered as the kernel's; what is managed
 * but gone is dropped; protections are taken over. Managed VMAs are never made
 * here, except the heap at start, with the pages that are in it.
 */
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BUF_BYTES (64u << 10)

struct reader {
	long fd;
	char *buf;
	u32 have, at;
};

static int open_reader(struct reader *r)
{
	r->have = r->at = 0;
	r->fd = fl_syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return (int)r->fd;
	r->buf = fl_arena_alloc(&fl.arena, BUF_BYTES);
	if (r->buf)
		return 0;
	fl_syscall(SYS_close, r->fd);
	return -ENOMEM;
}

static void close_reader(struct reader *r)
{
	fl_syscall(SYS_close, r->fd);
	fl_arena_free(&fl.arena, r->buf, BUF_BYTES);
}

/* One line without its newline, or NULL at the end. */
static char *next_line(struct reader *r)
{
	for (;;) {
		char *start = r->buf + r->at;
		char *nl = memchr(start, '\n', r->have - r->at);
		long n;

		if (nl) {
			*nl = 0;
			r->at = (u32)(nl + 1 - r->buf);
			return start;
		}
		memmove(r->buf, start, r->have - r->at);
		r->have -= r->at;
		r->at = 0;
		n = fl_syscall(SYS_read, r->fd, r->buf + r->have, BUF_BYTES - 1 - r->have);
		if (n <= 0)
			return NULL;
		r->have += (u32)n;
	}
}

static u64 hex(const char **s)
{
	u64 v = 0;

	for (;; ++*s) {
		char c = **s;

		if (c >= '0' && c <= '9')
			v = v << 4 | (u64)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (u64)(c - 'a' + 10);
		else
			return v;
	}
}

/* start-end rwxp offset major:minor inode   name */
static const char *parse(const char *s, struct fl_vma *v)
{
	u64 major, minor;

	memset(v, 0, sizeof(*v));
	v->owner = FL_OWNER_KERNEL;
	v->start = hex(&s);
	s++;
	v->end = hex(&s);
	s++;
	v->flags = (s[0] == 'r' ? FL_VM_READ : 0) | (s[1] == 'w' ? FL_VM_WRITE : 0) |
		(s[2] == 'x' ? FL_VM_EXEC : 0) | (s[3] == 's' ? FL_VM_SHARED : 0);
	s += 5;
	v->pgoff = hex(&s) >> FL_PAGE_SHIFT;
	s++;
	major = hex(&s);
	s++;
	minor = hex(&s);
	s++;
	for (; *s >= '0' && *s <= '9'; s++)
		v->ino = v->ino * 10 + (u64)(*s - '0');
	v->dev = (minor & 0xff) | (major << 8) | ((minor & ~0xffull) << 12);
	while (*s == ' ')
		s++;
	if (v->ino || v->dev)
		v->flags |= FL_VM_FILE;
	else if (!(v->flags & FL_VM_SHARED))
		v->pgoff = v->start >> FL_PAGE_SHIFT;
	if (!strcmp(s, "[stack]"))
		v->flags |= FL_VM_GROWSDOWN;
	else if (!memcmp(s, "/SYSV", fl_min(strlen(s), 5ul)) && *s && major == 0)
		v->flags |= FL_VM_SYSV;
	return s;
}

/* The brk area as it is at start becomes managed, its pages included. */
static void adopt_heap(struct fl_vma *v)
{
	struct fl_pager *p = &fl.pager;

	if (fl_uffd_register(&fl.uffd, v->start, v->end, true) < 0)
		return;
	v->owner = FL_OWNER_MANAGED;
	v->flags |= FL_VM_HEAP;
	fl_vma_written(&p->mm, fl_mm_map(&p->mm, v));
	p->mm.start_brk = v->start;
	for (u64 va = v->start; va < v->end; va += FL_PAGE_SIZE)
		if (p->host->ops->present(p->host, va))
			fl_pager_adopt(p, va);
}

static void drop(u64 start, u64 end)
{
	if (start >= end)
		return;
	fl_pager_forget(&fl.pager, start, end);
	fl_mm_unmap(&fl.pager.mm, start, end);
}

/* The list does not say what grows down, but the mirror does, if the mapping was there before: all
 * of it, with what it has grown by. */
static void know_growing(struct fl_vma *v)
{
	struct fl_vma *old;

	if (v->flags & (FL_VM_FILE | FL_VM_SHARED))
		return;
	fl_for_each_vma_range(&fl.pager.mm, old, v->start, v->end)
		if (old->owner == FL_OWNER_KERNEL)
			v->flags |= old->flags & FL_VM_GROWSDOWN;
}

/* What is known of an area that the list does not tell: it stays as it is while the memory does. */
static u64 untold(const struct fl_vma *old, const struct fl_vma *v)
{
	const u64 flags = FL_VM_LOCKED | FL_VM_LOCKONFAULT | FL_VM_DONTFORK | FL_VM_WIPEONFORK |
		FL_VM_DONTDUMP | FL_VM_NORESERVE | FL_VM_HUGETLB | FL_VM_HUGEPAGE |
		FL_VM_NOHUGEPAGE | FL_VM_MERGEABLE | FL_VM_SEQ_READ | FL_VM_RAND_READ;

	if (old->owner != FL_OWNER_KERNEL || (old->flags ^ v->flags) & FL_VM_SHARED)
		return 0;
	/* to us huge pages are no file's, to the list they are */
	if (!(old->flags & FL_VM_HUGETLB) && (old->dev != v->dev || old->ino != v->ino))
		return 0;
	return old->flags & flags;
}

/* One mapping as the kernel has it, entered piece by piece around what is managed. */
static int enter(struct fl_vma *v)
{
	const u64 prot = FL_VM_READ | FL_VM_WRITE | FL_VM_EXEC;
	struct fl_mm *mm = &fl.pager.mm;
	u64 at = v->start, end = v->end;

	know_growing(v);

	while (at < end) {
		struct fl_vma *old = fl_vma_intersects(mm, at, end), piece = *v;
		u64 stop;

		if (fl_vma_prealloc(mm, FL_VMA_MAX_NODES) < 0)
			return -ENOMEM;
		if (old && old->owner == FL_OWNER_MANAGED && old->start <= at) {
			stop = fl_min(old->end, end);
			if (v->flags & (FL_VM_FILE | FL_VM_SHARED)) {
				drop(at, stop); /* replaced behind our back */
				continue;
			}
			fl_mm_change(mm, at, stop, v->flags & prot, ~v->flags & prot);
			at = stop;
			continue;
		}
		/* the kernel's, up to the next border of ours; the list that it is
		 * read from does not say which are stacks of threads */
		stop = end;
		if (old && old->owner == FL_OWNER_KERNEL && !(v->flags & (FL_VM_FILE | FL_VM_SHARED)))
			/* what lies below a stack in one line has grown from it */
			piece.flags |= old->flags &
				(old->start > at ? FL_VM_GROWSDOWN : FL_VM_GROWSDOWN | FL_VM_STACK);
		if (old && old->start > at)
			stop = fl_min(old->start, end);
		else if (old) {
			stop = fl_min(old->end, end);
			piece.flags |= untold(old, v);
			piece.why = old->ino == v->ino ? old->why : 0;
		}
		piece.start = at;
		piece.end = stop;
		piece.pgoff += (at - v->start) >> FL_PAGE_SHIFT;
		fl_mm_map(mm, &piece);
		at = stop;
	}
	return 0;
}

/*
 * A line of maps. The kernel makes one of what lies side by side, so that it may hold
 * mappings of our own and of the program: only the pieces between ours are entered.
 */
static int enter_around_ours(struct fl_vma *line)
{
	u64 stop;
	int err = 0;

	for (u64 at = line->start; at < line->end && !err; at = stop) {
		struct fl_vma piece = *line;

		if (fl_is_internal(at, line->end, &stop))
			continue;
		piece.start = at;
		piece.end = stop;
		piece.pgoff += (at - line->start) >> FL_PAGE_SHIFT;
		err = enter(&piece);
	}
	return err;
}

int fl_map_at(u64 addr, struct fl_vma *ret)
{
	struct reader r;
	int err = open_reader(&r);
	char *line;

	if (err < 0)
		return err;
	do {
		line = next_line(&r);
		if (line)
			parse(line, ret);
	} while (line && ret->end <= addr);
	close_reader(&r);
	return line && ret->start <= addr ? 0 : -ENOENT;
}

void fl_resync_stacks(void)
{
	struct fl_vma *v;
	u32 n = 0;

	fl_for_each_vma(&fl.pager.mm, v)
		n += (v->flags & FL_VM_GROWSDOWN) != 0;
	if (n > 1) /* not the main stack alone */
		fl_resync(false);
}

int fl_resync(bool adopt)
{
	struct reader r;
	u64 last = 0;
	char *line;
	int err = open_reader(&r);

	if (err < 0)
		return err;
	while (!err && (line = next_line(&r))) {
		struct fl_vma v;
		const char *name = parse(line, &v);

		if (v.start >= 1ull << 47)
			break; /* [vsyscall] */
		if (fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) < 0)
			err = -ENOMEM;
		else {
			drop(last, v.start);
			if (adopt && !strcmp(name, "[heap]"))
				adopt_heap(&v);
			if (v.owner == FL_OWNER_KERNEL)
				err = enter_around_ours(&v);
			last = v.end;
		}
	}
	if (!err)
		drop(last, 1ull << 47);
	close_reader(&r);
	return err;
}
