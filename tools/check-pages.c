/*
 * The mirror's page table against the kernel's, in memory that Faultline
 * pages: a page is present in both or in neither, and write-protected in both
 * or in neither.
 */
#include "base/log.h"
#include "check.h"
#include "pte.h"

static void describe_mirror(char *buf, u64 pte)
{
	fl_format(buf, CHECK_WHAT, "page %s%s", pte_meaning(pte),
		pte & PTE_WP ? ", write-protected" : "");
}

static void describe_kernel(char *buf, u32 state)
{
	fl_format(buf, CHECK_WHAT, "page %s%s",
		state & KPAGE_PRESENT	? "present"
		: state & KPAGE_SWAPPED ? "in the kernel's swap"
					: "absent",
		state & KPAGE_WP ? ", write-protected" : "");
}

static bool has_bit(const u64 *map, u64 bits, u64 i)
{
	return i < bits && map[i / 64] >> i % 64 & 1;
}

/* What the pte names must be counted for the process, or it is given to another one. */
static void judge_holding(struct check *c, u64 va, u64 pte)
{
	u64 state = pte & PTE_STATE, at = pte >> 12 & UINT32_MAX;
	bool frame = pte_has_frame(pte);
	bool held = true;
	char mirror[CHECK_WHAT];

	if (frame && c->held_frames)
		held = has_bit(c->held_frames, c->nr_frames, at);
	else if (state == PTE_SWAP && c->held_slots)
		held = has_bit(c->held_slots, c->nr_slots, at);
	if (held)
		return;
	fl_format(mirror, sizeof(mirror), "page in %s %lu", frame ? "frame" : "slot", at);
	check_disagree(c, va, va + FL_PAGE_SIZE, mirror, "nothing: the tree has it as another's");
}

static void judge(struct check *c, u64 va, u64 pte, u32 state)
{
	bool in_mirror = (pte & PTE_STATE) == PTE_PRESENT, in_kernel = state & KPAGE_PRESENT;
	char mirror[CHECK_WHAT], kernel[CHECK_WHAT];

	c->nr_pages++;
	judge_holding(c, va, pte);
	/* the machine's own swap, if it has one, is below both of us */
	if (in_mirror && (state & KPAGE_SWAPPED))
		return;
	if (in_mirror == in_kernel && (!in_mirror || !!(pte & PTE_WP) == !!(state & KPAGE_WP)))
		return;
	describe_mirror(mirror, pte);
	describe_kernel(kernel, state);
	check_disagree(c, va, va + FL_PAGE_SIZE, mirror, kernel);
}

bool check_is_paged(const struct fl_snap_vma *v)
{
	return v->owner == 0 && !(v->flags & MAP_FLAG_SHARED);
}

struct cursor {
	const struct fl_snap_page *page, *pages_end;
	const struct kpage_run *run, *runs_end;
};

/* Every page of the VMA that either side knows. */
static void compare_vma(struct check *c, struct cursor *at, u64 start, u64 end)
{
	for (u64 va = start; va < end;) {
		u64 next_page = at->page < at->pages_end ? at->page->va : ~0ull, next_run;

		while (at->run < at->runs_end && at->run->end <= va)
			at->run++;
		next_run = at->run < at->runs_end ? fl_max(at->run->start, va) : ~0ull;
		if (next_page > va && next_run > va) { /* nothing here */
			va = fl_min(next_page, next_run);
			continue;
		}
		judge(c, va, next_page == va ? at->page->pte : 0,
			next_run == va ? at->run->state : 0);
		at->page += next_page == va;
		va += FL_PAGE_SIZE;
	}
}

/* Entries that belong to no VMA, up to an address. */
static void skip_strays(struct check *c, struct cursor *at, u64 end)
{
	char mirror[CHECK_WHAT];

	for (; at->page < at->pages_end && at->page->va < end; at->page++) {
		c->nr_pages++;
		describe_mirror(mirror, at->page->pte);
		check_disagree(c, at->page->va, at->page->va + FL_PAGE_SIZE, mirror,
			"no memory that is managed");
	}
}

void check_pages(struct check *c)
{
	const struct snapshot *s = &c->snap;
	struct cursor at = {s->pages, s->pages + s->head->nr_pages, c->pagemap.run,
		c->pagemap.run + c->pagemap.n};

	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];

		if (!check_is_paged(v))
			continue;
		skip_strays(c, &at, v->start);
		compare_vma(c, &at, v->start, v->end);
	}
	skip_strays(c, &at, ~0ull);
}
