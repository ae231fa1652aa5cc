/*
 * read, write, pread, pwrite, readv, writev, pipes and sockets with buffers on
 * pages that are swapped out or were never touched: the kernel faults, not the
 * program.
 */
#include "sem.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { CHUNK = 64 }; /* pages a call */

static void through_file(char *src, char *dst, size_t pages)
{
	FILE *f = tmpfile();
	int fd;

	CHECK(f, "tmpfile");
	fd = fileno(f);
	for (size_t i = 0; i < pages; i += CHUNK)
		CHECK(write(fd, src + i * PAGE, CHUNK * PAGE) == (ssize_t)(CHUNK * PAGE),
			"write at page %zu", i);
	push_out();
	CHECK(lseek(fd, 0, SEEK_SET) == 0, "lseek");
	for (size_t i = 0; i < pages / 2; i += CHUNK)
		CHECK(read(fd, dst + i * PAGE, CHUNK * PAGE) == (ssize_t)(CHUNK * PAGE),
			"read at page %zu", i);
	for (size_t i = pages / 2; i < pages; i += CHUNK)
		CHECK(pread(fd, dst + i * PAGE, CHUNK * PAGE, i * PAGE) == (ssize_t)(CHUNK * PAGE),
			"pread at page %zu", i);
	expect(dst, pages, 1);
	say("file: read, pread, write ok\n");

	/* Buffers that start and end inside pages, and vectors over far-apart pages. */
	push_out();
	for (size_t i = 0; i + 3 < pages; i += 256) {
		struct iovec out[3] = {{src + i * PAGE + 100, PAGE},
			{src + (pages - 2 - i) * PAGE + 5, 3000},
			{src + (i + 2) * PAGE + 4000, 200}};
		struct iovec in[3] = {{dst + i * PAGE + 100, PAGE},
			{dst + (pages - 2 - i) * PAGE + 5, 3000},
			{dst + (i + 2) * PAGE + 4000, 200}};

		CHECK(pwritev(fd, out, 3, i * PAGE) == PAGE + 3200, "pwritev at page %zu", i);
		memset(dst + i * PAGE + 100, 0, PAGE);
		CHECK(preadv(fd, in, 3, i * PAGE) == PAGE + 3200, "preadv at page %zu", i);
	}
	expect(dst, pages, 1);
	say("file: readv, writev across pages ok\n");
	fclose(f);
}

static void through_descriptors(
	int out, int in, char *src, char *dst, size_t pages, const char *name)
{
	pid_t pid;

	push_out();
	pid = fork_checked();
	if (!pid) {
		for (size_t done = 0; done < pages * PAGE;) {
			ssize_t n = write(out, src + done, pages * PAGE - done);

			CHECK(n > 0, "write to the %s", name);
			done += n;
		}
		_exit(0);
	}
	for (size_t done = 0; done < pages * PAGE;) {
		ssize_t n = read(in, dst + done, pages * PAGE - done);

		CHECK(n > 0, "read from the %s", name);
		done += n;
	}
	reap(pid);
	expect(dst, pages, 1);
	say("%s: ok\n", name);
}

static void sendfile_and_recv(char *src, char *dst, size_t pages)
{
	FILE *f = tmpfile();
	int sv[2];

	CHECK(f && socketpair(AF_UNIX, SOCK_STREAM, 0, sv) == 0, "socketpair");
	CHECK(write(fileno(f), src, pages * PAGE) == (ssize_t)(pages * PAGE), "one large write");
	push_out();
	for (size_t i = 0; i < pages; i += 8) {
		off_t off = i * PAGE;
		size_t got = 0;

		CHECK(sendfile(sv[0], fileno(f), &off, 8 * PAGE) == 8 * PAGE, "sendfile");
		while (got < 8 * PAGE) {
			ssize_t n = recv(sv[1], dst + i * PAGE + got, 8 * PAGE - got, 0);

			CHECK(n > 0, "recv");
			got += n;
		}
	}
	expect(dst, pages, 1);
	close(sv[0]);
	close(sv[1]);
	fclose(f);
	say("sendfile and recv: ok\n");
}

/* Small structures that the kernel writes, each on its own swapped page. */
static void small_results(char *dst, size_t pages)
{
	struct stat *st = (struct stat *)(dst + 3 * PAGE);
	char *path = dst + 777 * PAGE;
	char *cwd = dst + 1500 * PAGE;

	strcpy(path, "/proc/self/exe");
	push_out();
	CHECK(stat(path, st) == 0 && S_ISREG(st->st_mode), "stat with path and result swapped out");
	CHECK(getcwd(cwd, PAGE) == cwd && cwd[0] == '/', "getcwd into a swapped page");
	CHECK(pages > 1500, "size");
	say("stat, getcwd: ok\n");
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 24);
	char *src = map_filled(pages, 1), *dst = map(pages * PAGE);
	int fds[2];

	through_file(src, dst, pages);

	memset(dst, 0, pages * PAGE);
	CHECK(pipe(fds) == 0, "pipe");
	through_descriptors(fds[1], fds[0], src, dst, pages, "pipe");

	CHECK(madvise(dst, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "socketpair");
	through_descriptors(fds[1], fds[0], src, dst, pages, "socket");

	CHECK(madvise(dst, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
	sendfile_and_recv(src, dst, pages);
	small_results(dst, pages);
	expect(src, pages, 1);
	say("digest %016llx\n", (unsigned long long)digest(src, pages * PAGE));
	return 0;
}
