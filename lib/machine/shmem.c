/* Shared anonymous memory: objects, entries, and who has them; see shmem.h. */
#include "machine/shmem.h"
#include "machine/internal.h"

#include <string.h>

#define WORDS	(FL_NR_PROCS / 64)
#define LATE_MS 100u /* a page takes a small part of it to read */

static u32 index_of(const struct fl_machine_view *v, const struct fl_proc *p)
{
	return (u32)(p - v->procs);
}

struct fl_shmem *fl_shmem_find(const struct fl_machine_view *v, u64 dev, u64 ino)
{
	struct fl_machine *t = v->t;

	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages && v->shmems[i].ino == ino && v->shmems[i].dev == dev)
			return &v->shmems[i];
	return NULL;
}

/* Room for n entries, whole chunks, between those that there are; FL_SHMEM_PAGES if there is none. */
static u32 find_room(const struct fl_machine_view *v, u32 n)
{
	u32 at = 0;
	bool moved;

	do {
		moved = false;
		for (u32 i = 0; i < v->t->nr_shmem; i++) {
			const struct fl_shmem *s = &v->shmems[i];

			if (s->npages && at < s->first + s->npages && at + n > s->first) {
				at = (s->first + s->npages + FL_SHMEM_CHUNK - 1) & ~(FL_SHMEM_CHUNK - 1);
				moved = true;
			}
		}
	} while (moved && at + n <= FL_SHMEM_PAGES);
	return at + n <= FL_SHMEM_PAGES ? at : FL_SHMEM_PAGES;
}

struct fl_shmem *fl_shmem_get(struct fl_machine_view *v, u64 dev, u64 ino, u64 pages)
{
	struct fl_machine *t = v->t;
	struct fl_shmem *s = fl_shmem_find(v, dev, ino);
	u32 first, i;

	if (s)
		return s->npages >= pages ? s : NULL;
	if (pages > FL_SHMEM_PAGES)
		return NULL;
	first = find_room(v, (u32)pages);
	for (i = 0; i < FL_NR_SHMEM && v->shmems[i].npages; i++)
		;
	if (first == FL_SHMEM_PAGES || i == FL_NR_SHMEM)
		return NULL;
	s = &v->shmems[i];
	memset(s, 0, sizeof(*s));
	s->dev = dev;
	s->ino = ino;
	s->first = first;
	s->grain = FL_SHMEM_CHUNK;
	t->nr_shmem = fl_max(t->nr_shmem, i + 1);
	__atomic_store_n(&s->npages, (u32)pages, __ATOMIC_RELEASE);
	return s;
}

void fl_shmem_map(struct fl_machine_view *v, struct fl_shmem *s)
{
	fl_bit_set(s->mapped, index_of(v, v->self));
}

bool fl_shmem_is_mapped(const struct fl_machine_view *v, const struct fl_shmem *s)
{
	return fl_bit_get(s->mapped, index_of(v, v->self));
}

bool fl_shmem_activate(struct fl_machine_view *v, struct fl_shmem *s)
{
	u32 i = index_of(v, v->self);

	if (fl_bit_get(s->active, i))
		return false;
	fl_bit_set(s->active, i);
	return true;
}

bool fl_shmem_is_active(const struct fl_machine_view *v, const struct fl_shmem *s)
{
	return fl_bit_get(s->active, index_of(v, v->self));
}

static void destroy(struct fl_machine_view *v, struct fl_shmem *s)
{
	fl_shmem_clear(v, s, 0, s->npages);
	/* who punches pages out has it mapped, or is dead */
	for (u32 i = 0; (i = fl_shmem_next(v, s, i, FL_SHMEM_OF_ALL)) < s->npages; i++)
		fl_shmem_leave(v, s, i);
	__atomic_store_n(&s->npages, 0, __ATOMIC_RELEASE);
}

static bool has_users(const struct fl_shmem *s)
{
	for (u32 w = 0; w < WORDS; w++)
		if (s->mapped[w])
			return true;
	return false;
}

static void drop_user(struct fl_machine_view *v, struct fl_shmem *s, u32 proc)
{
	fl_bit_clear(s->active, proc);
	if (fl_bit_clear(s->mapped, proc) && !has_users(s))
		destroy(v, s);
}

void fl_shmem_unmap(struct fl_machine_view *v, struct fl_shmem *s)
{
	drop_user(v, s, index_of(v, v->self));
}

/* Of several reads: a range that has them all, until the last has ended. */
void fl_shmem_busy(struct fl_machine_view *v, enum fl_shmem_state state, const u64 *entry, u32 n)
{
	u32 which = state == FL_SHMEM_IN;
	u32 first = (u32)(entry - (u64 *)((char *)v->t + v->t->shmem_entries_at)), end = first + n;
	struct fl_shmem_busy *b = &v->self->shmem_busy[which];

	if (which)
		v->self->shmem_in_ms = fl_now_ms(v->t);
	if (which && v->self->shmem_reads++) {
		end = fl_max(end, b->first + b->n);
		first = fl_min(first, b->first);
	}
	b->first = first;
	__atomic_store_n(&b->n, end - first, __ATOMIC_RELEASE);
}

void fl_shmem_idle(struct fl_machine_view *v, enum fl_shmem_state state)
{
	if (state != FL_SHMEM_IN || !--v->self->shmem_reads)
		__atomic_store_n(&v->self->shmem_busy[state == FL_SHMEM_IN].n, 0, __ATOMIC_RELEASE);
}

/* What the process was at, it will not end. */
static void set_back(struct fl_machine_view *v, struct fl_shmem *s, u32 index, u32 proc)
{
	u64 e = *fl_shmem_entry(v, s, index);

	if (fl_shmem_owner(e) != proc)
		return;
	switch (fl_shmem_state(e)) {
	case FL_SHMEM_OUT:
		fl_shmem_set(v, s, index, fl_shmem_make(FL_SHMEM_RESIDENT, fl_shmem_payload(e)) | FL_SHMEM_MAPPED);
		break;
	case FL_SHMEM_IN:
		fl_shmem_set(v, s, index, fl_shmem_make(FL_SHMEM_SWAP, fl_shmem_payload(e)));
		break;
	/* who reads it, or fills it with zeros, puts the same there as is there still */
	case FL_SHMEM_PUNCH: fl_shmem_leave(v, s, index); break;
	default: break;
	}
}

bool fl_shmem_take_over(struct fl_machine_view *v, struct fl_shmem *s, u32 index)
{
	u64 e = *fl_shmem_entry(v, s, index);
	const struct fl_proc *p = &v->procs[fl_shmem_owner(e)];
	bool late = !p->shmem_busy[1].n || fl_now_ms(v->t) - p->shmem_in_ms >= LATE_MS;

	/* our own read will end, and another of the same page could not be told from it */
	if (fl_shmem_state(e) == FL_SHMEM_IN ? !late || (p == v->self && p->shmem_reads) : !fl_proc_is_gone(p))
		return false;
	set_back(v, s, index, fl_shmem_owner(e));
	return true;
}

void fl_shmem_fork(struct fl_machine_view *v, const struct fl_proc *child)
{
	if (!v->t->nr_shmem)
		return;
	fl_shmem_lock(v);
	for (u32 i = 0; i < v->t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];

		/* its page table has none of it yet: it is not asked before it faults */
		if (s->npages && fl_shmem_is_mapped(v, s))
			fl_bit_set(s->mapped, index_of(v, child));
	}
	fl_shmem_unlock(v);
}

/* All that the process was at is within these entries. */
static void set_range_back(struct fl_machine_view *v, struct fl_shmem_busy *b, u32 proc)
{
	for (u32 i = 0; i < v->t->nr_shmem && b->n; i++) {
		struct fl_shmem *s = &v->shmems[i];
		u32 from = fl_max(b->first, s->first), to = fl_min(b->first + b->n, s->first + s->npages);

		for (; from < to; from++)
			set_back(v, s, from - s->first, proc);
	}
	b->n = 0;
}

void fl_shmem_release(struct fl_machine_view *v, struct fl_proc *p)
{
	struct fl_machine *t = v->t;
	u32 proc = index_of(v, p);

	if (!t->nr_shmem)
		return;
	fl_shmem_lock(v);
	set_range_back(v, &p->shmem_busy[0], proc);
	set_range_back(v, &p->shmem_busy[1], proc);
	p->shmem_reads = 0;
	if (t->shmem_evictor == proc + 1)
		t->shmem_evictor = 0;
	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages)
			drop_user(v, &v->shmems[i], proc);
	fl_shmem_unlock(v);
}

void fl_shmem_lock(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;

	if (!fl_shlock(&t->shmem_lock))
		return;
	/* its owner died within a section */
	fl_shmem_repair(v);
	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages && !has_users(&v->shmems[i]))
			destroy(v, &v->shmems[i]);
}

void fl_shmem_unlock(struct fl_machine_view *v)
{
	fl_shunlock(&v->t->shmem_lock);
}
