/*
 * What a program needs from the tool to be managed: the library, the
 * permission for userfaultfd, the machine's descriptors, the environment.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_PRELOAD_H
#define FL_TOOLS_PRELOAD_H

#include "base/config.h"

#include <linux/limits.h>

/* libfaultline.so beside the tool, in the build folder or installed. 0, or
 * -errno after a message. */
int preload_library(char ret_path[PATH_MAX]);

/*
 * Whether this user may have a userfaultfd that serves the kernel's faults
 * too. 0, or -errno. *ret_dev_fd is /dev/userfaultfd, open, if it is of use to
 * the program; else -1.
 */
int preload_userfaultfd(int *ret_dev_fd);

/* The number from which the program's reserved descriptors are to lie. */
int preload_fd_base(void);

/* Sets FAULTLINE, FAULTLINE_FDS and LD_PRELOAD for the program. */
void preload_environment(const struct fl_config *c, int fd_base, const char *library);

#endif
