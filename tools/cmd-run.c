/*
 * faultline run: a program in a fixed amount of memory.
 *
 * The tool makes the machine, hands it down to the program and waits. It does
 * not take part: if it is killed, the program goes on.
 */
#include "base/config.h"
#include "base/log.h"
#include "command.h"
#include "launch.h"
#include "memory-limits.h"
#include "machine/handoff.h"
#include "machine/machine.h"
#include "machine/report.h"
#include "preload.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

enum { OPT_KEY = 256 }; /* long options only: the key is 256 + the row of the table */

/* Names are keys of fl_config_set, which checks the values. The last column
 * keeps --help from sorting them by name. */
static const struct argp_option options[] = {
	{"ram", OPT_KEY, "SIZE", 0,
		"Memory for the program and its children, as 512M or 2G; without it nothing is "
		"limited, only measured",
		1},
	{"swap", OPT_KEY + 1, "DEVICE[,KEY=VALUE]...", 0,
		"Where pages go that do not fit: file[:PATH][,size=SIZE], a directory or a file to be "
		"made (default: $TMPDIR or /tmp), or zram[:lz4|zstd][,size=SIZE][,charge=no], "
		"compressed memory; both, in two options: the file below it",
		2},
	{"policy", OPT_KEY + 2, "NAME[,KEY=VALUE]", 0,
		"Which pages leave first: " FL_POLICY_NAMES " (default: second-chance)", 3},
	{"prefetch", OPT_KEY + 3, "NAME", 0,
		"What is read from swap ahead of use: none, readahead (default), stride or majority", 4},
	{"engine", OPT_KEY + 4, "NAME", 0, "How faults are caught: auto or uffd", 5},
	{"fault-around", OPT_KEY + 5, "PAGES", 0,
		"Pages mapped at a first touch, a power of two up to 64 (default: 16)", 6},
	{"copy-only", OPT_KEY + 6, NULL, 0, "Do without UFFDIO_MOVE, as before Linux 6.8", 7},
	{"layout", OPT_KEY + 7, "NAME", 0,
		"Where mappings go: flexible, from below the stack downwards, or legacy, upwards",
		8},
	{"no-randomize", OPT_KEY + 8, NULL, 0, "The same addresses on every run", 9},
	{"page-shared", OPT_KEY + 9, NULL, 0, "Shared anonymous memory is within --ram too", 10},
	{"stats", OPT_KEY + 10, "FILE", 0,
		"Write the counters to FILE as JSON at the end; - is standard error", 11},
	{"quiet", OPT_KEY + 11, NULL, 0, "No summary at the end", 12},
	{"strict", OPT_KEY + 12, NULL, 0, "Do not run a program whose memory cannot be managed",
		13},
	{0},
};

struct run {
	struct fl_config config;
	char **program; /* its name and arguments */
	char path[PATH_MAX];
	int mem_fd, swap_fd, dev_fd, fd_base;
	struct fl_machine_view view;
	bool no_room; /* there is no view */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *r = state->input;
	char why[512];

	switch (key) {
	case ARGP_KEY_ARG:
		r->program = state->argv + state->next - 1;
		state->next = state->argc; /* the rest is the program's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		return bad_option("run: no program given: name one, as in faultline run --ram 1G "
				  "-- sort file");
	default:
		if (key < OPT_KEY || key >= OPT_KEY + (int)fl_array_size(options) - 1)
			return ARGP_ERR_UNKNOWN;
		if (fl_config_set(&r->config, options[key - OPT_KEY].name, arg ? arg : "", why,
			    sizeof(why)) < 0)
			return bad_option("%s", why);
		return 0;
	}
}

static const struct argp argp = {
	options,
	parse,
	"[--] PROGRAM [ARGUMENT...]",
	"Run PROGRAM with its memory managed by Faultline: in --ram of real memory, the rest "
	"in a swap file of its own. Input, output and exit status are the program's.\v"
	"The exit status is 128+N if signal N ended the program, 127 if there is no such program, "
	"126 if it cannot be started, 125 if its memory cannot be managed and --strict is given, 2 "
	"for a bad option.",
	NULL,
	NULL,
	NULL,
};

static int default_swap(struct fl_config *c)
{
	const char *dir = getenv("TMPDIR");

	if (c->swap_path[0])
		return 0;
	if (!dir || !*dir)
		dir = "/tmp";
	if (strlen(dir) >= sizeof(c->swap_path)) {
		fl_warn("$TMPDIR: path too long: name a directory with --swap file:DIR");
		return EXIT_USAGE;
	}
	strcpy(c->swap_path, dir);
	return 0;
}

/* What cannot be written is said before hours of work and not after. */
static int try_stats_file(const char *path)
{
	int fd;

	if (!path[0] || !strcmp(path, "-"))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENXIO) /* a pipe whose reader will come later */
		return 0;
	fl_warn("option --stats %s: %s: name a file in a directory that you may write to", path,
		strerror(errno));
	return EXIT_USAGE;
}

static int make_machine(struct run *r)
{
	char why[FL_PATH_MAX + 256];
	int err = fl_machine_create(&r->config, &r->mem_fd, &r->swap_fd, why, sizeof(why));

	if (err < 0) {
		fl_warn("%s", why);
		return EXIT_USAGE;
	}
	err = fl_machine_open(&r->view, r->mem_fd, r->swap_fd);
	r->no_room = err < 0;
	if (r->no_room)
		fl_warn("shared memory: %s: a limit on address space (ulimit -v) leaves no room for it: %s %s",
			strerror(-err), r->program[0],
			r->config.strict ? "is not started" : "runs natively");
	return 0;
}

/* Whether the program's memory can be managed; the one warning if not. */
static bool can_manage(struct run *r)
{
	const char *why = program_unmanageable(r->path);
	bool strict = r->config.strict;
	int err;

	if (r->no_room)
		return false;
	if (why) {
		fl_warn("%s: %s, so its memory cannot be managed: %s", r->program[0], why,
			strict ? "not started: leave out --strict to run it natively"
			       : "it runs natively: give --strict to refuse instead");
		return false;
	}
	err = preload_userfaultfd(&r->dev_fd);
	if (!err)
		return true;
	fl_warn("userfaultfd: %s: %s: %s %s",
		err == -EPERM || err == -EACCES ? "not permitted" : strerror(-err),
		err == -ENOSYS
			? "use a kernel that has it"
			: "run as root, or allow it with sysctl vm.unprivileged_userfaultfd=1",
		r->program[0], strict ? "is not started" : "runs natively");
	return false;
}

/* The kernel, which maps the program and its loader, is to follow the same layout. Where it may
 * not be told (seccomp) what the library places follows it all the same. */
static void tell_layout(const struct fl_config *c)
{
	int old = personality(0xffffffff), flags = old;

	if (c->layout == FL_LAYOUT_LEGACY)
		flags |= ADDR_COMPAT_LAYOUT;
	else if (c->layout == FL_LAYOUT_FLEXIBLE)
		flags &= ~ADDR_COMPAT_LAYOUT;
	if (c->no_randomize)
		flags |= ADDR_NO_RANDOMIZE;
	if (old != -1 && flags != old)
		personality((unsigned int)flags);
}

/* In the new process: the machine's descriptors, where the library looks. */
static int hand_down(void *arg)
{
	struct run *r = arg;
	int err;

	tell_layout(&r->config);
	err = fl_fd_place(r->fd_base, FL_FD_MEM, r->mem_fd, false);
	if (err >= 0)
		err = fl_fd_place(r->fd_base, FL_FD_SWAP, r->swap_fd, false);
	if (err >= 0 && r->dev_fd >= 0)
		err = fl_fd_place(r->fd_base, FL_FD_UFFD_DEV, r->dev_fd, false);
	return err < 0 ? err : 0;
}

static void report(const struct run *r, bool managed)
{
	int err;

	if (managed && !r->config.quiet)
		fl_report_summary(&r->view, STDERR_FILENO);
	if (!r->config.stats_path[0] || r->no_room)
		return;
	err = fl_report_json(&r->view, r->config.stats_path);
	if (err < 0)
		fl_warn("option --stats %s: %s: the counters are lost", r->config.stats_path,
			strerror(-err));
}

int cmd_run(int argc, char **argv)
{
	static struct run r = {.dev_fd = -1};
	struct launch l = {.path = r.path};
	char library[PATH_MAX];
	bool managed, started;
	int status;

	limits_lift();
	fl_config_init(&r.config);
	if (!options_parse(&argp, argc, argv, &r, &status))
		return status;
	if ((status = program_find(r.program[0], r.path)) || (status = default_swap(&r.config)) ||
		(status = try_stats_file(r.config.stats_path)) || (status = make_machine(&r)))
		return status;
	managed = can_manage(&r);
	if (!managed && r.config.strict)
		return EXIT_NOT_MANAGED;
	if (managed) {
		if (preload_library(library) < 0)
			return EXIT_NOT_MANAGED;
		r.fd_base = preload_fd_base();
		preload_environment(&r.config, r.fd_base, library);
		l.prepare = hand_down;
		l.arg = &r;
	}
	l.argv = r.program;
	status = launch(&l, &started);
	if (started)
		report(&r, managed);
	return status;
}
