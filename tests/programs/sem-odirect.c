/*
 * O_DIRECT reads and writes whose buffers are managed memory, while another
 * thread's pressure evicts: pinned pages are neither lost nor moved away.
 */
#include "sem.h"
#include <fcntl.h>
#include <pthread.h>

enum { CHUNK = 32 };

static volatile int stop;

static void *pressure(void *arg)
{
	size_t n = 20 * MIB / PAGE;
	char *p = map(n * PAGE);

	for (uint64_t r = 0; !stop; r++)
		for (size_t i = 0; i < n && !stop; i++)
			fill_page(p + i * PAGE, r + i);
	return arg;
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 32);
	char path[] = "sem-odirect.XXXXXX";
	char *src = map_filled(pages, 1), *dst = map(pages * PAGE);
	pthread_t t;
	int fd = mkstemp(path);

	CHECK(fd >= 0, "mkstemp in the working directory");
	unlink(path);
	if (fcntl(fd, F_SETFL, O_DIRECT) < 0)
		sem_skip("no O_DIRECT on this filesystem");
	CHECK(pthread_create(&t, NULL, pressure, NULL) == 0, "pthread_create");
	for (int r = 0; r < 2; r++) {
		for (size_t i = 0; i < pages; i += CHUNK)
			CHECK(pwrite(fd, src + i * PAGE, CHUNK * PAGE, i * PAGE) ==
					(ssize_t)(CHUNK * PAGE),
				"pwrite at page %zu", i);
		for (size_t i = 0; i < pages; i += CHUNK)
			CHECK(pread(fd, dst + i * PAGE, CHUNK * PAGE, i * PAGE) ==
					(ssize_t)(CHUNK * PAGE),
				"pread at page %zu", i);
		expect(dst, pages, 1);
		expect(src, pages, 1);
		if (!r)
			CHECK(madvise(dst, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
	}
	stop = 1;
	pthread_join(t, NULL);
	say("O_DIRECT: ok, digest %016llx\n", (unsigned long long)digest(dst, pages * PAGE));
	return 0;
}
