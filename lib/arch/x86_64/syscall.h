/*
 * Raw system calls for x86-64.
 *
 * Faultline's own threads have no thread-local storage of libc's, so errno
 * does not exist for them: every call here returns the kernel's own answer,
 * a value or a negative errno. These calls also go past the entries that
 * lib/arch/x86_64/patch.c rewrites in libc.
 *
 * Context: any thread, fault path, signal handler, after fork.
 */
#ifndef FL_ARCH_SYSCALL_H
#define FL_ARCH_SYSCALL_H

#include <stdbool.h>
#include <sys/syscall.h>

static inline __attribute__((always_inline)) long fl_syscall6(
	long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define FL_SC6(nr, a, b, c, d, e, f, ...)                                                          \
	fl_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define fl_syscall(...) FL_SC6(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static inline bool fl_is_err(long ret)
{
	return (unsigned long)ret >= (unsigned long)-4095L;
}

static inline void fl_cpu_relax(void)
{
	__builtin_ia32_pause();
}

/* A cheap, monotonic time stamp; fl_tree holds what turns it into ns. */
static inline unsigned long fl_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
