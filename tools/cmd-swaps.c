/*
 * faultline swaps: the swap file of each tree, as /proc/swaps.
 *
 * Nothing is asked of the processes. The file has no name any more; what it was called, or where it
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

#define SWAP_PRIORITY (-2) /* the kernel's for the first that names none */

static const char doc[] = "Show the swap file of each tree of processes as /proc/swaps does; sizes "
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

static bool show_text(const struct trees *ts)
{
	char name[4096];

	printf("%-32s %-9s %10s %10s %8s\n", "Filename", "Type", "Size", "Used", "Priority");
	for (size_t i = 0; i < ts->n; i++) {
		const struct fl_machine *m = &ts->tree[i].machine;
		int len;

		swap_name(&ts->tree[i], name, sizeof(name));
		len = print_name(name);
		/* a long name has its columns from the others' blanks */
		printf(len <= 32 ? "%*s %-9s %10lu %10lu %8d\n" : "%*s %s %lu %lu %d\n",
			len <= 32 ? 32 - len : 0, "", "file", size_kib(m),
			(u64)m->slots.nr_used * (FL_PAGE_SIZE / 1024), SWAP_PRIORITY);
	}
	return true;
}

static bool show(struct trees *ts, bool json)
{
	char name[4096];

	if (!json)
		return show_text(ts);
	printf("{\"trees\": [");
	for (size_t i = 0; i < ts->n; i++) {
		const struct fl_machine *m = &ts->tree[i].machine;

		swap_name(&ts->tree[i], name, sizeof(name));
		printf("%s\n  {\"pid\": %d, \"filename\": ", i ? "," : "", tree_pid(&ts->tree[i]));
		json_string(name);
		printf(", \"type\": \"file\", \"size_bytes\": %lu, \"used_bytes\": %lu, ",
			size_kib(m) * 1024, (u64)m->slots.nr_used * FL_PAGE_SIZE);
		printf("\"peak_bytes\": %lu, \"max_bytes\": %lu, \"priority\": %d}",
			(u64)m->slots_peak * FL_PAGE_SIZE, (u64)(m->max_slots - 1) * FL_PAGE_SIZE,
			SWAP_PRIORITY);
	}
	printf("\n]}\n");
	return true;
}

int cmd_swaps(int argc, char **argv)
{
	return on_trees(argc, argv, doc, show);
}
