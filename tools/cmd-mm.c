/*
 * faultline mm: the fields of a process's mm_struct, each with its value and meaning.
 *
 * The process is kept still while it is looked at, so that all is of one moment.
 */
#include "base/log.h"
#include "json.h"
#include "mm.h"
#include "on-process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct argp_option options[] = {PROCESS_OPTION_JSON, {0}};

static const struct argp argp = {
	options,
	process_parse,
	"PID",
	"Show the fields of a process's mm_struct, under the kernel's names and with what they "
	"mean: "
	"where its parts are, how much is mapped and in memory, who uses it. What Faultline "
	"manages "
	"is counted by Faultline.",
	NULL,
	NULL,
	NULL,
};

static void print_value(const struct mm_field *f)
{
	char text[32] = "-";

	if (f->known)
		switch (f->unit) {
		case MM_ADDRESS:
			snprintf(text, sizeof(text), "0x%lx", f->value);
			break;
		case MM_PAGES:
			snprintf(text, sizeof(text), "%lu pages", f->value);
			break;
		case MM_BYTES:
			snprintf(text, sizeof(text), "%lu bytes", f->value);
			break;
		case MM_FLAGS:
			snprintf(text, sizeof(text), "%#lx", f->value);
			break;
		case MM_COUNT:
			snprintf(text, sizeof(text), "%lu", f->value);
			break;
		default:
			text[0] = 0;
		}
	printf("%-16s %16s %c %s", f->name, text, f->by, f->meaning);
}

/* The names of flags, as many to a line as fit. */
static void print_words(const char *text)
{
	size_t column = 0;

	for (const char *at = text; *at;) {
		size_t len = 0;

		while (at[len] && at[len] != '|')
			len++;
		if (!column || column + len + 1 > 79)
			column = (size_t)printf("\n%36s", "") - 1;
		column += (size_t)printf("%.*s%s", (int)len, at, at[len] ? "|" : "");
		at += len + (at[len] != 0);
	}
}

static void print_field(const struct mm_field *f)
{
	if (!f->name) {
		printf("%s\n", f->meaning);
		return;
	}
	print_value(f);
	if (f->unit == MM_FLAGS)
		print_words(f->text);
	else if (f->known && *f->text)
		/* a path has a line of its own, and is left whole */
		printf("%s%s", f->unit == MM_TEXT ? ":\n  " : ": ", f->text);
	printf("\n");
}

static void print_text(const struct mm_sources *from, const struct mm_fields *t)
{
	printf("mm_struct of %d (%s)\n\n", from->pid, from->snap.head->comm);
	for (u32 i = 0; i < t->n; i++) {
		printf("%s", i && !t->field[i].name ? "\n" : "");
		print_field(&t->field[i]);
	}
	printf("\nF: counted by Faultline, K: by the kernel, B: by each for its part, ?: "
	       "guessed\n");
}

/* "total_vm": {"value": 1, "unit": "pages", ...} */
static void print_json(const struct mm_sources *from, const struct mm_fields *t)
{
	static const char *const units[MM_NR_UNITS] = {
		"address", "pages", "bytes", "count", "flags", "text"};
	bool more = false;

	printf("{\"pid\": %d, \"comm\": ", from->pid);
	json_string(from->snap.head->comm);
	printf(", \"fields\": {");
	for (u32 i = 0; i < t->n; i++) {
		const struct mm_field *f = &t->field[i];

		if (!f->name)
			continue;
		/* the parts of a field are set in by a blank */
		printf("%s\n  \"%s\": {\"value\": ", more ? "," : "", f->name + (*f->name == ' '));
		more = true;
		if (!f->known)
			printf("null");
		else if (f->unit == MM_ADDRESS || f->unit == MM_FLAGS)
			printf("\"0x%lx\"", f->value);
		else if (f->unit == MM_TEXT)
			json_string(f->text);
		else
			printf("%lu", f->value);
		printf(", \"unit\": \"%s\", \"by\": \"%s\"", units[f->unit],
			f->by == MM_BY_FAULTLINE ? "faultline"
			: f->by == MM_BY_KERNEL	 ? "kernel"
			: f->by == MM_BY_BOTH	 ? "both"
						 : "guess");
		if (f->unit == MM_FLAGS) {
			printf(", \"names\": ");
			json_string(f->text);
		}
		printf("}");
	}
	printf("\n}}\n");
}

/* 0 or -errno. */
static int gather(struct mm_sources *from)
{
	const struct fl_proc *p;
	struct tree t;
	int err = snapshot_take(from->pid, FL_CTL_VMAS | FL_CTL_PAGES | FL_CTL_FREEZE, &from->snap);

	if (err)
		return err;
	err = tree_open(from->pid, &t);
	if (err)
		return err;
	/* the main thread may have ended before the others, and /proc/PID tells nothing then */
	p = tree_find(&t, from->pid);
	from->tid = p ? (int)p->keeper_tid : from->pid;
	err = smaps_read(from->tid, &from->smaps);
	if (!err && !from->smaps.n)
		err = -ESRCH; /* killed meanwhile */
	if (!err)
		err = smaps_manage(from->pid, &from->smaps, &from->snap, &t);
	if (!err)
		err = proc_maps_read(from->tid, &from->maps);
	tree_close(&t);
	return err;
}

int cmd_mm(int argc, char **argv)
{
	struct mm_sources from = {.snap = {.connection = -1}};
	struct process_args a = {.command = "mm"};
	struct mm_fields fields;
	int status, err;

	if (!options_parse(&argp, argc, argv, &a, &status))
		return status;
	from.pid = a.pid;
	err = gather(&from);
	if (err) {
		snapshot_complain(a.pid, err);
	} else {
		mm_gather(&from, &fields);
		snapshot_thaw(&from.snap);
		(a.json ? print_json : print_text)(&from, &fields);
	}
	smaps_free(&from.smaps);
	proc_maps_free(&from.maps);
	snapshot_release(&from.snap);
	return err ? EXIT_DISAGREE : EXIT_SUCCESS;
}
