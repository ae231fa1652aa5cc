/* The library, userfaultfd and the environment for a program; see preload.h. */
#include "preload.h"
#include "base/log.h"
#include "machine/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIBRARY "libfaultline.so"

/* LD_PRELOAD separates by these and knows no quotes. */
#define CANNOT_HOLD " :"

int preload_library(char ret_path[PATH_MAX])
{
	/* build/tools beside build/lib; bin beside lib or lib/x86_64-linux-gnu */
	static const char *const places[] = {"../lib", "../" FL_LIBDIR, "../lib64"};
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0) {
		fl_warn("/proc/self/exe: %s: mount /proc", strerror(errno));
		return -ENOENT;
	}
	self[n] = 0;
	*strrchr(self, '/') = 0;
	for (size_t i = 0; i < fl_array_size(places); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", self, places[i], LIBRARY);
		if (access(path, R_OK) < 0 || !realpath(path, ret_path))
			continue;
		if (strpbrk(ret_path, CANNOT_HOLD)) {
			fl_warn("%s: a blank or colon in the path, which LD_PRELOAD cannot name: "
				"install it elsewhere",
				ret_path);
			return -EINVAL;
		}
		return 0;
	}
	fl_warn("%s: not found beside %s: build or install it together with the tool", LIBRARY,
		self);
	return -ENOENT;
}

int preload_userfaultfd(int *ret_dev_fd)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd, err;

	if (dev >= 0) {
		fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0) {
			close(fd);
			*ret_dev_fd = dev;
			return 0;
		}
		close(dev);
	}
	*ret_dev_fd = -1;
	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	err = errno;
	if (fd < 0)
		return -err;
	close(fd);
	return 0;
}

int preload_fd_base(void)
{
	int outer = fl_fd_import(getenv(FL_FDS_ENV));

	/* below those of the machine that manages this very process */
	return outer > 2 * FL_FDS_RESERVED ? outer - FL_FDS_RESERVED : fl_fd_base();
}

/* As FAULTLINE's parser reads it. */
static void describe(const struct fl_config *c, char *buf, size_t size)
{
	struct fl_text t = {buf, size, 0};

	/* the tool reports, not the program: no stats, and no word at its end */
	fl_text_add(&t, "quiet,policy=%s,prefetch=%s,fault-around=%u", c->policy, c->prefetch,
		1u << c->fault_around_order);
	if (c->ram_bytes)
		fl_text_add(&t, ",ram=%lu", c->ram_bytes);
	if (c->engine == FL_ENGINE_UFFD)
		fl_text_add(&t, ",engine=uffd");
	if (c->strict)
		fl_text_add(&t, ",strict");
	if (c->copy_only)
		fl_text_add(&t, ",copy-only");
	if (c->layout)
		fl_text_add(&t, ",layout=%s",
			c->layout == FL_LAYOUT_LEGACY ? "legacy" : "flexible");
	if (!c->page_shared)
		fl_text_add(&t, ",no-page-shared");
	if (c->no_randomize)
		fl_text_add(&t, ",no-randomize");
	if (c->swap_path[0] && !strchr(c->swap_path, ',')) {
		fl_text_add(&t, ",swap=file:%s", c->swap_path);
		if (c->swap_max_bytes)
			fl_text_add(&t, ",size=%lu", c->swap_max_bytes);
	}
}

/* In front: the first library that defines a symbol is the one that is used. */
static void prepend_library(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *joined;

	if (!old || !*old) {
		setenv("LD_PRELOAD", library, 1);
		return;
	}
	if (strstr(old, library))
		return;
	if (asprintf(&joined, "%s:%s", library, old) < 0)
		abort();
	setenv("LD_PRELOAD", joined, 1);
	free(joined);
}

void preload_environment(const struct fl_config *c, int fd_base, const char *library)
{
	char text[FL_PATH_MAX + 512];

	describe(c, text, sizeof(text));
	setenv("FAULTLINE", text, 1);
	fl_format(text, sizeof(text), "%d", fd_base);
	setenv(FL_FDS_ENV, text, 1);
	prepend_library(library);
}
