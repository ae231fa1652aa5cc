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
#include "shmem-page.h"
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

/* An area and its figures: those of the mirror, or of shared memory's books. */
struct area {
	const struct fl_snap_vma *vma;
	const char *name, *why; /* why it is the kernel's; NULL: it is managed */
	u64 present, soft, swapped; /* pages */
};

/* What maps looks at. */
struct looked_at {
	int pid;
	const struct snapshot *snap;
	const struct proc_maps *maps;
	const struct tree *tree; /* NULL: it cannot be read */
};

static struct area area_of(const struct looked_at *l, const struct fl_snap_vma *v)
{
	struct area a = {v, place_name(l->maps, v), NULL, v->present, v->soft, v->swapped};
	struct shmem_area shared;

	if (l->tree && v->owner && shmem_area_read(l->tree, v, &shared)) {
		a.present = shared.nr[SHMEM_IN_MEMORY];
		a.soft = shared.nr[SHMEM_SET_ASIDE];
		a.swapped = shared.nr[SHMEM_IN_SWAP];
		shmem_area_free(&shared);
	} else {
		a.why = place_why(l->pid, v, a.name);
	}
	return a;
}

/* Names of what the kernel has begin where its figures would be, which it alone knows. */
static void print_area(const struct area *a, size_t columns)
{
	const struct fl_snap_vma *v = a->vma;
	const char *name = a->name, *why = a->why;
	char perms[5];
	size_t at;

	perms_text(v->flags, perms);
	at = (size_t)printf("%012lx-%012lx %s ", v->start, v->end, perms);
	if (why)
		at += (size_t)printf("%-9s %-*s", "kernel", *name ? 12 : 0, why);
	else
		at += (size_t)printf("%-9s %8lu %7lu %7lu", "faultline", kib(a->present),
			kib(a->soft), kib(a->swapped));
	if (!columns && (v->flags & MAP_FLAG_FILE))
		printf(" %08lx %02x:%02x %lu", v->pgoff << FL_PAGE_SHIFT, gnu_dev_major(v->dev),
			gnu_dev_minor(v->dev), v->ino);
	if (*name) {
		printf(" ");
		text_print_path(name, columns ? fl_max(columns, at + 5) - at - 1 : 0);
	}
	printf("\n");
}

static void print_table(const struct process_args *args, const struct looked_at *l)
{
	const struct snapshot *s = l->snap;
	u64 present = 0, soft = 0, swapped = 0, faults = 0;
	size_t columns = output_columns(args->wide);
	struct reasons reasons = {0};

	printf("%-25s %s %-9s %8s %7s %7s NAME\n", "ADDRESS", "PERM", "OWNER", "RESIDENT", "SOFT",
		"SWAP");
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		struct area a = area_of(l, v);

		print_area(&a, columns);
		if (a.why)
			count_reason(&reasons, a.why, (v->end - v->start) >> FL_PAGE_SHIFT);
		present += a.present;
		soft += a.soft;
		swapped += a.swapped;
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

static void print_json(const struct looked_at *l)
{
	const struct snapshot *s = l->snap;

	printf("{\"pid\": %d, \"comm\": ", l->pid);
	json_string(s->head->comm);
	printf(", \"threads\": %u, \"vmas\": [", s->head->mm_users);
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		struct area a = area_of(l, v);
		char perms[5];

		perms_text(v->flags, perms);
		printf("%s\n  {\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", ",
			i ? "," : "", v->start, v->end, perms);
		printf("\"offset_bytes\": %lu, \"dev\": \"%02x:%02x\", \"inode\": %lu, ",
			v->flags & MAP_FLAG_FILE ? v->pgoff << FL_PAGE_SHIFT : 0,
			gnu_dev_major(v->dev), gnu_dev_minor(v->dev), v->ino);
		printf("\"owner\": \"%s\", \"why\": ", a.why ? "kernel" : "faultline");
		if (a.why)
			json_string(a.why);
		else
			printf("null");
		printf(", \"resident_bytes\": %lu, \"soft_bytes\": %lu, \"swap_bytes\": %lu, "
		       "\"zero_bytes\": %lu, \"faults\": %lu, \"major_faults\": %lu, \"name\": ",
			a.present << FL_PAGE_SHIFT, a.soft << FL_PAGE_SHIFT,
			a.swapped << FL_PAGE_SHIFT, v->zero << FL_PAGE_SHIFT, v->faults,
			v->major_faults);
		json_string(a.name);
		printf("}");
	}
	printf("\n]}\n");
}

int cmd_maps(int argc, char **argv)
{
	struct process_args a = {.command = "maps"};
	struct proc_maps maps = {0};
	struct looked_at l;
	struct snapshot s;
	struct tree tree;
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
	l = (struct looked_at){a.pid, &s, &maps, tree_open(a.pid, &tree) == 0 ? &tree : NULL};
	if (a.json)
		print_json(&l);
	else
		print_table(&a, &l);
	if (l.tree)
		tree_close(&tree);
	proc_maps_free(&maps);
	snapshot_release(&s);
	return EXIT_SUCCESS;
}
