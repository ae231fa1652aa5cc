/*
 * MAP_FIXED that is refused: by the arguments, the place is as it was; by the file, the kernel may
 * have cleared it already. With $FAULTLINE_CHECK that is looked at from outside as well, as what is
 * remembered of a place with nothing in it cannot be seen from within: tests/cli/refused.sh.
 */
#include "outside.h"
#include "sem.h"
#include <fcntl.h>

#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

enum { N = 64 };

static struct outside outside;
static bool looking;

static void refused(const char *what, int flags, int fd, off_t offset)
{
	char *p = map_apart_filled(3 * N, 1), *q;
	bool there;

	q = mmap(p + N * PAGE, N * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, offset);
	CHECK(q == MAP_FAILED, "%s", what);
	say("%s: errno %d", what, errno);
	push_out();
	there = madvise(p + N * PAGE, PAGE, MADV_NORMAL) == 0;
	say(", %s\n", there ? "as it was" : "cleared");
	if (there)
		expect(p, 3 * N, 1);
	expect(p, N, 1);
	expect(p + 2 * N * PAGE, N, 1 + 2 * N);
	CHECK(!looking || outside_check(&outside) == 0, "%s: a disagreement", what);
	/* and can be mapped again, as new */
	q = mmap(p + N * PAGE, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		-1, 0);
	CHECK(q == p + N * PAGE, "mmap");
	expect_zero(q, N);
	munmap(p, 3 * N * PAGE);
}

int main(void)
{
	char name[] = "sem-map-refused.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC), pipe_fd[2];

	looking = outside_prepare(&outside);
	CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, N * PAGE) == 0 && pipe(pipe_fd) == 0, "files");
	refused("bad descriptor", MAP_PRIVATE, 987, 0);
	refused("bad offset", MAP_PRIVATE, fd, 1);
	refused("bad flags", MAP_SHARED_VALIDATE | 1 << 25, fd, 0);
	refused("SYNC", MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0);
	refused("pipe", MAP_PRIVATE, pipe_fd[0], 0);
	return 0;
}
