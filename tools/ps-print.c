/* The table and the JSON of `faultline ps`; see ps.h. */
#include "json.h"
#include "ps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 12.3M: one decimal, at most seven characters */
static const char *human(u64 bytes, char buf[16])
{
	static const char units[] = "KMGT";
	double v = (double)bytes / 1024;
	size_t unit = 0;

	if (!bytes)
		return "0";
	for (; v >= 1023.95 && units[unit + 1]; unit++)
		v /= 1024;
	snprintf(buf, 16, "%.1f%c", v, units[unit]);
	return buf;
}

/* Who names himself with control characters does not write on our terminal. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void print_line(size_t columns, char *line)
{
	make_printable(line);
	if (columns && strlen(line) > columns) {
		size_t end = columns;

		/* not in the middle of a letter (UTF-8) */
		while (end && ((unsigned char)line[end] & 0xc0) == 0x80)
			end--;
		line[end] = 0;
	}
	printf("%s\n", line);
}

static void print_row(const struct ps_tree *t, const struct ps_row *r, size_t columns)
{
	const struct fl_proc *p = &t->tree.procs[r->record];
	char rss[16], shared[16], swap[16], *line;

	if (asprintf(&line, "%7d %c %4u %7s %7s %7s %8.0f %8lu %*s%s%s", r->pid, r->stat.state,
		    r->threads, human(p->stats.rss_bytes, rss), human(r->shared_bytes, shared),
		    human(p->stats.swap_bytes, swap), r->faults_per_s,
		    p->stats.counter[FL_C_pgfault_cow], (int)(r->depth ? 2 * r->depth - 2 : 0), "",
		    r->depth ? "\\_ " : "", r->command) < 0)
		abort();
	print_line(columns, line);
	free(line);
}

struct sum {
	u64 threads, cow;
	double faults_per_s;
};

static struct sum add_up(const struct ps_tree *t)
{
	struct sum s = {0};

	for (size_t i = 0; i < t->n; i++) {
		s.threads += t->rows[i].threads;
		s.cow += t->tree.procs[t->rows[i].record].stats.counter[FL_C_pgfault_cow];
		s.faults_per_s += t->rows[i].faults_per_s;
	}
	return s;
}

/* Frames and slots are counted once here, however many processes share them. */
void ps_print(const struct ps_tree *t, size_t columns)
{
	const struct fl_machine *m = &t->tree.machine;
	struct sum s = add_up(t);
	char used[16], shared[16], swap[16], budget[16], *line;

	printf("%7s %c %4s %7s %7s %7s %8s %8s %s\n", "PID", 'S', "THR", "RSS", "SHARED", "SWAP",
		"FAULTS/S", "COW", "COMMAND");
	for (size_t i = 0; i < t->n; i++)
		print_row(t, &t->rows[i], columns);
	if (m->shmem.held || m->shmem_swapped) {
		/* processes have it in common, and none of them in its own figures */
		if (asprintf(&line, "%7s   %4s %7s %7s %7s %8s %8s shared anonymous memory", "-", "-",
			    human((u64)m->shmem.held * FL_PAGE_SIZE, used), "-",
			    human((u64)m->shmem_swapped * FL_PAGE_SIZE, swap), "-", "-") < 0)
			abort();
		print_line(columns, line);
		free(line);
	}
	if (asprintf(&line, "%7s   %4lu %7s %7s %7s %8.0f %8lu %s%s, %zu process%s", "total",
		    s.threads, human((u64)m->frames_used * FL_PAGE_SIZE, used),
		    human(t->shared_bytes, shared),
		    human((u64)m->slots.nr_used * FL_PAGE_SIZE, swap), s.faults_per_s, s.cow,
		    m->config.ram_bytes ? "of " : "no budget",
		    m->config.ram_bytes ? human(m->config.ram_bytes, budget) : "", t->n,
		    t->n == 1 ? "" : "es") < 0)
		abort();
	print_line(columns, line);
	free(line);
}

static void print_process_json(const struct ps_tree *t, const struct ps_row *r)
{
	const struct fl_proc *p = &t->tree.procs[r->record];
	const struct fl_proc_stats *s = &p->stats;

	printf("{\"pid\": %d, \"ppid\": %d, \"comm\": ", r->pid, r->stat.ppid);
	json_string(r->stat.comm);
	printf(", \"command\": ");
	json_string(r->command);
	printf(", \"state\": \"%c\", \"threads\": %u, ", r->stat.state, r->threads);
	printf("\"rss_bytes\": %lu, \"rss_peak_bytes\": %lu, \"shared_bytes\": %lu, "
	       "\"swap_bytes\": %lu, ",
		s->rss_bytes, s->rss_peak_bytes, r->shared_bytes, s->swap_bytes);
	printf("\"unmanaged_bytes\": %lu, \"bookkeeping_bytes\": %lu, ", s->unmanaged_bytes,
		s->bookkeeping_bytes);
	printf("\"faults_per_s\": %.1f, \"pgfault\": %lu, \"pgmajfault\": %lu, "
	       "\"pgfault_cow\": %lu}",
		r->faults_per_s, s->counter[FL_C_pgfault], s->counter[FL_C_pgmajfault],
		s->counter[FL_C_pgfault_cow]);
}

void ps_print_json(const struct ps_tree *trees, size_t n, double interval_s)
{
	printf("{\"interval_s\": %.3f, \"trees\": [", interval_s);
	for (size_t i = 0; i < n; i++) {
		const struct ps_tree *t = &trees[i];
		const struct fl_machine *m = &t->tree.machine;
		struct sum s = add_up(t);

		printf("%s\n  {\"ram_bytes\": %lu, \"ram_used_bytes\": %lu, "
		       "\"ram_peak_bytes\": %lu, ",
			i ? "," : "", m->config.ram_bytes, (u64)m->frames_used * FL_PAGE_SIZE,
			(u64)m->frames_peak * FL_PAGE_SIZE);
		printf("\"swap_used_bytes\": %lu, \"swap_peak_bytes\": %lu, ",
			(u64)m->slots.nr_used * FL_PAGE_SIZE, (u64)m->slots_peak * FL_PAGE_SIZE);
		printf("\"shmem_bytes\": %lu, \"shmem_swap_bytes\": %lu, ",
			(u64)m->shmem.held * FL_PAGE_SIZE, (u64)m->shmem_swapped * FL_PAGE_SIZE);
		printf("\"shared_bytes\": %lu, \"unmanaged_bytes\": %lu, ", t->shared_bytes,
			m->unmanaged_bytes);
		printf("\"processes_seen\": %u, \"threads\": %lu, \"faults_per_s\": %.1f, "
		       "\"processes\": [",
			m->nr_seen, s.threads, s.faults_per_s);
		for (size_t k = 0; k < t->n; k++) {
			printf("%s\n    ", k ? "," : "");
			print_process_json(t, &t->rows[k]);
		}
		printf("\n  ]}");
	}
	printf("\n]}\n");
}
