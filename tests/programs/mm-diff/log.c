/* The log: the same text wherever the kernel has put things. */
#include "diff.h"

#include <stdarg.h>

void log_flush(struct worker *w)
{
	for (size_t at = 0; at < w->log_used;) {
		ssize_t n = write(w->log_fd, w->log + at, w->log_used - at);

		CHECK(n > 0, "cannot write the log");
		at += (size_t)n;
	}
	w->log_used = 0;
}

void note(struct worker *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (w->log_used > LOG_BYTES - 4096)
		log_flush(w);
	va_start(ap, fmt);
	n = vsnprintf(w->log + w->log_used, 4096, fmt, ap);
	va_end(ap);
	w->log_used += (size_t)n;
}

void note_addr(struct worker *w, const void *addr)
{
	const char *p = addr;

	if (p >= w->arena && p < w->arena + ARENA_PAGES * PAGE) {
		note(w, "A+%#lx", (unsigned long)(p - w->arena));
		return;
	}
	if (w->heap && p >= w->heap && p <= w->heap + HEAP_PAGES * PAGE) {
		note(w, "B+%#lx", (unsigned long)(p - w->heap));
		return;
	}
	for (int k = 0; k < REGIONS; k++) {
		struct region *r = &w->region[k];

		if (r->base && p >= r->base && p < r->base + r->pages * PAGE) {
			note(w, "R%d+%#lx", k, (unsigned long)(p - r->base));
			return;
		}
	}
	if ((uintptr_t)p < 1 << 20 || (uintptr_t)p >= TASK_END)
		note(w, "%#lx", (unsigned long)(uintptr_t)p);
	else
		note(w, "elsewhere");
}

void note_span(struct worker *w, struct span s)
{
	note_addr(w, s.at);
	note(w, " %#lx", (unsigned long)s.bytes);
}

static void note_errno(struct worker *w, int e)
{
	const char *name = strerrorname_np(e);

	note(w, " = %s", name ? name : "?");
}

void note_result(struct worker *w, long ret)
{
	int e = errno;

	if (ret == -1)
		note_errno(w, e);
	else
		note(w, " = %ld", ret);
}

void note_pointer(struct worker *w, void *ret)
{
	int e = errno;

	if (ret == MAP_FAILED) {
		note_errno(w, e);
	} else {
		note(w, " = ");
		note_addr(w, ret);
	}
}

void note_caught(struct worker *w, const struct caught *c)
{
	if (c->repairs)
		note(w, " repaired %u times", c->repairs);
	if (!c->sig)
		return;
	note(w, " %s code %d at ", c->sig == SIGSEGV ? "SIGSEGV" : c->sig == SIGBUS ? "SIGBUS" : "?",
		c->code);
	note_addr(w, c->addr);
}
