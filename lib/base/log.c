/* Formatting and messages that need no libc; see log.h. */
#include "base/log.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>

static void put(struct fl_text *t, char c)
{
	if (t->len + 1 < t->size) {
		t->buf[t->len++] = c;
		t->buf[t->len] = 0;
	}
}

static void put_number(struct fl_text *t, unsigned long long v, unsigned int base)
{
	char digits[24];
	int n = 0;

	do
		digits[n++] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (n)
		put(t, digits[--n]);
}

void fl_text_vadd(struct fl_text *t, const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		int longs = 0;
		long long v;

		if (*fmt != '%') {
			put(t, *fmt);
			continue;
		}
		for (fmt++; *fmt == 'l' || *fmt == 'z'; fmt++)
			longs++;
		switch (*fmt) {
		case 's':
			for (const char *s = va_arg(ap, const char *); s && *s; s++)
				put(t, *s);
			break;
		case 'c':
			put(t, (char)va_arg(ap, int));
			break;
		case 'd':
			v = longs ? va_arg(ap, long) : va_arg(ap, int);
			if (v < 0)
				put(t, '-');
			put_number(t, v < 0 ? -(unsigned long long)v : (unsigned long long)v, 10);
			break;
		case 'u':
		case 'x':
			put_number(t,
				longs ? va_arg(ap, unsigned long) : va_arg(ap, unsigned int),
				*fmt == 'u' ? 10 : 16);
			break;
		default:
			put(t, *fmt);
		}
	}
}

void fl_text_add(struct fl_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fl_text_vadd(t, fmt, ap);
	va_end(ap);
}

size_t fl_format(char *buf, size_t size, const char *fmt, ...)
{
	struct fl_text t = {buf, size, 0};
	va_list ap;

	if (size)
		buf[0] = 0;
	va_start(ap, fmt);
	fl_text_vadd(&t, fmt, ap);
	va_end(ap);
	return t.len;
}

/* Threads of our own have a table of descriptors of their own, in which the
 * program's standard error, wherever it leads by now, is not kept open. */
static void write_stderr(const char *s, size_t n)
{
	long pidfd, fd;

	if (fl_syscall(SYS_write, 2, s, n) != -EBADF)
		return;
	pidfd = fl_syscall(SYS_pidfd_open, fl_syscall(SYS_getpid), 0);
	if (pidfd < 0)
		return;
	fd = fl_syscall(SYS_pidfd_getfd, pidfd, 2, 0);
	if (fd >= 0) {
		fl_syscall(SYS_write, fd, s, n);
		fl_syscall(SYS_close, fd);
	}
	fl_syscall(SYS_close, pidfd);
}

void fl_warn(const char *fmt, ...)
{
	char buf[512];
	struct fl_text t = {buf, sizeof(buf) - 1, 0};
	va_list ap;

	fl_text_add(&t, "faultline: ");
	va_start(ap, fmt);
	fl_text_vadd(&t, fmt, ap);
	va_end(ap);
	buf[t.len++] = '\n';
	write_stderr(buf, t.len);
}

const char *fl_errname(int err)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{EPERM, "not permitted"}, {ENOENT, "no such file or directory"},
		{EIO, "input/output error"}, {EBADF, "bad file descriptor"},
		{EAGAIN, "try again"}, {ENOMEM, "out of memory"},
		{EACCES, "permission denied"}, {EBUSY, "busy"}, {EEXIST, "exists"},
		{ENODEV, "no such device"}, {ENOTDIR, "not a directory"},
		{EINVAL, "invalid argument"}, {EMFILE, "too many open files"},
		{EFBIG, "file too large"}, {ENOSPC, "no space left on device"},
		{EROFS, "read-only file system"}, {ENOSYS, "not in this kernel"},
		{EDQUOT, "disk quota exceeded"}, {EOPNOTSUPP, "not supported"},
	};

	for (size_t i = 0; i < fl_array_size(names); i++)
		if (names[i].err == err)
			return names[i].name;
	return "error";
}
