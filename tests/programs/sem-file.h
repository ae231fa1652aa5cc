/* Files for the tests of private mappings: in $TMPDIR, each in its place of the last. */
#ifndef TESTS_PROGRAMS_SEM_FILE_H
#define TESTS_PROGRAMS_SEM_FILE_H

#include "sem.h"

#include <fcntl.h>

static char sem_file_name[256];

static UNUSED void sem_file_remove(void)
{
	unlink(sem_file_name);
}

static UNUSED void write_file(int fd, size_t pages, uint64_t key)
{
	static char page[PAGE];

	for (size_t i = 0; i < pages; i++) {
		fill_page(page, key + i);
		CHECK(pwrite(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE, "page %zu", i);
	}
}

/* Makes the file anew, of pages filled as by fill(); nobody has it open then. */
static UNUSED const char *file_of(size_t pages, uint64_t key)
{
	int fd;

	if (!*sem_file_name) {
		snprintf(sem_file_name, sizeof(sem_file_name), "%s/sem-file.%d",
			getenv("TMPDIR") ? getenv("TMPDIR") : ".", (int)getpid());
		atexit(sem_file_remove);
	}
	unlink(sem_file_name);
	fd = open(sem_file_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0, "%s", sem_file_name);
	write_file(fd, pages, key);
	close(fd);
	return sem_file_name;
}

/* Its pages are to be read from the disk, if there is one. */
static UNUSED void forget_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && fsync(fd) == 0, "%s", name);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static UNUSED char *map_private(const char *name, size_t pages, size_t first)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)(first * PAGE));

	CHECK(fd >= 0 && p != MAP_FAILED, "%s", name);
	close(fd);
	return p;
}

#endif
