/*
 * Whether a library can be preloaded into a program: a look at the file as
 * the kernel and ld.so will look at it. See program.h.
 */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX_SCRIPTS 5 /* as many interpreters in a row as the kernel follows */

/* glibc's own; a library linked with glibc cannot be loaded by another. */
#define LOADER "ld-linux-x86-64.so"

static const char *look_at_loader(int fd, const Elf64_Phdr *ph)
{
	char path[PATH_MAX] = "";
	const char *base;
	size_t n = fl_min(ph->p_filesz, sizeof(path) - 1);

	if (pread(fd, path, n, (off_t)ph->p_offset) != (ssize_t)n)
		return NULL;
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	return strncmp(base, LOADER, strlen(LOADER)) ? "made for another C library than glibc"
						     : NULL;
}

static const char *look_at_elf(int fd, const Elf64_Ehdr *eh)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
		eh->e_machine != EM_X86_64)
		return "made for another processor than x86-64";
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		if (pread(fd, &ph, sizeof(ph), (off_t)(eh->e_phoff + i * sizeof(ph))) !=
			(ssize_t)sizeof(ph))
			return NULL;
		if (ph.p_type == PT_INTERP)
			return look_at_loader(fd, &ph);
	}
	return "statically linked";
}

/* Where ld.so ignores LD_PRELOAD: the program gets rights that its starter has not. */
static const char *look_at_rights(int fd)
{
	struct statvfs fs;
	struct stat st;
	char caps[64];

	if (fstat(fd, &st) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
		(fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
		return NULL;
	if ((st.st_mode & S_ISUID) && (st.st_uid != getuid() || st.st_uid != geteuid()))
		return "setuid";
	if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) &&
		(st.st_gid != getgid() || st.st_gid != getegid()))
		return "setgid";
	if (getuid() != 0 && fgetxattr(fd, "security.capability", caps, sizeof(caps)) > 0)
		return "given capabilities by its file";
	return NULL;
}

/* "#!", blanks, the interpreter, blanks, an argument; true if there is one. */
static bool interpreter_of(char *head, char ret_path[PATH_MAX])
{
	char *s = head + 2 + strspn(head + 2, " \t");

	s[strcspn(s, " \t\n")] = 0;
	if (!*s)
		return false;
	strcpy(ret_path, s);
	return true;
}

static const char *look(int fd, char ret_next[PATH_MAX])
{
	union {
		Elf64_Ehdr elf;
		char text[256]; /* as much of the line as the kernel reads */
	} head = {0};
	ssize_t n = pread(fd, &head, sizeof(head) - 1, 0);

	if (n >= (ssize_t)sizeof(head.elf) && !memcmp(head.elf.e_ident, ELFMAG, SELFMAG)) {
		const char *why = look_at_rights(fd);

		return why ? why : look_at_elf(fd, &head.elf);
	}
	if (n > 2 && !memcmp(head.text, "#!", 2) && interpreter_of(head.text, ret_next))
		return NULL;
	ret_next[0] = 0;
	return NULL;
}

const char *program_unmanageable(const char *path)
{
	char at[PATH_MAX];
	const char *why = NULL;

	strcpy(at, path);
	for (int i = 0; i <= MAX_SCRIPTS && at[0] && !why; i++) {
		char next[PATH_MAX] = "";
		int fd = open(at, O_RDONLY | O_CLOEXEC | O_NOCTTY);

		if (fd < 0)
			return NULL;
		why = look(fd, next);
		close(fd);
		strcpy(at, next);
	}
	return why;
}
