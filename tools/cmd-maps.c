/*
 * faultline maps: the memory areas of a process, who manages each, and how
 * much of it is where. Names come from /proc/PID/maps, the rest from the mirror.
 */
#include "base/log.h"
#include "client.h"
#include "command.h"
#include "json.h"
#include "procmaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

struct options {
	int pid;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->pid)
			return bad_option("maps: %s: one process at a time: leave it out", arg);
		return parse_pid(arg, &o->pid);
	case ARGP_KEY_NO_ARGS:
		return bad_option("maps: no process given: name one by its number");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print JSON", 0},
	{0},
};

static const struct argp argp = {
	options,
	parse,
	"PID",
	"Show the memory areas of a process as /proc/PID/maps does, with who manages each and how "
	"many KiB of it are resident, set aside in memory (soft) and in swap. The kernel knows "
	"that of its own areas.",
	NULL,
	NULL,
	NULL,
};

static u64 kib(u64 pages)
{
	return pages * (FL_PAGE_SIZE / 1024);
}

static const char *name_of(const struct proc_maps *maps, const struct fl_snap_vma *v)
{
	const struct proc_map *m = proc_maps_find(maps, v->start);

	if (m && m->start <= v->start && *m->name)
		return m->name;
	/* the page below, where nothing may be, was mapped with it */
	return v->flags & MAP_FLAG_STACK ? "[thread stack]" : "";
}

static void print_vma(const struct fl_snap_vma *v, const char *name)
{
	char perms[5];

	perms_text(v->flags, perms);
	printf("%012lx-%012lx %s ", v->start, v->end, perms);
	if (v->owner)
		printf("%-9s %9s %9s %9s", "kernel", "-", "-", "-");
	else
		printf("%-9s %9lu %9lu %9lu", "faultline", kib(v->present), kib(v->soft),
			kib(v->swapped));
	if (v->flags & MAP_FLAG_FILE)
		printf(" %08lx %02x:%02x %lu", v->pgoff << FL_PAGE_SHIFT, gnu_dev_major(v->dev),
			gnu_dev_minor(v->dev), v->ino);
	printf("%s%s\n", *name ? " " : "", name);
}

static void print_table(const struct snapshot *s, const struct proc_maps *maps)
{
	u64 present = 0, soft = 0, swapped = 0;

	printf("%-25s %s %-9s %9s %9s %9s NAME\n", "ADDRESS", "PERM", "OWNER", "RESIDENT", "SOFT",
		"SWAP");
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];

		print_vma(v, name_of(maps, v));
		present += v->present;
		soft += v->soft;
		swapped += v->swapped;
	}
	printf("%-40s %9lu %9lu %9lu KiB\n", "total managed by Faultline", kib(present), kib(soft),
		kib(swapped));
	printf("%-40s %9u\n", "threads", s->head->mm_users);
}

static void print_json(int pid, const struct snapshot *s, const struct proc_maps *maps)
{
	printf("{\"pid\": %d, \"comm\": ", pid);
	json_string(s->head->comm);
	printf(", \"threads\": %u, \"vmas\": [", s->head->mm_users);
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		char perms[5];

		perms_text(v->flags, perms);
		printf("%s\n  {\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", ",
			i ? "," : "", v->start, v->end, perms);
		printf("\"offset_bytes\": %lu, \"dev\": \"%02x:%02x\", \"inode\": %lu, ",
			v->flags & MAP_FLAG_FILE ? v->pgoff << FL_PAGE_SHIFT : 0,
			gnu_dev_major(v->dev), gnu_dev_minor(v->dev), v->ino);
		printf("\"owner\": \"%s\", \"resident_bytes\": %lu, \"soft_bytes\": %lu, "
		       "\"swap_bytes\": %lu, \"zero_bytes\": %lu, \"name\": ",
			v->owner ? "kernel" : "faultline", v->present << FL_PAGE_SHIFT,
			v->soft << FL_PAGE_SHIFT, v->swapped << FL_PAGE_SHIFT,
			v->zero << FL_PAGE_SHIFT);
		json_string(name_of(maps, v));
		printf("}");
	}
	printf("\n]}\n");
}

int cmd_maps(int argc, char **argv)
{
	struct options o = {0};
	struct proc_maps maps = {0};
	struct snapshot s;
	int status, err;

	if (!options_parse(&argp, argc, argv, &o, &status))
		return status;
	err = snapshot_take(o.pid, FL_CTL_VMAS, &s);
	if (err) {
		snapshot_complain(o.pid, err);
		return EXIT_DISAGREE;
	}
	/* names only: without them the rest is still right */
	proc_maps_read(o.pid, &maps);
	if (o.json)
		print_json(o.pid, &s, &maps);
	else
		print_table(&s, &maps);
	proc_maps_free(&maps);
	snapshot_release(&s);
	return EXIT_SUCCESS;
}
