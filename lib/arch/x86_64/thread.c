/* Threads by clone(2); see thread.h. */
#include "arch/x86_64/thread.h"
#include "arch/x86_64/syscall.h"

#include <linux/sched.h>
#include <sys/prctl.h>

#define TLS_BYTES 8192u /* control block with room below it for libc's variables */

struct start {
	void (*fn)(void *arg);
	void *arg;
	const char *name;
};

static void __attribute__((noreturn, used)) run(struct start *s)
{
	void (*fn)(void *) = s->fn;
	void *arg = s->arg;

	fl_syscall(SYS_prctl, PR_SET_NAME, s->name);
	fn(arg);
	fl_syscall(SYS_exit, 0);
	__builtin_unreachable();
}

long fl_thread_start(void *memory, void (*fn)(void *arg), void *arg, const char *name)
{
	u64 top = (u64)memory + FL_THREAD_STACK - TLS_BYTES;
	u64 *tcb = (u64 *)(top + TLS_BYTES / 2);
	struct start *s = (struct start *)(top - 64);
	u64 flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		CLONE_SYSVSEM | CLONE_SETTLS;
	u64 canary;
	long ret;

	__asm__("mov %%fs:0x28, %0" : "=r"(canary));
	tcb[0] = (u64)tcb; /* struct pthread begins with tcbhead_t: tcb, dtv, self */
	tcb[2] = (u64)tcb;
	tcb[5] = canary;
	*s = (struct start){fn, arg, name};

	register u64 r10 __asm__("r10") = 0;
	register u64 r8 __asm__("r8") = (u64)tcb;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%rsp, %%rdi\n\t"
			 "and $-16, %%rsp\n\t"
			 "call *%[run]\n\t"
			 "ud2\n\t"
			 "1:\n\t"
			 : "=a"(ret)
			 : "a"(SYS_clone), "D"(flags), "S"(s), "d"(0), "r"(r10), "r"(r8),
			 [run] "b"((u64)run)
			 : "rcx", "r11", "memory");
	return ret;
}
