/*
 * Once the last private mapping of a file is gone nobody has it any more: it can be opened for writing
 * without waiting, and its file system unmounted, at once.
 */
#include "sem.h"
#include "sem-file.h"

#include <sched.h>
#include <sys/mount.h>

enum { KEY = 1000, OWN = 5000000, PAGES = 64, ROUNDS = 50 };

static void use(const char *name)
{
	char *m = map_private(name, PAGES, 0), *over;

	expect(m, PAGES, KEY);
	fill(m, PAGES / 2, OWN);
	expect(m, PAGES / 2, OWN);
	/* half of it goes by being replaced */
	over = mmap(m + PAGES / 2 * PAGE, PAGES / 2 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(over == m + PAGES / 2 * PAGE, "mmap");
	munmap(m, PAGES / 2 * PAGE);
	munmap(over, PAGES / 2 * PAGE);
}

static void open_at_once(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		const char *name = file_of(PAGES, KEY);
		int fd;

		use(name);
		fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		CHECK(fd >= 0, "open for writing, round %d", i);
		close(fd);
	}
	say("opened at once: ok\n");
}

static void unmount_at_once(void)
{
	char folder[] = "sem-mount.XXXXXX", name[64];

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		sem_skip("to mount something needs CAP_SYS_ADMIN");
	CHECK(mkdtemp(folder), "%s", folder);
	snprintf(name, sizeof(name), "%s/file", folder);
	for (int i = 0; i < ROUNDS; i++) {
		int fd;

		CHECK(mount("none", folder, "tmpfs", 0, NULL) == 0, "mount");
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		CHECK(fd >= 0, "%s", name);
		write_file(fd, PAGES, KEY);
		close(fd);
		use(name);
		CHECK(umount(folder) == 0, "umount, round %d", i);
	}
	rmdir(folder);
	say("unmounted at once: ok\n");
}

int main(void)
{
	char *other = map_filled(PRESSURE_BYTES / PAGE, OWN);

	open_at_once();
	unmount_at_once();
	expect(other, PRESSURE_BYTES / PAGE, OWN);
	return 0;
}
