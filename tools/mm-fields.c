/*
 * The fields of mm_struct, from the mirror where it has them, else from /proc.
 *
 * Names and order are those of include/linux/mm_types.h. What would tell nothing from outside
 * (locks, lists, caches of the kernel) is left out.
 */
#include "mm.h"
#include "on-process.h"
#include "proc.h"
#include "pte.h"

#include <linux/auxvec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mm_field *add(struct mm_fields *t, const char *name, enum mm_unit unit, enum mm_by by,
	u64 value, const char *meaning)
{
	struct mm_field *f = &t->field[t->n++];

	if (t->n == MM_MAX_FIELDS)
		abort();
	*f = (struct mm_field){name, unit, by, true, value, "", meaning};
	return f;
}

static void heading(struct mm_fields *t, const char *text)
{
	add(t, NULL, MM_TEXT, MM_BY_FAULTLINE, 0, text);
}

/* The mirror learns late that the main stack has grown, which takes no call. In pages. */
static u64 stack_growth(const struct mm_sources *from)
{
	u64 pages = 0;

	for (u32 i = 0; i < from->snap.head->nr_vmas; i++) {
		const struct fl_snap_vma *v = &from->snap.vmas[i];
		const struct proc_map *m = proc_maps_find(&from->maps, v->end - 1);

		if ((v->flags & MAP_FLAG_GROWSDOWN) && m && m->start < v->start)
			pages += (v->start - m->start) >> FL_PAGE_SHIFT;
	}
	return pages;
}

/* The kernel does not tell where mappings began; the first ones lie just below. */
static u64 highest_below(const struct mm_sources *from, u64 stack)
{
	u64 end = 0;

	for (size_t i = 0; i < from->maps.n; i++)
		if (from->maps.map[i].end <= stack && strcmp(from->maps.map[i].name, "[stack]"))
			end = from->maps.map[i].end;
	return end;
}

static void add_layout(const struct mm_sources *from, struct mm_fields *t)
{
	const struct fl_snapshot *h = from->snap.head;
	struct proc_layout l;
	bool known = proc_layout_read(from->tid, &l);
	u32 first;

	heading(t, "Where things are");
	if (h->mmap_base)
		add(t, "mmap_base", MM_ADDRESS, MM_BY_FAULTLINE, h->mmap_base,
			h->topdown ? "where mappings begin, downwards"
				   : "where mappings begin, upwards");
	else
		add(t, "mmap_base", MM_ADDRESS, MM_BY_GUESS, highest_below(from, l.start_stack),
			"not told; the highest mapping ends there")
			->known = known;
	add(t, "mmap_legacy_base", MM_ADDRESS, MM_BY_FAULTLINE, h->mmap_legacy_base,
		h->topdown ? "and upwards, if none is left there" : "the same")
		->known = h->mmap_legacy_base != 0;
	add(t, "task_size", MM_ADDRESS, MM_BY_KERNEL, TASK_SIZE,
		"the end of a program's addresses");
	first = t->n;
	add(t, "start_code", MM_ADDRESS, MM_BY_KERNEL, l.start_code, "the program's text, from");
	add(t, "end_code", MM_ADDRESS, MM_BY_KERNEL, l.end_code, "to");
	add(t, "start_data", MM_ADDRESS, MM_BY_KERNEL, l.start_data, "its initialised data, from");
	add(t, "end_data", MM_ADDRESS, MM_BY_KERNEL, l.end_data, "to");
	add(t, "start_brk", MM_ADDRESS, h->start_brk ? MM_BY_FAULTLINE : MM_BY_KERNEL,
		h->start_brk ? h->start_brk : l.start_brk, "the heap, from");
	add(t, "brk", MM_ADDRESS, h->brk ? MM_BY_FAULTLINE : MM_BY_KERNEL,
		h->brk ? h->brk : l.start_brk, "to: brk(2) moves it");
	add(t, "start_stack", MM_ADDRESS, MM_BY_KERNEL, l.start_stack,
		"where the stack began; it grows down");
	add(t, "arg_start", MM_ADDRESS, MM_BY_KERNEL, l.arg_start, "the command line, from");
	add(t, "arg_end", MM_ADDRESS, MM_BY_KERNEL, l.arg_end, "to");
	add(t, "env_start", MM_ADDRESS, MM_BY_KERNEL, l.env_start, "the environment, from");
	add(t, "env_end", MM_ADDRESS, MM_BY_KERNEL, l.env_end, "to");
	for (; first < t->n; first++)
		t->field[first].known = known || t->field[first].by == MM_BY_FAULTLINE;
}

static void add_sizes(const struct mm_sources *from, struct mm_fields *t)
{
	const struct fl_snapshot *h = from->snap.head;
	u64 grown = stack_growth(from), pinned = 0;
	bool known = proc_status_kib(from->tid, "VmPin", &pinned);

	heading(t, "How much is mapped");
	add(t, "map_count", MM_COUNT, MM_BY_FAULTLINE, h->map_count, "areas (VMAs)");
	add(t, "total_vm", MM_PAGES, MM_BY_FAULTLINE, h->total_vm + grown, "all of it: VmSize");
	add(t, "hiwater_vm", MM_PAGES, MM_BY_FAULTLINE, fl_max(h->hiwater_vm, h->total_vm + grown),
		"the most it ever was: VmPeak");
	add(t, "locked_vm", MM_PAGES, MM_BY_FAULTLINE, h->locked_vm, "locked in memory: VmLck");
	add(t, "pinned_vm", MM_PAGES, MM_BY_KERNEL, pinned * 1024 / FL_PAGE_SIZE,
		"not to be moved, for devices: VmPin")
		->known = known;
	add(t, "data_vm", MM_PAGES, MM_BY_FAULTLINE, h->data_vm,
		"private, writable, not stack: VmData");
	add(t, "exec_vm", MM_PAGES, MM_BY_FAULTLINE, h->exec_vm,
		"executable, not writable: VmExe + VmLib");
	add(t, "stack_vm", MM_PAGES, MM_BY_FAULTLINE, h->stack_vm + grown, "the main stack: VmStk");
}

static void add_rss(const struct mm_sources *from, struct mm_fields *t)
{
	const struct fl_snapshot *h = from->snap.head;
	struct mm_rss rss;

	mm_add_rss(from, &rss);
	heading(t, "How much is in memory (rss_stat)");
	add(t, "MM_FILEPAGES", MM_PAGES, MM_BY_KERNEL, rss.file, "of files: RssFile");
	add(t, "MM_ANONPAGES", MM_PAGES, MM_BY_BOTH, rss.anon, "anonymous: RssAnon; of these");
	add(t, " mapped", MM_PAGES, MM_BY_FAULTLINE, h->rss_anon, "managed, in the program");
	add(t, " soft", MM_PAGES, MM_BY_FAULTLINE, h->soft_pages, "managed, set aside in memory");
	add(t, " swapin", MM_PAGES, MM_BY_FAULTLINE, h->swapin_pages,
		"managed, being read from swap");
	add(t, " unmanaged", MM_PAGES, MM_BY_KERNEL, rss.anon_kernel, "stacks, data of libraries");
	add(t, "MM_SWAPENTS", MM_PAGES, MM_BY_BOTH, rss.swap, "in swap: VmSwap");
	add(t, "MM_SHMEMPAGES", MM_PAGES, MM_BY_KERNEL, rss.shmem, "of shared memory: RssShmem");
	add(t, " zero", MM_PAGES, MM_BY_FAULTLINE, h->zero_pages, "known to be zeros, nowhere");
	add(t, "hiwater_rss", MM_PAGES, MM_BY_FAULTLINE, h->hiwater_rss,
		"the most that was mapped, managed");
}

static void add_tables(const struct mm_sources *from, struct mm_fields *t)
{
	const struct fl_snapshot *h = from->snap.head;
	u64 vm_pte = 0;
	bool known = proc_status_kib(from->tid, "VmPTE", &vm_pte);

	heading(t, "Tables");
	add(t, "pgd", MM_ADDRESS, MM_BY_FAULTLINE, h->pgd, "the top table: see pagetable");
	add(t, "pgtables_bytes", MM_BYTES, MM_BY_FAULTLINE, h->pgtables_bytes, "the page table");
	add(t, " VmPTE", MM_BYTES, MM_BY_KERNEL, vm_pte * 1024, "the kernel's own")->known = known;
	add(t, "mm_mt", MM_BYTES, MM_BY_FAULTLINE, h->vma_bytes, "the tree of VMAs");
}

static struct mm_field *add_text(struct mm_fields *t, const char *name, enum mm_unit unit,
	enum mm_by by, u64 value, const char *meaning, const char *text)
{
	struct mm_field *f = add(t, name, unit, by, value, meaning);

	snprintf(f->text, sizeof(f->text), "%s", text);
	return f;
}

static void add_link(
	struct mm_fields *t, const char *name, int tid, const char *link, const char *meaning)
{
	char path[64], target[MM_TEXT_BYTES];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, link);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = 0;
	add_text(t, name, MM_TEXT, MM_BY_KERNEL, 0, meaning, target)->known = n > 0;
}

static void add_users(const struct mm_sources *from, struct mm_fields *t)
{
	const struct fl_snapshot *h = from->snap.head;
	u64 vdso = 0;
	u32 n;
	bool known = proc_auxv_read(from->tid, AT_SYSINFO_EHDR, &vdso, &n);

	heading(t, "Whose it is");
	add(t, "mm_users", MM_COUNT, MM_BY_FAULTLINE, h->mm_users, "threads of the program");
	/* as the kernel counts its own threads that work on an mm */
	add(t, "mm_count", MM_COUNT, MM_BY_FAULTLINE, 1 + h->helpers,
		"1 for all these, 1 a Faultline thread");
	add_text(t, "owner", MM_COUNT, MM_BY_FAULTLINE, (u64)from->pid, "the process", h->comm);
	add_link(t, "exe_file", from->tid, "exe", "the program");
	add_link(t, "user_ns", from->tid, "ns/user", "whose users it knows");
	add(t, "saved_auxv", MM_COUNT, MM_BY_KERNEL, n, "entries that it was started with")->known =
		n;
	add(t, "context.vdso", MM_ADDRESS, MM_BY_KERNEL, vdso, "code of the kernel's for it")
		->known = known;
}

/* MMF_*: bits 2 to 10 are what a core dump has; THP_DISABLE is Faultline's doing. */
static u64 mm_flags(int tid, char text[MM_TEXT_BYTES])
{
	static const struct bit_name dump[] = {
		{1 << 0, "DUMP_ANON_PRIVATE"},
		{1 << 1, "DUMP_ANON_SHARED"},
		{1 << 2, "DUMP_MAPPED_PRIVATE"},
		{1 << 3, "DUMP_MAPPED_SHARED"},
		{1 << 4, "DUMP_ELF_HEADERS"},
		{1 << 5, "DUMP_HUGETLB_PRIVATE"},
		{1 << 6, "DUMP_HUGETLB_SHARED"},
		{1 << 7, "DUMP_DAX_PRIVATE"},
		{1 << 8, "DUMP_DAX_SHARED"},
		{0},
	};
	char path[64], *filter = NULL;
	size_t len, at = 0;
	u64 bits = 0, thp = 1;

	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", tid);
	if (proc_read_all(path, &filter, &len) == 0)
		bits = strtoul(filter, NULL, 16);
	free(filter);
	text[0] = 0;
	for (const struct bit_name *b = dump; b->bit; b++)
		if (bits & b->bit)
			at += (size_t)snprintf(
				text + at, MM_TEXT_BYTES - at, "%s%s", at ? "|" : "", b->name);
	if (proc_status_kib(tid, "THP_enabled", &thp) && !thp)
		snprintf(text + at, MM_TEXT_BYTES - at, "%sDISABLE_THP", at ? "|" : "");
	return bits << 2 | (u64)!thp << 24;
}

static void add_flags(const struct mm_sources *from, struct mm_fields *t)
{
	const u64 def = from->snap.head->def_flags;
	char text[MM_TEXT_BYTES];
	u64 flags = mm_flags(from->tid, text);

	heading(t, "Flags");
	add_text(t, "def_flags", MM_FLAGS, MM_BY_FAULTLINE, def, "of areas to come: mlockall(2)",
		def & MAP_FLAG_LOCKED
			? def & ~(u64)MAP_FLAG_LOCKED ? "LOCKED|LOCKONFAULT" : "LOCKED"
			: "");
	add_text(t, "flags", MM_FLAGS, MM_BY_KERNEL, flags, "what a core dump has, huge pages",
		text);
}

void mm_gather(const struct mm_sources *from, struct mm_fields *ret)
{
	memset(ret, 0, sizeof(*ret));
	add_layout(from, ret);
	add_sizes(from, ret);
	add_rss(from, ret);
	add_tables(from, ret);
	add_users(from, ret);
	add_flags(from, ret);
}
