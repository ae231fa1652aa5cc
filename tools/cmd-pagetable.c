/*
 * faultline pagetable: the walk from pgd to pte for one address, or how many tables there are.
 *
 * What is walked is Faultline's own table, which has the form of the processor's: four levels of
 * 512 entries. The processor's, which only the kernel sees, holds less: a page that is set aside or
 * in swap is nothing there.
 */
#include "base/log.h"
#include "client.h"
#include "json.h"
#include "kpage.h"
#include "on-process.h"
#include "place.h"
#include "proc.h"
#include "pte.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 512u

static const char *const level_names[FL_SNAP_LEVELS] = {"pgd", "pud", "pmd", "pte"};

static const struct argp_option options[] = {PROCESS_OPTION_JSON, {0}};

static const struct argp argp = {
	options,
	process_parse,
	"PID [ADDRESS]",
	"Show the page table of a process: with ADDRESS (hexadecimal) the walk from the pgd to the "
	"pte "
	"of that page, without it how many tables and entries each level has.",
	NULL,
	NULL,
	NULL,
};

/* log2 of the bytes that an entry of the level covers. */
static u32 shift_of(u32 level)
{
	return FL_PAGE_SHIFT + 9 * (FL_SNAP_LEVELS - 1 - level);
}

static const char *size_text(u64 bytes, char buf[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	u32 unit = 0;

	for (; bytes >= 1024 && unit + 1 < fl_array_size(units); unit++)
		bytes /= 1024;
	snprintf(buf, 16, "%lu %s", bytes, units[unit]);
	return buf;
}

/* Entries in use at each level: of a table they are the tables below it, of the last pages. */
static u64 entries_of(const struct fl_snapshot *h, u32 level)
{
	if (level + 1 < FL_SNAP_LEVELS)
		return h->nr_tables[level + 1];
	return h->rss_anon + h->soft_pages + h->swapin_pages + h->swap_ents + h->zero_pages;
}

static void print_counts(int pid, const struct snapshot *s)
{
	const struct fl_snapshot *h = s->head;
	u64 vm_pte = 0;
	char size[16];

	printf("%-5s %8s %12s %12s %12s  EACH MAPS\n", "LEVEL", "TABLES", "BYTES", "ENTRIES", "OF");
	for (u32 i = 0; i < FL_SNAP_LEVELS; i++) {
		printf("%-5s %8lu %12lu %12lu %12lu  %s\n", level_names[i], h->nr_tables[i],
			h->nr_tables[i] * FL_PAGE_SIZE, entries_of(h, i), h->nr_tables[i] * ENTRIES,
			size_text(1ul << shift_of(i), size));
		if (i == 0)
			printf("%-5s %8s: four levels, of 9 bits each\n", "p4d", "folded");
	}
	printf("%-5s %8s %12lu\n", "total", "", h->pgtables_bytes);
	printf("pages: %lu present, %lu set aside, %lu being read, %lu in swap, %lu zero\n",
		h->rss_anon, h->soft_pages, h->swapin_pages, h->swap_ents, h->zero_pages);
	if (proc_status_kib(pid, "VmPTE", &vm_pte))
		printf("the kernel's own for the whole process (VmPTE): %lu bytes\n",
			vm_pte * 1024);
}

static void print_counts_json(int pid, const struct snapshot *s)
{
	const struct fl_snapshot *h = s->head;
	u64 vm_pte;

	printf("{\"pid\": %d, \"comm\": ", pid);
	json_string(h->comm);
	printf(", \"pgtables_bytes\": %lu, \"levels\": [", h->pgtables_bytes);
	for (u32 i = 0; i < FL_SNAP_LEVELS; i++)
		printf("%s{\"level\": \"%s\", \"tables\": %lu, \"entries\": %lu, "
		       "\"entry_bytes\": %lu}",
			i ? ", " : "", level_names[i], h->nr_tables[i], entries_of(h, i),
			1ul << shift_of(i));
	printf("], \"present\": %lu, \"soft\": %lu, \"swapin\": %lu, \"swap\": %lu, \"zero\": %lu, "
	       "\"kernel_pte_bytes\": ",
		h->rss_anon, h->soft_pages, h->swapin_pages, h->swap_ents, h->zero_pages);
	if (proc_status_kib(pid, "VmPTE", &vm_pte))
		printf("%lu}\n", vm_pte * 1024);
	else
		printf("null}\n");
}

/* Of the processor's tables it is known where a walk goes, but not what is there. */
static void print_indices(const struct fl_snap_walk *w)
{
	printf("index:");
	for (u32 i = 0; i < FL_SNAP_LEVELS; i++)
		printf(" %s %u%s", level_names[i], w->level[i].index,
			i == 0 ? ", p4d folded," : ",");
	printf(" byte %#lx of the page\n", w->va & ~FL_PAGE_MASK);
}

static void print_pte(u64 pte)
{
	printf("pte: %s", pte_meaning(pte));
	if (pte_has_frame(pte))
		printf(", frame %u", pte_payload(pte));
	else if ((pte & PTE_STATE) == PTE_SWAP)
		printf(", slot %u", pte_payload(pte));
	printf(", flags ");
	bits_print(pte & PTE_FLAGS, pte_flag_names);
	printf("\n");
}

/* What the first empty entry says of the addresses around. */
static void print_hole(const struct fl_snap_walk *w, u32 level)
{
	u64 bytes = 1ul << shift_of(level), start = w->va & ~(bytes - 1);
	char size[16];

	printf("hole: the %s's entry is empty: nothing of the %s at 0x%lx is there\n",
		level_names[level], size_text(bytes, size), start);
}

static void print_walk(const struct fl_snap_walk *w)
{
	u64 entry = 1;

	printf("%-5s %5s %11s  %-18s %s\n", "LEVEL", "INDEX", "USED OF 512", "TABLE", "ENTRY");
	for (u32 i = 0; i < FL_SNAP_LEVELS && entry; i++) {
		const struct fl_snap_level *l = &w->level[i];

		if (!l->table) {
			printf("hole: there is no %s\n", level_names[i]);
			return;
		}
		entry = l->entry;
		printf("%-5s %5u %11u  %#-18lx 0x%016lx\n", level_names[i], l->index, l->used,
			l->table, l->entry);
		if (i == 0)
			printf("%-5s %5s: four levels, the pgd's entry leads to the pud\n", "p4d",
				"folded");
		if (!entry)
			print_hole(w, i);
	}
	if (entry)
		print_pte(w->pte);
}

static void print_text(
	const struct process_args *a, const struct snapshot *s, const struct place *p)
{
	const struct fl_snap_walk *w = &s->head->walk;
	struct kpage k;

	printf("0x%lx of %d (%s):\n  ", a->va, a->pid, s->head->comm);
	place_print(p);
	printf("\n");
	print_indices(w);
	if (p->vma && !p->why) {
		print_walk(w);
	} else if (p->vma) {
		printf("The kernel keeps the table for it. Of the page it says:\n");
		kpage_read(a->pid, a->va, &k);
		kpage_print(&k);
	}
}

static void print_walk_json(const struct fl_snap_walk *w)
{
	for (u32 i = 0; i < FL_SNAP_LEVELS; i++) {
		const struct fl_snap_level *l = &w->level[i];

		printf("%s\n  {\"level\": \"%s\", \"index\": %u, ", i ? "," : "", level_names[i],
			l->index);
		if (l->table)
			printf("\"table\": \"0x%lx\", \"used\": %u, \"entry\": \"0x%lx\"}",
				l->table, l->used, l->entry);
		else
			printf("\"table\": null, \"used\": null, \"entry\": null}");
	}
}

static void print_json(
	const struct process_args *a, const struct snapshot *s, const struct place *p)
{
	const struct fl_snap_walk *w = &s->head->walk;
	struct kpage k = {0};

	printf("{\"pid\": %d, \"comm\": ", a->pid);
	json_string(s->head->comm);
	printf(", \"address\": \"0x%lx\", \"vma\": ", a->va);
	place_print_json(p);
	printf(", \"walk\": [");
	print_walk_json(w);
	printf("\n], \"pte\": {\"state\": \"%s\", \"flags\": ", pte_state_name(w->pte));
	bits_print_json(w->pte & PTE_FLAGS, pte_flag_names);
	if (pte_has_frame(w->pte))
		printf(", \"frame\": %u", pte_payload(w->pte));
	else if ((w->pte & PTE_STATE) == PTE_SWAP)
		printf(", \"slot\": %u", pte_payload(w->pte));
	printf("}, \"kernel\": ");
	if (p->vma)
		kpage_read(a->pid, a->va, &k);
	kpage_print_json(&k);
	printf("}\n");
}

int cmd_pagetable(int argc, char **argv)
{
	struct process_args a = {.command = "pagetable", .address = MAY_HAVE_ADDRESS};
	struct proc_maps maps = {0};
	struct snapshot s;
	struct place place;
	int status, err;

	if (!options_parse(&argp, argc, argv, &a, &status))
		return status;
	err = a.has_va ? snapshot_take_page(a.pid, FL_CTL_VMAS, a.va, FL_SNAP_NO_FRAME, &s)
		       : snapshot_take(a.pid, 0, &s);
	if (err) {
		snapshot_complain(a.pid, err);
		return EXIT_DISAGREE;
	}
	if (!a.has_va) {
		(a.json ? print_counts_json : print_counts)(a.pid, &s);
	} else {
		proc_maps_read(a.pid, &maps);
		place_find(a.pid, &s, &maps, a.va, &place);
		(a.json ? print_json : print_text)(&a, &s, &place);
		proc_maps_free(&maps);
	}
	snapshot_release(&s);
	return EXIT_SUCCESS;
}
