/* Reading what /proc says; see procfs.h. */
#include "base/procfs.h"
#include "arch/x86_64/syscall.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TASKS "/proc/self/task"

long fl_read_file(const char *path, char *buf, u32 size)
{
	long fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC), n = fd;

	if (fd >= 0) {
		n = fl_syscall(SYS_read, fd, buf, size - 1);
		fl_syscall(SYS_close, fd);
	}
	buf[n > 0 ? n : 0] = 0;
	return n;
}

u64 fl_read_number(const char **s)
{
	u64 n = 0;

	while (**s == ' ' || **s == '\t')
		++*s;
	for (; **s >= '0' && **s <= '9'; ++*s)
		n = n * 10 + (u64)(**s - '0');
	return n;
}

const char *fl_stat_field(const char *text, u32 field)
{
	const char *at = strrchr(text, ')');

	for (at = at ? at + 1 : ""; *at && field > 3; field--)
		for (at++; *at && *at != ' '; at++)
			;
	return *at ? at + 1 : NULL;
}

u32 fl_nr_tasks(void)
{
	struct stat st;

	/* a folder has a link for each folder in it, and two for itself */
	return fl_syscall(SYS_stat, TASKS, &st) < 0 ? 0 : (u32)st.st_nlink - 2;
}

int fl_numbers_open(struct fl_numbers *n, const char *path)
{
	n->at = n->have = 0;
	n->fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return n->fd < 0 ? (int)n->fd : 0;
}

void fl_numbers_close(struct fl_numbers *n)
{
	fl_syscall(SYS_close, n->fd);
}

s64 fl_numbers_next(struct fl_numbers *n)
{
	for (;;) {
		const struct fl_dirent *d;
		const char *name;

		if (n->at == n->have) {
			long r = fl_syscall(SYS_getdents64, n->fd, n->buf, sizeof(n->buf));

			if (r <= 0) {
				fl_numbers_close(n);
				return -1;
			}
			n->at = 0;
			n->have = (u32)r;
		}
		d = (const struct fl_dirent *)(n->buf + n->at);
		n->at += d->reclen;
		name = d->name;
		if (*name >= '0' && *name <= '9') /* not . and .. */
			return (s64)fl_read_number(&name);
	}
}

int fl_tasks_open(struct fl_tasks *t)
{
	return fl_numbers_open(&t->n, TASKS);
}

u32 fl_tasks_next(struct fl_tasks *t)
{
	s64 tid = fl_numbers_next(&t->n);

	return tid < 0 ? 0 : (u32)tid;
}
