/* Parsing /proc/PID/smaps; see smaps.h. */
#include "smaps.h"
#include "proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A header begins with a lower-case hexadecimal number, a field with a capital. */
static bool is_header(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

static void parse_field(struct smaps_area *a, char *line)
{
	struct smaps_field *f = &a->field[a->nr_fields];
	char *colon = strchr(line, ':'), *end;

	if (!colon || a->nr_fields == SMAPS_MAX_FIELDS)
		return;
	*colon = 0;
	f->name = line;
	f->kb = strtoul(colon + 1, &end, 10);
	f->text = strcmp(end, " kB") ? colon + 1 : NULL;
	a->nr_fields++;
}

int smaps_read(int pid, struct smaps *ret)
{
	struct smaps_area *a = NULL;
	size_t len, lines = 0;
	char path[64];
	int err;

	memset(ret, 0, sizeof(*ret));
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	err = proc_read_all(path, &ret->text, &len);
	if (err)
		return err;
	for (const char *s = ret->text; (s = strchr(s, '\n')); s++)
		lines += is_header(s + 1);
	ret->area = calloc(lines + 1, sizeof(*ret->area));
	if (!ret->area)
		abort();
	for (char *line = ret->text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (!is_header(line)) {
			if (a)
				parse_field(a, line);
			continue;
		}
		a = &ret->area[ret->n];
		if (proc_maps_parse(line, &a->map)) {
			a->header = line;
			ret->n++;
		} else {
			a = NULL;
		}
	}
	return 0;
}

void smaps_free(struct smaps *s)
{
	free(s->area);
	free(s->text);
	memset(s, 0, sizeof(*s));
}

struct smaps_field *smaps_find(struct smaps_area *a, const char *name)
{
	for (u32 i = 0; i < a->nr_fields; i++)
		if (!strcmp(a->field[i].name, name))
			return &a->field[i];
	return NULL;
}
