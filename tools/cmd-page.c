/*
 * faultline page: one page of a process: its struct page, where its content is, and who shares it.
 *
 * The process is kept still meanwhile, so that the frame stays the page's while the tree's books
 * are read and the others that hold it are asked.
 */
#include "base/log.h"
#include "client.h"
#include "holders.h"
#include "json.h"
#include "kpage.h"
#include "on-process.h"
#include "place.h"
#include "pte.h"
#include "shmem-page.h"
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

static const struct argp_option options[] = {PROCESS_OPTION_JSON, {0}};

static const struct argp argp = {
	options,
	process_parse,
	"PID ADDRESS",
	"Show one page of a process: the flags of its frame, how many processes hold and map it, "
	"its "
	"list, its place in swap, and who shares it. ADDRESS is hexadecimal. Of memory that the "
	"kernel manages it shows what the kernel tells.",
	NULL,
	NULL,
	NULL,
};

struct page {
	const struct process_args *args;
	const struct fl_snap_walk *walk;
	const char *comm;
	struct place place;
	struct kpage kernel;
	struct shmem_page shmem;
	struct holders frame, slot; /* who has the page's frame, and its slot */
	u64 slot_number, slot_count;
	u64 mapcount;
	bool mapcount_known; /* every holder has answered */
};

static u32 slot_of(const struct fl_snap_walk *w)
{
	return (w->pte & PTE_STATE) == PTE_SWAP ? pte_payload(w->pte) : w->slot;
}

static void count_mappings(struct page *p)
{
	p->mapcount_known = true;
	for (size_t i = 0; i < p->frame.n; i++) {
		const struct holder *h = &p->frame.holder[i];

		p->mapcount += h->found && (h->pte & PTE_STATE) == PTE_PRESENT;
		p->mapcount_known &= !h->silent;
	}
}

/* The page itself was in the answer that keeps the process still: it cannot give another. */
static void fill_self(struct page *p)
{
	for (size_t i = 0; i < p->frame.n; i++) {
		struct holder *h = &p->frame.holder[i];

		if (h->pid != p->args->pid)
			continue;
		h->silent = NULL;
		h->found = true;
		h->va = p->walk->va & FL_PAGE_MASK;
		h->pte = p->walk->pte;
	}
}

static void look_at_tree(struct page *p, const struct tree *t)
{
	const struct fl_snap_walk *w = p->walk;
	u16 *count;

	if (w->frame != FL_SNAP_NO_FRAME) {
		holders_of_frame(t, w->frame, &p->frame);
		holders_ask(&p->frame, w->frame, p->args->pid);
		fill_self(p);
		count_mappings(p);
	}
	p->slot_number = slot_of(w);
	if (!p->slot_number)
		return;
	holders_of_slot(t, (u32)p->slot_number, &p->slot);
	count = tree_read(
		t, t->machine.slot_count_at + p->slot_number * sizeof(*count), sizeof(*count));
	p->slot_count = count ? *count : 0;
	free(count);
}

static void print_lru(const struct fl_snap_walk *w)
{
	const u32 on = page_lru(w->page_flags);

	printf("  lru        %s", on ? on == 1 ? "active" : "inactive" : "on no list");
	if (on && w->lru_prev == FL_SNAP_NO_FRAME)
		printf(", its head");
	else if (on)
		printf(", behind frame %u", w->lru_prev);
	if (on && w->lru_next == FL_SNAP_NO_FRAME)
		printf(", its tail");
	else if (on)
		printf(", before frame %u", w->lru_next);
	printf("\n");
}

static void print_frame(const struct page *p)
{
	const struct fl_snap_walk *w = p->walk;

	printf("struct page, frame %u:\n  flags      ", w->frame);
	bits_print(w->page_flags, page_flag_names);
	printf("\n  _refcount  %u: processes that hold the frame\n", w->refs);
	if (p->mapcount_known)
		printf("  _mapcount  %lu: of these have it mapped\n", p->mapcount);
	else
		printf("  _mapcount  %lu at least: not every holder answers\n", p->mapcount);
	printf("  mapping    anonymous\n  index      %#lx: the page's number, address / 4096\n",
		w->page_va >> FL_PAGE_SHIFT);
	print_lru(w);
	if (p->slot_number)
		printf("  private    swap slot %lu has the same content, or had it\n",
			p->slot_number);
	else
		printf("  private    no slot: there is no copy in swap\n");
	if ((w->pte & PTE_STATE) == PTE_PRESENT)
		printf("  storage    in the program, at its address\n");
	else
		printf("  storage    at home, %#lx in Faultline's pool\n", w->home);
	printf("held by:\n");
	for (size_t i = 0; i < p->frame.n; i++) {
		const struct holder *h = &p->frame.holder[i];

		printf("  %d (%s) ", h->pid, h->comm);
		if (h->silent) {
			printf("%s\n", h->silent);
		} else if (!h->found) {
			printf("not in use there\n");
		} else {
			printf("at %#lx: %s, ", h->va, pte_meaning(h->pte));
			bits_print(h->pte & PTE_FLAGS, pte_flag_names);
			printf("\n");
		}
	}
}

static void print_slot(const struct page *p)
{
	printf("swap slot %lu, byte %lu of the swap file, used %lu time%s\nheld by:\n",
		p->slot_number, p->slot_number * FL_PAGE_SIZE, p->slot_count,
		p->slot_count == 1 ? "" : "s");
	for (size_t i = 0; i < p->slot.n; i++)
		printf("  %d (%s)\n", p->slot.holder[i].pid, p->slot.holder[i].comm);
}

static void print_text(const struct page *p)
{
	const struct fl_snap_walk *w = p->walk;

	printf("page 0x%lx of %d (%s):\n  ", w->va & FL_PAGE_MASK, p->args->pid, p->comm);
	place_print(&p->place);
	printf("\n");
	if (!p->place.vma)
		return;
	if (p->shmem.known)
		shmem_page_print(&p->shmem);
	if (p->place.why) {
		printf("The kernel says of it:\n");
		kpage_print(&p->kernel);
		return;
	}
	printf("pte: %s, flags ", pte_meaning(w->pte));
	bits_print(w->pte & PTE_FLAGS, pte_flag_names);
	printf("\n");
	if (w->frame != FL_SNAP_NO_FRAME)
		print_frame(p);
	else if (p->slot_number)
		print_slot(p);
	else
		printf("It has no frame%s\n", (w->pte & PTE_STATE) == PTE_ZERO
						      ? ": the next touch finds zeros"
						      : ": the first touch will give it one");
}

static void print_holders_json(const struct holders *hs, bool frame)
{
	printf("[");
	for (size_t i = 0; i < hs->n; i++) {
		const struct holder *h = &hs->holder[i];

		printf("%s{\"pid\": %d, \"comm\": ", i ? ", " : "", h->pid);
		json_string(h->comm);
		if (frame) {
			printf(", \"silent\": ");
			if (h->silent)
				json_string(h->silent);
			else
				printf("null");
			if (h->found) {
				printf(", \"address\": \"0x%lx\", \"state\": \"%s\", \"flags\": ",
					h->va, pte_state_name(h->pte));
				bits_print_json(h->pte & PTE_FLAGS, pte_flag_names);
			}
		}
		printf("}");
	}
	printf("]");
}

static void print_frame_json(const struct page *p)
{
	const struct fl_snap_walk *w = p->walk;
	const u32 on = page_lru(w->page_flags);

	printf("{\"frame\": %u, \"flags\": ", w->frame);
	bits_print_json(w->page_flags, page_flag_names);
	printf(", \"refcount\": %u, \"mapcount\": %lu, \"mapcount_known\": %s, \"index\": %lu, "
	       "\"lru\": %s, ",
		w->refs, p->mapcount, p->mapcount_known ? "true" : "false",
		w->page_va >> FL_PAGE_SHIFT, on ? on == 1 ? "\"active\"" : "\"inactive\"" : "null");
	printf("\"holders\": ");
	print_holders_json(&p->frame, true);
	printf("}");
}

static void print_json(const struct page *p)
{
	const struct fl_snap_walk *w = p->walk;

	printf("{\"pid\": %d, \"comm\": ", p->args->pid);
	json_string(p->comm);
	printf(", \"address\": \"0x%lx\", \"vma\": ", w->va & FL_PAGE_MASK);
	place_print_json(&p->place);
	printf(", \"state\": \"%s\", \"flags\": ", pte_state_name(w->pte));
	bits_print_json(w->pte & PTE_FLAGS, pte_flag_names);
	printf(", \"page\": ");
	if (w->frame != FL_SNAP_NO_FRAME)
		print_frame_json(p);
	else
		printf("null");
	printf(", \"slot\": ");
	if (p->slot_number) {
		printf("{\"slot\": %lu, \"count\": %lu, \"holders\": ", p->slot_number,
			p->slot_count);
		print_holders_json(&p->slot, false);
		printf("}");
	} else {
		printf("null");
	}
	printf(", \"shmem\": ");
	shmem_page_print_json(&p->shmem);
	printf(", \"kernel\": ");
	kpage_print_json(&p->kernel);
	printf("}\n");
}

/* The process is still while this is done. 0 or -errno. */
static int gather(
	const struct process_args *a, struct snapshot *s, struct proc_maps *maps, struct page *ret)
{
	struct tree t;
	int err =
		snapshot_take_page(a->pid, FL_CTL_VMAS | FL_CTL_FREEZE, a->va, FL_SNAP_NO_FRAME, s);

	if (err)
		return err;
	*ret = (struct page){.args = a, .walk = &s->head->walk, .comm = s->head->comm};
	proc_maps_read(a->pid, maps);
	place_find(a->pid, s, maps, a->va, &ret->place);
	err = tree_open(a->pid, &t);
	if (!err) {
		look_at_tree(ret, &t);
		if (ret->place.vma)
			shmem_page_read(&t, ret->place.vma, a->va, &ret->shmem);
		tree_close(&t);
	}
	if (ret->place.vma)
		kpage_read(a->pid, a->va, &ret->kernel);
	snapshot_thaw(s);
	return err;
}

int cmd_page(int argc, char **argv)
{
	struct process_args a = {.command = "page", .address = NEEDS_ADDRESS};
	struct snapshot s = {.connection = -1};
	struct proc_maps maps = {0};
	struct page p = {0};
	int status, err;

	if (!options_parse(&argp, argc, argv, &a, &status))
		return status;
	err = gather(&a, &s, &maps, &p);
	if (err)
		snapshot_complain(a.pid, err);
	else
		(a.json ? print_json : print_text)(&p);
	holders_free(&p.frame);
	holders_free(&p.slot);
	shmem_page_free(&p.shmem);
	proc_maps_free(&maps);
	snapshot_release(&s);
	return err ? EXIT_DISAGREE : EXIT_SUCCESS;
}
