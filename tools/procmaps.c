/* /proc/PID/maps; see procmaps.h. */
#include "procmaps.h"
#include "proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* start-end rwxp offset major:minor inode   name */
bool proc_maps_parse(char *line, struct proc_map *m)
{
	unsigned long start, end, offset, ino;
	unsigned int major, minor;
	char perms[5];
	int name = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu %n", &start, &end, perms, &offset, &major,
		    &minor, &ino, &name) < 7)
		return false;
	*m = (struct proc_map){.start = start,
		.end = end,
		.offset = offset,
		.major = major,
		.minor = minor,
		.ino = ino,
		.name = line + name};
	m->flags = (perms[0] == 'r' ? MAP_FLAG_READ : 0) | (perms[1] == 'w' ? MAP_FLAG_WRITE : 0) |
		   (perms[2] == 'x' ? MAP_FLAG_EXEC : 0) | (perms[3] == 's' ? MAP_FLAG_SHARED : 0);
	return true;
}

int proc_maps_read(int pid, struct proc_maps *ret)
{
	size_t lines = 0, len;
	char path[64];
	int err;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	err = proc_read_all(path, &ret->text, &len);
	if (err)
		return err;
	for (const char *s = ret->text; *s; s++)
		lines += *s == '\n';
	ret->map = calloc(lines + 1, sizeof(*ret->map));
	if (!ret->map) {
		proc_maps_free(ret);
		return -ENOMEM;
	}
	for (char *line = ret->text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (proc_maps_parse(line, &ret->map[ret->n]))
			ret->n++;
	}
	return 0;
}

void proc_maps_free(struct proc_maps *m)
{
	free(m->map);
	free(m->text);
	memset(m, 0, sizeof(*m));
}

const struct proc_map *proc_maps_find(const struct proc_maps *m, u64 addr)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (m->map[mid].end > addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low < m->n ? &m->map[low] : NULL;
}

void perms_text(u64 flags, char ret[5])
{
	ret[0] = flags & MAP_FLAG_READ ? 'r' : '-';
	ret[1] = flags & MAP_FLAG_WRITE ? 'w' : '-';
	ret[2] = flags & MAP_FLAG_EXEC ? 'x' : '-';
	ret[3] = flags & MAP_FLAG_SHARED ? 's' : 'p';
	ret[4] = 0;
}
