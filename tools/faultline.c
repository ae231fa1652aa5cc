/*
 * faultline: the command line tool. This file only knows the commands; each
 * is a file cmd-NAME.c with a manual page faultline-NAME(1).
 */
#include "base/log.h"
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
	{"run", cmd_run, "run a program in a fixed amount of memory"},
	{"ps", cmd_ps, "show the trees of processes, and what each has of the memory"},
	{"maps", cmd_maps, "show a process's memory areas and who manages them"},
	{"smaps", cmd_smaps, "show a process's memory areas as /proc/PID/smaps does"},
	{"layout", cmd_layout, "draw a process's address space to scale"},
	{"mm", cmd_mm, "show the fields of a process's mm_struct, with their meaning"},
	{"pagetable", cmd_pagetable, "walk a process's page table"},
	{"page", cmd_page, "show the struct page of one page, and who shares it"},
	{"buddyinfo", cmd_buddyinfo, "show the free blocks of a tree's memory by order"},
	{"zoneinfo", cmd_zoneinfo, "show a tree's memory: watermarks, lists, kswapd"},
	{"swaps", cmd_swaps, "show the swap file of a tree"},
	{"vmstat", cmd_vmstat, "show a process's counters, once or at an interval"},
	{"check", cmd_check, "compare a process's bookkeeping with the kernel's"},
	{"help", cmd_help, "show this, or the help of a command"},
	{"version", cmd_version, "show the version"},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < fl_array_size(commands); i++)
		if (!strcmp(name, commands[i].name))
			return &commands[i];
	return NULL;
}

static int no_such_command(const char *name)
{
	fl_warn("command %s: not known: see faultline --help", name);
	return EXIT_USAGE;
}

static int run_command(const struct command *c, int argc, char **argv)
{
	static char name[64];

	/* what argp shows in usage lines */
	fl_format(name, sizeof(name), "faultline %s", c->name);
	argv[0] = name;
	return c->run(argc, argv);
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

static int cmd_help(int argc, char **argv)
{
	char *help[] = {NULL, "--help", NULL};
	const struct command *c;

	if (argc > 1 && !is_help(argv[1])) {
		c = find_command(argv[1]);
		return c ? run_command(c, 2, help) : no_such_command(argv[1]);
	}
	printf("Usage: faultline COMMAND [OPTION...] [ARGUMENT...]\n"
	       "Faultline is a memory manager in user space: it runs a program in less memory\n"
	       "than it needs, and shows what its memory does meanwhile.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < fl_array_size(commands); i++)
		printf("  %-9s  %s\n", commands[i].name, commands[i].summary);
	printf("\nOptions:\n"
	       "  -h, --help     Show this help\n"
	       "  -V, --version  Show the version\n\n"
	       "\"faultline COMMAND --help\" shows a command's options, the manual page\n"
	       "faultline-COMMAND(1) describes them.\n");
	return EXIT_SUCCESS;
}

static int cmd_version(int argc, char **argv)
{
	if (argc > 1 && is_help(argv[1]))
		printf("Usage: faultline version\nShow the version of this tool.\n");
	else
		printf("faultline %s\n", FL_VERSION);
	return EXIT_SUCCESS;
}

/* Output that nobody could get is an error (a full disk, say). */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fl_warn("standard output: cannot be written: is the disk full?");
	return status ? status : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		fl_warn("no command: nothing to do: see faultline --help");
		return EXIT_USAGE;
	}
	if (is_help(argv[1]))
		return flushed(cmd_help(1, argv));
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return flushed(cmd_version(1, argv));
	if (argv[1][0] == '-') {
		fl_warn("option %s: not known: see faultline --help", argv[1]);
		return EXIT_USAGE;
	}
	c = find_command(argv[1]);
	return c ? flushed(run_command(c, argc - 1, argv + 1)) : no_such_command(argv[1]);
}
