/*
 * What is said at the end of a run: the summary for a person, the JSON for a
 * program. Written without libc's stdio, because without the tool it is the
 * program's own process that writes it, where no library may be loaded.
 *
 * Context: any thread; the machine's counters are read without locks.
 */
#ifndef FL_MACHINE_REPORT_H
#define FL_MACHINE_REPORT_H

#include "machine/machine.h"

/* Eight lines on fd, and if there was more than one process at most twelve about them. */
void fl_report_summary(const struct fl_machine_view *v, int fd);

/* The JSON of --stats to path ("-": standard error). 0 or -errno. */
int fl_report_json(const struct fl_machine_view *v, const char *path);

#endif
