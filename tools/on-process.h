/*
 * Arguments of the commands about one process: PID, for some an address behind it, and --json.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_ON_PROCESS_H
#define FL_TOOLS_ON_PROCESS_H

#include "command.h"

/* User addresses end here: 47 bits, less a page that the processor must never run into. */
#define TASK_SIZE ((1ul << 47) - FL_PAGE_SIZE)

struct process_args {
	const char *command; /* its name, for messages */
	enum { NO_ADDRESS, MAY_HAVE_ADDRESS, NEEDS_ADDRESS } address;
	int pid;
	bool json, wide, has_va;
	u64 va;
};

/* The options that all have. */
#define PROCESS_OPTION_JSON                                                                        \
	{                                                                                          \
		"json", 'j', NULL, 0, "Print JSON", 0                                              \
	}
#define PROCESS_OPTION_WIDE                                                                        \
	{                                                                                          \
		"wide", 'w', NULL, 0, "Do not shorten lines", 0                                    \
	}

/* An argp parser, whose input is a struct process_args. */
error_t process_parse(int key, char *arg, struct argp_state *state);

/* Columns of the terminal on standard output; 80 if it is none. wide: 0, for any number. */
size_t output_columns(bool wide);

#endif
