/*
 * faultline smaps: /proc/PID/smaps as the kernel would print it if it managed the memory.
 *
 * The process is kept still while it is read, so that the mirror and /proc are of one moment.
 */
#include "base/log.h"
#include "command.h"
#include "json.h"
#include "smaps.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	int pid;
	bool json, rollup;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'r':
		o->rollup = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->pid)
			return bad_option("smaps: %s: one process at a time: leave it out", arg);
		return parse_pid(arg, &o->pid);
	case ARGP_KEY_NO_ARGS:
		return bad_option("smaps: no process given: name one by its number");
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "Print JSON", 0},
	{"rollup", 'r', NULL, 0, "Only the sum of all areas, as in /proc/PID/smaps_rollup", 0},
	{0},
};

static const struct argp argp = {
	options,
	parse,
	"PID",
	"Show each memory area of a process as /proc/PID/smaps does, in KiB: what is resident, "
	"shared with other processes of the tree and in swap. In memory that Faultline manages the "
	"figures are Faultline's, elsewhere the kernel's.",
	NULL,
	NULL,
	NULL,
};

/* Sizes of pages do not add up. */
static bool is_summed(const struct smaps_field *f)
{
	return !f->text && strcmp(f->name, "Size") && strcmp(f->name, "KernelPageSize") &&
	       strcmp(f->name, "MMUPageSize");
}

/* The kernel adds shares up before it rounds; a KiB an area may be missing here. */
static struct smaps_area roll_up(const struct smaps *s)
{
	struct smaps_area sum = {0};

	for (size_t i = 0; i < s->n; i++)
		for (u32 k = 0; k < s->area[i].nr_fields; k++) {
			const struct smaps_field *f = &s->area[i].field[k];
			struct smaps_field *to = smaps_find(&sum, f->name);

			if (!is_summed(f))
				continue;
			if (!to) {
				to = &sum.field[sum.nr_fields++];
				*to = (struct smaps_field){.name = f->name};
			}
			to->kb += f->kb;
		}
	return sum;
}

static void print_fields(const struct smaps_area *a)
{
	for (u32 i = 0; i < a->nr_fields; i++) {
		const struct smaps_field *f = &a->field[i];
		char name[40];

		snprintf(name, sizeof(name), "%s:", f->name);
		if (f->text)
			printf("%s%s\n", name, f->text);
		else
			printf("%-16s%8lu kB\n", name, f->kb);
	}
}

static void print_text(const struct smaps *s, bool rollup)
{
	struct smaps_area sum = roll_up(s);
	u64 end = 0;

	if (rollup) {
		for (size_t i = 0; i < s->n; i++)
			if (s->area[i].map.end < 1ull << 63) /* [vsyscall] is no mapping */
				end = s->area[i].map.end;
		printf("%08lx-%08lx ---p 00000000 00:00 0 %25s[rollup]\n",
			s->n ? s->area[0].map.start : 0, end, "");
		print_fields(&sum);
		return;
	}
	for (size_t i = 0; i < s->n; i++) {
		printf("%s\n", s->area[i].header);
		print_fields(&s->area[i]);
	}
}

/* A number, or a string without the spaces around it. */
static void print_text_json(const char *text)
{
	char word[256];
	size_t len;

	snprintf(word, sizeof(word), "%s", text + strspn(text, " "));
	for (len = strlen(word); len && word[len - 1] == ' '; len--)
		word[len - 1] = 0;
	if (len && strspn(word, "0123456789") == len)
		printf("%s", word);
	else
		json_string(word);
}

/* "Shared_Clean": 12 kB -> "shared_clean_bytes": 12288 */
static void print_fields_json(const struct smaps_area *a)
{
	for (u32 i = 0; i < a->nr_fields; i++) {
		const struct smaps_field *f = &a->field[i];

		printf("%s\"", i ? ", " : "");
		for (const char *c = f->name; *c; c++)
			putchar(tolower((unsigned char)*c));
		printf("%s\": ", f->text ? "" : "_bytes");
		if (f->text)
			print_text_json(f->text);
		else
			printf("%lu", f->kb * 1024);
	}
}

static void print_json(const struct options *o, const struct snapshot *snap, const struct smaps *s)
{
	struct smaps_area sum = roll_up(s);

	printf("{\"pid\": %d, \"comm\": ", o->pid);
	json_string(snap->head->comm);
	printf(", \"threads\": %u, \"total\": {", snap->head->mm_users);
	print_fields_json(&sum);
	printf("}");
	for (size_t i = 0; i < s->n && !o->rollup; i++) {
		const struct smaps_area *a = &s->area[i];
		char perms[5];

		perms_text(a->map.flags, perms);
		printf("%s\n  {\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", ",
			i ? "," : ", \"vmas\": [", a->map.start, a->map.end, perms);
		printf("\"offset_bytes\": %lu, \"dev\": \"%02x:%02x\", \"inode\": %lu, "
		       "\"owner\": \"%s\", \"name\": ",
			a->map.offset, a->map.major, a->map.minor, a->map.ino,
			a->managed ? "faultline" : "kernel");
		json_string(a->map.name);
		printf(", ");
		print_fields_json(a);
		printf("}");
	}
	printf("%s}\n", o->rollup || !s->n ? "" : "\n]");
}

/* Everything that the process must hold still for. */
static bool gather(int pid, struct snapshot *snap, struct smaps *s)
{
	const struct fl_proc *p;
	struct tree t;
	int err = snapshot_take(pid, FL_CTL_VMAS | FL_CTL_PAGES | FL_CTL_FREEZE, snap);

	if (!err)
		err = tree_open(pid, &t);
	if (err) {
		snapshot_complain(pid, err);
		snapshot_release(snap);
		return false;
	}
	/* the main thread may have ended before the others, and /proc/PID tells nothing then */
	p = tree_find(&t, pid);
	err = smaps_read(p ? (int)p->keeper_tid : pid, s);
	if (!err && !s->n)
		err = -ESRCH; /* killed meanwhile */
	if (!err)
		err = smaps_manage(pid, s, snap, &t);
	snapshot_thaw(snap);
	tree_close(&t);
	if (err == -ESRCH)
		snapshot_complain(pid, err);
	else if (err)
		fl_warn("/proc/%d/smaps: %s: ask as root or as the user that it runs as", pid,
			strerror(-err));
	return !err;
}

int cmd_smaps(int argc, char **argv)
{
	struct options o = {0};
	struct snapshot snap = {.connection = -1};
	struct smaps s = {0};
	int status;

	if (!options_parse(&argp, argc, argv, &o, &status))
		return status;
	if (!gather(o.pid, &snap, &s)) {
		smaps_free(&s);
		snapshot_release(&snap);
		return EXIT_DISAGREE;
	}
	if (o.json)
		print_json(&o, &snap, &s);
	else
		print_text(&s, o.rollup);
	smaps_free(&s);
	snapshot_release(&snap);
	return EXIT_SUCCESS;
}
