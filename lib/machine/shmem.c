/* Shared anonymous memory: objects, entries, and who has them; see shmem.h. */
#include "machine/shmem.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "machine/internal.h"

#include <string.h>
#include <sys/mman.h>

#define WORDS	(FL_NR_PROCS / 64)
#define LATE_MS 100u /* a page takes a small part of it to read */

static u64 *entries(const struct fl_machine_view *v)
{
	return (u64 *)((char *)v->t + v->t->shmem_entries_at);
}

/* The tree's record of what is in shared memory, as if it were a process's. */
static struct fl_machine_view holder(const struct fl_machine_view *v)
{
	struct fl_machine_view h = *v;

	h.self = &v->t->shmem;
	h.held_frames = (u64 *)((char *)v->t + v->t->shmem_held_at);
	h.held_slots = (u64 *)((char *)h.held_frames + v->t->held_slots_at);
	return h;
}

static u32 index_of(const struct fl_machine_view *v, const struct fl_proc *p)
{
	return (u32)(p - v->procs);
}

u64 *fl_shmem_entry(const struct fl_machine_view *v, const struct fl_shmem *s, u32 index)
{
	return entries(v) + s->first + index;
}

struct fl_shmem *fl_shmem_find(const struct fl_machine_view *v, u64 dev, u64 ino)
{
	struct fl_machine *t = v->t;

	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages && v->shmems[i].ino == ino && v->shmems[i].dev == dev)
			return &v->shmems[i];
	return NULL;
}

/* Room for n entries, between those that there are; FL_SHMEM_PAGES if there is none. */
static u32 find_room(const struct fl_machine_view *v, u32 n)
{
	u32 at = 0;
	bool moved;

	do {
		moved = false;
		for (u32 i = 0; i < v->t->nr_shmem; i++) {
			const struct fl_shmem *s = &v->shmems[i];

			if (s->npages && at < s->first + s->npages && at + n > s->first) {
				at = s->first + s->npages;
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

void fl_shmem_give_frame(struct fl_machine_view *v, u32 frame)
{
	struct fl_machine_view h = holder(v);

	fl_zone_give(v, &h, frame);
	v->t->shmem_peak = fl_max(v->t->shmem_peak, v->t->shmem.held);
}

void fl_shmem_put_frame(struct fl_machine_view *v, u32 frame)
{
	struct fl_machine_view h = holder(v);

	fl_zone_put_shared(&h, frame);
}

void fl_shmem_give_slot(struct fl_machine_view *v, u32 slot)
{
	struct fl_machine_view h = holder(v);

	fl_swap_give(v, &h, slot);
	v->t->shmem_swapped++;
}

void fl_shmem_put_slot(struct fl_machine_view *v, u32 slot)
{
	struct fl_machine_view h = holder(v);

	fl_swap_put(&h, slot);
	v->t->shmem_swapped--;
}

void fl_shmem_clear(struct fl_machine_view *v, u64 *entry)
{
	u64 was = *entry;

	/* first the entry: who dies in between leaves a frame that nobody names, which is
	 * found, and never one that two name */
	__atomic_store_n(entry, 0, __ATOMIC_RELEASE);
	switch (fl_shmem_state(was)) {
	case FL_SHMEM_RESIDENT:
	case FL_SHMEM_OUT: fl_shmem_put_frame(v, fl_shmem_payload(was)); break;
	case FL_SHMEM_SWAP:
	case FL_SHMEM_IN: fl_shmem_put_slot(v, fl_shmem_payload(was)); break;
	default: break;
	}
}

static void destroy(struct fl_machine_view *v, struct fl_shmem *s)
{
	for (u32 i = 0; i < s->npages; i++)
		if (*fl_shmem_entry(v, s, i))
			fl_shmem_clear(v, fl_shmem_entry(v, s, i));
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

void fl_shmem_busy(struct fl_machine_view *v, enum fl_shmem_state state, const u64 *entry, u32 n)
{
	u32 which = state == FL_SHMEM_IN;

	v->self->shmem_busy[which].first = (u32)(entry - entries(v));
	if (which)
		v->self->shmem_in_ms = fl_now_ms(v->t);
	__atomic_store_n(&v->self->shmem_busy[which].n, n, __ATOMIC_RELEASE);
}

void fl_shmem_idle(struct fl_machine_view *v, enum fl_shmem_state state)
{
	__atomic_store_n(&v->self->shmem_busy[state == FL_SHMEM_IN].n, 0, __ATOMIC_RELEASE);
}

bool fl_shmem_take_over(struct fl_machine_view *v, u64 *entry)
{
	const struct fl_proc *p = &v->procs[fl_shmem_owner(*entry)];

	if (p->shmem_busy[1].n && fl_now_ms(v->t) - p->shmem_in_ms < LATE_MS)
		return false;
	*entry = fl_shmem_make(FL_SHMEM_SWAP, fl_shmem_payload(*entry));
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

/* What the process was at, it will not end. */
static void set_back(u64 *e, u32 proc)
{
	if (fl_shmem_owner(*e) != proc)
		return;
	if (fl_shmem_state(*e) == FL_SHMEM_OUT)
		*e = fl_shmem_make(FL_SHMEM_RESIDENT, fl_shmem_payload(*e));
	else if (fl_shmem_state(*e) == FL_SHMEM_IN)
		*e = fl_shmem_make(FL_SHMEM_SWAP, fl_shmem_payload(*e));
}

void fl_shmem_release(struct fl_machine_view *v, struct fl_proc *p)
{
	struct fl_machine *t = v->t;
	u32 proc = index_of(v, p);

	if (!t->nr_shmem)
		return;
	fl_shmem_lock(v);
	for (u32 k = 0; k < 2; k++) {
		for (u32 i = 0; i < p->shmem_busy[k].n; i++)
			set_back(entries(v) + p->shmem_busy[k].first + i, proc);
		p->shmem_busy[k].n = 0;
	}
	if (t->shmem_evictor == proc + 1)
		t->shmem_evictor = 0;
	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages)
			drop_user(v, &v->shmems[i], proc);
	fl_shmem_unlock(v);
}

/* Frames, or slots, that the holder has and no entry names. */
static void give_back_lost(struct fl_machine_view *v, const u64 *held, u32 bits, bool frames)
{
	struct fl_machine *t = v->t;
	u64 bytes = fl_page_up((u64)(bits + 63) / 64 * 8);
	long r = fl_syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 *named = (u64 *)r;

	if (fl_is_err(r))
		return; /* they come back with the tree */
	for (u32 i = 0; i < t->nr_shmem; i++)
		for (u32 k = 0; k < v->shmems[i].npages; k++) {
			u64 e = *fl_shmem_entry(v, &v->shmems[i], k);
			enum fl_shmem_state s = fl_shmem_state(e);

			if (frames ? s == FL_SHMEM_RESIDENT || s == FL_SHMEM_OUT :
				     s == FL_SHMEM_SWAP || s == FL_SHMEM_IN)
				fl_bit_set(named, fl_shmem_payload(e));
		}
	for (u32 w = 0; w < (bits + 63) / 64; w++)
		for (u64 b = held[w] & ~named[w]; b; b &= b - 1) {
			u32 n = w * 64 + (u32)__builtin_ctzll(b);

			if (frames)
				fl_shmem_put_frame(v, n);
			else
				fl_shmem_put_slot(v, n);
		}
	fl_syscall(SYS_munmap, named, bytes);
}

static u32 count(const u64 *held, u32 bits)
{
	u32 n = 0;

	for (u32 w = 0; w < (bits + 63) / 64; w++)
		n += (u32)__builtin_popcountll(held[w]);
	return n;
}

void fl_shmem_lock(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;
	struct fl_machine_view h;

	if (!fl_shlock(&t->shmem_lock))
		return;
	/* its owner died within a section */
	h = holder(v);
	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages && !has_users(&v->shmems[i]))
			destroy(v, &v->shmems[i]);
	give_back_lost(v, h.held_frames, t->zone.fresh, true);
	give_back_lost(v, h.held_slots, t->slots.nr_slots, false);
	t->shmem.held = count(h.held_frames, t->zone.fresh);
	t->shmem_swapped = count(h.held_slots, t->slots.nr_slots);
}

void fl_shmem_unlock(struct fl_machine_view *v)
{
	fl_shunlock(&v->t->shmem_lock);
}

int fl_shmem_validate(const struct fl_machine_view *v, char *why, size_t n)
{
	struct fl_machine *t = v->t;
	struct fl_machine_view h = holder(v);
	u32 frames = 0, slots = 0;

	for (u32 i = 0; i < t->nr_shmem; i++)
		for (u32 k = 0; k < v->shmems[i].npages; k++) {
			u64 e = *fl_shmem_entry(v, &v->shmems[i], k);
			bool in_memory = fl_shmem_state(e) == FL_SHMEM_RESIDENT ||
				fl_shmem_state(e) == FL_SHMEM_OUT;

			if (!fl_shmem_state(e))
				continue;
			if (!fl_bit_get(in_memory ? h.held_frames : h.held_slots, fl_shmem_payload(e))) {
				fl_format(why, n, "shared memory: page %u of object %u names %s %u, which is not held",
					k, i, in_memory ? "frame" : "slot", fl_shmem_payload(e));
				return -1;
			}
			frames += in_memory;
			slots += !in_memory;
		}
	if (frames != t->shmem.held || slots != t->shmem_swapped) {
		fl_format(why, n, "shared memory: %u pages are in memory and %u in swap, counted %u and %u",
			frames, slots, t->shmem.held, t->shmem_swapped);
		return -1;
	}
	return 0;
}
