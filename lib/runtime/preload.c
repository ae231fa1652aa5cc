/*
 * The library's constructor: from an unmodified program to a managed one.
 *
 * Where paging cannot start the program runs natively, after one warning, or
 * with --strict not at all. libc is patched first, because a libc that cannot
 * be patched must not find part of its memory managed.
 */
#include "runtime/limits.h"
#include "runtime/runtime.h"
#include "arch/x86_64/patch.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "machine/handoff.h"
#include "machine/report.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Exit status of a program that --strict keeps from running. */
#define EXIT_REFUSED 125

struct object {
	const char *name;	/* how its file name begins */
	struct fl_text_range text;
};

static int find_text(struct dl_phdr_info *info, size_t size, void *data)
{
	struct object *o = data;
	const char *base = strrchr(info->dlpi_name, '/');

	base = base ? base + 1 : info->dlpi_name;
	if (strncmp(base, o->name, strlen(o->name)))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && (ph->p_flags & PF_X)) {
			o->text.start = info->dlpi_addr + ph->p_vaddr;
			o->text.end = o->text.start + ph->p_memsz;
			return 1;
		}
	}
	return 0;
}

/* libc must have them all; the loader's are patched as far as they are found. */
static int patch(char *why, size_t n)
{
	static const u16 required[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise,
		SYS_brk, SYS_clone, 0};
	struct object libc = {.name = "libc.so"}, loader = {.name = "ld-linux"};
	struct fl_patch_report rep;
	int r;

	fl_patch_close_from = (u32)fl.fd_base;
	dl_iterate_phdr(find_text, &libc);
	dl_iterate_phdr(find_text, &loader);
	if (!libc.text.end) {
		fl_format(why, n, "libc: it is not glibc's libc.so.6");
		return -ENOENT;
	}
	r = fl_patch_text(libc.text, (u64)dlsym(RTLD_DEFAULT, "syscall"), required, &rep);
	if (r < 0) {
		fl_format(why, n, "libc: %s: it is not a version that is known", rep.why);
		return r;
	}
	fl_runtime_internal(rep.stubs, rep.stubs_end, false);
	/* where a program could see a narrowed CPU mask, none is narrowed */
	if (!rep.getaffinity || !fl_patch_saw(&rep, SYS_sched_setaffinity))
		fl.handler.follow.rseq_offset = 0;
	if (loader.text.end && fl_patch_text(loader.text, 0, NULL, &rep) == 0 && rep.sites)
		fl_runtime_internal(rep.stubs, rep.stubs_end, false);
	return 0;
}

/* The program runs natively: with its limits, which count what is ours now. What hooks need stays. */
static void give_up(const struct fl_limits *limits, u32 needed)
{
	for (u32 i = needed; i < fl.nr_internal && !fl.handler_tid; i++)
		fl_syscall(SYS_munmap, fl.internal[i].start,
			fl.internal[i].end - fl.internal[i].start);
	fl_limits_give_up(limits);
}

static int start(struct fl_config *c, char *why, size_t n)
{
	const char *options = getenv("FAULTLINE"), *tmp = getenv("TMPDIR");
	const ptrdiff_t *rseq;
	struct fl_limits limits;
	struct rlimit limit;
	u32 needed;
	int r, base = fl_fd_import(getenv(FL_FDS_ENV));

	fl_config_init(c);
	if (options && fl_config_parse(c, options, why, n) < 0)
		return -EINVAL;
	if (!c->swap_path[0] && tmp && strlen(tmp) < sizeof(c->swap_path))
		strcpy(c->swap_path, tmp);
	rseq = dlsym(RTLD_DEFAULT, "__rseq_offset");
	if (rseq)
		fl.handler.follow.rseq_offset = *rseq;
	fl.fd_base = base < 0 ? fl_fd_base() : base;
	fl_limits_start(getenv(FL_LIMITS_ENV), &limits);
	unsetenv(FL_LIMITS_ENV);
	r = fl_runtime_stacks(why, n);
	if (r == 0)
		r = patch(why, n);
	if (r < 0) {
		give_up(&limits, fl.nr_internal);
		return r;
	}
	/* from here on hooks run, and let everything through until it is active */
	needed = fl.nr_internal;
	fl_fd_raise_limit(fl.fd_base, &limit);
	r = fl_runtime_start(c, base, why, n);
	fl_fd_restore_limit(&limit);
	if (r < 0)
		give_up(&limits, needed);
	else
		fl_limits_settle(&limits);
	return r;
}

/* Standard error as it was at the start: a program may put a file of its own there. */
static struct stat first_stderr;

static bool is_stderr_the_same(void)
{
	struct stat now;

	return first_stderr.st_mode && fl_syscall(SYS_fstat, 2, &now) == 0 &&
		now.st_dev == first_stderr.st_dev && now.st_ino == first_stderr.st_ino;
}

/* The entry of $LD_PRELOAD that names us: by which the loader will look again. */
static void find_library(void)
{
	const char *s = getenv("LD_PRELOAD");
	size_t n;

	for (; s && *s; s += n + (s[n] != 0)) {
		const char *name = s;

		n = strcspn(s, ": ");
		for (size_t i = 0; i < n; i++)
			if (s[i] == '/')
				name = s + i + 1;
		if (n >= sizeof(fl.library) || name == s || strncmp(name, "libfaultline.so", 15))
			continue;
		memcpy(fl.library, s, n);
		return;
	}
}

static void publish_fds(void)
{
	char value[16];

	fl_format(value, sizeof(value), "%d", fl.fd_base);
	setenv(FL_FDS_ENV, value, 1);
}

__attribute__((constructor)) static void fl_constructor(void)
{
	struct fl_config c;
	char why[400] = "";
	u64 all = ~0ull, old;
	int r;

	fl_syscall(SYS_rt_sigprocmask, 2, &all, &old, 8);
	r = start(&c, why, sizeof(why));
	if (r < 0)
		fl.active = false;
	fl_syscall(SYS_rt_sigprocmask, 2, &old, NULL, 8);
	find_library();
	if (r == 0 && fl.is_root) {
		fl_syscall(SYS_fstat, 2, &first_stderr);
		publish_fds();
	}
	if (r == 0)
		return;
	if (c.strict) {
		fl_warn("%s: not started (--strict)", why);
		fl_syscall(SYS_exit_group, EXIT_REFUSED);
	}
	fl_warn("%s: the program runs natively", why);
}

__attribute__((destructor)) static void fl_destructor(void)
{
	const struct fl_machine *t = fl.pager.machine.t;
	u64 all = ~0ull, old;

	if (!fl.active)
		return;
	/* stacks that grew since the last sample are as large as they get now */
	fl_syscall(SYS_rt_sigprocmask, 2, &all, &old, 8);
	fl_lock(&fl.pager.lock);
	fl_sample(&fl.handler);
	fl_unlock(&fl.pager.lock);
	fl_syscall(SYS_rt_sigprocmask, 2, &old, NULL, 8);
	if (fl.is_root && !t->config.quiet && is_stderr_the_same())
		fl_report_summary(&fl.pager.machine, 2);
	if (fl.is_root && t->config.stats_path[0])
		fl_report_json(&fl.pager.machine, t->config.stats_path);
}
