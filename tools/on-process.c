/* PID, address and --json; see on-process.h. */
#include "on-process.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NARROW 80u

/* Hexadecimal, with or without 0x, as maps and gdb print them. */
static int parse_address(const char *text, u64 *ret_va)
{
	const char *digits = strncmp(text, "0x", 2) && strncmp(text, "0X", 2) ? text : text + 2;
	size_t len = strspn(digits, "0123456789abcdefABCDEF");

	if (!len || digits[len])
		return bad_option(
			"address %s: not a hexadecimal number: use one as maps shows", text);
	errno = 0;
	*ret_va = strtoul(digits, NULL, 16);
	if (errno || *ret_va >= TASK_SIZE)
		return bad_option(
			"address %s: not a program's: use one below 0x%lx", text, TASK_SIZE);
	return 0;
}

static int parse_word(struct process_args *a, const char *word)
{
	int err;

	if (!a->pid)
		return parse_pid(word, &a->pid);
	if (a->address == NO_ADDRESS)
		return bad_option("%s: %s: one process at a time: leave it out", a->command, word);
	if (a->has_va)
		return bad_option("%s: %s: one address at a time: leave it out", a->command, word);
	err = parse_address(word, &a->va);
	a->has_va = !err;
	return err;
}

error_t process_parse(int key, char *arg, struct argp_state *state)
{
	struct process_args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'w':
		a->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_word(a, arg);
	case ARGP_KEY_NO_ARGS:
		return bad_option("%s: no process given: name one by its number", a->command);
	case ARGP_KEY_END:
		if (a->pid && a->address == NEEDS_ADDRESS && !a->has_va)
			return bad_option(
				"%s: no address given: name one as maps shows them", a->command);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

size_t output_columns(bool wide)
{
	struct winsize w;

	if (wide)
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col)
		return w.ws_col;
	return NARROW;
}
