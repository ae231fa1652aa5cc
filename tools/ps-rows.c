/* The live processes of a tree, as a tree; see ps.h. */
#include "ps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void ps_mark(struct ps_tree *t)
{
	t->nr_before = t->tree.machine.nr_procs;
	t->before = calloc(t->nr_before + 1, sizeof(*t->before));
	if (!t->before)
		abort();
	memcpy(t->before, t->tree.procs, t->nr_before * sizeof(*t->before));
	t->before_s = now_s();
}

/* A record may have been given to another process meanwhile. */
static double fault_rate(const struct ps_tree *t, u32 i, double seconds)
{
	const struct fl_proc *now = &t->tree.procs[i], *before = &t->before[i];
	u64 faults = now->stats.counter[FL_C_pgfault];

	if (i < t->nr_before && before->pid == now->pid &&
		before->stats.start_ns == now->stats.start_ns)
		faults -= before->stats.counter[FL_C_pgfault];
	return (double)faults / seconds;
}

static u64 shared_bytes(const struct tree *t, u32 record, const u16 *refs)
{
	u64 *held = tree_held_frames(t, record), n = 0;

	for (u32 f = 0; held && f < t->machine.zone.fresh; f++)
		n += (held[f / 64] >> f % 64 & 1) && refs[f] > 1;
	free(held);
	return n * FL_PAGE_SIZE;
}

static bool fill_row(const struct ps_tree *t, u32 record, const u16 *refs, double seconds,
	struct ps_row *ret)
{
	const struct fl_proc *p = &t->tree.procs[record];
	u32 others;

	*ret = (struct ps_row){.pid = (int)p->pid, .record = record};
	if (!tree_is_live(p) || !proc_stat_read(ret->pid, &ret->stat))
		return false;
	ret->command = proc_command(ret->pid, ret->stat.comm);
	/* a main thread that has ended before the others is counted until the end */
	others = p->helpers + (ret->stat.state == 'Z');
	ret->threads = ret->stat.threads - fl_min(ret->stat.threads, others);
	ret->shared_bytes = shared_bytes(&t->tree, record, refs);
	ret->faults_per_s = fault_rate(t, record, seconds);
	return true;
}

static int by_pid(const void *a, const void *b)
{
	const struct ps_row *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Moves the row and then those below it to the end of sorted; pid 0 marks who has moved. */
static void descend(struct ps_row *rows, size_t n, size_t at, u32 depth, struct ps_row *sorted,
	size_t *nr_sorted)
{
	int pid = rows[at].pid;

	rows[at].depth = depth;
	sorted[(*nr_sorted)++] = rows[at];
	rows[at].pid = 0;
	for (size_t i = 0; i < n; i++)
		if (rows[i].pid && rows[i].stat.ppid == pid)
			descend(rows, n, i, depth + 1, sorted, nr_sorted);
}

static bool has_parent(const struct ps_row *rows, size_t n, int ppid)
{
	const struct ps_row key = {.pid = ppid};

	return bsearch(&key, rows, n, sizeof(*rows), by_pid) != NULL;
}

/* Who was left by its parent, or descends from a program that is none of ours, is a first one too. */
static void sort_rows(struct ps_tree *t)
{
	struct ps_row *sorted = calloc(t->n + 1, sizeof(*sorted));
	bool *first = calloc(t->n + 1, sizeof(*first));
	size_t n = 0;

	if (!sorted || !first)
		abort();
	qsort(t->rows, t->n, sizeof(*t->rows), by_pid);
	for (size_t i = 0; i < t->n; i++)
		first[i] = !has_parent(t->rows, t->n, t->rows[i].stat.ppid);
	for (size_t i = 0; i < t->n; i++)
		if (first[i])
			descend(t->rows, t->n, i, 0, sorted, &n);
	/* numbers that were given out anew while we read may make a ring */
	for (size_t i = 0; i < t->n; i++)
		if (t->rows[i].pid)
			descend(t->rows, t->n, i, 0, sorted, &n);
	free(first);
	free(t->rows);
	t->rows = sorted;
}

int ps_fill(struct ps_tree *t)
{
	int err = tree_refresh(&t->tree);
	double seconds = fl_max(now_s() - t->before_s, 1e-6);
	u16 *refs;

	if (err)
		return err;
	refs = tree_refs(&t->tree);
	t->rows = calloc(t->tree.machine.nr_procs + 1, sizeof(*t->rows));
	if (!refs || !t->rows) {
		free(refs);
		return -EPROTO;
	}
	for (u32 f = 0; f < t->tree.machine.zone.fresh; f++)
		t->shared_bytes += refs[f] > 1 ? FL_PAGE_SIZE : 0;
	for (u32 i = 0; i < t->tree.machine.nr_procs; i++)
		t->n += fill_row(t, i, refs, seconds, &t->rows[t->n]);
	free(refs);
	sort_rows(t);
	return 0;
}

void ps_free(struct ps_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->rows[i].command);
	free(t->rows);
	free(t->before);
	tree_close(&t->tree);
	memset(t, 0, sizeof(*t));
}
