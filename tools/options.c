/*
 * The part of option parsing that the commands share: --help, and one line
 * for what argp cannot understand. See command.h.
 */
#include "base/log.h"
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INTERVAL_S 86400.0

struct parse {
	const struct argp *command;
	void *input;
	bool helped;
};

static bool complained; /* a message has been printed, one is enough */

int bad_option(const char *fmt, ...)
{
	char buf[1024] = "";
	struct fl_text t = {buf, sizeof(buf), 0};
	va_list ap;

	va_start(ap, fmt);
	fl_text_vadd(&t, fmt, ap);
	va_end(ap);
	fl_warn("%s", buf);
	complained = true;
	return EINVAL;
}

int parse_pid(const char *text, int *ret_pid)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || *end || end == text || n <= 0 || n > INT32_MAX)
		return bad_option("PID %s: not a process number: use one that ps shows", text);
	*ret_pid = (int)n;
	return 0;
}

int parse_interval(const char *what, const char *text, double *ret_s)
{
	char *end;

	*ret_s = strtod(text, &end);
	if (*end || end == text || !(*ret_s >= 0.01 && *ret_s <= MAX_INTERVAL_S))
		return bad_option("%s %s: not a time: use seconds from 0.01 to 86400", what, text);
	return 0;
}

/* How many options of the command begin with name; an exact match counts alone. */
static int matching(
	const struct argp_option *table, const char *name, size_t len, bool *ret_has_arg)
{
	int n = 0;

	for (; table && (table->name || table->key || table->doc); table++) {
		if (!table->name || strncmp(table->name, name, len))
			continue;
		*ret_has_arg = table->arg != NULL;
		if (!table->name[len])
			return 1;
		n++;
	}
	return n;
}

/* argp cannot use a word: the one before state->next. */
static void explain(const struct parse *p, const struct argp_state *state)
{
	const char *word = state->argv[state->next > 1 ? state->next - 1 : 1];
	const char *self = state->argv[0];
	bool is_long = !strncmp(word, "--", 2), has_arg = false;
	size_t len = strcspn(word, "=");
	int n = is_long ? matching(p->command->options, word + 2, len - 2, &has_arg) : 0;

	if (n > 1)
		bad_option("option %s: could be one of %d: write it out, see %s --help", word, n,
			self);
	else if (n && has_arg)
		bad_option("option %s: needs a value: see %s --help", word, self);
	else if (n)
		bad_option("option %s: takes no value: see %s --help", word, self);
	else
		bad_option("option %s: not known: see %s --help", word, self);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = p->input;
		return 0;
	case 'h':
		p->helped = true;
		state->flags &= ~(unsigned int)ARGP_NO_ERRS; /* it silences help, too */
		argp_state_help(
			state, stdout, ARGP_HELP_SHORT_USAGE | ARGP_HELP_LONG | ARGP_HELP_DOC);
		return ECANCELED;
	case ARGP_KEY_ERROR:
		if (!complained && !p->helped)
			explain(p, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

bool options_parse(const struct argp *argp, int argc, char **argv, void *input, int *ret_status)
{
	static const struct argp_option help[] = {
		{"help", 'h', NULL, 0, "Show this help", -1},
		{0},
	};
	const struct argp_child children[] = {{.argp = argp}, {0}};
	const struct argp both = {.options = help, .parser = parse_common, .children = children};
	struct parse p = {.command = argp, .input = input};

	/* in order: what follows the program's name is the program's */
	if (!argp_parse(&both, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP | ARGP_NO_ERRS, NULL, &p))
		return true;
	*ret_status = p.helped ? EXIT_SUCCESS : EXIT_USAGE;
	return false;
}
