/* Power-of-two free lists over one reserved range; see arena.h. */
#include "base/arena.h"

#include <string.h>

static unsigned int class_of(size_t bytes)
{
	unsigned int c = 0;

	while (((size_t)16 << c) < bytes)
		c++;
	return c;
}

void fl_arena_init(struct fl_arena *a, void *start, u64 size_bytes)
{
	memset(a, 0, sizeof(*a));
	fl_lock_init(&a->lock, FL_RANK_ARENA);
	a->start = a->next = fl_page_up(start);
	a->end = (u64)start + size_bytes;
}

void *fl_arena_alloc(struct fl_arena *a, size_t bytes)
{
	unsigned int c = class_of(bytes);
	size_t size = (size_t)16 << c;
	void *p = NULL;

	if (c >= FL_ARENA_CLASSES)
		return NULL;
	fl_lock(&a->lock);
	if (a->free[c]) {
		p = a->free[c];
		a->free[c] = *(void **)p;
		memset(p, 0, size);
	} else {
		u64 align = fl_min(size, FL_PAGE_SIZE);
		u64 at = (a->next + align - 1) & ~(align - 1);

		/* small classes come a page at a time, so that pages stay of one class */
		if (size < FL_PAGE_SIZE) {
			at = fl_page_up(a->next);
			if (at + FL_PAGE_SIZE <= a->end) {
				for (u64 q = at + size; q + size <= at + FL_PAGE_SIZE; q += size) {
					*(void **)q = a->free[c];
					a->free[c] = (void *)q;
				}
				p = (void *)at;
				a->next = at + FL_PAGE_SIZE;
			}
		} else if (at + size <= a->end) {
			p = (void *)at;
			a->next = at + size;
		}
	}
	if (p) {
		a->used_bytes += size;
		a->peak_bytes = fl_max(a->peak_bytes, a->used_bytes);
	}
	fl_unlock(&a->lock);
	return p;
}

void fl_arena_free(struct fl_arena *a, void *p, size_t bytes)
{
	unsigned int c = class_of(bytes);

	fl_lock(&a->lock);
	*(void **)p = a->free[c];
	a->free[c] = p;
	a->used_bytes -= (size_t)16 << c;
	fl_unlock(&a->lock);
}
