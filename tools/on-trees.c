/* What buddyinfo, zoneinfo and swaps share; see on-trees.h. */
#include "on-trees.h"
#include "base/log.h"
#include "command.h"

#include <errno.h>
#include <stdlib.h>

struct options {
	int *pid;
	size_t n;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return parse_pid(arg, &o->pid[o->n++]);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int on_trees(int argc, char **argv, const char *doc, bool (*show)(struct trees *ts, bool json))
{
	static const struct argp_option options[] = {
		{"json", 'j', NULL, 0, "Print JSON", 0},
		{0},
	};
	const struct argp argp = {options, parse, "[PID...]", doc, NULL, NULL, NULL};
	struct options o = {.pid = calloc((size_t)argc, sizeof(int))};
	struct trees ts = {0};
	int status;
	bool ok;

	if (!o.pid)
		abort();
	if (options_parse(&argp, argc, argv, &o, &status)) {
		ok = trees_open(&ts, o.pid, o.n);
		if (ok || ts.n)
			ok &= show(&ts, o.json);
		status = ok ? EXIT_SUCCESS : EXIT_DISAGREE;
	}
	trees_close(&ts);
	free(o.pid);
	return status;
}

int tree_pid(const struct tree *t)
{
	for (u32 i = 0; i < t->machine.nr_procs; i++)
		if (tree_is_live(&t->procs[i]))
			return (int)t->procs[i].pid;
	return 0;
}

void tree_free_blocks(const struct tree *t, u64 ret[FL_NR_ORDERS])
{
	const struct fl_buddy *b = &t->machine.zone;
	u64 order;

	for (u32 i = 0; i < FL_NR_ORDERS; i++)
		ret[i] = b->nr_free_blocks[i];
	for (u64 f = b->fresh; f < b->nframes; f += 1ull << order) {
		order = f ? fl_min((u64)__builtin_ctzll(f), (u64)FL_MAX_ORDER) : FL_MAX_ORDER;
		while (f + (1ull << order) > b->nframes)
			order--;
		ret[order]++;
	}
}

static u64 sum_of_blocks(const struct tree *t)
{
	u64 blocks[FL_NR_ORDERS], sum = 0;

	tree_free_blocks(t, blocks);
	for (u32 i = 0; i < FL_NR_ORDERS; i++)
		sum += blocks[i] << i;
	return sum;
}

int tree_refresh_zone(struct tree *t)
{
	for (u32 i = 0; i < TREE_BUSY_TRIES; i++) {
		int err = tree_refresh(t);

		if (err)
			return err;
		if (t->machine.zone.fresh <= t->machine.zone.nframes &&
			sum_of_blocks(t) == t->machine.zone.nr_free &&
			t->machine.zone.nr_free + t->machine.frames_used == t->machine.nframes)
			return 0;
	}
	return -EAGAIN;
}
