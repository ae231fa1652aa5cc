/*
 * Looking through code for "syscall" instructions: over a megabyte at the start
 * of each program, so it is done sixteen bytes at a time.
 *
 * Context: start of the process. The only code that uses vector registers.
 */
#ifndef FL_ARCH_SCAN_H
#define FL_ARCH_SCAN_H

#include "base/types.h"

/* The first "0f 05" that begins in [p, end), or NULL. Bytes up to end + 1 are read. */
const u8 *fl_find_syscall(const u8 *p, const u8 *end);

#endif
