/* The tree's shared memory from outside; see tree.h. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMFD_LINK "/memfd:faultline (deleted)"

static bool is_memory_file(int dir, const char *name)
{
	char link[sizeof(MEMFD_LINK) + 1];
	ssize_t n = readlinkat(dir, name, link, sizeof(link));

	return n == sizeof(MEMFD_LINK) - 1 && !memcmp(link, MEMFD_LINK, (size_t)n);
}

/* In one thread's table of open files. -ENOENT: it has none that is ours. */
static int find_in(const char *path, int mode)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int fd = -ENOENT;

	if (!dir)
		return -errno;
	while (fd == -ENOENT && (e = readdir(dir))) {
		if (!is_memory_file(dirfd(dir), e->d_name))
			continue;
		fd = openat(dirfd(dir), e->d_name, mode | O_CLOEXEC);
		fd = fd < 0 ? -errno : fd;
	}
	closedir(dir);
	return fd;
}

/* The main thread may have ended before the others, or closed what it should not
 * have: Faultline's own threads have the file open in any case. */
static int find_in_threads(int pid, int mode)
{
	char path[300];
	struct dirent *e;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && fd < 0 && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/fd", pid, e->d_name);
		fd = find_in(path, mode);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int open_memory_file(int pid, int mode)
{
	char path[64];
	int fd;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	fd = find_in(path, mode);
	if (fd == -ENOENT)
		fd = find_in_threads(pid, mode);
	if (fd == -EACCES)
		return -EPERM;
	return fd == -ENOENT ? -ECONNREFUSED : fd;
}

int tree_open_writable(int pid)
{
	return open_memory_file(pid, O_RDWR);
}

void *tree_read(const struct tree *t, u64 at, u64 bytes)
{
	char *buf;

	if (at > t->file_bytes || bytes > t->file_bytes - at)
		return NULL;
	buf = malloc(bytes + 1);
	for (u64 done = 0; buf && done < bytes;) {
		ssize_t n = pread(t->fd, buf + done, bytes - done, (off_t)(at + done));

		if (n <= 0) {
			free(buf);
			return NULL;
		}
		done += (u64)n;
	}
	return buf;
}

u16 *tree_refs(const struct tree *t)
{
	return tree_read(t, t->machine.refs_at, (u64)t->machine.zone.fresh * sizeof(u16));
}

u16 *tree_slot_counts(const struct tree *t)
{
	const struct fl_machine *m = &t->machine;

	return tree_read(t, m->slot_count_at, (u64)m->slots.nr_slots * sizeof(u16));
}

u64 *tree_held_frames(const struct tree *t, u32 proc)
{
	const struct fl_machine *m = &t->machine;

	return tree_read(
		t, m->held_at + m->held_stride * proc, ((u64)m->zone.fresh + 63) / 64 * sizeof(u64));
}

int tree_refresh(struct tree *t)
{
	struct fl_machine *m = tree_read(t, 0, sizeof(*m));

	if (!m)
		return -EPROTO;
	t->machine = *m;
	free(m);
	m = &t->machine;
	if (m->magic != FL_MACHINE_MAGIC || m->version != FL_MACHINE_VERSION ||
		m->nr_procs > FL_NR_PROCS || m->zone.fresh > m->nframes)
		return -EPROTO;
	free(t->procs);
	t->procs = tree_read(t, m->procs_at, m->nr_procs * sizeof(*t->procs));
	return t->procs ? 0 : -EPROTO;
}

int tree_open(int pid, struct tree *ret)
{
	struct stat st;
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->fd = open_memory_file(pid, O_RDONLY);
	if (ret->fd < 0)
		return ret->fd;
	err = fstat(ret->fd, &st) < 0 ? -errno : 0;
	if (!err) {
		ret->dev = st.st_dev;
		ret->ino = st.st_ino;
		ret->file_bytes = (u64)st.st_size;
		err = tree_refresh(ret);
	}
	if (err)
		tree_close(ret);
	return err;
}

void tree_close(struct tree *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->procs);
	memset(t, 0, sizeof(*t));
	t->fd = -1;
}

bool tree_is_live(const struct fl_proc *p)
{
	return p->state == FL_PROC_LIVE && !fl_proc_is_gone(p);
}

const struct fl_proc *tree_find(const struct tree *t, int pid)
{
	for (u32 i = 0; i < t->machine.nr_procs; i++)
		if (t->procs[i].pid == (u32)pid && tree_is_live(&t->procs[i]))
			return &t->procs[i];
	return NULL;
}

int tree_list_pids(int **ret, size_t *ret_n)
{
	FILE *f = fopen("/proc/net/unix", "re");
	size_t room = 0, n = 0, line_size = 0;
	char *line = NULL;
	int *pids = NULL;

	if (!f)
		return -errno;
	while (getline(&line, &line_size, f) > 0) {
		char *name = strstr(line, " @faultline/");
		int pid = name ? atoi(name + strlen(" @faultline/")) : 0;

		if (pid <= 0)
			continue;
		if (n == room) {
			int *more = realloc(pids, (room = room ? 2 * room : 64) * sizeof(*pids));

			if (!more)
				abort();
			pids = more;
		}
		pids[n++] = pid;
	}
	free(line);
	fclose(f);
	*ret = pids;
	*ret_n = n;
	return 0;
}
