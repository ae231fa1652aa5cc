/*
 * faultline check: does the mirror say what the kernel says?
 *
 * The process is kept still while /proc is read, and no longer: comparing and
 * printing come after, or a process that reads our output could wait for us.
 *
 * With --tree the same of each process of the tree, and of what they share. One that ends
 * meanwhile is none of the tree's any more.
 */
#include "base/log.h"
#include "check.h"
#include "command.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
	int *pid;
	size_t n;
	bool tree;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 't':
		o->tree = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_pid(arg, &o->pid[o->n++]);
	case ARGP_KEY_NO_ARGS:
		return bad_option("check: no process given: name one or more by number");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"tree", 't', NULL, 0, "Check the whole tree: all its processes, frames and slots", 0},
	{0},
};

static const struct argp argp = {
	options,
	parse,
	"PID...",
	"Compare Faultline's picture of the processes' memory with the kernel's: every memory "
	"area with /proc/PID/maps, every managed page with /proc/PID/pagemap. Each disagreement is "
	"a line; the exit status is 1 if there is any.",
	NULL,
	NULL,
	NULL,
};

static void print_pending(struct check *c)
{
	if (c->start == c->end)
		return;
	c->disagreements++;
	if (c->disagreements <= CHECK_LINES)
		printf("faultline check: %d: %lx-%lx: Faultline: %s; kernel: %s\n", c->pid,
			c->start, c->end, c->mirror, c->kernel);
	c->start = c->end = 0;
}

void check_disagree(struct check *c, u64 start, u64 end, const char *mirror, const char *kernel)
{
	if (c->start < c->end && c->end == start && !strcmp(c->mirror, mirror) &&
		!strcmp(c->kernel, kernel)) {
		c->end = end;
		return;
	}
	print_pending(c);
	c->start = start;
	c->end = end;
	fl_format(c->mirror, sizeof(c->mirror), "%s", mirror);
	fl_format(c->kernel, sizeof(c->kernel), "%s", kernel);
}

static int read_pagemap(struct check *c)
{
	const struct snapshot *s = &c->snap;
	const struct fl_snap_page *page = s->pages, *end = page + s->head->nr_pages;
	int err = 0;

	for (u32 i = 0; i < s->head->nr_vmas && !err; i++) {
		const struct fl_snap_vma *v = &s->vmas[i];
		const struct fl_snap_page *first;

		if (!check_is_paged(v))
			continue;
		while (page < end && page->va < v->start)
			page++;
		for (first = page; page < end && page->va < v->end;)
			page++;
		err = pagemap_read(&c->pagemap, v->start, v->end, first, (size_t)(page - first));
	}
	return err;
}

/* What the tree says that the process holds. A tree that may not be read is not compared. */
static void read_holding(struct check *c, struct tree *t)
{
	const struct fl_machine *m = &t->machine;
	const struct fl_proc *p = tree_find(t, c->pid);
	u64 at = p ? m->held_at + m->held_stride * (u64)(p - t->procs) : 0;

	if (!p)
		return;
	c->record = *p;
	c->nr_frames = m->zone.fresh;
	c->nr_slots = m->slots.nr_slots;
	c->held_frames = tree_held_frames(t, (u32)(p - t->procs));
	c->held_slots = tree_read(t, at + m->held_slots_at, (c->nr_slots + 63) / 64 * sizeof(u64));
}

/* Whether the process was killed: /proc has told of no memory then, or of nothing at all.
 * Asked after everything else was read. */
static bool has_ended(const struct check *c, int task)
{
	char path[64], byte;
	bool gone = true;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", task);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		gone = read(fd, &byte, 1) != 1;
		close(fd);
	}
	return gone || (c->record.pid && fl_proc_is_gone(&c->record));
}

/* Everything that the process must hold still for. */
static bool gather(struct check *c)
{
	struct tree t;
	int task;
	int err = snapshot_take(c->pid, FL_CTL_VMAS | FL_CTL_PAGES | FL_CTL_FREEZE, &c->snap);
	const char *file = "maps";

	if (err) {
		c->ended = err == -ESRCH || err == -ECONNREFUSED || err == -ECONNRESET;
		if (!c->ended || !c->may_end)
			snapshot_complain(c->pid, err);
		return false;
	}
	if (tree_open(c->pid, &t) == 0) {
		read_holding(c, &t);
		tree_close(&t);
	}
	/* the main thread may have ended before the others, and /proc/PID tells nothing then;
	 * the keeper is there while the memory is */
	task = c->record.pid ? (int)c->record.keeper_tid : c->pid;
	err = proc_maps_read(task, &c->maps);
	if (!err) {
		file = "pagemap";
		err = pagemap_open(&c->pagemap, task);
	}
	if (!err)
		err = read_pagemap(c);
	c->ended = err != -EACCES && err != -EPERM && has_ended(c, task);
	snapshot_thaw(&c->snap);
	if (c->ended && !c->may_end)
		snapshot_complain(c->pid, -ESRCH);
	if (c->ended)
		return false;
	if (err)
		fl_warn("/proc/%d/%s: %s: ask as root or as the user that it runs as", c->pid, file,
			strerror(-err));
	return !err;
}

static bool check_one(int pid, bool may_end)
{
	struct check c = {
		.pid = pid, .may_end = may_end, .snap.connection = -1, .pagemap.fd = -1};
	bool ok = gather(&c);

	if (ok) {
		check_vmas(&c);
		print_pending(&c);
		check_pages(&c);
		print_pending(&c);
		if (c.disagreements)
			printf("faultline check: %d: %lu VMAs, %lu pages: %lu disagreements%s\n",
				pid, c.nr_vmas, c.nr_pages, c.disagreements,
				c.disagreements > CHECK_LINES ? ", the first 50 shown" : "");
		else
			printf("faultline check: %d: %lu VMAs, %lu pages: agree\n", pid, c.nr_vmas,
				c.nr_pages);
		ok = !c.disagreements;
	} else if (c.ended && may_end) {
		ok = true;
	}
	free(c.held_frames);
	free(c.held_slots);
	pagemap_close(&c.pagemap);
	proc_maps_free(&c.maps);
	snapshot_release(&c.snap);
	return ok;
}

static bool check_all_of(int pid)
{
	int *pids, err;
	bool ok = true;
	size_t n;

	err = check_tree(pid, &pids, &n, &ok);
	if (err) {
		snapshot_complain(pid, err);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		ok &= check_one(pids[i], true);
	free(pids);
	return ok;
}

int cmd_check(int argc, char **argv)
{
	struct options o = {.pid = calloc((size_t)argc, sizeof(int))};
	bool ok = true;
	int status;

	if (!o.pid)
		abort();
	if (options_parse(&argp, argc, argv, &o, &status)) {
		for (size_t i = 0; i < o.n; i++)
			ok &= o.tree ? check_all_of(o.pid[i]) : check_one(o.pid[i], false);
		status = ok ? EXIT_SUCCESS : EXIT_DISAGREE;
	}
	free(o.pid);
	return status;
}
