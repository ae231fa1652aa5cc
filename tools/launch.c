/*
 * A program as the tool's child; see launch.h.
 *
 * Every signal of interest is blocked and taken with sigwaitinfo(2), so there
 * are no handlers and no races between them: the whole supervision is one loop.
 * A terminal sends Ctrl-C, Ctrl-Z and a hang-up to the program as well as to
 * the tool; those are not passed on, or the program would get them twice.
 */
#include "launch.h"
#include "base/log.h"
#include "command.h"
#include "memory-limits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the new process says before it becomes the program: nothing, if all is well. */
struct mishap {
	bool at_exec; /* else in prepare */
	int err;
};

static const int taken[] = {SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN,
	SIGTTOU, SIGUSR1, SIGUSR2};

static void become(
	const struct launch *l, int report, const sigset_t *mask, const struct sigaction *chld)
{
	/* who kills the tool means the program */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	struct mishap m = {0};

	limits_restore(l->prepare);
	if (l->prepare)
		m.err = -l->prepare(l->arg);
	if (!m.err) {
		m.at_exec = true;
		sigaction(SIGCHLD, chld, NULL);
		sigprocmask(SIG_SETMASK, mask, NULL);
		execv(l->path, l->argv);
		m.err = errno;
	}
	if (write(report, &m, sizeof(m)) < 0)
		_exit(EXIT_CANNOT_EXEC);
	_exit(EXIT_CANNOT_EXEC);
}

static int explain(const struct launch *l, const struct mishap *m)
{
	if (!m->at_exec) {
		fl_warn("descriptors for the program: %s: raise ulimit -n", strerror(m->err));
		return EXIT_NOT_MANAGED;
	}
	if (m->err == ENOENT || m->err == ELIBBAD) {
		fl_warn("%s: cannot be started: its interpreter or loader is missing: install it",
			l->path);
		return EXIT_NOT_FOUND;
	}
	if (m->err == ENOEXEC)
		fl_warn("%s: not a program for this machine: name its interpreter, as in sh %s",
			l->path, l->path);
	else
		fl_warn("%s: cannot be started: %s: check the file and its permissions", l->path,
			strerror(m->err));
	return EXIT_CANNOT_EXEC;
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The child has changed. True with its status when that was its end. */
static bool collect(pid_t child, int *ret_status)
{
	int status;

	while (waitpid(child, &status, WUNTRACED | WNOHANG) == child) {
		if (!WIFSTOPPED(status)) {
			*ret_status = exit_status(status);
			return true;
		}
		/* whoever waits for the tool shall see that the job has stopped;
		 * SIGCONT, when it comes, wakes the tool and is in the set */
		raise(SIGSTOP);
	}
	return false;
}

static int supervise(pid_t child, const sigset_t *set)
{
	siginfo_t info;
	int status;

	for (;;) {
		switch (sigwaitinfo(set, &info)) {
		case SIGCHLD:
			if (collect(child, &status))
				return status;
			break;
		case SIGCONT:
			kill(child, SIGCONT);
			break;
		case SIGHUP:
		case SIGTERM:
		case SIGUSR1:
		case SIGUSR2:
			if (info.si_code <= 0) /* from a process, not from the terminal */
				kill(child, info.si_signo);
			break;
		default: /* the terminal's: the program has it, too */
			break;
		}
	}
}

int launch(const struct launch *l, bool *ret_started)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, chld;
	struct mishap m;
	sigset_t set, old;
	int report[2], status;
	pid_t child;

	*ret_started = false;
	sigemptyset(&set);
	for (size_t i = 0; i < fl_array_size(taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	/* if it is ignored (inherited), children cannot be waited for */
	sigaction(SIGCHLD, &dfl, &chld);
	if (pipe2(report, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		fl_warn("a new process: %s: raise ulimit -n or -u", strerror(errno));
		return EXIT_NOT_MANAGED;
	}
	if (child == 0)
		become(l, report[1], &old, &chld);
	close(report[1]);
	*ret_started = read(report[0], &m, sizeof(m)) != sizeof(m);
	close(report[0]);
	status = supervise(child, &set);
	return *ret_started ? status : explain(l, &m);
}
