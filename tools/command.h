/*
 * What every command of the tool has: an entry in the table of faultline.c, a
 * table of options, and the same way to say what is wrong.
 *
 * Options are read with glibc's argp: one table a command gives parsing,
 * abbreviations and --help, wrapped at 80 columns, and stops at the program's
 * name as `faultline run` needs it. Its own messages are switched off: they
 * have another form than "faultline: what failed: why: what to do".
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_COMMAND_H
#define FL_TOOLS_COMMAND_H

#include "base/types.h"

#include <argp.h>

#define EXIT_DISAGREE	 1   /* or: the process cannot be asked */
#define EXIT_USAGE	 2   /* bad options */
#define EXIT_NOT_MANAGED 125 /* --strict, and memory cannot be managed */
#define EXIT_CANNOT_EXEC 126
#define EXIT_NOT_FOUND	 127

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* returns the exit status */
	const char *summary;
};

int cmd_run(int argc, char **argv);
int cmd_maps(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_smaps(int argc, char **argv);
int cmd_layout(int argc, char **argv);
int cmd_mm(int argc, char **argv);
int cmd_pagetable(int argc, char **argv);
int cmd_page(int argc, char **argv);
int cmd_buddyinfo(int argc, char **argv);
int cmd_zoneinfo(int argc, char **argv);
int cmd_swaps(int argc, char **argv);
int cmd_vmstat(int argc, char **argv);
int cmd_check(int argc, char **argv);

/*
 * Reads the options of a command; argv[0] is "faultline COMMAND". The parser
 * in argp gets each of the command's options and arguments, input as
 * state->input, and returns bad_option(...) for what it cannot use. Returns
 * false when the command is to end with *ret_status: after --help or a message.
 */
bool options_parse(const struct argp *argp, int argc, char **argv, void *input, int *ret_status);

/* Says "faultline: ..."; returns EINVAL, for a parser to return. */
int bad_option(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A process number. EINVAL after a message. */
int parse_pid(const char *text, int *ret_pid);

/* A time in seconds; what names the option or argument. EINVAL after a message. */
int parse_interval(const char *what, const char *text, double *ret_s);

#endif
