/*
 * faultline maps: the memory areas of a process, who manages each and why, and how much of it is
 * where. Names come from /proc/PID/maps, the rest from the mirror.
 */
#include "base/log.h"
#include "client.h"
#include "json.h"
#include "on-process.h"
#include "place.h"
#include "procmaps.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define MAX_REASONS 16u

static const struct argp_option options[] = {PROCESS_OPTION_JSON, PROCESS_OPTION_WIDE, {0}};

static const struct argp argp = {
	options,
	process_parse,
	"PID",
	"Show the memory areas of a process as /proc/PID/maps does, with who manages each and how "
	"many KiB of it are resident, set aside in memory (soft) and in swap. The kernel knows "
	"that of its own areas; of these it is said why they are the kernel's.",
	NULL,
	NULL,
	NULL,
};

/* How much is left to the kernel, by reason. */
struct reasons {
	struct {
		const char *why;
		u64 pages;
	} at[MAX_REASONS];
	u32 n;
};

static void count_reason(struct reasons *r, const char *why, u64 pages)
{
	u32 i = 0;

	while (i < r->n && strcmp(r->at[i].why, why))
		i++;
	if (i == MAX_REASONS)
		return;
	if (i == r->n)
		r->at[r->n++].why = why;
	r->at[i].pages += pages;
}

static u64 kib(u64 pages)
{
	return pages * (FL_PAGE_SIZE / 1024);
}

/* Names of what the kernel has begin where its figures would be, which it alone knows. */
static void print_vma(
	const struct fl_snap_vma *v, const char *name, const char *why, size_t columns)
{
	char perms[5];
	size_t at;

	perms_text(v->flags, perms);
	at = (size_t)printf("%012lx-%012lx %s ", v->start, v->end, perms);
	if (why)
		at += (size_t)printf("%-9s %-*s", "kernel", *name ? 12 : 0, why);
	else
		at += (size_t)printf("%-9s %8lu %7lu %7lu", "faultline", kib(v->present),
			kib(v->soft), kib(v->swapped));
	if (!columns && (v->flags & MAP_FLAG_FILE))
		printf(" %08lx %02x:%02x %lu", v->pgoff << FL_PAGE_SHIFT, gnu_dev_major(v->dev),
			gnu_dev_minor(v->dev), v->ino);
	if (*name) {
		printf(" ");
		text_print_path(name, columns ? fl_max(columns, at + 5) - at - 1 : 0);
	}
	printf("\n");
}

static void print_table(
	const struct process_args *a, const struct snapshot *s, const struct proc_maps *maps)
{
	u64 present = 0, soft = 0, swapped = 0, faults = 0;
	size_t columns = output_columns(a->wide);
	struct reasons reasons = {0};

	printf("%-25s %s %-9s %8s %7s %7s NAME\n", "ADDRESS", "PERM", "OWNER", "RESIDENT", "SOFT",
		"SWAP");
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		const char *name = place_name(maps, v), *why = place_why(a->pid, v, name);

		print_vma(v, name, why, columns);
		if (why)
			count_reason(&reasons, why, (v->end - v->start) >> FL_PAGE_SHIFT);
		present += v->present;
		soft += v->soft;
		swapped += v->swapped;
		faults += v->faults;
	}
	printf("%-40s %8lu %7lu %7lu KiB\n", "total managed by Faultline", kib(present), kib(soft),
		kib(swapped));
	for (u32 i = 0; i < reasons.n; i++)
		printf("%-16s %-23s %8lu KiB mapped\n", "the kernel's:", reasons.at[i].why,
			kib(reasons.at[i].pages));
	if (faults)
		printf("%-40s %8lu\n", "faults on shared file mappings", faults);
	printf("%-40s %8u\n", "threads", s->head->mm_users);
}

static void print_json(
	const struct process_args *a, const struct snapshot *s, const struct proc_maps *maps)
{
	printf("{\"pid\": %d, \"comm\": ", a->pid);
	json_string(s->head->comm);
	printf(", \"threads\": %u, \"vmas\": [", s->head->mm_users);
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		const char *name = place_name(maps, v), *why = place_why(a->pid, v, name);
		char perms[5];

		perms_text(v->flags, perms);
		printf("%s\n  {\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", ",
			i ? "," : "", v->start, v->end, perms);
		printf("\"offset_bytes\": %lu, \"dev\": \"%02x:%02x\", \"inode\": %lu, ",
			v->flags & MAP_FLAG_FILE ? v->pgoff << FL_PAGE_SHIFT : 0,
			gnu_dev_major(v->dev), gnu_dev_minor(v->dev), v->ino);
		printf("\"owner\": \"%s\", \"why\": ", v->owner ? "kernel" : "faultline");
		if (why)
			json_string(why);
		else
			printf("null");
		printf(", \"resident_bytes\": %lu, \"soft_bytes\": %lu, \"swap_bytes\": %lu, "
		       "\"zero_bytes\": %lu, \"faults\": %lu, \"major_faults\": %lu, \"name\": ",
			v->present << FL_PAGE_SHIFT, v->soft << FL_PAGE_SHIFT,
			v->swapped << FL_PAGE_SHIFT, v->zero << FL_PAGE_SHIFT, v->faults,
			v->major_faults);
		json_string(name);
		printf("}");
	}
	printf("\n]}\n");
}

int cmd_maps(int argc, char **argv)
{
	struct process_args a = {.command = "maps"};
	struct proc_maps maps = {0};
	struct snapshot s;
	int status, err;

	if (!options_parse(&argp, argc, argv, &a, &status))
		return status;
	err = snapshot_take(a.pid, FL_CTL_VMAS, &s);
	if (err) {
		snapshot_complain(a.pid, err);
		return EXIT_DISAGREE;
	}
	/* names only: without them the rest is still right */
	proc_maps_read(a.pid, &maps);
	if (a.json)
		print_json(&a, &s, &maps);
	else
		print_table(&a, &s, &maps);
	proc_maps_free(&maps);
	snapshot_release(&s);
	return EXIT_SUCCESS;
}
