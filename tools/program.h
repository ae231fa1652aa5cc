/*
 * The program to be run: where it is, and whether a library can be preloaded
 * into it at all.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PROGRAM_H
#define FL_TOOLS_PROGRAM_H

#include "base/types.h"

#include <linux/limits.h>

/*
 * Finds name as execvp(3) does: in PATH unless it has a slash. Returns 0 with
 * its path, or the exit status (126, 127) after a message.
 */
int program_find(const char *name, char ret_path[PATH_MAX]);

/*
 * Why nothing can be preloaded into the program at path ("statically linked"),
 * or NULL if it can. For a script the interpreter is what counts. A file that
 * cannot be read or is of no known kind is left for the kernel to judge.
 */
const char *program_unmanageable(const char *path);

#endif
