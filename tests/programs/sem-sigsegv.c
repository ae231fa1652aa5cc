/*
 * The program's own SIGSEGV handler: si_addr and si_code of real faults,
 * siglongjmp out of it, repair and return, and the default action when there
 * is none.
 */
#include "sem.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

static sigjmp_buf escape;
static siginfo_t last;
static char *repair;
static volatile int repaired;

static void jump(int sig, siginfo_t *info, void *context UNUSED)
{
	last = *info;
	siglongjmp(escape, sig);
}

static void mend(int sig UNUSED, siginfo_t *info, void *context UNUSED)
{
	char *page = (char *)((uintptr_t)info->si_addr & -PAGE);

	CHECK(page >= repair && page < repair + 64 * PAGE, "fault at %p", info->si_addr);
	CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0, "mprotect in the handler");
	repaired++;
}

static int code_of(volatile char *p)
{
	__asm__("" : "+r"(p)); /* NULL too: not the compiler's business */
	last.si_code = 0;
	if (!sigsetjmp(escape, 1)) {
		*p = 1;
		return 0;
	}
	CHECK(last.si_addr == p, "si_addr %p for %p", last.si_addr, (void *)p);
	CHECK(last.si_signo == SIGSEGV, "si_signo");
	return last.si_code;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = jump, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
	size_t pages = pages_arg(argc, argv, 48);
	char *base = map_filled(pages, 1), *hole;
	struct rlimit none = {0, 0};
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
	int status;
	pid_t pid;

	CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_DFL,
		"the action before is the default");
	CHECK(sigaltstack(&ss, NULL) == 0, "sigaltstack");
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0, "sigaction");
	CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_sigaction == jump,
		"sigaction reads back");

	CHECK(munmap(base + 100 * PAGE, PAGE) == 0, "munmap");
	hole = base + 100 * PAGE;
	CHECK(mprotect(base + 200 * PAGE, PAGE, PROT_READ) == 0, "mprotect");
	push_out();
	for (int i = 0; i < 100; i++) {
		CHECK(code_of(hole + i) == SEGV_MAPERR, "hole: si_code %d", last.si_code);
		CHECK(code_of(base + 200 * PAGE + i) == SEGV_ACCERR, "read only: si_code %d",
			last.si_code);
		CHECK(code_of((char *)16) == SEGV_MAPERR, "null page: si_code %d", last.si_code);
		CHECK(code_of(base + (300 + i) * PAGE) == 0, "a good page faults");
		fill_page(base + (300 + i) * PAGE, 301 + i);
	}
	expect(base, 100, 1);
	expect(base + 101 * PAGE, pages - 101, 102);
	say("si_addr, si_code, siglongjmp: ok\n");

	repair = map_filled(64, 9000);
	push_out();
	CHECK(mprotect(repair, 64 * PAGE, PROT_NONE) == 0, "mprotect");
	sa.sa_sigaction = mend;
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0, "sigaction");
	expect(repair, 64, 9000);
	CHECK(repaired == 64, "%d faults repaired", repaired);
	say("repair and return: ok\n");

	pid = fork_checked();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		*(volatile char *)hole = 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV,
		"status %#x of a child without a handler", (unsigned int)status);
	say("default action: ok\n");

	/* A bad pointer into a system call is EFAULT, not a signal. */
	CHECK(write(1, hole, 10) == -1 && errno == EFAULT, "write from a hole");
	CHECK(read(0, hole, 0) <= 0, "read of nothing");
	say("EFAULT: ok\n");
	return 0;
}
