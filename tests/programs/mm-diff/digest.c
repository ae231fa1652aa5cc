/*
 * What a thread can see of its memory: the layout of its arena as /proc/self/maps has it, and every
 * byte that can be read.
 *
 * Lines of maps that lie side by side and are alike are joined before they are compared: whether
 * the kernel makes one VMA of two depends on who was first to fault in each (their anon_vmas), and
 * on flags that the program cannot see there.
 *
 * A private mapping of the file that nobody can write to may be Faultline's, and is anonymous memory
 * in that list then: it is taken for such here, natively too. Which bytes are there tells them apart.
 */
#include "diff.h"

#include <fcntl.h>
#include <sys/stat.h>

struct line {
	char *start, *end;
	char perms[5];
	uint64_t offset, ino;
	unsigned int dev;
};

struct maps {
	int fd;
	size_t have, at;
	char buf[16384];
	struct line line;
};

static bool read_line(struct maps *m, char *text, size_t size)
{
	for (size_t n = 0;;) {
		if (m->at == m->have) {
			ssize_t got = read(m->fd, m->buf, sizeof(m->buf));

			if (got <= 0)
				return false;
			m->have = (size_t)got;
			m->at = 0;
		}
		if (m->buf[m->at] == '\n') {
			m->at++;
			text[n] = 0;
			return true;
		}
		if (n < size - 1)
			text[n++] = m->buf[m->at];
		m->at++;
	}
}

static bool next_line(struct maps *m)
{
	unsigned long start, end, offset, ino;
	unsigned int major, minor;
	char text[512];

	if (!read_line(m, text, sizeof(text)))
		return false;
	CHECK(sscanf(text, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, m->line.perms, &offset,
		      &major, &minor, &ino) == 7,
		"%s", text);
	m->line.start = (char *)start;
	m->line.end = (char *)end;
	m->line.offset = offset;
	m->line.dev = major << 20 | minor;
	m->line.ino = ino;
	return true;
}

static void maps_open(struct maps *m)
{
	m->fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	CHECK(m->fd >= 0, "/proc/self/maps");
	m->have = m->at = 0;
}

/* What backs it, by a name that is the same in each run. */
static const char *backing(const struct worker *w, const struct line *l)
{
	static const char *const names[] = {
		[FILE_RW] = "file", [FILE_RO] = "ro-file", [MEMFD] = "memfd", [SEALED] = "sealed"};
	struct stat st;

	if (!l->ino)
		return "anon";
	for (int i = FILE_RW; i < NR_FILES; i++)
		if (fstat(w->fd[i], &st) == 0 && st.st_ino == l->ino)
			return names[i];
	return "other";
}

static void name_private(const struct worker *w, struct line *l)
{
	struct stat st;

	if (l->ino && l->perms[3] == 'p' && fstat(w->fd[FILE_RO], &st) == 0 && st.st_ino == l->ino)
		l->ino = 0;
}

static bool goes_on(const struct line *a, const struct line *b)
{
	return a->end == b->start && !strcmp(a->perms, b->perms) && a->ino == b->ino &&
		(!a->ino || a->offset + (uint64_t)(a->end - a->start) == b->offset);
}

/* The part of a line that lies in [start, end). */
static bool clip(struct line *l, char *start, char *end)
{
	if (l->end <= start || l->start >= end)
		return false;
	if (l->start < start) {
		l->offset += (uint64_t)(start - l->start);
		l->start = start;
	}
	if (l->end > end)
		l->end = end;
	return true;
}

struct tally {
	uint64_t sum;
	size_t read, refused;
};

/* Protections other than reading do not forbid reading on this machine. */
static void add_bytes(struct worker *w, const struct line *l, struct tally *t)
{
	uint64_t sum;

	if (l->perms[0] != 'r')
		return;
	for (char *p = l->start; p < l->end; p += PAGE) {
		if (guarded_sum(w, p, PAGE, &sum)) {
			t->read++;
		} else {
			sum = (uint64_t)w->caught.sig << 8 | (unsigned int)w->caught.code;
			t->refused++;
		}
		t->sum = mix(t->sum ^ sum);
	}
}

static void note_line(struct worker *w, const struct line *l)
{
	const char *what = backing(w, l);
	struct tally t = {0};

	add_bytes(w, l, &t);
	note(w, "  ");
	note_addr(w, l->start);
	note(w, " %zu pages %s %s", (size_t)(l->end - l->start) / PAGE, l->perms, what);
	if (l->ino && strcmp(what, "other") != 0)
		note(w, "+%#lx", (unsigned long)l->offset);
	if (t.read + t.refused)
		note(w, " bytes %016lx, %zu not readable", (unsigned long)t.sum, t.refused);
	note(w, "\n");
}

static void note_area(struct worker *w, char *start, char *end)
{
	struct line run = {0};
	static __thread struct maps m;
	bool any = false;

	maps_open(&m);
	while (next_line(&m) && m.line.start < end) {
		if (!clip(&m.line, start, end))
			continue;
		name_private(w, &m.line);
		if (any && goes_on(&run, &m.line)) {
			run.end = m.line.end;
			continue;
		}
		if (any)
			note_line(w, &run);
		run = m.line;
		any = true;
	}
	if (any)
		note_line(w, &run);
	close(m.fd);
}

void note_everything(struct worker *w)
{
	note(w, "everything:\n");
	note_area(w, w->arena, w->arena + ARENA_PAGES * PAGE);
	for (int k = 0; k < REGIONS; k++)
		if (w->region[k].base)
			note_area(w, w->region[k].base,
				w->region[k].base + w->region[k].pages * PAGE);
	if (w->heap)
		note_area(w, w->heap, w->heap + HEAP_PAGES * PAGE);
}

size_t arena_mapped(struct worker *w)
{
	static __thread struct maps m;
	size_t n = 0;

	maps_open(&m);
	while (next_line(&m))
		if (clip(&m.line, w->arena, w->arena + ARENA_PAGES * PAGE))
			n += (size_t)(m.line.end - m.line.start) / PAGE;
	close(m.fd);
	return n;
}

void arena_unlock(struct worker *w)
{
	static __thread struct maps m;

	maps_open(&m);
	while (next_line(&m))
		if (clip(&m.line, w->arena, w->arena + ARENA_PAGES * PAGE))
			munlock(m.line.start, (size_t)(m.line.end - m.line.start));
	close(m.fd);
}

void note_bytes(struct worker *w, struct span s)
{
	size_t n = s.bytes / PAGE, at[3] = {0, n / 2, n - 1};
	uint64_t sum;

	if (!n || (uintptr_t)s.at % PAGE || s.bytes > ARENA_PAGES * PAGE)
		return;
	for (int i = 0; i < 3; i++) {
		if (i && at[i] == at[i - 1])
			continue;
		if (guarded_sum(w, s.at + at[i] * PAGE, PAGE, &sum))
			note(w, " [%zu]%08x", at[i], (unsigned int)sum);
		else
			note_caught(w, &w->caught);
	}
}
