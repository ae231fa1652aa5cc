/*
 * RLIMIT_AS and RLIMIT_DATA are for the program's memory, not for ours.
 *
 * The kernel counts both alike. So what it has as the limits of a managed process is what the
 * program has set, its view, raised by exactly what Faultline has mapped itself: then the kernel's
 * own checks, in its order and with its errors, come out as they would without us, for a stack that
 * grows, too. By how much they are raised stands in the process's record (struct fl_limit_above);
 * the view follows from it and from what the kernel has, so there is nothing to keep in step.
 *
 * An exec hands the raised limits on: the new program is told in $FAULTLINE_LIMITS by how much.
 *
 * Whoever maps something of our own, or takes it away, does it between fl_limits_lift and
 * fl_limits_settle, with the mm lock held or at the start. That makes room for a mapping more, too,
 * where the program has as many as there may be (vm.max_map_count).
 */
#ifndef FL_RUNTIME_LIMITS_H
#define FL_RUNTIME_LIMITS_H

#include "machine/machine.h"

#include <sys/resource.h>

/* The program's view of both, and what the kernel was told instead. */
struct fl_limits {
	struct rlimit view[FL_NR_LIMITS], kernel[FL_NR_LIMITS];
	bool left_alone; /* they are about to be inherited by another program, or lifted already */
};

/* The resource of a limit, RLIMIT_*; and the limit of a resource, FL_NR_LIMITS if it is another. */
int fl_limit_resource(enum fl_limit which);
enum fl_limit fl_limit_of(u64 resource);

/* From the program's view to what the kernel is told, and back. */
void fl_limit_to_kernel(enum fl_limit which, const struct fl_limit_above *above, struct rlimit *l);
void fl_limit_to_view(const struct fl_limit_above *above, struct rlimit *l);

/* The start: told is what the program before has said (or NULL). Lifts the limits. */
void fl_limits_start(const char *told, struct fl_limits *ret);
/* The start has failed: the limits as they were, for the program and what we have mapped. */
void fl_limits_give_up(const struct fl_limits *l);

/* Nothing of ours is refused between these two, as far as we may do that; then it is counted
 * what there is of ours, and the limits are those of the program again. */
void fl_limits_lift(struct fl_limits *ret);
void fl_limits_settle(const struct fl_limits *l);

/* While they are lifted: bytes that may be mapped in all, by the tighter one; ~0 if any. */
u64 fl_limits_room(void);

/* For $FAULTLINE_LIMITS, with its name: false if there is nothing to tell. lowered: the soft ones are
 * the program's. As long as the calling
 * thread is fl.exec_tid no other changes what was told. */
bool fl_limits_tell(char *buf, u32 size, bool lowered);

/* The soft limits as the program knows them, for one that is not managed. With undo they are put
 * back when the exec has failed. */
void fl_limits_lower(bool undo);
/* After that: as managed ones know them. */
void fl_limits_raise(void);
/* The thread fl.exec_tid is still there. */
void fl_limits_exec_failed(void);

/* Whether RLIMIT_DATA allows the heap to end there, as brk(2) asks before anything else. */
bool fl_limits_allow_brk(u64 brk);

#endif
