/* Who has a frame or a slot; see holders.h. */
#include "holders.h"
#include "client.h"
#include "proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void add(struct holders *h, const struct fl_proc *p)
{
	struct holder *new = &h->holder[h->n++];

	*new = (struct holder){.pid = (int)p->pid};
	snprintf(new->comm, sizeof(new->comm), "%.15s", p->comm);
}

/* Those in whose bitmap, at this offset of each one's, the bit is set. */
static void find(const struct tree *t, u64 at, u32 bit, struct holders *ret)
{
	const struct fl_machine *m = &t->machine;

	*ret = (struct holders){.holder = calloc(m->nr_procs + 1, sizeof(*ret->holder))};
	if (!ret->holder)
		abort();
	for (u32 i = 0; i < m->nr_procs; i++) {
		u64 word_at = m->held_at + m->held_stride * i + at + bit / 64 * sizeof(u64);
		u64 *word = tree_is_live(&t->procs[i]) ? tree_read(t, word_at, sizeof(u64)) : NULL;

		if (word && *word >> bit % 64 & 1)
			add(ret, &t->procs[i]);
		free(word);
	}
}

void holders_of_frame(const struct tree *t, u32 frame, struct holders *ret)
{
	find(t, 0, frame, ret);
}

void holders_of_slot(const struct tree *t, u32 slot, struct holders *ret)
{
	find(t, t->machine.held_slots_at, slot, ret);
}

void holders_of_bits(const struct tree *t, const u64 *bits, struct holders *ret)
{
	*ret = (struct holders){.holder = calloc(t->machine.nr_procs + 1, sizeof(*ret->holder))};
	if (!ret->holder)
		abort();
	for (u32 i = 0; i < t->machine.nr_procs; i++)
		if (tree_is_live(&t->procs[i]) && (bits[i / 64] >> i % 64 & 1))
			add(ret, &t->procs[i]);
}

static void ask(struct holder *h, u32 frame)
{
	struct snapshot s = {.connection = -1};
	int err = proc_is_stopped(h->pid) ? -EAGAIN : snapshot_take_page(h->pid, 0, 0, frame, &s);

	if (err) {
		h->silent = proc_why_silent(err);
		return;
	}
	h->found = s.head->walk.frame == frame;
	h->va = s.head->walk.va;
	h->pte = s.head->walk.pte;
	snapshot_release(&s);
}

void holders_ask(struct holders *h, u32 frame, int known_pid)
{
	snapshot_set_patience(PROC_PATIENCE_S);
	for (size_t i = 0; i < h->n; i++)
		if (h->holder[i].pid != known_pid)
			ask(&h->holder[i], frame);
}

void holders_free(struct holders *h)
{
	free(h->holder);
	*h = (struct holders){0};
}
