/*
 * System calls that no library sees: not libc's, so nobody has patched them.
 */
#ifndef TESTS_PROGRAMS_SEM_RAW_H
#define TESTS_PROGRAMS_SEM_RAW_H

#include <sys/syscall.h>

/* The result, or -errno. */
static long raw(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	unsigned long e, unsigned long f)
{
	register unsigned long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#endif
