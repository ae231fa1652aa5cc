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

int fl_tasks_open(struct fl_tasks *t)
{
	t->at = t->have = 0;
	t->fd = fl_syscall(SYS_openat, AT_FDCWD, TASKS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->fd < 0 ? (int)t->fd : 0;
}

u32 fl_tasks_next(struct fl_tasks *t)
{
	for (;;) {
		const struct fl_dirent *d;
		const char *name;
		u32 tid;

		if (t->at == t->have) {
			long n = fl_syscall(SYS_getdents64, t->fd, t->buf, sizeof(t->buf));

			if (n <= 0) {
				fl_syscall(SYS_close, t->fd);
				return 0;
			}
			t->at = 0;
			t->have = (u32)n;
		}
		d = (const struct fl_dirent *)(t->buf + t->at);
		t->at += d->reclen;
		name = d->name;
		tid = (u32)fl_read_number(&name);
		if (tid) /* not . and .. */
			return tid;
	}
}
