/*
 * fork(2): every page is shared until one side writes.
 *
 * The kernel copies the page tables, ours with them (they lie in private
 * memory), so the child is born with the same mirror. Before that the parent
 * brings every page home that is set aside in the pool, which the child does
 * not inherit, write-protects all pages in the program, and counts a second
 * user for each frame and swap slot. The child write-protects again, because
 * its mappings are not registered when it is born.
 */
#include "pager/pager.h"

#include <errno.h>

#define BATCH 256u
#define GAP_BYTES (2ull << 20) /* protected with its neighbours though it may be already */

/* How many pages from va on are set aside in neighbouring frames, like the first. */
static u32 inactive_run(const struct fl_pager *p, const struct fl_vma *vma, u64 va, u32 f, bool clean)
{
	u32 n = 1;

	for (; va + n * FL_PAGE_SIZE < vma->end && f + n < p->machine.t->nframes; n++) {
		struct fl_page pg = p->pages.page[f + n];

		if (!fl_page_has(pg, FL_PG_INACTIVE) || fl_page_va(pg) != va + n * FL_PAGE_SIZE ||
			fl_page_is_clean(p, f + n) != clean)
			break;
	}
	return n;
}

/* Pages in the pool are mapped again, in runs. 0 or -errno. */
static int map_inactive(struct fl_pager *p)
{
	u32 left = p->policy.nr_aside, n;

	for (; left && p->policy.nr_aside; left -= fl_min(left, n)) {
		u32 f = fl_policy_next_aside(&p->policy);
		u64 va = fl_page_va(p->pages.page[f]);
		struct fl_vma *vma = fl_vma_at(&p->mm, va);
		bool clean = fl_page_is_clean(p, f);

		n = inactive_run(p, vma, va, f, clean);
		p->policy.no_references = true;
		n = fl_pager_map_run(p, vma, va, f, n, clean);
		p->policy.no_references = false;
		if (!n)
			return -EAGAIN;
	}
	return p->policy.nr_aside ? -EAGAIN : 0;
}

struct batch {
	struct fl_machine_view *child;
	u32 frames[BATCH], slots[BATCH + 1];
	u32 nr_frames, nr_slots;
};

static void flush(struct batch *b)
{
	fl_zone_dup(b->child, b->frames, b->nr_frames);
	fl_swap_dup(b->child, b->slots, b->nr_slots);
	b->nr_frames = b->nr_slots = 0;
}

/* Write-protects [start, end), if there is anything. */
static void protect(struct fl_pager *p, u64 start, u64 end)
{
	if (start < end)
		p->host->ops->protect(p->host, start, (end - start) / FL_PAGE_SIZE, true);
}

/* Pages that nobody has written to since the last fork are protected still. */
static void share_vma(struct fl_pager *p, struct fl_vma *vma, struct batch *b)
{
	u64 *ptep, lo = 0, hi = 0;

	for (u64 va = vma->start; (ptep = fl_pt_next(&p->mm, &va, vma->end)); va += FL_PAGE_SIZE) {
		u32 payload = fl_pte_payload(*ptep);

		if (fl_pte_state(*ptep) == FL_PTE_PRESENT) {
			b->frames[b->nr_frames++] = payload;
			if (p->pages.slot[payload] != FL_NO_SLOT)
				b->slots[b->nr_slots++] = p->pages.slot[payload];
			fl_page_set_flags(&p->pages.page[payload], FL_PG_COW);
			if (!fl_pte_has(*ptep, FL_PTE_WP)) {
				if (va - hi > GAP_BYTES) {
					protect(p, lo, hi);
					lo = va;
				}
				hi = va + FL_PAGE_SIZE;
			}
			*ptep = fl_pte_with(*ptep, FL_PTE_COW | FL_PTE_WP);
		} else if (fl_pte_state(*ptep) == FL_PTE_SWAP) {
			b->slots[b->nr_slots++] = payload;
		}
		if (b->nr_frames == BATCH || b->nr_slots >= BATCH)
			flush(b);
	}
	protect(p, lo, hi);
}

int fl_pager_fork_prepare(struct fl_pager *p, struct fl_machine_view *child)
{
	struct batch b;
	struct fl_vma *vma;
	int r;

	b.child = child;
	b.nr_frames = b.nr_slots = 0;

	fl_pager_see_writes(p, 0, ~0ull);
	r = map_inactive(p);
	if (r < 0)
		return r;
	r = fl_proc_fork(&p->machine, child);
	if (r < 0)
		return r;
	fl_for_each_vma(&p->mm, vma)
		if (vma->owner == FL_OWNER_MANAGED &&
			!(vma->flags & (FL_VM_DONTFORK | FL_VM_WIPEONFORK)))
			share_vma(p, vma, &b);
	flush(&b);
	fl_count(p, nr_fork, 1);
	return 0;
}

/* The parent's pages that the child does not get. */
static void not_inherited(struct fl_pager *p, struct fl_vma *vma)
{
	u64 *ptep;

	for (u64 va = vma->start; (ptep = fl_pt_next(&p->mm, &va, vma->end)); va += FL_PAGE_SIZE) {
		u32 f = fl_pte_payload(*ptep);

		if (fl_pte_state(*ptep) == FL_PTE_PRESENT) {
			fl_policy_gone(&p->policy, f);
			p->pages.page[f].key = 0;
			p->pages.slot[f] = FL_NO_SLOT;
		}
		fl_pte_set(&p->mm, va, 0);
	}
}

void fl_pager_fork_child(struct fl_pager *p)
{
	struct fl_buddy_arrays a = {p->pages.next, p->pages.prev, p->local_order};
	struct fl_vma *vma, *next;
	u32 f, order;

	/* frames that were free in the parent are the parent's */
	while ((f = fl_buddy_take(&p->local, &a, FL_MAX_ORDER, &order)) != FL_NO_FRAME)
		for (u32 i = 0; i < 1u << order; i++) {
			p->pages.page[f + i].key = 0;
			p->pages.next[f + i] = p->pages.prev[f + i] = 0;
		}
	fl_buddy_init_empty(&p->local, p->machine.t->nframes);
	for (vma = p->mm.first; vma; vma = next) {
		next = vma->next;
		if (vma->owner == FL_OWNER_MANAGED &&
			(vma->flags & (FL_VM_DONTFORK | FL_VM_WIPEONFORK)))
			not_inherited(p, vma);
	}
	for (vma = p->mm.first; vma;) {
		u64 start = vma->start, end = vma->end;

		if (vma->flags & FL_VM_DONTFORK)
			fl_mm_unmap(&p->mm, start, end);
		vma = fl_vma_find(&p->mm, end);
	}
	fl_mm_inherited(&p->mm);
	p->deferred = NULL;
	p->deferred_tail = &p->deferred;
	p->nr_deferred = p->nr_later = 0;
	p->nr_will_need = 0;
	p->shmem_run = 0;
	p->reads_open = false;
	p->ios_in_flight = 0;
	p->quiesce = 0;
	p->nr_leaving = 0;
	p->stage = 0;
}

void fl_pager_fork_protect(struct fl_pager *p)
{
	struct fl_vma *vma;

	fl_for_each_vma(&p->mm, vma)
	{
		u64 at = vma->start;

		if (vma->owner == FL_OWNER_MANAGED && fl_pt_next(&p->mm, &at, vma->end))
			p->host->ops->protect(p->host, vma->start,
				(vma->end - vma->start) / FL_PAGE_SIZE, true);
	}
}
