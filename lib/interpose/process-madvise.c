/*
 * process_madvise(2).
 *
 * On the process itself it is madvise(2), range by range: each goes through that hook. Another
 * process's memory is reclaimed by the kernel as it sees fit, and it has no say in ours.
 */
#include "interpose/hooks.h"
#include "base/log.h"
#include "base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define PIDFD_SELF_FIRST (-10000) /* and -10001: numbers that mean the caller itself */
#define TASK_SIZE	 ((1ull << 47) - FL_PAGE_SIZE)
#define MOST_VECTORS	 1024u	     /* UIO_MAXIOV */
#define MOST_BYTES	 0x7ffff000ull /* MAX_RW_COUNT: what is beyond is left out */

/* Is it a thread of ours that the descriptor names? In the numbers of whichever pid namespace
 * /proc is of. */
static bool is_self(long pidfd)
{
	static const char key[] = "\nPid:\t";
	char path[64], text[1024];
	const char *at;

	if (pidfd <= PIDFD_SELF_FIRST)
		return true;
	fl_format(path, sizeof(path), "/proc/self/fdinfo/%d", (int)pidfd);
	fl_read_file(path, text, sizeof(text));
	for (at = text; *at && memcmp(at, key, sizeof(key) - 1); at++)
		;
	if (!*at)
		return false;
	at += sizeof(key) - 1;
	fl_format(path, sizeof(path), "/proc/self/task/%u", (u32)fl_read_number(&at));
	return fl_syscall(SYS_faccessat, AT_FDCWD, path, 0) == 0;
}

static bool vector(const struct fl_call *c, u64 i, struct iovec *ret)
{
	return fl_peek(c->a[1] + i * sizeof(*ret), ret, sizeof(*ret));
}

/* Would the kernel take all of them? It looks at them before it does anything. */
static bool all_valid(const struct fl_call *c, u64 *ret_bytes)
{
	struct iovec v;

	*ret_bytes = 0;
	if (!c->a[2] || c->a[2] > MOST_VECTORS)
		return false;
	for (u64 i = 0; i < c->a[2]; i++) {
		if (!vector(c, i, &v) || v.iov_len >> 63)
			return false;
		if (c->a[2] == 1) /* a single one is cut before it is looked at */
			v.iov_len = fl_min(v.iov_len, MOST_BYTES);
		if (v.iov_len > TASK_SIZE || (u64)v.iov_base > TASK_SIZE - v.iov_len)
			return false;
		*ret_bytes = fl_min(*ret_bytes + v.iov_len, MOST_BYTES);
	}
	return true;
}

enum fl_action fl_hook_process_madvise(struct fl_call *c)
{
	struct fl_call nothing = *c;
	u64 done = 0, bytes;
	long ret = 0;

	/* nothing to do for a descriptor, an advice and flags that are refused */
	nothing.a[2] = 0;
	if (fl_call_kernel(&nothing) < 0 || !all_valid(c, &bytes) || !is_self((int)c->a[0]))
		return FL_NATIVE;
	for (u64 i = 0; i < c->a[2] && done < bytes; i++) {
		struct iovec v;
		struct fl_call one = {.nr = SYS_madvise};

		if (!vector(c, i, &v))
			break;
		if (i && !v.iov_len)
			continue; /* the kernel steps over those, but not over the first */
		one.a[0] = (u64)v.iov_base;
		one.a[1] = fl_min(v.iov_len, bytes - done);
		one.a[2] = c->a[3];
		ret = fl_hook_madvise(&one) == FL_DONE ? one.ret : fl_call_kernel(&one);
		if (fl_is_err(ret))
			break;
		done += one.a[1];
	}
	return fl_done(c, done ? (long)done : ret);
}
