/*
 * The limits on memory that the tool was started with are meant for the program: it maps the
 * machine without them, as far as it may, and the program starts with them as they were.
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_MEMORY_LIMITS_H
#define FL_TOOLS_MEMORY_LIMITS_H

#include "base/types.h"

void limits_lift(void);
/* In the process that becomes the program. What a managed one has in addition until it is managed
 * its environment says. */
void limits_restore(bool managed);

#endif
