/* The control socket's client; see client.h. */
#include "client.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Longer than a client may freeze the process: another may be before us. */
#define PATIENCE_S (FL_CTL_FREEZE_MS / 1000 + 5)

static int patience_s = PATIENCE_S;

void snapshot_set_patience(int seconds)
{
	patience_s = seconds;
}

static int connect_to(int pid)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = patience_s};
	size_t n = fl_format(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "faultline/%d", pid);
	struct ucred peer;
	socklen_t peer_bytes = sizeof(peer);
	int fd, err;

	if (kill(pid, 0) < 0 && errno == ESRCH)
		return -ESRCH;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&addr,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) < 0) {
		err = errno;
	} else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) < 0) {
		err = errno;
	} else if (peer.pid != pid) {
		err = ECONNREFUSED; /* anybody can take an abstract name */
	} else {
		return fd;
	}
	close(fd);
	return -err;
}

/* The reply, and the memory file that comes with it. */
static int receive(int fd, struct fl_ctl_reply *reply, int *ret_file)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {reply, sizeof(*reply)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (n == 0)
		return -ECONNREFUSED; /* it ended, or became another program */
	*ret_file = -1;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_file, CMSG_DATA(c), sizeof(int));
	if (n != sizeof(*reply) || (!reply->status && *ret_file < 0)) {
		close(*ret_file);
		return -EPROTO;
	}
	return -reply->status;
}

/* Whether n elements at this offset lie within the file. */
static bool fits(size_t bytes, uint64_t at, uint64_t n, size_t size)
{
	return !n || (at <= bytes && n <= (bytes - at) / size && at % 8 == 0);
}

static int map(struct snapshot *s, int file)
{
	const struct fl_snapshot *h;
	struct stat st;
	void *p;

	if (fstat(file, &st) < 0 || st.st_size < (off_t)sizeof(*h))
		return -EPROTO;
	s->bytes = (size_t)st.st_size;
	p = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, file, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->head = h = p;
	if (h->magic != FL_SNAPSHOT_MAGIC || h->version != FL_SNAPSHOT_VERSION ||
		!fits(s->bytes, h->vmas_at, h->nr_vmas, sizeof(*s->vmas)) ||
		!fits(s->bytes, h->pages_at, h->nr_pages, sizeof(*s->pages)) ||
		!fits(s->bytes, h->ranges_at, h->nr_ranges, sizeof(*s->ranges))) {
		munmap(p, s->bytes);
		return -EPROTO;
	}
	s->vmas = (const void *)((const char *)p + h->vmas_at);
	s->pages = (const void *)((const char *)p + h->pages_at);
	s->ranges = (const void *)((const char *)p + h->ranges_at);
	return 0;
}

static int take(int pid, struct fl_ctl_request request, struct snapshot *ret)
{
	struct fl_ctl_reply reply;
	int fd = connect_to(pid), file = -1, err;

	memset(ret, 0, sizeof(*ret));
	ret->connection = fd;
	if (fd < 0)
		return fd;
	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		err = errno == EPIPE ? -ECONNREFUSED : -errno;
	else
		err = receive(fd, &reply, &file);
	if (!err) {
		err = map(ret, file);
		close(file);
	}
	if (err || !(request.flags & FL_CTL_FREEZE))
		snapshot_thaw(ret);
	return err;
}

int snapshot_take(int pid, uint32_t flags, struct snapshot *ret)
{
	return take(pid, (struct fl_ctl_request){FL_SNAPSHOT_VERSION, flags, 0, 0, 0}, ret);
}

int snapshot_take_page(int pid, uint32_t flags, uint64_t va, uint32_t frame, struct snapshot *ret)
{
	return take(pid,
		(struct fl_ctl_request){FL_SNAPSHOT_VERSION, flags | FL_CTL_WALK, va, frame, 0},
		ret);
}

void snapshot_thaw(struct snapshot *s)
{
	if (s->connection >= 0)
		close(s->connection);
	s->connection = -1;
}

void snapshot_release(struct snapshot *s)
{
	snapshot_thaw(s);
	if (s->head)
		munmap((void *)s->head, s->bytes);
	s->head = NULL;
}

void snapshot_complain(int pid, int err)
{
	switch (-err) {
	case ESRCH:
		fl_warn("PID %d: no such process: see ps for those that run", pid);
		break;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOENT:
		fl_warn("PID %d: not running under Faultline: start it with faultline run", pid);
		break;
	case EPERM:
	case EACCES:
		fl_warn("PID %d: not permitted: ask as root or as the user that it runs as", pid);
		break;
	case EPROTO:
		fl_warn("PID %d: speaks another version's language: use the tool it was started "
			"with",
			pid);
		break;
	case ETIMEDOUT:
		fl_warn("PID %d: does not answer: is it stopped?", pid);
		break;
	default:
		fl_warn("PID %d: %s: try again", pid, strerror(-err));
	}
}
