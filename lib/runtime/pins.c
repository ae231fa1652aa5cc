/*
 * May pages of the program be pinned?
 *
 * A device that writes to memory directly has looked its pages up before (O_DIRECT, buffers that are
 * registered with io_uring, character devices of many kinds). What it writes to a page that has left
 * shared memory meanwhile is lost, and the kernel does not tell which pages are in use so. But who
 * can ask for it is known: from a call of the program's (interpose/pins.c), or from a descriptor.
 *
 * The descriptors are looked at after pages have been unmapped. Whoever has pinned one of these did
 * so before, through a descriptor that is open still, unless it was closed with a transfer under
 * way; and who does it later has to fault first.
 */
#include "runtime/runtime.h"
#include "base/log.h"
#include "base/procfs.h"
#include "machine/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define MOST_FDS   1024u /* more are not looked at: others wait for our answer */
#define LINK_BYTES 64

/* Of /dev: what copies, or is no device. * is any end of the name. */
static const char *const harmless[] = {"null", "zero", "full", "random", "urandom", "kmsg", "console",
	"ptmx", "tty*", "pts*", "hvc*", "shm*", "mqueue*", "kvm", "userfaultfd", "rtc*",
	"input/*", "net/tun"};

static bool begins(const char *s, const char *with)
{
	while (*with && *s == *with) {
		s++;
		with++;
	}
	return !*with;
}

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < fl_array_size(harmless); i++) {
		const char *h = harmless[i], *n = name;

		while (*h && *h != '*' && *n == *h) {
			n++;
			h++;
		}
		if (*h == '*' || *h == *n)
			return true;
	}
	return false;
}

/* Closed meanwhile: no. Not to be seen (a filter of system calls, no memory): maybe, so yes. */
static bool is_direct(u32 fd)
{
	char path[LINK_BYTES], buf[256];
	const char *line = buf;
	u64 flags = 0;
	long n;

	fl_format(path, sizeof(path), "/proc/self/fdinfo/%u", fd);
	n = fl_read_file(path, buf, sizeof(buf));
	if (n < 0)
		return n != -ENOENT;
	while (*line && !begins(line, "flags:\t"))
		line++;
	for (line += fl_min(strlen(line), strlen("flags:\t")); *line >= '0' && *line <= '7'; line++)
		flags = flags * 8 + (u64)(*line - '0');
	return flags & O_DIRECT;
}

/* By the name that it leads to: to ask a file system could mean to wait for a server. */
static bool may_pin(u32 fd)
{
	char path[LINK_BYTES], to[LINK_BYTES];
	long n;

	fl_format(path, sizeof(path), "/proc/self/fd/%u", fd);
	n = fl_syscall(SYS_readlink, path, to, sizeof(to) - 1);
	if (n < 0)
		return n != -ENOENT;
	to[n] = 0;
	if (begins(to, "anon_inode:"))
		return begins(to, "anon_inode:[io_uring]") || begins(to, "anon_inode:[vfio");
	if (begins(to, "socket:") || begins(to, "pipe:"))
		return false;
	return (begins(to, "/dev/") && !is_harmless(to + strlen("/dev/"))) || is_direct(fd);
}

/* The first thread's descriptors, which all share. Where they cannot be seen, or it has none left,
 * not even ours, because it has ended: true. */
static bool any_descriptor(void)
{
	struct fl_numbers fds;
	bool ours = false;
	u32 n = 0;
	s64 fd;

	if (fl_numbers_open(&fds, "/proc/self/fd") < 0)
		return true;
	while ((fd = fl_numbers_next(&fds)) >= 0) {
		if (fd >= fl.fd_base && fd < fl.fd_base + FL_FDS_RESERVED) {
			ours = true;
			continue;
		}
		if (++n > MOST_FDS || may_pin((u32)fd)) {
			fl_numbers_close(&fds);
			return true;
		}
	}
	return !ours;
}

void fl_pins_begin(void)
{
	__atomic_store_n(&fl.may_pin, true, __ATOMIC_SEQ_CST);
}

bool fl_pins_may(struct fl_pager *p, bool look)
{
	(void)p;
	if (look && !__atomic_load_n(&fl.may_pin, __ATOMIC_SEQ_CST)) {
		/* who writes through /proc/PID/mem, or ptrace(2), has the kernel's lock on the address
		 * space meanwhile: this waits for it, and does nothing */
		fl_syscall(SYS_brk, 0);
		if (any_descriptor())
			fl_pins_begin();
	}
	return __atomic_load_n(&fl.may_pin, __ATOMIC_SEQ_CST);
}
