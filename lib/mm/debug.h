/*
 * fl_bug_on: stop at the broken invariant, not three faults later.
 *
 * It traps (SIGILL) without calling anything: this code runs on the fault path, where neither stdio
 * nor abort() may be called.
 *
 * Context: any.
 */
#ifndef FL_MM_DEBUG_H
#define FL_MM_DEBUG_H

#include "base/types.h"

#define fl_bug_on(cond)                                                                            \
	do {                                                                                       \
		if (fl_unlikely(cond))                                                             \
			__builtin_trap();                                                          \
	} while (0)

/*
 * For the validators: note what is wrong in @why (a `const char **`, may be NULL) and leave the
 * calling function with -1.
 */
#define fl_check_or_fail(cond, why, text)                                                          \
	do {                                                                                       \
		if (fl_unlikely(!(cond))) {                                                        \
			if (why)                                                                   \
				*(why) = (text);                                                   \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

#endif
