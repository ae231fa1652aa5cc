/*
 * A look at this process from outside: the command in $FAULTLINE_CHECK, with the process id behind
 * it and without LD_PRELOAD. Its exit status must be 0.
 *
 * Everything that takes memory is done before, so that the caller may move the break meanwhile.
 */
#ifndef TESTS_PROGRAMS_OUTSIDE_H
#define TESTS_PROGRAMS_OUTSIDE_H

#include "sem.h"
#include <spawn.h>

struct outside {
	char text[4096], pid_text[32], *argv[64];
	posix_spawn_file_actions_t actions;
};

/* False: there is no command. */
static UNUSED bool outside_prepare(struct outside *o)
{
	const char *command = getenv("FAULTLINE_CHECK");
	int argc = 0;

	if (!command || !*command)
		return false;
	snprintf(o->text, sizeof(o->text), "%s", command);
	for (char *word = strtok(o->text, " "); word && argc < 62; word = strtok(NULL, " "))
		o->argv[argc++] = word;
	o->argv[argc] = o->pid_text;
	posix_spawn_file_actions_init(&o->actions);
	posix_spawn_file_actions_adddup2(&o->actions, 2, 1);
	return true;
}

/* Returns its exit status, or -1 if it has none. */
static UNUSED int outside_check(struct outside *o)
{
	char *envp[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"}, NULL};
	int status;
	pid_t pid;

	snprintf(o->pid_text, sizeof(o->pid_text), "%d", (int)getpid());
	CHECK(posix_spawnp(&pid, o->argv[0], &o->actions, NULL, o->argv, envp) == 0,
		"cannot run %s", o->argv[0]);
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
