/*
 * Other programs from a process with swapped memory: vfork, posix_spawn,
 * system, popen and exec, with arguments and environment on swapped pages.
 */
#include "sem.h"
#include <spawn.h>

extern char **environ;

static void expect_exit(pid_t pid, int code)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %#x instead of exit %d",
		(unsigned int)status, code);
}

/* Started again by itself with large arguments: verifies them, exits with 42. */
static int again(int argc, char **argv)
{
	CHECK(argc == 3 && strlen(argv[2]) == 100000, "the long argument has %zu bytes",
		strlen(argv[2]));
	for (int i = 0; i < 100000; i++)
		CHECK(argv[2][i] == 'a' + i % 26, "byte %d of the long argument", i);
	free(malloc(1000000));
	return 42;
}

int main(int argc, char **argv)
{
	char *base, *path, *longarg, line[128];
	size_t pages;
	char **args;
	pid_t pid;
	FILE *f;

	if (argc == 3 && !strcmp(argv[1], "again"))
		return again(argc, argv);
	pages = pages_arg(argc, argv, 40);
	base = map_filled(pages, 1);
	args = map(PAGE);
	path = map(PAGE);
	longarg = map(100 * PAGE);
	strcpy(path, "/proc/self/exe");
	for (int i = 0; i < 100000; i++)
		longarg[i] = 'a' + i % 26;
	args[0] = argv[0];
	args[1] = strcpy(path + 100, "again");
	args[2] = longarg;

	for (int i = 0; i < 5; i++) {
		push_out();
		pid = vfork();
		if (!pid) {
			execv(path, args);
			_exit(9);
		}
		expect_exit(pid, 42);
	}
	/* A vfork child runs on the parent's memory: what it writes stays. */
	pid = vfork();
	if (!pid) {
		base[17] = 'v';
		base[(pages - 1) * PAGE + 17] = 'w';
		_exit(3);
	}
	expect_exit(pid, 3);
	CHECK(base[17] == 'v' && base[(pages - 1) * PAGE + 17] == 'w', "writes of a vfork child");
	fill_page(base, 1);
	fill_page(base + (pages - 1) * PAGE, pages);
	expect(base, pages, 1);
	say("vfork: ok\n");

	push_out();
	CHECK(posix_spawn(&pid, path, NULL, NULL, args, environ) == 0, "posix_spawn");
	expect_exit(pid, 42);
	CHECK(posix_spawn(&pid, "/nonexistent/program", NULL, NULL, args, environ) == ENOENT,
		"posix_spawn of nothing");
	say("posix_spawn: ok\n");

	push_out();
	CHECK(system("exit 5") == 5 << 8, "system");
	CHECK(system("a=$(printf hello); test \"$a\" = hello; (exit 3); test $? = 3") == 0,
		"system");
	say("system: ok\n");

	f = popen("i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); done", "r");
	CHECK(f, "popen");
	for (int i = 0; fgets(line, sizeof(line), f); i++)
		say("popen: %s", line);
	CHECK(pclose(f) == 0, "pclose");
	expect(base, pages, 1);

	pid = fork_checked();
	if (!pid) {
		expect(base, 64, 1);
		execv(path, args);
		_exit(9);
	}
	expect_exit(pid, 42);
	expect(base, pages, 1);
	say("fork and exec: ok\n");

	/* And this process becomes the other program. */
	CHECK(fflush(stdout) == 0, "stdout");
	strcpy(path, "/bin/sh");
	args[0] = strcpy(path + 100, "sh");
	args[1] = strcpy(path + 200, "-c");
	args[2] = strcpy(path + 300, "echo exec: ok");
	push_out();
	execv(path, args);
	CHECK(0, "execv");
}
