/*
 * faultline vmstat: the counters of a process, all of them once, or the most
 * telling ones as a table of rates. A program's end is the end of the table.
 */
#include "base/log.h"
#include "client.h"
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADER_EVERY 20

struct options {
	int pid;
	double interval_s;   /* 0: once */
	unsigned long count; /* 0: for ever */
	bool json;
};

struct value {
	const char *name;
	u64 value;
};

#define NR_GAUGES 7
#define NR_VALUES (FL_NR_COUNTERS + NR_GAUGES)

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	stopped = 1;
}

static error_t parse_argument(struct options *o, char *arg, unsigned int nr)
{
	char *end;

	errno = 0;
	switch (nr) {
	case 0:
		return parse_pid(arg, &o->pid);
	case 1:
		return parse_interval("INTERVAL", arg, &o->interval_s);
	case 2:
		o->count = strtoul(arg, &end, 10);
		if (errno || *end || end == arg || *arg == '-' || !o->count)
			return bad_option("COUNT %s: not a number: use 1 or more", arg);
		return 0;
	default:
		return bad_option("vmstat: %s: one argument too many: leave it out", arg);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(o, arg, state->arg_num);
	case ARGP_KEY_NO_ARGS:
		return bad_option("vmstat: no process given: name one by its number");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print JSON: one object, with INTERVAL one a line", 0},
	{0},
};

static const struct argp argp = {
	options,
	parse,
	"PID [INTERVAL [COUNT]]",
	"Show the counters of a process. With INTERVAL, in seconds, a line each interval: faults "
	"and pages a second, and MiB resident and in swap; COUNT lines, or until the process ends.",
	NULL,
	NULL,
	NULL,
};

/* Every value in one list, counters first. */
static void list_values(const struct fl_snapshot *h, struct value *ret)
{
	const struct fl_proc_stats *s = &h->stats;
	const struct value values[] = {
#define X(counter_name, meaning) {#counter_name, s->counter[FL_C_##counter_name]},
		FL_COUNTERS(X)
#undef X
			{"rss_bytes", s->rss_bytes},
		{"rss_peak_bytes", s->rss_peak_bytes},
		{"swap_bytes", s->swap_bytes},
		{"unmanaged_bytes", s->unmanaged_bytes},
		{"unmanaged_peak_bytes", s->unmanaged_peak_bytes},
		{"bookkeeping_bytes", s->bookkeeping_bytes},
		{"bookkeeping_peak_bytes", s->bookkeeping_peak_bytes},
	};

	_Static_assert(sizeof(values) == NR_VALUES * sizeof(values[0]), "NR_GAUGES is wrong");
	memcpy(ret, values, sizeof(values));
}

static void print_once(const struct options *o, const struct value *v)
{
	for (int i = 0; i < NR_VALUES; i++)
		if (o->json)
			printf("%s\"%s\": %lu", i ? ", " : "{", v[i].name, v[i].value);
		else
			printf("%s %lu\n", v[i].name, v[i].value);
	if (o->json)
		printf("}\n");
}

/* A program that execs starts at zero again. */
static double rate(u64 now, u64 before, double seconds)
{
	return (double)(now >= before ? now - before : now) / seconds;
}

static void print_row(const struct options *o, const struct value *now, const struct value *before,
	double seconds, unsigned long row)
{
	static const int shown[] = {FL_C_pgfault, FL_C_pgmajfault, FL_C_pswpin, FL_C_pswpout};
	double mib = 1 << 20, rss = (double)now[FL_NR_COUNTERS].value,
	       swap = (double)now[FL_NR_COUNTERS + 2].value;
	time_t t = time(NULL);
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&t));
	if (o->json) {
		printf("{\"time\": %ld, \"interval_s\": %.3f", (long)t, seconds);
		for (int i = 0; i < FL_NR_COUNTERS; i++)
			printf(", \"%s\": %.1f", now[i].name,
				rate(now[i].value, before[i].value, seconds));
		for (int i = FL_NR_COUNTERS; i < NR_VALUES; i++)
			printf(", \"%s\": %lu", now[i].name, now[i].value);
		printf("}\n");
	} else {
		if (row % HEADER_EVERY == 0)
			printf("%-8s %10s %10s %10s %10s %10s %10s\n", "time", "pgfault/s",
				"pgmajflt/s", "pswpin/s", "pswpout/s", "rss MiB", "swap MiB");
		printf("%-8s", clock);
		for (size_t i = 0; i < fl_array_size(shown); i++)
			printf(" %10.0f",
				rate(now[shown[i]].value, before[shown[i]].value, seconds));
		printf(" %10.1f %10.1f\n", rss / mib, swap / mib);
	}
	fflush(stdout);
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int read_values(int pid, struct value *ret)
{
	struct snapshot s;
	int err = snapshot_take(pid, 0, &s);

	if (err)
		return err;
	list_values(s.head, ret);
	snapshot_release(&s);
	return 0;
}

static void print_table(const struct options *o, const struct value *first)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct value before[NR_VALUES], now[NR_VALUES];
	double start_s = now_s(), last_s = start_s;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	memcpy(before, first, sizeof(before));
	for (unsigned long row = 0; !o->count || row < o->count; row++) {
		/* from the start, so that errors do not add up */
		double wait_s = start_s + (double)(row + 1) * o->interval_s - now_s(), at_s;
		struct timespec ts = {(time_t)fl_max(wait_s, 0.0), 0};

		ts.tv_nsec = (long)((fl_max(wait_s, 0.0) - (double)ts.tv_sec) * 1e9);
		if (stopped || nanosleep(&ts, NULL) < 0 || stopped)
			return;
		if (read_values(o->pid, now))
			return; /* it has ended */
		at_s = now_s();
		print_row(o, now, before, fl_max(at_s - last_s, 1e-6), row);
		last_s = at_s;
		memcpy(before, now, sizeof(before));
	}
}

int cmd_vmstat(int argc, char **argv)
{
	struct value first[NR_VALUES];
	struct options o = {0};
	int status, err;

	if (!options_parse(&argp, argc, argv, &o, &status))
		return status;
	err = read_values(o.pid, first);
	if (err) {
		snapshot_complain(o.pid, err);
		return EXIT_DISAGREE;
	}
	if (o.interval_s > 0)
		print_table(&o, first);
	else
		print_once(&o, first);
	return EXIT_SUCCESS;
}
