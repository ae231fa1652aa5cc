/*
 * Random operations on an address space and on its model.
 */
#include <errno.h>

#include "model-space.h"

struct model_space space;

void model_space_init(void)
{
	memset(&space, 0, sizeof(space));
	test_mm_init(&space.mm, &space.mem);
	/* Above the window, at distances of every size. */
	space.far_va[0] = VA(NR_PAGES);
	for (u32 i = 1; i < NR_FAR; i++)
		space.far_va[i] = space.far_va[i - 1] + (FL_PAGE_SIZE << rnd(30));
}

static void random_range(u32 *from, u32 *to)
{
	u32 len = (u32)(rnd(16) ? 1 + rnd(24) : 1 + rnd(600));

	*from = (u32)rnd(NR_PAGES);
	*to = fl_min(*from + len, NR_PAGES);
}

static u64 random_pte(void)
{
	enum fl_pte_state state = (enum fl_pte_state)(1 + rnd(FL_PTE_NR_STATES - 1));

	return fl_pte_make(state, state == FL_PTE_ZERO ? 0 : (u32)rnd(1UL << 32), rnd(512) << 3);
}

/* Clear the ptes of a range as munmap would, half of the time page by page. */
static void clear_ptes(u32 from, u32 to)
{
	u64 va;

	if (rnd(2)) {
		for (u32 p = from; p < to; p++)
			must(fl_pte_set(&space.mm, VA(p), 0) == 0);
	} else {
		for (va = VA(from); fl_pt_next(&space.mm, &va, VA(to)); va += FL_PAGE_SIZE)
			must(fl_pte_set(&space.mm, va, 0) == 0);
	}
	for (u32 p = from; p < to; p++)
		space.pages[p].pte = 0;
}

static void unmap_pages(u32 from, u32 to)
{
	for (u32 p = from; p < to; p++)
		space.pages[p].mapped = false;
}

/* Anonymous, or one of two files at one of two offsets: enough for merging to happen often. */
static void step_map(void)
{
	static const u64 flags[] = {FL_VM_READ | FL_VM_WRITE, FL_VM_READ, FL_VM_READ | FL_VM_EXEC,
		FL_VM_READ | FL_VM_WRITE | FL_VM_GROWSDOWN};
	struct fl_vma new = {.flags = flags[rnd(fl_array_size(flags))], .anon = 1}, *vma;
	u32 from, to;

	random_range(&from, &to);
	new.start = VA(from);
	new.end = VA(to);
	new.pgoff = VA(from) >> FL_PAGE_SHIFT;
	if (!rnd(3)) {
		new.flags |= FL_VM_FILE | (rnd(2) ? FL_VM_SHARED : 0);
		new.ino = 1 + rnd(2);
		new.dev = 8;
		new.owner = FL_OWNER_KERNEL;
		new.pgoff = from + (rnd(2) ? 100 : 0);
	}
	must(fl_vma_prealloc(&space.mm, 2) == 0);
	vma = fl_mm_map(&space.mm, &new);
	must(vma->start <= new.start && vma->end >= new.end);
	clear_ptes(from, to);
	for (u32 p = from; p < to; p++)
		space.pages[p] = (struct page){
			true, new.owner, new.flags, new.pgoff + p - from, new.dev, new.ino, 0};
}

static void step_unmap(void)
{
	u32 from, to;

	random_range(&from, &to);
	must(fl_vma_prealloc(&space.mm, 1) == 0);
	fl_mm_unmap(&space.mm, VA(from), VA(to));
	clear_ptes(from, to);
	unmap_pages(from, to);
}

static void step_change(void)
{
	static const u64 bits[] = {
		FL_VM_WRITE, FL_VM_EXEC, FL_VM_LOCKED, FL_VM_DONTFORK, FL_VM_READ | FL_VM_WRITE};
	u64 set = rnd(2) ? bits[rnd(fl_array_size(bits))] : 0;
	u64 clear = rnd(2) ? bits[rnd(fl_array_size(bits))] : 0;
	u32 from, to;

	random_range(&from, &to);
	must(fl_vma_prealloc(&space.mm, 2) == 0);
	fl_mm_change(&space.mm, VA(from), VA(to), set, clear);
	for (u32 p = from; p < to; p++)
		space.pages[p].flags = (space.pages[p].flags | set) & ~clear;
}

static void step_owner(void)
{
	enum fl_owner owner = (enum fl_owner)rnd(3);
	u32 from, to;

	random_range(&from, &to);
	must(fl_vma_prealloc(&space.mm, 2) == 0);
	fl_mm_set_owner(&space.mm, VA(from), VA(to), owner);
	for (u32 p = from; p < to; p++)
		space.pages[p].owner = (u8)owner;
}

/* Move ptes, now and then first without enough memory. */
static void move_ptes(u32 old, u32 new, u32 n)
{
	u64 before_bytes = space.mm.pgtables_bytes;
	int r;

	if (!rnd(4)) {
		space.mem.fail_after = (s64)rnd(4);
		r = fl_pt_move(&space.mm, VA(old), VA(new), n * FL_PAGE_SIZE);
		space.mem.fail_after = -1;
		if (!r)
			return;
		must(r == -ENOMEM && space.mm.pgtables_bytes == before_bytes);
		must_be_valid(fl_pt_validate(&space.mm, &why));
		for (u32 p = 0; p < n; p++)
			must(fl_pte_get(&space.mm, VA(old + p)) == space.pages[old + p].pte);
	}
	must(fl_pt_move(&space.mm, VA(old), VA(new), n * FL_PAGE_SIZE) == 0);
}

static void step_move(void)
{
	static struct page copy[NR_PAGES];
	struct fl_vma *vma = fl_vma_find(&space.mm, VA(rnd(NR_PAGES)));
	u32 first, last, old, old_len, new, new_len, n;
	bool keep;

	if (!vma)
		return;
	first = (u32)((vma->start - BASE) >> FL_PAGE_SHIFT);
	last = (u32)((vma->end - BASE) >> FL_PAGE_SHIFT);
	old = first + (u32)rnd(last - first);
	old_len = 1 + (u32)rnd(last - old);
	keep = !rnd(4);
	new_len = keep || rnd(2) ? old_len : 1 + (u32)rnd(2 * old_len);
	new = !keep && !rnd(4) ? old : (u32)rnd(NR_PAGES);
	if (new + new_len > NR_PAGES || (new != old &&new < old + old_len &&old < new + new_len))
		return;
	n = fl_min(old_len, new_len);
	memcpy(copy, &space.pages[old], old_len * sizeof(*copy));

	must(fl_vma_prealloc(&space.mm, 3) == 0);
	vma = fl_mm_move(&space.mm, VA(old), old_len * FL_PAGE_SIZE, VA(new),
		new_len * FL_PAGE_SIZE, keep && new != old);
	must(vma->start <= VA(new) && vma->end > VA(new));
	if (keep && new != old) /* what was left behind is written again */
		fl_vma_at(&space.mm, VA(old))->anon = 1;
	if (n < old_len) {
		clear_ptes(old + n, old + old_len);
		unmap_pages(old + n, old + old_len);
	}
	clear_ptes(new == old ? new + n : new, new + new_len);
	if (new != old) {
		move_ptes(old, new, n);
		for (u32 p = 0; p < n; p++)
			space.pages[old + p].pte = 0;
		if (!keep)
			unmap_pages(old, old + n);
		for (u32 p = first; keep && p < last; p++)
			space.pages[p].flags &= ~(FL_VM_LOCKED | FL_VM_LOCKONFAULT);
	}
	for (u32 p = 0; p < new_len; p++) {
		space.pages[new + p] = copy[fl_min(p, n - 1)];
		space.pages[new + p].pgoff = copy[0].pgoff + p;
		if (p >= n)
			space.pages[new + p].pte = 0;
	}
}

/* Set, change or clear a few ptes in a row, now and then without memory. */
static void step_pte(void)
{
	u32 from, to;
	int r = 0;

	if (!rnd(8)) {
		u32 i = (u32)rnd(NR_FAR);

		space.far_pte[i] = rnd(2) ? random_pte() : 0;
		must(fl_pte_set(&space.mm, space.far_va[i], space.far_pte[i]) == 0);
		return;
	}
	random_range(&from, &to);
	to = fl_min(to, from + 16);
	for (u32 p = from; p < to; p++) {
		u64 pte = rnd(3) ? random_pte() : 0, before_bytes = space.mm.pgtables_bytes;

		if (!rnd(16))
			must(fl_pt_prealloc(&space.mm, VA(p)) == 0);
		else if (!rnd(16))
			space.mem.fail_after = (s64)rnd(3);
		r = fl_pte_set(&space.mm, VA(p) + rnd(FL_PAGE_SIZE), pte);
		space.mem.fail_after = -1;
		must(r == 0 || (r == -ENOMEM && pte && !space.pages[p].pte));
		if (!r)
			space.pages[p].pte = pte;
		else
			must(space.mm.pgtables_bytes == before_bytes);
	}
}

void model_space_step(void)
{
	static void (*const steps[])(void) = {step_map, step_map, step_unmap, step_change,
		step_change, step_owner, step_move, step_pte, step_pte, step_pte};

	steps[rnd(fl_array_size(steps))]();
	space.hiwater_rss = fl_max(space.hiwater_rss, space.mm.rss_anon);
	space.hiwater_vm = fl_max(space.hiwater_vm, space.mm.total_vm);
}

void model_space_deinit(void)
{
	u64 va;

	for (va = 0; fl_pt_next(&space.mm, &va, ~0UL); va += FL_PAGE_SIZE)
		must(fl_pte_set(&space.mm, va, 0) == 0);
	fl_pt_trim(&space.mm, 0, FL_PT_MAX_ADDR);
	must(space.mm.pgtables_bytes == 0 && space.mm.pgd == 0);
	fl_mm_deinit(&space.mm);
	must(space.mem.bytes == 0);
}
