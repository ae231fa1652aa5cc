/* mprotect(2), pkeys, mlock(2) and its kin, mincore(2), msync(2), remap_file_pages(2), limits. */
#include "diff.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define ANY_PROT (-1)
#define GROWING	 (PROT_GROWSDOWN | PROT_READ | PROT_WRITE)

static void op_mprotect(struct worker *w, const struct op *op)
{
	static const int prots[] = {RW, RW, RW, PROT_READ, PROT_NONE, PROT_WRITE, RX, RW | PROT_EXEC};
	struct span s = draw_odd(w, draw_span(w, (size_t)op->arg2));
	int prot = prots[draw(w, sizeof(prots) / sizeof(*prots))];

	if (op->arg != ANY_PROT)
		prot = (int)op->arg;
	note_span(w, s);
	note(w, " prot %#x", (unsigned int)prot);
	note_result(w, mprotect(s.at, s.bytes, prot));
	if (!draw(w, 2))
		note_bytes(w, s);
}

/* A range that ends where a stack-like mapping may lie; never one of another region. */
static void op_mprotect_grow(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 16);

	note_span(w, s);
	note_result(w, mprotect(s.at, s.bytes, (int)op->arg));
}

static void op_pkey_mprotect(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_span(w, 32));

	note_span(w, s);
	note_result(w, syscall(SYS_pkey_mprotect, s.at, s.bytes, op->arg2, op->arg));
}

/* What is locked is let go soon: in little memory there is no room for much of it. */
static void op_mlock(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_span(w, 32));
	unsigned char in[64];
	size_t n = 0;
	long ret;

	note_span(w, s);
	ret = op->arg < 0 ? mlock(s.at, s.bytes) : syscall(SYS_mlock2, s.at, s.bytes, op->arg);
	note_result(w, ret);
	if (ret == 0 && op->arg <= 0 && s.bytes && s.bytes <= 32 * PAGE) {
		ret = mincore((void *)((uintptr_t)s.at & -PAGE), s.bytes, in);
		for (size_t i = 0; ret == 0 && i < (s.bytes + PAGE - 1) / PAGE; i++)
			n += in[i] & 1;
		note(w, " %zu in core", n);
	}
	note_bytes(w, s);
	if (!draw(w, 4))
		return;
	note(w, " munlock");
	note_result(w, munlock(s.at, s.bytes));
}

static void op_munlock(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_arena(w, (size_t)op->arg));

	note_span(w, s);
	note_result(w, munlock(s.at, s.bytes));
}

/* All that is mapped comes into memory: only when there is not much. */
static void op_mlockall(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 16);
	size_t by = draw(w, PAGE);
	char *p;
	int k;

	if ((op->arg & (MCL_CURRENT | MCL_ONFAULT)) == MCL_CURRENT && arena_mapped(w) > 1024)
		return;
	k = draw_region(w);
	note_result(w, mlockall((int)op->arg));
	note_span(w, s);
	p = mmap(s.at, s.bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	note_pointer(w, p);
	p = mmap(NULL, s.bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED)
		region_set(w, k, p, s.bytes);
	note_pointer(w, p);
	note(w, " filled %zu", guarded_fill(w, s.at, s.bytes, w->op << 20));
	note_result(w, mprotect(s.at, PAGE, PROT_READ));
	note_result(w, madvise(s.at, s.bytes, MADV_DONTNEED));
	note(w, " munlockall");
	note_result(w, munlockall());
	note_result(w, madvise(s.at, by, MADV_DONTNEED));
	note_bytes(w, s);
}

/* Which pages of ordinary memory are in core is not determined, only what the call says. */
static void op_mincore(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_span(w, 200));
	unsigned char in[256];

	note_span(w, s);
	note_result(w, mincore(s.at, s.bytes, op->arg ? (unsigned char *)64 : in));
}

static void op_msync(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_span(w, 64));

	note_span(w, s);
	note_result(w, msync(s.at, s.bytes, (int)op->arg));
}

static void op_remap(struct worker *w, const struct op *op)
{
	struct span s = draw_odd(w, draw_arena(w, 8));
	size_t pgoff = draw(w, FILE_PAGES);

	note_span(w, s);
	note(w, " from page %zu", pgoff);
	note_result(w, syscall(SYS_remap_file_pages, s.at, s.bytes, op->arg, pgoff, op->arg2));
	note_bytes(w, s);
}

static void set_limit(int what, rlim_t bytes, struct rlimit *ret_old)
{
	struct rlimit r;

	CHECK(getrlimit(what, ret_old) == 0, "getrlimit");
	r = *ret_old;
	r.rlim_cur = bytes;
	CHECK(setrlimit(what, &r) == 0, "setrlimit");
}

/*
 * How much of a kind the program has, in pages, as the limit itself tells: the most at which one more
 * is refused. What /proc says may be of others' memory, too.
 */
static size_t counted_pages(int what)
{
	size_t low = 0, high = 1UL << 36;
	struct rlimit old;

	while (low + 1 < high) {
		size_t middle = (low + high) / 2;
		char *p;

		set_limit(what, middle * PAGE, &old);
		p = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED) {
			low = middle;
		} else {
			high = middle;
			munmap(p, PAGE);
		}
	}
	return low;
}

/*
 * Room for n pages more than there are, then a mapping of that size, one page more, and
 * a smaller one of another kind. What a memory manager maps for itself may not count.
 */
static void op_limit(struct worker *w, const struct op *op)
{
	int what = (int)op->arg;
	struct span s = draw_arena(w, 24), all = span_of(s.at, s.bytes + PAGE);
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	struct rlimit old, ignored;
	char *p;

	note_span(w, s);
	munmap(all.at, all.bytes);
	CHECK(getrlimit(what, &old) == 0, "getrlimit");
	set_limit(what, counted_pages(what) * PAGE + s.bytes, &ignored);
	p = mmap(s.at, all.bytes, RW, flags, -1, 0);
	note_pointer(w, p);
	p = mmap(s.at, all.bytes, PROT_READ, flags, -1, 0);
	note_pointer(w, p);
	p = mmap(s.at, s.bytes, RW, flags, -1, 0);
	note_pointer(w, p);
	note_result(w, mprotect(s.at, s.bytes, PROT_READ));
	note_result(w, mprotect(s.at, s.bytes, RW));
	p = mremap(s.at, s.bytes, s.bytes + PAGE, 0);
	note_pointer(w, p);
	CHECK(setrlimit(what, &old) == 0, "setrlimit");
	note_result(w, munmap(all.at, all.bytes));
}

/* A stack-like mapping may not grow beyond it. */
static void op_stack_limit(struct worker *w, const struct op *op)
{
	struct span s = draw_arena(w, 2);
	char *below = s.at - (1 + draw(w, 32)) * PAGE;
	struct rlimit old;
	void *p;

	if (below < w->arena)
		return;
	note_span(w, s);
	p = mmap(s.at, s.bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
	note_pointer(w, p);
	set_limit(RLIMIT_STACK, (rlim_t)op->arg2 * PAGE, &old);
	note(w, " ");
	note_addr(w, below);
	note(w, " filled %zu", guarded_fill(w, below, PAGE, w->op << 20));
	note_caught(w, &w->caught);
	CHECK(setrlimit(RLIMIT_STACK, &old) == 0, "setrlimit");
}

/* The limit on locked memory, which only those have who lack a capability. */
static void op_memlock_limit(struct worker *w, const struct op *op)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct have[2], less[2];
	struct span s = draw_arena(w, 16);
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	struct rlimit old;
	void *p;

	CHECK(syscall(SYS_capget, &head, have) == 0, "capget");
	memcpy(less, have, sizeof(have));
	less[0].effective &= ~(1u << CAP_IPC_LOCK);
	note_result(w, munlockall());
	set_limit(RLIMIT_MEMLOCK, (rlim_t)op->arg2 * PAGE, &old);
	CHECK(syscall(SYS_capset, &head, less) == 0, "capset");
	note_span(w, s);
	p = mmap(s.at, s.bytes, RW, flags | MAP_LOCKED, -1, 0);
	note_pointer(w, p);
	p = mmap(s.at, s.bytes, RW, flags, -1, 0);
	note_pointer(w, p);
	note_result(w, mlock(s.at, s.bytes));
	note_result(w, mlock(s.at, s.bytes)); /* counted once */
	note_result(w, syscall(SYS_mlock2, s.at, s.bytes, 1));
	note_result(w, mlockall(MCL_FUTURE));
	p = mmap(s.at, s.bytes, RW, flags, -1, 0);
	note_pointer(w, p);
	note_result(w, munlockall());
	CHECK(syscall(SYS_capset, &head, have) == 0, "capset");
	CHECK(setrlimit(RLIMIT_MEMLOCK, &old) == 0, "setrlimit");
	note_bytes(w, s);
}

const struct op protect_ops[] = {
	{"mprotect any", op_mprotect, 26, ANY_PROT, 64},
	{"mprotect rw", op_mprotect, 30, RW, 200},
	{"mprotect rw long", op_mprotect, 6, RW, 2000},
	{"mprotect r", op_mprotect, 6, PROT_READ, 32},
	{"mprotect none", op_mprotect, 5, PROT_NONE, 32},
	{"mprotect x", op_mprotect, 3, PROT_EXEC, 16},
	{"mprotect SEM", op_mprotect, 1, RW | 8, 32},
	{"mprotect unknown", op_mprotect, 2, RW | 0x40, 32},
	{"mprotect GROWSDOWN", op_mprotect_grow, 4, GROWING},
	{"mprotect GROWSUP", op_mprotect_grow, 1, RW | PROT_GROWSUP},
	{"mprotect GROWSDOWN|GROWSUP", op_mprotect_grow, 1, GROWING | PROT_GROWSUP},
	{"pkey_mprotect -1", op_pkey_mprotect, 4, -1, RW},
	{"pkey_mprotect 0", op_pkey_mprotect, 3, 0, PROT_READ},
	{"pkey_mprotect 5", op_pkey_mprotect, 1, 5, RW},
	{"pkey_mprotect 99", op_pkey_mprotect, 1, 99, RW},
	{NULL},
};

const struct op lock_ops[] = {
	{"mlock", op_mlock, 8, -1},
	{"mlock2 0", op_mlock, 3, 0},
	{"mlock2 ONFAULT", op_mlock, 5, 1},
	{"mlock2 unknown", op_mlock, 1, 2},
	{"munlock", op_munlock, 4, 64},
	{"munlock long", op_munlock, 3, 2000},
	{"mlockall CURRENT", op_mlockall, 1, MCL_CURRENT, 0, ANON, ALONE},
	{"mlockall CURRENT|ONFAULT", op_mlockall, 2, MCL_CURRENT | MCL_ONFAULT, 0, ANON, ALONE},
	{"mlockall FUTURE", op_mlockall, 3, MCL_FUTURE, 0, ANON, ALONE},
	{"mlockall FUTURE|ONFAULT", op_mlockall, 3, MCL_FUTURE | MCL_ONFAULT, 0, ANON, ALONE},
	{"mlockall CURRENT|FUTURE|ONFAULT", op_mlockall, 2, MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT, 0, ANON, ALONE},
	{"mlockall 0", op_mlockall, 1, 0, 0, ANON, ALONE},
	{"mlockall ONFAULT", op_mlockall, 1, MCL_ONFAULT, 0, ANON, ALONE},
	{"mlockall unknown", op_mlockall, 1, 8 | MCL_CURRENT, 0, ANON, ALONE},
	{"mincore", op_mincore, 8, 0},
	{"mincore bad vector", op_mincore, 1, 1},
	{"msync ASYNC", op_msync, 3, MS_ASYNC},
	{"msync SYNC", op_msync, 2, MS_SYNC},
	{"msync INVALIDATE", op_msync, 2, MS_INVALIDATE},
	{"msync ASYNC|SYNC", op_msync, 1, MS_ASYNC | MS_SYNC},
	{"msync unknown", op_msync, 1, 8},
	{"remap_file_pages", op_remap, 5, 0, 0},
	{"remap_file_pages NONBLOCK", op_remap, 1, 0, MAP_NONBLOCK},
	{"remap_file_pages prot", op_remap, 1, PROT_READ, 0},
	{"RLIMIT_AS", op_limit, 3, RLIMIT_AS, 0, ANON, ALONE},
	{"RLIMIT_DATA", op_limit, 3, RLIMIT_DATA, 0, ANON, ALONE},
	{"RLIMIT_STACK", op_stack_limit, 3, 0, 12, ANON, ALONE},
	{"RLIMIT_MEMLOCK", op_memlock_limit, 2, 0, 10, ANON, ALONE},
	{"RLIMIT_MEMLOCK 0", op_memlock_limit, 1, 0, 0, ANON, ALONE},
	{NULL},
};
