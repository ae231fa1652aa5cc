/*
 * Starting a program and standing by until it has ended.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_LAUNCH_H
#define FL_TOOLS_LAUNCH_H

#include "base/types.h"

struct launch {
	const char *path; /* of the file; argv[0] may be another name */
	char **argv;
	/* Runs in the new process before the program; 0 or -errno. NULL: it is not managed. */
	int (*prepare)(void *arg);
	void *arg;
};

/*
 * Runs it, passing on the signals that are sent to the tool alone and stopping
 * when it stops. Returns the exit status for the tool: the program's, 128+N
 * for signal N, or 125 to 127 after a message when it could not be started
 * (*ret_started is false then). Signals stay blocked in the tool.
 */
int launch(const struct launch *l, bool *ret_started);

#endif
