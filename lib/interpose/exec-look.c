/*
 * A look at the next program's file: will its loader load us? Not into a static program, nor where
 * the program gets rights that its starter has not. When in doubt yes.
 */
#include "interpose/hooks.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static bool gives_rights(const struct stat *st)
{
	return ((st->st_mode & S_ISUID) && st->st_uid != (u32)fl_syscall(SYS_geteuid)) ||
		((st->st_mode & S_ISGID) && st->st_gid != (u32)fl_syscall(SYS_getegid));
}

static bool has_loader(int fd, const Elf64_Ehdr *eh)
{
	Elf64_Phdr ph;

	for (u32 i = 0; i < eh->e_phnum; i++)
		if (fl_syscall(SYS_pread64, fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)) !=
				(long)sizeof(ph) || ph.p_type == PT_INTERP)
			return true;
	return false;
}

bool fl_exec_is_native(const struct fl_call *c)
{
	bool at = c->nr == SYS_execveat, native = false;
	Elf64_Ehdr eh;
	struct stat st;
	long fd;

	/* the name lies in the program's memory: the kernel reads it, and brings it in */
	fd = fl_syscall(SYS_openat, at ? (int)c->a[0] : AT_FDCWD, at ? c->a[1] : c->a[0],
		O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	if (fl_syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode) &&
		fl_syscall(SYS_pread64, fd, &eh, sizeof(eh), 0) == (long)sizeof(eh) &&
		!memcmp(eh.e_ident, ELFMAG, SELFMAG))
		native = gives_rights(&st) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
			!has_loader((int)fd, &eh);
	fl_syscall(SYS_close, fd);
	return native;
}
