/*
 * faultline zoneinfo: each tree's memory as /proc/zoneinfo shows a zone: what is free, the
 * watermarks, the lists.
 *
 * The zone is read from the memory that the tree shares. The LRU lists are private to each process,
 * which is asked; one that is stopped cannot answer, and is not waited for.
 */
#include "base/log.h"
#include "client.h"
#include "command.h"
#include "json.h"
#include "on-trees.h"
#include "proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char doc[] =
	"Show the memory of each tree of processes as /proc/zoneinfo shows a zone: free pages, "
	"watermarks, pages on the lists, and of each process what it has of it and what its kswapd "
	"does. The trees are those of the processes named, or all that the user may see.";

/* One process's part. */
struct part {
	int pid;
	char comm[16];
	u32 held;	    /* frames, shared ones included */
	const char *silent; /* why there is no more than that; NULL: there is */
	u64 count, available, active, inactive;
	u32 kswapd, deferred;
};

struct zone {
	const struct tree *tree;
	struct part *part;
	size_t n;
	u64 active, inactive; /* of those that have answered */
};

static const char *const kswapd_states[] = {"not started", "asleep", "awake"};

/* False if it has ended. */
static bool ask(struct part *p)
{
	struct snapshot s = {.connection = -1};
	int err = proc_is_stopped(p->pid) ? -EAGAIN : snapshot_take(p->pid, 0, &s);

	if (err == -ESRCH || err == -ECONNREFUSED)
		return false;
	if (err) {
		p->silent = proc_why_silent(err);
		return true;
	}
	p->count = s.head->frames_free_local;
	p->available = s.head->frames_available;
	p->active = s.head->active;
	p->inactive = s.head->inactive;
	p->kswapd = fl_min(s.head->kswapd, FL_SNAP_KSWAPD_AWAKE);
	p->deferred = s.head->nr_deferred;
	snapshot_release(&s);
	return true;
}

static void gather(struct zone *z)
{
	const struct tree *t = z->tree;

	z->part = calloc(t->machine.nr_procs + 1, sizeof(*z->part));
	if (!z->part)
		abort();
	for (u32 i = 0; i < t->machine.nr_procs; i++) {
		struct part *p = &z->part[z->n];

		if (!tree_is_live(&t->procs[i]))
			continue;
		*p = (struct part){.pid = (int)t->procs[i].pid, .held = t->procs[i].held};
		snprintf(p->comm, sizeof(p->comm), "%.15s", t->procs[i].comm);
		if (!ask(p))
			continue;
		z->active += p->active;
		z->inactive += p->inactive;
		z->n++;
	}
}

/* Without a budget there is as much as the machine has. */
static u64 present(const struct fl_machine *m)
{
	return m->config.ram_bytes ? m->config.ram_bytes / FL_PAGE_SIZE : m->nframes;
}

static void print_part(const struct part *p)
{
	printf("    pid: %d (%s)\n              held:  %u\n", p->pid, p->comm, p->held);
	if (p->silent) {
		printf("              %s: the rest only the process knows\n", p->silent);
		return;
	}
	printf("              count: %lu\n", p->count);
	printf("              nr_inactive_anon %lu\n              nr_active_anon %lu\n",
		p->inactive, p->active);
	printf("              nr_deferred %u\n", p->deferred);
	printf("              kswapd: %s, %lu free to it\n", kswapd_states[p->kswapd],
		p->available);
}

/* What may be allocated: compressed pages have their part. */
static u32 nr_free(const struct fl_machine *m)
{
	return m->zone.nr_free - fl_min(m->zone.nr_free, fl_zpool_charge(&m->zpool));
}

static void print_text(const struct zone *z)
{
	const struct fl_machine *m = &z->tree->machine;

	printf("Tree %d, zone Normal\n", tree_pid(z->tree));
	printf("  pages free     %u\n        boost    0\n        min      0\n", nr_free(m));
	printf("        low      %u\n        high     %u\n", fl_wmark_low(m->nframes),
		fl_wmark_high(m->nframes));
	printf("        spanned  %lu\n        present  %lu\n        managed  %u\n", present(m),
		present(m), m->nframes);
	printf("      nr_free_pages %u\n      nr_inactive_anon %lu\n      nr_active_anon %lu\n"
	       "      nr_shmem %u\n      nr_zspages %u\n",
		nr_free(m), z->inactive, z->active, m->shmem.held, fl_zpool_pages(&m->zpool));
	printf("  pagesets\n");
	for (size_t i = 0; i < z->n; i++)
		print_part(&z->part[i]);
}

static void print_part_json(const struct part *p)
{
	printf("{\"pid\": %d, \"comm\": ", p->pid);
	json_string(p->comm);
	printf(", \"held\": %u, \"silent\": ", p->held);
	if (p->silent) {
		json_string(p->silent);
		printf("}");
		return;
	}
	printf("null, \"count\": %lu, \"available\": %lu, \"nr_inactive_anon\": %lu, "
	       "\"nr_active_anon\": %lu, \"nr_deferred\": %u, \"kswapd\": \"%s\"}",
		p->count, p->available, p->inactive, p->active, p->deferred,
		kswapd_states[p->kswapd]);
}

static void print_json(const struct zone *z)
{
	const struct fl_machine *m = &z->tree->machine;

	printf("{\"pid\": %d, \"zone\": \"Normal\", \"page_bytes\": %lu, \"free\": %u, "
	       "\"min\": 0, \"low\": %u, \"high\": %u, ",
		tree_pid(z->tree), FL_PAGE_SIZE, nr_free(m), fl_wmark_low(m->nframes),
		fl_wmark_high(m->nframes));
	printf("\"spanned\": %lu, \"present\": %lu, \"managed\": %u, \"nr_inactive_anon\": %lu, "
	       "\"nr_active_anon\": %lu, \"nr_shmem\": %u, \"nr_zspages\": %u, \"processes\": [",
		present(m), present(m), m->nframes, z->inactive, z->active, m->shmem.held,
		fl_zpool_pages(&m->zpool));
	for (size_t i = 0; i < z->n; i++) {
		printf("%s\n    ", i ? "," : "");
		print_part_json(&z->part[i]);
	}
	printf("]}");
}

static bool show(struct trees *ts, bool json)
{
	size_t shown = 0;
	bool ok = true;

	snapshot_set_patience(PROC_PATIENCE_S);
	if (json)
		printf("{\"trees\": [");
	for (size_t i = 0; i < ts->n; i++) {
		struct zone z = {.tree = &ts->tree[i]};

		if (tree_refresh_zone(&ts->tree[i])) {
			fl_warn("zoneinfo: tree of %d: it did not add up at any moment: try again, "
				"or see check --tree",
				tree_pid(&ts->tree[i]));
			ok = false;
			continue;
		}
		gather(&z);
		if (json)
			printf("%s\n  ", shown ? "," : "");
		else
			printf("%s", shown ? "\n" : "");
		(json ? print_json : print_text)(&z);
		free(z.part);
		shown++;
	}
	if (json)
		printf("\n]}\n");
	return ok;
}

int cmd_zoneinfo(int argc, char **argv)
{
	return on_trees(argc, argv, doc, show);
}
