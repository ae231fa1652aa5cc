/* Whether the pager's books agree with each other, the machine's and the kernel's. */
#include "fake-host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

u64 fake_counter(const struct fake *f, enum fl_counter c)
{
	return f->p.machine.self->stats.counter[c];
}

enum fl_pte_state fake_state(struct fake *f, u32 page)
{
	enum fl_pte_state s;

	fl_lock(&f->p.lock);
	s = fl_pte_state(fl_pte_get(&f->p.mm, fake_va(f, page)));
	fl_unlock(&f->p.lock);
	return s;
}

bool fake_holds(struct fake *f, u32 page, u32 version)
{
	static _Alignas(4096) u64 buf[FL_PAGE_SIZE / 8];
	u64 pte = fl_pte_get(&f->p.mm, fake_va(f, page));
	u32 payload = fl_pte_payload(pte), slot = 0;

	if (f->page[page].flags & FAKE_PRESENT)
		return fake_matches((void *)fake_va(f, page), version);
	switch (fl_pte_state(pte)) {
	case FL_PTE_SOFT:
		return fake_matches((void *)fl_slot_addr(&f->p, payload), version);
	case FL_PTE_SWAPIN:
		slot = f->p.pages.slot[payload];
		break;
	case FL_PTE_SWAP:
		slot = payload;
		break;
	default: /* NONE, ZERO, or PRESENT and dropped unseen */
		return !version;
	}
	if (pread(f->p.machine.swap_fd, buf, FL_PAGE_SIZE, (off_t)slot * (off_t)FL_PAGE_SIZE) !=
		(ssize_t)FL_PAGE_SIZE)
		return false;
	return fake_matches(buf, version);
}

struct tally {
	u32 mapped, inactive, writeback, reading, orphans, local, held, active;
	u8 *slot_seen;
	u32 slots;
};

static void bad(struct fake *f, u32 frame, const char *why)
{
	struct fl_page g = f->p.pages.page[frame];

	printf("frame %u: page %ld, flags %#x, slot %u, storage %u: %s\n", frame,
		(long)(fl_page_va(g) - f->base) / 4096, fl_page_flags(g), f->p.pages.slot[frame],
		f->slot_full[frame], why);
	fake_fail(f, __FILE__, __LINE__, why);
}

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			bad(f, frame, #cond);                                                      \
	} while (0)

static void count_slot(struct fake *f, struct tally *t, u32 slot, u32 frame)
{
	if (slot == FL_NO_SLOT)
		return;
	fake_must(f, slot < f->p.machine.t->slots.nr_slots);
	must(!t->slot_seen[slot]); /* one user within a process */
	must(f->p.machine.held_slots[slot / 64] >> slot % 64 & 1);
	must(fl_swap_count(&f->p.machine, slot) >= 1);
	t->slot_seen[slot] = 1;
	t->slots++;
}

static void check_mapped(struct fake *f, u32 frame, struct fl_page g, u64 pte, bool shared)
{
	u32 page = (u32)((fl_page_va(g) - f->base) / FL_PAGE_SIZE);
	u8 flags = f->page[page].flags;

	must(fl_page_has(g, FL_PG_ACTIVE) && !fl_page_has(g, FL_PG_POPULATED));
	must(!fl_page_has_any(g, FL_PG_WANTED | FL_PG_ORPHAN | FL_PG_READAHEAD));
	must(fl_pte_state(pte) == FL_PTE_PRESENT);
	must(fl_pte_has(pte, FL_PTE_COW) == fl_page_has(g, FL_PG_COW));
	must(!fl_page_has(g, FL_PG_SHEDDING) || (fl_page_has(g, FL_PG_COW) && f->p.shed_io));
	must(flags & FAKE_PRESENT || f->loose);
	must(shared || fl_zone_refs(&f->p.machine, frame) == 1 || fl_page_has(g, FL_PG_COW));
	/* a page whose copy in swap counts must not be written unnoticed */
	if (f->p.pages.slot[frame] && flags & FAKE_PRESENT) {
		must(!fl_page_has(g, FL_PG_DIRTY) && fl_pte_has(pte, FL_PTE_WP));
		must(flags & FAKE_WP);
	}
	if (flags & FAKE_PRESENT && fl_pte_has(pte, FL_PTE_COW))
		must(flags & FAKE_WP);
	if (!fl_page_has(g, FL_PG_DIRTY))
		must(f->p.pages.slot[frame]);
}

static void check_frame(struct fake *f, struct tally *t, u32 frame, bool shared)
{
	struct fl_page g = f->p.pages.page[frame];
	bool held = f->p.machine.held_frames[frame / 64] >> frame % 64 & 1;
	u32 states;
	u64 pte = 0;

	must(fl_page_has(g, FL_PG_POPULATED) == f->slot_full[frame]);
	if (!held) {
		must(!g.key && !f->p.pages.slot[frame]);
		return;
	}
	t->held++;
	states = fl_page_has(g, FL_PG_MAPPED) + fl_page_has(g, FL_PG_INACTIVE) +
		 fl_page_has(g, FL_PG_WRITEBACK) + fl_page_has(g, FL_PG_READING) +
		 fl_page_has(g, FL_PG_LOCAL_FREE);
	must(states == 1);
	if (!fl_page_has(g, FL_PG_LOCAL_FREE | FL_PG_ORPHAN) && fl_page_va(g))
		pte = fl_pte_get(&f->p.mm, fl_page_va(g));
	if (!fl_page_has_any(g, FL_PG_LOCAL_FREE | FL_PG_ORPHAN))
		must(fl_pte_payload(pte) == frame && fl_pte_has_frame(pte));
	count_slot(f, t, f->p.pages.slot[frame], frame);
	t->active += fl_page_has(g, FL_PG_ACTIVE);
	if (fl_page_has(g, FL_PG_LOCAL_FREE)) {
		t->local++;
		must(!f->p.pages.slot[frame]);
		must(!(fl_page_flags(g) & ~(FL_PG_LOCAL_FREE | FL_PG_POPULATED | FL_PG_ZEROED)));
		must(fl_zone_refs(&f->p.machine, frame) == 1);
	} else if (fl_page_has(g, FL_PG_MAPPED)) {
		t->mapped++;
		check_mapped(f, frame, g, pte, shared);
	} else {
		must(fl_page_has(g, FL_PG_POPULATED) && !fl_page_has(g, FL_PG_ACTIVE));
		must(!fl_page_has_any(g, FL_PG_COW | FL_PG_SHEDDING));
		if (fl_page_has(g, FL_PG_ORPHAN))
			t->orphans++;
		else if (fl_page_has(g, FL_PG_READING))
			must(fl_pte_state(pte) == FL_PTE_SWAPIN);
		else
			must(fl_pte_state(pte) == FL_PTE_SOFT);
		t->inactive += fl_page_has(g, FL_PG_INACTIVE);
		t->writeback += fl_page_has(g, FL_PG_WRITEBACK) && !fl_page_has(g, FL_PG_ORPHAN);
		t->reading += fl_page_has(g, FL_PG_READING) && !fl_page_has(g, FL_PG_ORPHAN);
	}
}

static void check_books(struct fake *f)
{
	struct fl_pager *p = &f->p;
	struct fl_buddy_arrays a = {p->pages.next, p->pages.prev, p->local_order};
	char why[200] = "?";
	const char *w = "?";

	if (fl_vma_validate(&p->mm, &w) < 0 || fl_pt_validate(&p->mm, &w) < 0 ||
		fl_policy_validate(&p->policy, f->nr_frames, &w) < 0 ||
		fl_buddy_validate(&p->local, &a, &w) < 0)
		fake_fail(f, __FILE__, __LINE__, w);
	if (fl_machine_validate(&p->machine, why, sizeof(why)) < 0)
		fake_fail(f, __FILE__, __LINE__, why);
}

static void check_pages(struct fake *f, struct tally *t, u32 *ret_present)
{
	for (u32 i = 0; i < f->nr_pages; i++) {
		u64 pte = fl_pte_get(&f->p.mm, fake_va(f, i));
		struct fl_vma *vma = fl_vma_at(&f->p.mm, fake_va(f, i));
		u8 flags = f->page[i].flags;

		*ret_present += !!(flags & FAKE_PRESENT);
		fake_must(f, !vma == !(flags & FAKE_MAPPED));
		fake_must(f, vma || !pte);
		if (!f->loose)
			fake_must(f,
				!(flags & FAKE_PRESENT) == (fl_pte_state(pte) != FL_PTE_PRESENT));
		if (fl_pte_state(pte) == FL_PTE_SWAP)
			count_slot(f, t, fl_pte_payload(pte), 0);
	}
}

void fake_check(struct fake *f, bool shared)
{
	struct fl_pager *p = &f->p;
	struct tally t = {.slot_seen = calloc(p->machine.t->max_slots, 1)};
	u32 present = 0, full = 0, held_slots = 0;

	fl_lock(&p->lock);
	check_books(f);
	for (u32 i = 0; i < f->nr_frames; i++)
		check_frame(f, &t, i, shared);
	check_pages(f, &t, &present);
	for (u32 i = 0; i <= f->nr_frames; i++)
		full += f->slot_full[i];
	for (u32 i = 0; i < (p->machine.t->slots.nr_slots + 63) / 64; i++)
		held_slots += (u32)__builtin_popcountll(p->machine.held_slots[i]);
	fake_must(f, t.mapped == p->mm.rss_anon);
	fake_must(f, t.inactive + t.writeback == p->mm.soft_pages);
	fake_must(f, t.reading == p->mm.swapin_pages);
	fake_must(f, t.inactive == p->policy.nr_aside);
	fake_must(f, t.active == p->policy.nr_mapped && t.active == t.mapped);
	fake_must(f, t.local == p->local.nr_free);
	fake_must(
		f, t.held == t.mapped + t.inactive + t.writeback + t.reading + t.orphans + t.local);
	fake_must(f, t.held == p->machine.self->held);
	fake_must(f, t.slots == held_slots);
	fake_must(f, !(t.orphans || t.reading || t.writeback || p->shed_io) == !p->ios_in_flight);
	fake_must(f, !f->slot_full[f->nr_frames]); /* the stage */
	fake_must(f, present + full == f->storage);
	/* the promise to the user */
	fake_must(f, f->loose || f->storage <= t.held);
	fl_unlock(&p->lock);
	free(t.slot_seen);
}
