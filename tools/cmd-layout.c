/*
 * faultline layout: the address space drawn to scale, with what of it is in memory and in swap.
 *
 * The process is kept still while it is looked at, so that all is of one moment.
 */
#include "layout.h"
#include "on-process.h"
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct argp_option options[] = {
	{"all", 'a', NULL, 0, "Draw every area by itself, however small", 0},
	PROCESS_OPTION_JSON,
	{0},
};

struct layout_args {
	struct process_args process; /* first: it is what process_parse gets */
	bool all;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct layout_args *a = state->input;

	if (key != 'a')
		return process_parse(key, arg, state);
	a->all = true;
	return 0;
}

static const struct argp argp = {
	options,
	parse,
	"PID",
	"Draw the address space of a process to scale: text, data, heap, mappings, stack and the "
	"gaps "
	"between them, and which parts are in memory, set aside and in swap. In colour on a "
	"terminal, "
	"unless NO_COLOR is set.",
	NULL,
	NULL,
	NULL,
};

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

/* 0 or -errno. */
static int gather(
	const struct layout_args *a, struct snapshot *s, struct proc_maps *maps, struct layout *ret)
{
	int pid = a->process.pid, tid;
	const struct fl_proc *p;
	struct tree t;
	int err = snapshot_take(pid, FL_CTL_VMAS | FL_CTL_PAGES | FL_CTL_FREEZE, s);

	if (err)
		return err;
	err = tree_open(pid, &t);
	if (err)
		return err;
	/* the main thread may have ended before the others, and /proc/PID tells nothing then */
	p = tree_find(&t, pid);
	tid = p ? (int)p->keeper_tid : pid;
	err = proc_maps_read(tid, maps);
	if (!err)
		layout_read(ret, pid, tid, s, &t, maps);
	tree_close(&t);
	if (err)
		return err;
	snapshot_thaw(s);
	layout_make_boxes(ret, s, a->all);
	return 0;
}

int cmd_layout(int argc, char **argv)
{
	struct layout_args a = {.process = {.command = "layout"}};
	struct snapshot s = {.connection = -1};
	struct proc_maps maps = {0};
	struct layout layout = {0};
	int status, err;

	if (!options_parse(&argp, argc, argv, &a, &status))
		return status;
	err = gather(&a, &s, &maps, &layout);
	if (err)
		snapshot_complain(a.process.pid, err);
	else if (a.process.json)
		layout_print_json(&layout);
	else
		layout_draw(&layout, wants_colour());
	layout_free(&layout);
	proc_maps_free(&maps);
	snapshot_release(&s);
	return err ? EXIT_DISAGREE : EXIT_SUCCESS;
}
