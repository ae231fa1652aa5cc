/*
 * Faultline's own threads, made without libc.
 *
 * glibc does not know of them: they have no entry in its lists, no malloc
 * arena, and a thread-control block of their own that holds just what compiled
 * code expects (self pointers, stack-protector canary). They block all
 * signals, so that the program's handlers never run on them.
 *
 * Context: any thread that has blocked all signals; after fork.
 */
#ifndef FL_ARCH_THREAD_H
#define FL_ARCH_THREAD_H

#include "base/types.h"

#define FL_THREAD_STACK (64u << 10) /* its memory, control block included */

/* Starts fn(arg) on the given memory of FL_THREAD_STACK zeroed bytes, which
 * must stay for ever; fn must not return. The tid or -errno. */
long fl_thread_start(void *memory, void (*fn)(void *arg), void *arg, const char *name);

#endif
