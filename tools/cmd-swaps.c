/*
 * faultline swaps: the swap devices of each tree, as /proc/swaps.
 *
 * Nothing is asked of the processes. A swap file has no name any more; what it was called, or where it
 * lies, the link of a process's descriptor says.
 */
#include "command.h"
#include "json.h"
#include "machine/handoff.h"
#include "on-trees.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PRIORITY (-2) /* the kernel's for the first that names none */
#define ZRAM_PRIORITY 100  /* as it is mostly given */

static const char doc[] = "Show the swap devices of each tree of processes as /proc/swaps does; sizes "
			  "are KiB. The trees are "
			  "those of the processes named, or all that the user may see.";

/* The number that the tree's memory file has in the folder, or -1. */
static int memory_number(const struct tree *t, DIR *dir)
{
	struct dirent *e;
	struct stat st;

	while ((e = readdir(dir)))
		if (fstatat(dirfd(dir), e->d_name, &st, 0) == 0 && st.st_dev == t->dev &&
			st.st_ino == t->ino)
			return atoi(e->d_name);
	return -1;
}

static bool name_in(const struct tree *t, u32 tid, char *buf, size_t size)
{
	char path[64], number[16];
	ssize_t len = -1;
	DIR *dir;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd", tid);
	dir = opendir(path);
	if (!dir)
		return false;
	fd = memory_number(t, dir);
	if (fd >= 0) {
		snprintf(number, sizeof(number), "%d", fd + FL_FD_SWAP - FL_FD_MEM);
		len = readlinkat(dirfd(dir), number, buf, size - 1);
	}
	closedir(dir);
	buf[len > 0 ? len : 0] = 0;
	return len > 0;
}

/* In a thread of Faultline's: the program's own descriptors may be anything. */
static void swap_name(const struct tree *t, char *buf, size_t size)
{
	for (u32 i = 0; i < t->machine.nr_procs; i++)
		if (tree_is_live(&t->procs[i]) && name_in(t, t->procs[i].keeper_tid, buf, size))
			return;
	snprintf(buf, size, "%s",
		t->machine.config.swap_path[0] ? t->machine.config.swap_path : "/tmp");
}

/* Blanks as the kernel has them here, so that a line can be split into words. */
static int print_name(const char *name)
{
	int len = 0;

	for (; *name; name++)
		if (strchr(" \t\n\\", *name))
			len += printf("\\%03o", (unsigned char)*name);
		else
			len += printf("%c", *name);
	return len;
}

/* Slot 0 is never given out, as the page with the header of a kernel's swap file. */
static u64 size_kib(const struct fl_machine *m)
{
	u64 slots = m->slots.nr_slots;

	return (slots ? slots - 1 : 0) * (FL_PAGE_SIZE / 1024);
}

struct device {
	char name[4096];
	const char *type;
	u64 size, used, peak, max; /* bytes; of compressed memory before it is compressed */
	int priority;
};

static void zram_of(const struct tree *t, struct device *d)
{
	const struct fl_machine *m = &t->machine;

	snprintf(d->name, sizeof(d->name), "zram:%s", m->config.zram == FL_ZRAM_ZSTD ? "zstd" : "lz4");
	d->type = "zram";
	d->size = d->max = m->config.zram_max_bytes ? m->config.zram_max_bytes :
						      (u64)(m->max_slots - 1) * FL_PAGE_SIZE;
	d->used = m->zpool.sums.orig_data_size;
	d->peak = (u64)m->slots_peak * FL_PAGE_SIZE;
	d->priority = ZRAM_PRIORITY;
}

static void file_of(const struct tree *t, struct device *d)
{
	const struct fl_machine *m = &t->machine;

	swap_name(t, d->name, sizeof(d->name));
	d->type = "file";
	d->size = size_kib(m) * 1024;
	d->used = (u64)m->slots.nr_used * FL_PAGE_SIZE - m->zpool.sums.orig_data_size;
	d->peak = (u64)m->slots_peak * FL_PAGE_SIZE;
	d->max = (u64)(m->max_slots - 1) * FL_PAGE_SIZE;
	d->priority = FILE_PRIORITY;
}

static void print_row(const struct device *d)
{
	int len = print_name(d->name);

	/* a long name has its columns from the others' blanks */
	printf(len <= 32 ? "%*s %-9s %10lu %10lu %8d\n" : "%*s %s %lu %lu %d\n",
		len <= 32 ? 32 - len : 0, "", d->type, d->size / 1024, d->used / 1024, d->priority);
}

static void print_json(const struct device *d, int pid, bool first)
{
	printf("%s\n  {\"pid\": %d, \"filename\": ", first ? "" : ",", pid);
	json_string(d->name);
	printf(", \"type\": \"%s\", \"size_bytes\": %lu, \"used_bytes\": %lu, ", d->type, d->size,
		d->used);
	printf("\"peak_bytes\": %lu, \"max_bytes\": %lu, \"priority\": %d}", d->peak, d->max,
		d->priority);
}

static bool show(struct trees *ts, bool json)
{
	void (*const devices[])(const struct tree *, struct device *) = {zram_of, file_of};
	struct device d;
	bool first = true;

	if (json)
		printf("{\"trees\": [");
	else
		printf("%-32s %-9s %10s %10s %8s\n", "Filename", "Type", "Size", "Used", "Priority");
	for (size_t i = 0; i < ts->n; i++) {
		const struct fl_config *c = &ts->tree[i].machine.config;
		const bool has[] = {c->zram != FL_ZRAM_NONE, fl_has_swap_file(c)};

		for (size_t k = 0; k < fl_array_size(devices); k++) {
			if (!has[k])
				continue;
			devices[k](&ts->tree[i], &d);
			if (json)
				print_json(&d, tree_pid(&ts->tree[i]), first);
			else
				print_row(&d);
			first = false;
		}
	}
	if (json)
		printf("\n]}\n");
	return true;
}

int cmd_swaps(int argc, char **argv)
{
	return on_trees(argc, argv, doc, show);
}
