/*
 * The summary and the JSON at the end of a run; see report.h.
 *
 * The text is built in a mapping of its own and written in one go: libc may
 * be half torn down, and its stdio is the program's.
 */
#include "machine/report.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#ifndef FL_VERSION
#define FL_VERSION "unknown" /* meson gives the project's */
#endif

#define SUMMARY_BYTES 4096u
#define SUMMARY_PROCS 10u /* processes that have a line each */
#define JSON_BYTES    4096u /* what is not a process */
#define PROC_BYTES    3072u /* one process, all numbers at their longest */

static int write_all(int fd, const struct fl_text *t)
{
	for (size_t at = 0; at < t->len;) {
		long n = fl_syscall(SYS_write, fd, t->buf + at, t->len - at);
		struct pollfd full = {.fd = fd, .events = POLLOUT};

		if (n == -EAGAIN) /* somebody made standard error non-blocking */
			fl_syscall(SYS_poll, &full, 1, -1);
		else if (n < 0 && n != -EINTR)
			return (int)n;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* whole.tenths in the unit that suits: 1.5 MiB */
static void add_bytes(struct fl_text *t, u64 bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	u64 tenths = bytes / 102 + (bytes % 102 >= 51); /* of a KiB, near enough */
	size_t unit = 0;

	if (bytes >= 1ull << 20)
		tenths = bytes / 1024 * 10;
	while (tenths >= 10240 && unit + 1 < fl_array_size(units)) {
		tenths /= 1024;
		unit++;
	}
	fl_text_add(t, "%lu.%lu %s", tenths / 10, tenths % 10, units[unit]);
}

static void add_seconds(struct fl_text *t, u64 ns)
{
	u64 ms = ns / 1000000;

	fl_text_add(t, "%lu.%lu%lu%lu s", ms / 1000, ms / 100 % 10, ms / 10 % 10, ms % 10);
}

static void add_memory_line(struct fl_text *t, const struct fl_machine *m)
{
	fl_text_add(t, "faultline: memory: ");
	add_bytes(t, (u64)m->frames_peak * FL_PAGE_SIZE);
	fl_text_add(t, " in use at most, ");
	if (m->config.ram_bytes) {
		fl_text_add(t, "of a budget of ");
		add_bytes(t, m->config.ram_bytes);
		fl_text_add(t, "\n");
	} else {
		fl_text_add(t, "no budget set\n");
	}
}

static void add_fault_lines(struct fl_text *t, const u64 *c)
{
	fl_text_add(t,
		"faultline: faults: %lu: %lu first touch, %lu second chance, %lu read from swap,\n"
		"faultline:   %lu copied after fork, %lu first write since swap; "
		"%lu more pages mapped beside\n",
		c[FL_C_pgfault], c[FL_C_pgfault_zero], c[FL_C_pgfault_soft], c[FL_C_pgmajfault],
		c[FL_C_pgfault_cow], c[FL_C_pgfault_wp], c[FL_C_fault_around]);
	if (c[FL_C_pgfault_shared_file])
		fl_text_add(t, "faultline: faults on shared files: %lu, of which %lu waited for a disk\n",
			c[FL_C_pgfault_shared_file], c[FL_C_pgmajfault_shared_file]);
	fl_text_add(t, "faultline: time lost to faults: ");
	add_seconds(t, c[FL_C_fault_ns]);
	if (c[FL_C_pgfault]) {
		u64 tenths = c[FL_C_fault_ns] / c[FL_C_pgfault] / 100;

		fl_text_add(t, ", %lu.%lu us each", tenths / 10, tenths % 10);
	}
	fl_text_add(t, "\n");
}

static void add_swap_line(struct fl_text *t, const struct fl_machine *m, const u64 *c)
{
	fl_text_add(t, "faultline: swap: ");
	add_bytes(t, c[FL_C_pswpout] * FL_PAGE_SIZE);
	fl_text_add(t, " written, ");
	add_bytes(t, c[FL_C_pswpin] * FL_PAGE_SIZE);
	fl_text_add(t, " read, ");
	add_bytes(t, (u64)m->slots_peak * FL_PAGE_SIZE);
	fl_text_add(t, " there at most\n");
}

static void add_zram_line(struct fl_text *t, const struct fl_machine *m)
{
	const struct fl_zpool *z = &m->zpool;

	if (!z->max_blocks)
		return;
	fl_text_add(t, "faultline: compressed memory: ");
	add_bytes(t, (u64)z->peak_blocks * FL_ZBLOCK_BYTES);
	fl_text_add(t, z->charged ? " of the budget at most\n" : " beside the budget at most\n");
}

static void add_zram(struct fl_text *t, const struct fl_machine *m)
{
	const struct fl_zpool *z = &m->zpool;

	if (!z->max_blocks)
		return;
	fl_text_add(t, "  \"zram\": {\"orig_data_size\": %lu, \"compr_data_size\": %lu, ",
		z->sums.orig_data_size, z->sums.compr_data_size);
	fl_text_add(t, "\"mem_used_total\": %lu, \"mem_limit\": %lu, \"mem_used_max\": %lu, ",
		z->nr_blocks * FL_ZBLOCK_BYTES, z->max_blocks * FL_ZBLOCK_BYTES,
		z->peak_blocks * FL_ZBLOCK_BYTES);
	fl_text_add(t, "\"same_pages\": %lu, \"huge_pages\": %lu, \"charged\": %s},\n",
		z->sums.same_pages, z->sums.huge_pages, z->charged ? "true" : "false");
}

/* Right-aligned in width columns, and a space before. */
static void add_column(struct fl_text *t, size_t width, const char *text, size_t len)
{
	fl_text_add(t, " ");
	for (; len < width; width--)
		fl_text_add(t, " ");
	fl_text_add(t, "%s", text);
}

static void add_number(struct fl_text *t, size_t width, u64 n)
{
	char buf[24];

	add_column(t, width, buf, fl_format(buf, sizeof(buf), "%lu", n));
}

static void add_proc_line(struct fl_text *t, const struct fl_proc *p)
{
	char peak[32], comm[sizeof(p->comm) + 1] = "";
	struct fl_text bytes = {peak, sizeof(peak), 0};

	for (size_t i = 0; i < sizeof(p->comm) && p->comm[i]; i++)
		comm[i] = p->comm[i] < 0x20 || p->comm[i] == 0x7f ? '?' : p->comm[i];
	add_bytes(&bytes, p->stats.rss_peak_bytes);
	fl_text_add(t, "faultline: ");
	add_number(t, 10, p->pid);
	add_number(t, 10, p->ppid);
	add_column(t, 11, peak, bytes.len);
	add_number(t, 11, p->stats.counter[FL_C_pgfault]);
	add_number(t, 10, p->stats.counter[FL_C_pgfault_cow]);
	fl_text_add(t, "  %s\n", comm);
}

static bool before(const struct fl_proc *a, const struct fl_proc *b)
{
	u64 x = a->stats.counter[FL_C_pgfault], y = b->stats.counter[FL_C_pgfault];

	return x > y || (x == y && a < b);
}

/* Those with the most faults, in this order; each is found by one walk through all. */
static void add_proc_lines(struct fl_text *t, const struct fl_machine_view *v, u64 all_faults)
{
	u32 nr_procs = fl_min(v->t->nr_procs, (u32)FL_NR_PROCS), shown = 0;
	const struct fl_proc *last = NULL;

	fl_text_add(t, "faultline:         pid     parent    peak rss      faults  COW breaks  command\n");
	for (; shown < SUMMARY_PROCS; shown++) {
		const struct fl_proc *next = NULL;

		for (const struct fl_proc *p = v->procs; p < v->procs + nr_procs; p++)
			if (p->state != FL_PROC_FREE && (!last || before(last, p)) &&
				(!next || before(p, next)))
				next = p;
		if (!next)
			break;
		add_proc_line(t, next);
		all_faults -= next->stats.counter[FL_C_pgfault];
		last = next;
	}
	if (v->t->nr_seen > shown)
		fl_text_add(t, "faultline:   and %u more with %lu faults\n", v->t->nr_seen - shown,
			all_faults);
}

void fl_report_summary(const struct fl_machine_view *v, int fd)
{
	const struct fl_machine *m = v->t;
	char buf[SUMMARY_BYTES];
	struct fl_text t = {buf, sizeof(buf), 0};
	struct fl_proc_stats sum;

	fl_machine_totals(v, &sum);
	fl_text_add(&t, "faultline: %u process%s, ", m->nr_seen, m->nr_seen == 1 ? "" : "es");
	add_seconds(&t, fl_now_ns() - m->start_ns);
	fl_text_add(&t, "\n");
	add_memory_line(&t, m);
	add_fault_lines(&t, sum.counter);
	add_swap_line(&t, m, sum.counter);
	add_zram_line(&t, m);
	fl_text_add(&t, "faultline: not managed: ");
	add_bytes(&t, sum.unmanaged_peak_bytes);
	fl_text_add(&t, " of stacks and the like at most\nfaultline: bookkeeping: ");
	add_bytes(&t, sum.bookkeeping_peak_bytes);
	fl_text_add(&t, " in one process at most\n");
	if (m->nr_seen > 1)
		add_proc_lines(&t, v, sum.counter[FL_C_pgfault]);
	write_all(fd, &t);
}

/* Length of the well-formed UTF-8 character at s, 0 if it is none. */
static int utf8_length(const unsigned char *s, size_t left)
{
	int n = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
		: s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		: s[0] >= 0xc2 && s[0] < 0xe0 ? 2
					      : 0;

	if (!n || (size_t)n > left)
		return 0;
	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, beyond U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* A program names itself as it likes: quotes, control characters, half letters. */
static void add_string(struct fl_text *t, const char *text, size_t max)
{
	const unsigned char *s = (const unsigned char *)text;

	fl_text_add(t, "\"");
	for (size_t i = 0; i < max && s[i];) {
		int n = utf8_length(s + i, max - i);

		if (s[i] == '"' || s[i] == '\\')
			fl_text_add(t, "\\%c", s[i]);
		else if (s[i] < 0x20 || s[i] == 0x7f)
			fl_text_add(t, "\\u00%x%x", s[i] >> 4, s[i] & 15);
		else if (s[i] < 0x80)
			fl_text_add(t, "%c", s[i]);
		else if (!n)
			fl_text_add(t, "\\ufffd");
		for (int k = 0; k < n; k++)
			fl_text_add(t, "%c", s[i + (size_t)k]);
		i += n ? (size_t)n : 1;
	}
	fl_text_add(t, "\"");
}

static void add_counters(struct fl_text *t, const char *indent, const u64 *counter, bool more)
{
	static const char *const names[] = {
#define X(name, meaning) #name,
		FL_COUNTERS(X)
#undef X
	};

	for (int i = 0; i < FL_NR_COUNTERS; i++)
		fl_text_add(t, "%s\"%s\": %lu%s", indent, names[i], counter[i],
			more || i + 1 < FL_NR_COUNTERS ? ",\n" : "\n");
}

static void add_proc(struct fl_text *t, const struct fl_proc *p, u64 now_ns)
{
	const struct fl_proc_stats *s = &p->stats;

	fl_text_add(t, "    {\n      \"pid\": %u,\n      \"ppid\": %u,\n      \"comm\": ", p->pid,
		p->ppid);
	add_string(t, p->comm, sizeof(p->comm));
	fl_text_add(t, ",\n      \"alive\": %s,\n      \"threads\": %u,\n      \"threads_peak\": %u",
		p->state != FL_PROC_DEAD && !fl_proc_is_gone(p) ? "true" : "false", p->threads,
		p->threads_peak);
	fl_text_add(t, ",\n      \"rss_bytes\": %lu,\n      \"rss_peak_bytes\": %lu,\n",
		s->rss_bytes, s->rss_peak_bytes);
	fl_text_add(t, "      \"swap_bytes\": %lu,\n", s->swap_bytes);
	fl_text_add(t, "      \"unmanaged_bytes\": %lu,\n      \"unmanaged_peak_bytes\": %lu,\n",
		s->unmanaged_bytes, s->unmanaged_peak_bytes);
	fl_text_add(t,
		"      \"bookkeeping_bytes\": %lu,\n      \"bookkeeping_peak_bytes\": %lu,\n",
		s->bookkeeping_bytes, s->bookkeeping_peak_bytes);
	fl_text_add(t, "      \"started_ns_ago\": %lu,\n",
		now_ns > s->start_ns ? now_ns - s->start_ns : 0);
	add_counters(t, "      ", s->counter, false);
	fl_text_add(t, "    }");
}

static void add_json(struct fl_text *t, const struct fl_machine_view *v, u32 nr_procs)
{
	const struct fl_machine *m = v->t;
	u64 now = fl_now_ns();
	struct fl_proc_stats sum;
	const char *sep = "\n";

	fl_machine_totals(v, &sum);
	fl_text_add(t, "{\n  \"faultline\": \"%s\",\n", FL_VERSION);
	fl_text_add(t, "  \"elapsed_ns\": %lu,\n  \"processes_seen\": %u,\n", now - m->start_ns,
		m->nr_seen);
	fl_text_add(t, "  \"ram_bytes\": %lu,\n  \"ram_peak_bytes\": %lu,\n", m->config.ram_bytes,
		(u64)m->frames_peak * FL_PAGE_SIZE);
	fl_text_add(t, "  \"swap_peak_bytes\": %lu,\n", (u64)m->slots_peak * FL_PAGE_SIZE);
	add_zram(t, m);
	fl_text_add(t, "  \"shmem_peak_bytes\": %lu,\n", (u64)m->shmem_peak * FL_PAGE_SIZE);
	fl_text_add(t, "  \"unmanaged_peak_bytes\": %lu,\n  \"bookkeeping_peak_bytes\": %lu,\n",
		sum.unmanaged_peak_bytes, sum.bookkeeping_peak_bytes);
	add_counters(t, "  ", sum.counter, true);
	fl_text_add(t, "  \"processes\": [");
	for (u32 i = 0; i < nr_procs; i++) {
		if (v->procs[i].state == FL_PROC_FREE)
			continue;
		fl_text_add(t, "%s", sep);
		add_proc(t, &v->procs[i], now);
		sep = ",\n";
	}
	fl_text_add(t, "\n  ]\n}\n");
}

int fl_report_json(const struct fl_machine_view *v, const char *path)
{
	bool to_stderr = path[0] == '-' && !path[1];
	u32 nr_procs = fl_min(v->t->nr_procs, (u32)FL_NR_PROCS);
	struct fl_text t = {.size = JSON_BYTES + (size_t)nr_procs * PROC_BYTES};
	long fd = 2, r;

	r = fl_syscall(
		SYS_mmap, NULL, t.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fl_is_err(r))
		return (int)r;
	t.buf = (char *)r;
	add_json(&t, v, nr_procs);
	if (!to_stderr)
		fd = fl_syscall(
			SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	r = fd < 0 ? fd : write_all((int)fd, &t);
	if (!to_stderr && fd >= 0)
		fl_syscall(SYS_close, fd);
	fl_syscall(SYS_munmap, t.buf, t.size);
	return (int)r;
}
