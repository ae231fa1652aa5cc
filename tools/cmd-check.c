/*
 * faultline check: does the mirror say what the kernel says?
 *
 * The process is kept still while /proc is read, and no longer: comparing and
 * printing come after, or a process that reads our output could wait for us.
 */
#include "base/log.h"
#include "check.h"
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	int *pid;
	size_t n;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		return parse_pid(arg, &o->pid[o->n++]);
	case ARGP_KEY_NO_ARGS:
		return bad_option("check: no process given: name one or more by number");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	NULL,
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

/* Everything that the process must hold still for. */
static bool gather(struct check *c)
{
	int err = snapshot_take(c->pid, FL_CTL_VMAS | FL_CTL_PAGES | FL_CTL_FREEZE, &c->snap);
	const char *file = "maps";

	if (err) {
		snapshot_complain(c->pid, err);
		return false;
	}
	err = proc_maps_read(c->pid, &c->maps);
	if (!err) {
		file = "pagemap";
		err = pagemap_open(&c->pagemap, c->pid);
	}
	if (!err)
		err = read_pagemap(c);
	snapshot_thaw(&c->snap);
	if (err)
		fl_warn("/proc/%d/%s: %s: ask as root or as the user that it runs as", c->pid, file,
			strerror(-err));
	return !err;
}

static bool check_one(int pid)
{
	struct check c = {.pid = pid, .snap.connection = -1, .pagemap.fd = -1};
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
	}
	pagemap_close(&c.pagemap);
	proc_maps_free(&c.maps);
	snapshot_release(&c.snap);
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
			ok &= check_one(o.pid[i]);
		status = ok ? EXIT_SUCCESS : EXIT_DISAGREE;
	}
	free(o.pid);
	return status;
}
