/*
 * Private mappings of a file on overlayfs: one from before it is first written to stays with the file
 * below, one from later follows the copy.
 */
#include "sem.h"
#include "sem-file.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

enum { KEY = 1000, OWN = 5000000, LATER = 9000000, LAST = 12000000, PAGES = 64 };

static char folder[] = "sem-overlay.XXXXXX";

static void mount_overlay(void)
{
	static const char *const parts[] = {"below", "above", "work", "merged"};
	char path[64], options[256];
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		sem_skip("to mount something needs CAP_SYS_ADMIN");
	CHECK(mkdtemp(folder), "%s", folder);
	CHECK(mount("none", folder, "tmpfs", 0, NULL) == 0 && chdir(folder) == 0, "mount");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		CHECK(mkdir(parts[i], 0700) == 0, "%s", parts[i]);
	snprintf(path, sizeof(path), "%s/file", parts[0]);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0, "%s", path);
	write_file(fd, PAGES, KEY);
	close(fd);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", parts[0], parts[1], parts[2]);
	if (mount("none", parts[3], "overlay", 0, options) < 0)
		sem_skip("overlayfs");
	CHECK(chdir(parts[3]) == 0, "chdir");
}

static void change(uint64_t key)
{
	int fd = open("file", O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0, "open");
	write_file(fd, PAGES, key);
	close(fd);
}

static const char *content(const char *m)
{
	return page_has(m + PAGE, KEY + 1) ? "first" : page_has(m + PAGE, LATER + 1) ? "later" :
		page_has(m + PAGE, LAST + 1) ? "last" : "other";
}

int main(void)
{
	char *memory = map_filled(PRESSURE_BYTES / PAGE, OWN), *before, *after;

	mount_overlay();
	before = map_private("file", PAGES, 0);
	expect(before, PAGES / 2, KEY);
	fill_page(before, OWN);
	change(LATER);
	after = map_private("file", PAGES, 0);
	expect(after, PAGES / 2, LATER);
	fill_page(after, OWN);
	say("before %s, after %s\n", content(before), content(after));
	change(LAST);
	say("before %s, after %s\n", content(before), content(after));
	expect(memory, PRESSURE_BYTES / PAGE, OWN);
	CHECK(page_has(before, OWN) && page_has(after, OWN), "what was written");
	CHECK(chdir("/") == 0, "chdir");
	return 0;
}
