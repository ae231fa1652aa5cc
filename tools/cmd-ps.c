/*
 * faultline ps: the process trees, and what each process has of its tree's memory.
 *
 * Nothing is asked of the processes, so it does not matter whether they are stopped.
 */
#include "base/log.h"
#include "command.h"
#include "ps.h"
#include "trees.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_INTERVAL_S 0.5
#define NARROW		   80u

struct options {
	int *pid;
	size_t n;
	double interval_s;
	bool json, wide;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'i':
		return parse_interval("--interval", arg, &o->interval_s);
	case 'j':
		o->json = true;
		return 0;
	case 'w':
		o->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_pid(arg, &o->pid[o->n++]);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"interval", 'i', "SECONDS", 0, "Measure faults a second over this time (0.5)", 0},
	{"json", 'j', NULL, 0, "Print JSON", 0},
	{"wide", 'w', NULL, 0, "Do not cut lines off", 0},
	{0},
};

static const struct argp argp = {
	options,
	parse,
	"[PID...]",
	"Show the trees of processes that run under Faultline: those of the processes named, or all "
	"that the user may see. Each process has a line, under its parent's, with its threads, the "
	"managed memory that it has resident, how much of that other processes have too, what is "
	"in swap, and faults of which memory it shared was copied (COW). The last line is the tree's.",
	NULL,
	NULL,
	NULL,
};

static void wait_interval(double seconds)
{
	struct timespec ts = {(time_t)seconds, 0};

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static size_t columns_of(const struct options *o)
{
	struct winsize w;

	if (o->wide)
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return NARROW;
}

static bool show(struct ps_tree *tree, size_t n, const struct options *o)
{
	bool ok = true;

	for (size_t i = 0; i < n; i++)
		ps_mark(&tree[i]);
	if (n)
		wait_interval(o->interval_s);
	for (size_t i = 0; i < n; i++)
		if (ps_fill(&tree[i])) {
			fl_warn("ps: a tree's memory cannot be read: is it this version's?: try again");
			ok = false;
		}
	if (o->json) {
		ps_print_json(tree, n, o->interval_s);
		return ok;
	}
	for (size_t i = 0; i < n; i++) {
		printf("%s", i ? "\n" : "");
		ps_print(&tree[i], columns_of(o));
	}
	return ok;
}

int cmd_ps(int argc, char **argv)
{
	struct options o = {.pid = calloc((size_t)argc, sizeof(int)),
		.interval_s = DEFAULT_INTERVAL_S};
	struct ps_tree *rows = NULL;
	struct trees ts = {0};
	int status;
	bool ok;

	if (!o.pid)
		abort();
	if (options_parse(&argp, argc, argv, &o, &status)) {
		ok = trees_open(&ts, o.pid, o.n);
		rows = calloc(ts.n + 1, sizeof(*rows));
		if (!rows)
			abort();
		for (size_t i = 0; i < ts.n; i++)
			rows[i].tree = ts.tree[i];
		if (ok || ts.n)
			ok &= show(rows, ts.n, &o);
		status = ok ? EXIT_SUCCESS : EXIT_DISAGREE;
	}
	for (size_t i = 0; i < ts.n; i++)
		ps_free(&rows[i]);
	free(rows);
	free(ts.tree); /* the trees themselves have gone with their rows */
	free(o.pid);
	return status;
}
