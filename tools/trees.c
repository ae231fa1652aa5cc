/* Finding trees; see trees.h. */
#include "trees.h"
#include "base/log.h"
#include "client.h"

#include <stdlib.h>
#include <string.h>

static bool is_known(const struct trees *ts, const struct tree *t)
{
	for (size_t i = 0; i < ts->n; i++)
		if (ts->tree[i].dev == t->dev && ts->tree[i].ino == t->ino)
			return true;
	return false;
}

/* The process's tree, unless it is there already. 0 or -errno. */
static int add_tree_of(struct trees *ts, int pid)
{
	struct tree t;
	int err = tree_open(pid, &t);

	if (err)
		return err;
	if (is_known(ts, &t)) {
		tree_close(&t);
		return 0;
	}
	if (ts->n == ts->room) {
		ts->room = ts->room ? 2 * ts->room : 8;
		ts->tree = realloc(ts->tree, ts->room * sizeof(*ts->tree));
		if (!ts->tree)
			abort();
	}
	ts->tree[ts->n++] = t;
	return 0;
}

static bool is_in_known_tree(const struct trees *ts, int pid)
{
	for (size_t i = 0; i < ts->n; i++)
		if (tree_find(&ts->tree[i], pid))
			return true;
	return false;
}

/* Trees of other users, and processes that end just now, are passed over. */
static bool add_all(struct trees *ts)
{
	size_t n = 0;
	int *pids, err = tree_list_pids(&pids, &n);

	if (err) {
		fl_warn("/proc/net/unix: %s: name a process, or mount /proc", strerror(-err));
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (!is_in_known_tree(ts, pids[i]))
			add_tree_of(ts, pids[i]);
	free(pids);
	return true;
}

bool trees_open(struct trees *ts, const int *pids, size_t nr_pids)
{
	bool ok = true;

	memset(ts, 0, sizeof(*ts));
	if (!nr_pids)
		return add_all(ts);
	for (size_t i = 0; i < nr_pids; i++) {
		int err = add_tree_of(ts, pids[i]);

		if (err) {
			snapshot_complain(pids[i], err);
			ok = false;
		}
	}
	return ok;
}

void trees_close(struct trees *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		tree_close(&ts->tree[i]);
	free(ts->tree);
	memset(ts, 0, sizeof(*ts));
}
