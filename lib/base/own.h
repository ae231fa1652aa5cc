/*
 * Where Faultline's own mappings go in a program: far from those of the program, so that what the
 * program maps lies side by side, and merges, as it would without us.
 *
 * A tool has no such place: the kernel chooses.
 *
 * Context: any thread, fault path, after fork.
 */
#ifndef FL_BASE_OWN_H
#define FL_BASE_OWN_H

#include "base/types.h"

/* Our mappings go from here upwards. @random moves it, where there is to be something random. */
void fl_own_init(u64 random);

/* fl_own_hint: the first argument of mmap for a mapping of our own. */
u64 fl_own_hint(u64 bytes);

#endif
