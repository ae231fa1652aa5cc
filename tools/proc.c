/* Files of /proc; see proc.h. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int proc_read_all(const char *path, char **ret_text, size_t *ret_len)
{
	size_t size = 1 << 16, len = 0;
	char *text = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = 1;

	if (fd < 0)
		err = -errno;
	while (!err && text && n) {
		if (size - len < 1 << 15) {
			char *more = realloc(text, size *= 2);

			if (!more)
				free(text);
			text = more;
			continue;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0)
			err = -errno;
		else
			len += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	if (!text)
		return -ENOMEM;
	if (err) {
		free(text);
		return err;
	}
	text[len] = 0;
	*ret_text = text;
	*ret_len = len;
	return 0;
}

/* The name stands in parentheses and may have any in it: the last one ends it. */
bool proc_stat_read(int pid, struct proc_stat *ret)
{
	char path[64], *text, *name, *end;
	size_t len;
	bool ok = false;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (proc_read_all(path, &text, &len))
		return false;
	name = strchr(text, '(');
	end = strrchr(text, ')');
	memset(ret, 0, sizeof(*ret));
	if (name && end) {
		*end = 0;
		snprintf(ret->comm, sizeof(ret->comm), "%s", name + 1);
		ok = sscanf(end + 1,
			     " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %u",
			     &ret->state, &ret->ppid, &ret->threads) == 3;
	}
	free(text);
	return ok;
}

char *proc_command(int pid, const char *comm)
{
	char path[64], *text = NULL, *name = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	if (proc_read_all(path, &text, &len) == 0 && text[0]) {
		while (len && (!text[len - 1] || text[len - 1] == ' '))
			text[--len] = 0;
		for (size_t i = 0; i < len; i++)
			if (!text[i])
				text[i] = ' ';
		return text;
	}
	free(text);
	if (asprintf(&name, "[%s]", comm) < 0)
		abort();
	return name;
}

bool proc_is_stopped(int pid)
{
	struct proc_stat st;

	return proc_stat_read(pid, &st) && (st.state == 'T' || st.state == 't');
}

const char *proc_why_silent(int err)
{
	switch (-err) {
	case EAGAIN:
		return "stopped";
	case ETIMEDOUT:
		return "no answer";
	case EPROTO:
		return "another version";
	case EPERM:
	case EACCES:
		return "not permitted";
	default:
		return "ended";
	}
}

bool proc_status_kib(int pid, const char *name, u64 *ret_kib)
{
	char path[64], *text;
	size_t len, name_len = strlen(name);
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (proc_read_all(path, &text, &len))
		return false;
	for (char *line = text; line && !found; line = strchr(line, '\n')) {
		line += *line == '\n';
		found = !strncmp(line, name, name_len) && line[name_len] == ':' &&
			sscanf(line + name_len + 1, "%lu", ret_kib) == 1;
	}
	free(text);
	return found;
}

/* Fields as proc(5) numbers them; the third is the first behind the name. */
bool proc_layout_read(int pid, struct proc_layout *ret)
{
	char path[64], *text, *at;
	u64 field[52] = {0};
	size_t len;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (proc_read_all(path, &text, &len))
		return false;
	at = strrchr(text, ')');
	for (u32 i = 3; at && i < fl_array_size(field); i++) {
		at = strchr(at, ' ');
		if (at)
			field[i] = strtoul(++at, NULL, 10);
	}
	*ret = (struct proc_layout){field[26], field[27], field[45], field[46], field[47], field[28],
		field[48], field[49], field[50], field[51]};
	free(text);
	return ret->start_stack != 0;
}

bool proc_auxv_read(int pid, u64 type, u64 *ret_value, u32 *ret_n)
{
	char path[64], *text;
	bool found = false;
	const u64 *word;
	size_t len;

	*ret_n = 0;
	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	if (proc_read_all(path, &text, &len))
		return false;
	word = (const u64 *)text;
	for (; (*ret_n + 1) * 16 <= len && word[0]; word += 2, ++*ret_n)
		if (word[0] == type) {
			*ret_value = word[1];
			found = true;
		}
	free(text);
	return found;
}
