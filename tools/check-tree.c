/*
 * A whole tree: frames and slots are each counted as often as processes hold them, and add up
 * to the pool.
 *
 * The tree's locks are held meanwhile, as any of its processes would. If we are killed then, the
 * next to want the lock finds us gone.
 */
#include "base/log.h"
#include "check.h"
#include "tree.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PATIENCE_S 15u

static void on_alarm(int sig)
{
	fl_warn("check --tree: a lock of the tree is not to be had: does a stopped process hold "
		"it?: continue it (kill -CONT)");
	_exit(EXIT_DISAGREE);
}

static bool count(int pid, int fd, u32 nr_live)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	struct fl_machine_view v;
	char why[200] = "";
	int err = fl_machine_open(&v, fd, -1);

	if (err < 0) {
		fl_warn("PID %d: the tree's memory: %s: is a limit (ulimit -v) in force?", pid,
			strerror(-err));
		return false;
	}
	sigaction(SIGALRM, &sa, NULL);
	alarm(PATIENCE_S);
	err = fl_machine_validate(&v, why, sizeof(why));
	alarm(0);
	if (err < 0)
		printf("faultline check: tree of %d: %s\n", pid, why);
	else
		printf("faultline check: tree of %d: %u process%s, %u frames of %u, %u slots: add "
		       "up\n",
			pid, nr_live, nr_live == 1 ? "" : "es", v.t->frames_used, v.t->nframes,
			v.t->slots.nr_used);
	munmap(v.t, v.mapped_bytes);
	return err == 0;
}

int check_tree(int pid, int **ret_pids, size_t *ret_n, bool *ret_ok)
{
	struct tree t;
	int err = tree_open(pid, &t), fd;

	if (err)
		return err;
	*ret_pids = calloc(t.machine.nr_procs + 1, sizeof(int));
	*ret_n = 0;
	if (!*ret_pids)
		abort();
	for (u32 i = 0; i < t.machine.nr_procs; i++)
		if (tree_is_live(&t.procs[i]))
			(*ret_pids)[(*ret_n)++] = (int)t.procs[i].pid;
	fd = tree_open_writable(pid);
	if (fd >= 0) {
		*ret_ok = count(pid, fd, (u32)*ret_n);
		close(fd);
	} else {
		free(*ret_pids);
	}
	tree_close(&t);
	return fd < 0 ? fd : 0;
}
