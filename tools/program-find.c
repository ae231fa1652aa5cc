/* Where a program is: PATH as execvp(3) searches it. See program.h. */
#include "base/log.h"
#include "command.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* 0, or a positive errno; EISDIR for what is no file. */
static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return access(path, X_OK) < 0 ? errno : 0;
}

static int complain(const char *name, const char *path, int err)
{
	if (err == EISDIR)
		fl_warn("%s: is a directory: name a program", path);
	else if (err == EACCES)
		fl_warn("%s: not executable: chmod +x it, if it is a program", path);
	else if (err != ENOENT && err != ENOTDIR)
		fl_warn("%s: no such program: %s: check the path", path, strerror(err));
	else
		fl_warn("%s: no such program: check the name%s", name,
			strchr(name, '/') ? "" : ", or give its path");
	return err == EISDIR || err == EACCES ? EXIT_CANNOT_EXEC : EXIT_NOT_FOUND;
}

int program_find(const char *name, char ret_path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	char standard[256];
	bool denied = false;
	int err;

	if (strchr(name, '/') || !*name) {
		err = strlen(name) < PATH_MAX ? runnable(name) : ENAMETOOLONG;
		if (err)
			return complain(name, name, err);
		strcpy(ret_path, name);
		return 0;
	}
	if (!dirs) {
		confstr(_CS_PATH, standard, sizeof(standard));
		dirs = standard;
	}
	for (;; dirs++) {
		size_t len = strcspn(dirs, ":");

		/* an empty entry is the working directory */
		if (len + strlen(name) + 2 < PATH_MAX) {
			char path[PATH_MAX];

			sprintf(path, "%.*s%s%s", (int)len, dirs, len ? "/" : "./", name);
			err = runnable(path);
			if (!err) {
				strcpy(ret_path, path);
				return 0;
			}
			/* the search goes on, but this is the better reason to give */
			if (err == EACCES && !denied) {
				denied = true;
				strcpy(ret_path, path);
			}
		}
		dirs += len;
		if (!*dirs)
			break;
	}
	return denied ? complain(name, ret_path, EACCES) : complain(name, name, ENOENT);
}
