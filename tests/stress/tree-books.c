/*
 * Do the books of a process tree add up?
 *
 *	tree-books PID...
 *
 * The processes named must be all that live under one Faultline. They are kept
 * still while the machine that they share is looked at: zone and swap map agree
 * with what the processes hold; nobody else holds anything, dead or alive; what
 * each holds is what its own tables account for.
 *
 * Exit status 0, or 1 with a line for each thing that is wrong.
 */
#include "base/log.h"
#include "client.h"
#include "machine/internal.h"
#include "mm/mm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_PROCESSES = 256, ATTEMPTS = 100 };

struct held {
	u64 frames, slots;
};

static struct fl_machine_view view;
static struct snapshot snap[MAX_PROCESSES];
static int nr_wrong;
static struct fl_text out; /* of the last attempt */
static char out_buf[65536];

#define WRONG(...)                                                                                 \
	do {                                                                                       \
		nr_wrong++;                                                                        \
		fl_text_add(&out, "tree-books: " __VA_ARGS__);                                     \
		fl_text_add(&out, "\n");                                                           \
	} while (0)

/* The machine's memory file, as the process has it open. */
static int open_machine(const char *pid)
{
	char dir[64], path[PATH_MAX], to[64];
	struct dirent *d;
	int fd = -1;
	DIR *fds;

	snprintf(dir, sizeof(dir), "/proc/%s/fd", pid);
	fds = opendir(dir);
	while (fds && fd < 0 && (d = readdir(fds))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (!strncmp(to, "/memfd:faultline ", 17))
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fds)
		closedir(fds);
	return fd;
}

static u64 popcount(const u64 *map, u64 bits)
{
	u64 n = 0;

	for (u64 w = 0; w < (bits + 63) / 64; w++)
		n += (u64)__builtin_popcountll(map[w]);
	return n;
}

static struct held held_by(u32 record)
{
	struct held h = {0, 0};
	u64 *map;
	const u64 *held = fl_held_of(&view, record, &map);

	if (held) {
		h.frames = popcount(held, view.t->nframes);
		h.slots = popcount((const u64 *)((const char *)held + view.t->held_slots_at),
			view.t->slots.nr_slots);
		munmap(map, view.t->held_stride);
	}
	return h;
}

static int argument_of(u32 pid, char **pids, int n)
{
	for (int i = 0; i < n; i++)
		if ((u32)atoi(pids[i]) == pid)
			return i;
	return -1;
}

/* What the process's own tables account for: pages and free frames; a slot each for what is
 * in swap, and perhaps one for a page that is in memory too. */
static void check_process(const struct fl_snapshot *s, struct held h, u32 held)
{
	u64 frames = s->rss_anon + s->soft_pages + s->swapin_pages + s->frames_free_local;

	if (h.frames != held)
		WRONG("%u: %lu frames in its bitmap, counted %u", s->pid, h.frames, held);
	if (h.frames != frames)
		WRONG("%u: holds %lu frames: %lu pages and %lu free ones", s->pid, h.frames,
			frames - s->frames_free_local, s->frames_free_local);
	if (h.slots < s->swap_ents || h.slots > s->swap_ents + frames)
		WRONG("%u: holds %lu slots: %lu pages in swap, %lu in memory", s->pid, h.slots,
			s->swap_ents, frames);
}

static void check_records(char **pids, int n)
{
	struct held sum = {0, 0};
	int seen = 0;

	for (u32 i = 0; i < view.t->nr_procs; i++) {
		const struct fl_proc *p = &view.procs[i];
		struct held h = held_by(i);
		int at = argument_of(p->pid, pids, n);

		sum.frames += h.frames;
		sum.slots += h.slots;
		if (p->state == FL_PROC_LIVE && at >= 0) {
			seen++;
			check_process(snap[at].head, h, p->held);
		} else if (p->state != FL_PROC_FREE && p->state != FL_PROC_DEAD) {
			WRONG("%u (%s, %s): not one of these, with %lu frames and %lu slots",
				p->pid, p->comm, p->state == FL_PROC_NEW ? "being born" : "alive",
				h.frames, h.slots);
		} else if (h.frames || h.slots) {
			WRONG("%u: dead, with %lu frames and %lu slots", p->pid, h.frames, h.slots);
		}
	}
	if (seen != n)
		WRONG("%d of %d processes have a record", seen, n);
	/* what is in shared memory is nobody's own */
	sum.frames += view.t->shmem.held;
	sum.slots += view.t->shmem_swapped;
	if (n == 1 && (sum.frames != view.t->frames_used || sum.slots != view.t->slots.nr_used))
		WRONG("%u frames and %u slots in use, but it holds %lu and %lu",
			view.t->frames_used, view.t->slots.nr_used, sum.frames, sum.slots);
	if (!nr_wrong)
		fl_text_add(&out,
			"tree-books: %d processes hold %lu of %u frames (%u different ones), "
			"%lu slots (%u): right\n",
			n, sum.frames, view.t->nframes, view.t->frames_used, sum.slots,
			view.t->slots.nr_used);
}

static void check_all(char **pids, int n)
{
	char why[200] = "?";

	nr_wrong = 0;
	out = (struct fl_text){out_buf, sizeof(out_buf), 0};
	fl_machine_reap(&view);
	if (fl_machine_validate(&view, why, sizeof(why)) < 0)
		WRONG("%s", why);
	check_records(pids, n);
}

int main(int argc, char **argv)
{
	char **pids = argv + 1;
	int n = argc - 1, fd, err;

	if (n < 1 || n > MAX_PROCESSES) {
		fprintf(stderr, "usage: tree-books PID...\n");
		return 2;
	}
	fd = open_machine(pids[0]);
	err = fd < 0 ? -ENOENT : fl_machine_open(&view, fd, -1);
	if (err) {
		printf("tree-books: %s: its machine cannot be opened: %s\n", pids[0],
			strerror(-err));
		return 1;
	}
	/* A page that was given up during an I/O is in no table until that has ended. */
	for (int i = 0; i < ATTEMPTS; i++) {
		for (int k = 0; k < n; k++) {
			err = snapshot_take(atoi(pids[k]), FL_CTL_FREEZE, &snap[k]);
			if (err) {
				snapshot_complain(atoi(pids[k]), err);
				return 1;
			}
		}
		check_all(pids, n);
		for (int k = 0; k < n; k++)
			snapshot_release(&snap[k]);
		if (!nr_wrong)
			break;
		usleep(10000);
	}
	fwrite(out.buf, 1, out.len, stdout);
	return nr_wrong ? 1 : 0;
}
