/* Finding system-call sites and writing stubs; see patch.h and entry.h. */
#include "arch/x86_64/patch.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/scan.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SITE_BYTES 7
#define STUB_BYTES 96
#define MAX_SITES  128
#define NEAR	   (1ull << 30) /* how far a stub may be from its site */
#define HALF_WAY   (1ull << 46)

static const u16 hooked[] = {
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_clone, SYS_clone3,
	SYS_fork, SYS_mlock, SYS_mlock2, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_shmat,
	SYS_shmdt, SYS_remap_file_pages, SYS_pkey_mprotect, SYS_io_setup, SYS_io_destroy,
	SYS_vfork, SYS_execve, SYS_execveat, SYS_sched_getaffinity, SYS_sched_setaffinity,
	SYS_close, SYS_close_range, SYS_dup2, SYS_dup3, SYS_exit, SYS_exit_group,
	SYS_newfstatat, SYS_stat, SYS_lstat, SYS_fstat, SYS_statx, SYS_getdents64, SYS_ioctl,
	SYS_process_madvise, SYS_unshare, SYS_setns, SYS_prlimit64, SYS_getrlimit, SYS_setrlimit,
	SYS_mincore, SYS_truncate, SYS_ftruncate,
};

u32 fl_patch_close_from;

/* By call number, for the stub of syscall(2). */
static u64 hooked_map[8];

bool fl_patch_wants(long nr)
{
	if (!hooked_map[0])
		for (size_t i = 0; i < fl_array_size(hooked); i++)
			hooked_map[hooked[i] / 64] |= 1ull << hooked[i] % 64;
	return nr >= 0 && nr < 512 && (hooked_map[nr / 64] >> nr % 64 & 1);
}

enum {
	FORM_GENERIC = -1,	/* syscall(2), any number */
	FORM_EXIT = -2,		/* a thread's exit */
	FORM_GETAFFINITY = -3,
	FORM_EXIT_GROUP = -4,	/* _exit(3) */
};

struct site {
	u64 at;
	int nr; /* or one of the forms above */
	u32 bytes;
	bool zeroes_first; /* the first argument is set to zero within it */
};

/* Is there a short or near branch in the 4 KiB around that lands between the
 * two instructions? Reads every byte as a possible branch: too many false
 * alarms are harmless, a missed one is not. */
static bool branch_into(struct fl_text_range text, u64 site)
{
	u64 target = site + 5;
	u64 lo = fl_max(text.start + 2, site - 2048), hi = fl_min(text.end - 4, site + 2048);

	for (u64 p = fl_max(lo, site - 128); p < fl_min(hi, site + 136); p++) {
		const u8 *b = (const u8 *)p;

		if ((p < site || p >= site + SITE_BYTES) && (b[0] == 0xeb || (b[0] & 0xf0) == 0x70) &&
			p + 2 + (u64)(s64)(signed char)b[1] == target)
			return true;
	}
	/* p: where the distance of a near branch may stand */
	for (u64 p = lo; p < hi; p++) {
		const u8 *b = (const u8 *)p;

		if (p + 4 + (u64)(s64) * (const int *)p != target || (p > site && p <= site + SITE_BYTES))
			continue;
		if (b[-1] == 0xe9 || b[-1] == 0xe8 || (b[-2] == 0x0f && (b[-1] & 0xf0) == 0x80))
			return true;
	}
	return false;
}

/* glibc's threads end in a loop of "xor %edi, %edi; mov %edx, %eax; syscall"
 * with the number loaded into %edx before it. */
static bool is_thread_exit(const u8 *p)
{
	static const u8 loop[] = {0x31, 0xff, 0x89, 0xd0, 0x0f, 0x05, 0xeb, 0xf8};
	static const u8 load[] = {0xba, SYS_exit, 0, 0, 0};

	if (memcmp(p, loop, sizeof(loop)))
		return false;
	for (const u8 *q = p - sizeof(load); q > p - 24; q--)
		if (!memcmp(q, load, sizeof(load)))
			return true;
	return false;
}

/* _exit has the number in %esi: "mov %esi, %eax; syscall; cmp $-4096, %rax". */
static const u8 exit_group_code[] = {0x89, 0xf0, 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff};

static bool is_exit_group(const u8 *p)
{
	static const u8 load[] = {0xbe, SYS_exit_group, 0, 0, 0};

	if (memcmp(p, exit_group_code, sizeof(exit_group_code)))
		return false;
	for (const u8 *q = p - sizeof(load); q > p - 48; q--)
		if (!memcmp(q, load, sizeof(load)))
			return true;
	return false;
}

/* getrlimit and setrlimit ask for the calling process: "mov $NR, %eax; xor %edi, %edi; syscall". */
static bool is_zeroed(struct fl_text_range text, const u8 *syscall)
{
	return syscall[-7] == 0xb8 && syscall[-2] == 0x31 && syscall[-1] == 0xff &&
		fl_patch_wants(*(const u32 *)(syscall - 6)) && !branch_into(text, (u64)(syscall - 7)) &&
		!branch_into(text, (u64)(syscall - 5));
}

/* sched_getaffinity caps its length between loading the number and the call. */
static bool is_getaffinity(const u8 *syscall)
{
	static const u8 code[] = {0xb8, SYS_sched_getaffinity, 0, 0, 0, 0x49, 0x39, 0xf0, 0x49, 0x0f,
		0x46, 0xf0}; /* mov $NR, %eax; cmp %rsi, %r8; cmovbe %r8, %rsi */

	return !memcmp(syscall - sizeof(code), code, sizeof(code));
}

static u32 find_sites(struct fl_text_range text, u64 generic, struct site *sites)
{
	static const u8 load_arg6[] = {0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05};
	const u8 *first = (const u8 *)text.start + 64, *end = (const u8 *)text.end - SITE_BYTES;
	u32 n = 0;

	for (const u8 *at = first; (at = fl_find_syscall(at, end)) && n < MAX_SITES - 1; at++) {
		const u8 *p = at - 5;
		u32 nr;

		if (is_thread_exit(at - 4))
			sites[n++] = (struct site){(u64)(at - 4), FORM_EXIT, 6, false};
		if (is_exit_group(at - 2) && !branch_into(text, (u64)(at - 3)) &&
			!branch_into(text, (u64)(at - 5)))
			sites[n++] = (struct site){(u64)(at - 2), FORM_EXIT_GROUP,
				sizeof(exit_group_code), false};
		if (is_getaffinity(at) && !branch_into(text, (u64)(at - 4)))
			sites[n++] = (struct site){(u64)(at - 4), FORM_GETAFFINITY, 6, false};
		if (is_zeroed(text, at))
			sites[n++] = (struct site){(u64)(at - 7), *(const int *)(at - 6), 9, true};
		if (p[0] != 0xb8)
			continue;
		nr = *(const u32 *)(p + 1);
		if (fl_patch_wants(nr) && !branch_into(text, (u64)p))
			sites[n++] = (struct site){(u64)p, (int)nr, SITE_BYTES, false};
	}
	/* syscall(2): its seventh argument's load stands right before the instruction */
	for (u64 q = generic; generic && q < generic + 48 && q + SITE_BYTES < text.end; q++)
		if (!memcmp((void *)q, load_arg6, sizeof(load_arg6)) && !branch_into(text, q)) {
			sites[n++] = (struct site){q, FORM_GENERIC, SITE_BYTES, false};
			break;
		}
	return n;
}

static u8 *emit(u8 *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}
#define EMIT(p, ...) ((p) = emit((p), (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__})))

static u8 *emit32(u8 *p, u32 v)
{
	return emit(p, &v, 4);
}

static u8 *emit64(u8 *p, u64 v)
{
	return emit(p, &v, 8);
}

/* The places in a stub that jump past its own call. */
struct skips {
	u8 *over[4];
	u32 n;
};

static u8 *emit_skip(u8 *p, struct skips *s, u8 jump)
{
	EMIT(p, jump, 0);
	s->over[s->n++] = p;
	return p;
}

/*
 * Calls of the stat family are frequent, and few of them a hook's business: folders of
 * mode 0555 with links to more than one in them (interpose/task.c). So the call is made in the
 * stub, and what it says decides; the hook repeats it.
 */
static u8 *emit_stat_filter(u8 *p, struct skips *s, u32 nr)
{
	static const u8 mode[] = {0x6d, 0x41}; /* S_IFDIR | 0555 */

	EMIT(p, 0xb8);				/* mov $NR, %eax */
	p = emit32(p, nr);
	EMIT(p, 0x0f, 0x05);			/* syscall */
	EMIT(p, 0x85, 0xc0);			/* test %eax, %eax */
	p = emit_skip(p, s, 0x75);		/* jnz done */
	if (nr == SYS_statx)
		EMIT(p, 0x66, 0x41, 0x81, 0x78, 28);	/* cmpw $mode, stx_mode(%r8) */
	else
		EMIT(p, 0x66, 0x81, 0x7a, 24);		/* cmpw $mode, st_mode(%rdx) */
	p = emit(p, mode, sizeof(mode));
	p = emit_skip(p, s, 0x75);		/* jne done */
	if (nr == SYS_statx)
		EMIT(p, 0x41, 0x83, 0x78, 16, 3);	/* cmpl $3, stx_nlink(%r8) */
	else
		EMIT(p, 0x83, 0x7a, 16, 3);		/* cmpl $3, st_nlink(%rdx) */
	return emit_skip(p, s, 0x76);		/* jbe done */
}

/*
 * The stub of one site:
 *
 *         [syscall(2) only: load the sixth argument; numbers that no hook
 *          wants go straight to native]
 *         [the stat family: the call; done unless the hook wants to know]
 *         lea -128(%rsp), %rsp        skip the red zone
 *         lea native(%rip), %rcx
 *         push %rcx
 *         [mov $NR, %eax]
 *         jmp fl_entry
 * native: syscall
 * done:   jmp behind the site
 */
static void write_stub(u8 *stub, const struct site *s)
{
	u8 *p = stub, *skip[2] = {NULL, NULL}, *lea;
	struct skips done = {.n = 0};

	if (s->nr == FORM_GENERIC) {
		EMIT(p, 0x4c, 0x8b, 0x4c, 0x24, 0x08);	/* mov 8(%rsp), %r9 */
		EMIT(p, 0x48, 0x3d, 0x00, 0x02, 0, 0);	/* cmp $512, %rax */
		EMIT(p, 0x73, 0);			/* jae native */
		skip[0] = p;
		EMIT(p, 0x48, 0xb9);			/* movabs $hooked_map, %rcx */
		p = emit64(p, (u64)hooked_map);
		EMIT(p, 0x0f, 0xa3, 0x01);		/* bt %eax, (%rcx) */
		EMIT(p, 0x73, 0);			/* jnc native */
		skip[1] = p;
	}
	if (s->nr == FORM_GETAFFINITY)
		EMIT(p, 0x49, 0x0f, 0x46, 0xf0);	/* cmovbe %r8, %rsi */
	if (s->nr == FORM_EXIT || s->zeroes_first)
		EMIT(p, 0x31, 0xff);			/* xor %edi, %edi */
	if (s->nr == FORM_EXIT) {
		EMIT(p, 0xb8);
		p = emit32(p, SYS_exit);
	}
	if (s->nr == FORM_EXIT_GROUP) {
		EMIT(p, 0xb8);
		p = emit32(p, SYS_exit_group);
	}
	if (s->nr == SYS_close && fl_patch_close_from) {
		EMIT(p, 0x81, 0xff);			/* cmp $from, %edi */
		p = emit32(p, fl_patch_close_from);
		EMIT(p, 0xb8);				/* mov $NR, %eax */
		p = emit32(p, SYS_close);
		EMIT(p, 0x72, 0);			/* jb native */
		skip[0] = p;
	}
	if (s->nr == SYS_newfstatat || s->nr == SYS_statx)
		p = emit_stat_filter(p, &done, (u32)s->nr);
	if (s->nr == SYS_ioctl) {			/* of userfaultfds only */
		EMIT(p, 0xb8);				/* mov $NR, %eax */
		p = emit32(p, SYS_ioctl);
		EMIT(p, 0x81, 0xfe);			/* cmp $UFFDIO_REGISTER, %esi */
		p = emit32(p, 0xc020aa00);
		EMIT(p, 0x74, 8);			/* je, over the next two */
		EMIT(p, 0x81, 0xfe);			/* cmp $UFFDIO_MOVE, %esi */
		p = emit32(p, 0xc028aa05);
		EMIT(p, 0x75, 0);			/* jne native */
		skip[0] = p;
	}
	EMIT(p, 0x48, 0x8d, 0x64, 0x24, 0x80);
	EMIT(p, 0x48, 0x8d, 0x0d);
	p = emit32(p, 0);
	lea = p;
	EMIT(p, 0x51);
	if (s->nr >= 0) {
		EMIT(p, 0xb8);
		p = emit32(p, (u32)s->nr);
	}
	EMIT(p, 0xff, 0x25, 0, 0, 0, 0);		/* jmp *0(%rip) */
	p = emit64(p, (u64)fl_entry);
	for (int i = 0; i < 2; i++)
		if (skip[i])
			skip[i][-1] = (u8)(p - skip[i]);
	*(u32 *)(lea - 4) = (u32)(p - lea);
	EMIT(p, 0x0f, 0x05);
	for (u32 i = 0; i < done.n; i++)
		done.over[i][-1] = (u8)(p - done.over[i]);
	if (s->nr == FORM_EXIT_GROUP)
		p = emit(p, exit_group_code + 4, sizeof(exit_group_code) - 4);
	EMIT(p, 0xe9);
	emit32(p, (u32)(s->at + s->bytes - ((u64)p + 4)));
}

/* Libraries are mapped from a base in one direction: what is not in the way of the program's own
 * mappings, which follow them, lies in the other. */
static u8 *near_memory(struct fl_text_range text, size_t bytes)
{
	bool down = text.start > HALF_WAY;

	for (u64 away = 1 << 16; away < NEAR; away += 1 << 20)
		for (int i = 0; i < 2; i++) {
			bool below = down == (i != 0);
			u64 at = fl_page_down(below ? text.start - away - bytes : text.end + away);
			long p = fl_syscall(SYS_mmap, at, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

			if ((u64)p == at)
				return (u8 *)p;
			if (!fl_is_err(p))
				fl_syscall(SYS_munmap, p, bytes);
		}
	return NULL;
}

/* One store, so that a thread running through the site sees all or nothing. */
static void write_jump(const struct site *s, const u8 *stub)
{
	union {
		u8 b[8];
		u64 word;
	} u;

	memcpy(u.b, (void *)s->at, 8);
	u.b[0] = 0xe9;
	*(u32 *)(u.b + 1) = (u32)((u64)stub - (s->at + 5));
	for (u32 i = 5; i < fl_min(s->bytes, 8u); i++)
		u.b[i] = 0x90; /* never run, keeps disassembly readable */
	__atomic_store_n((u64 *)s->at, u.word, __ATOMIC_SEQ_CST);
}

int fl_patch_text(struct fl_text_range text, u64 generic, const u16 *required,
	struct fl_patch_report *ret)
{
	static struct site sites[MAX_SITES];
	u64 lo = fl_page_down(text.start), bytes = fl_page_up(text.end) - lo;
	u32 n;
	size_t stub_bytes;
	u8 *stubs;
	long r;

	memset(ret, 0, sizeof(*ret));
	fl_patch_wants(0);
	n = find_sites(text, generic, sites);
	for (u32 i = 0; i < n; i++)
		if (sites[i].nr >= 0)
			ret->seen[sites[i].nr / 64] |= 1ull << sites[i].nr % 64;
		else if (sites[i].nr == FORM_GENERIC)
			ret->seen[7] |= 1ull << 63;
		else if (sites[i].nr == FORM_GETAFFINITY)
			ret->getaffinity = true;
	for (; required && *required; required++)
		if (!fl_patch_saw(ret, *required)) {
			ret->why = "a system call's code is not as expected";
			return -ENOENT;
		}
	if (generic && !(ret->seen[7] >> 63)) {
		ret->why = "syscall(2)'s code is not as expected";
		return -ENOENT;
	}
	if (!n)
		return 0;

	stub_bytes = fl_page_up(n * STUB_BYTES);
	stubs = near_memory(text, stub_bytes);
	if (!stubs) {
		ret->why = "no free memory near it";
		return -ENOMEM;
	}
	for (u32 i = 0; i < n; i++)
		write_stub(stubs + i * STUB_BYTES, &sites[i]);
	fl_syscall(SYS_mprotect, stubs, stub_bytes, PROT_READ | PROT_EXEC);
	ret->stubs = (u64)stubs;
	ret->stubs_end = (u64)stubs + stub_bytes;

	r = fl_syscall(SYS_mprotect, lo, bytes, PROT_READ | PROT_WRITE | PROT_EXEC);
	if (r < 0) {
		fl_syscall(SYS_munmap, stubs, stub_bytes);
		ret->why = "its text cannot be made writable";
		return (int)r;
	}
	for (u32 i = 0; i < n; i++)
		write_jump(&sites[i], stubs + i * STUB_BYTES);
	fl_syscall(SYS_mprotect, lo, bytes, PROT_READ | PROT_EXEC);
	ret->sites = n;
	return 0;
}
