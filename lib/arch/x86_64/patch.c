/* Finding system-call sites and rewriting them; see patch.h. */
#include "arch/x86_64/patch.h"
#include "arch/x86_64/scan.h"
#include "arch/x86_64/stub.h"
#include "arch/x86_64/syscall.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define SITE_BYTES 7
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
	SYS_open, SYS_openat, SYS_openat2, SYS_fcntl, SYS_io_uring_setup, SYS_vmsplice,
	SYS_process_vm_writev, SYS_mincore, SYS_truncate, SYS_ftruncate,
};

u32 fl_patch_close_from;

u64 fl_patch_hooked[8];

bool fl_patch_wants(long nr)
{
	if (!fl_patch_hooked[0])
		for (size_t i = 0; i < fl_array_size(hooked); i++)
			fl_patch_hooked[hooked[i] / 64] |= 1ull << hooked[i] % 64;
	return nr >= 0 && nr < 512 && (fl_patch_hooked[nr / 64] >> nr % 64 & 1);
}

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

static bool is_exit_group(const u8 *p)
{
	static const u8 load[] = {0xbe, SYS_exit_group, 0, 0, 0};

	if (memcmp(p, fl_exit_group_code, FL_EXIT_GROUP_BYTES))
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

static u32 find_sites(struct fl_text_range text, u64 generic, struct fl_site *sites)
{
	static const u8 load_arg6[] = {0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05};
	const u8 *first = (const u8 *)text.start + 64, *end = (const u8 *)text.end - SITE_BYTES;
	u32 n = 0;

	for (const u8 *at = first; (at = fl_find_syscall(at, end)) && n < MAX_SITES - 1; at++) {
		const u8 *p = at - 5;
		u32 nr;

		if (is_thread_exit(at - 4))
			sites[n++] = (struct fl_site){(u64)(at - 4), FL_FORM_EXIT, 6, false};
		if (is_exit_group(at - 2) && !branch_into(text, (u64)(at - 3)) &&
			!branch_into(text, (u64)(at - 5)))
			sites[n++] = (struct fl_site){(u64)(at - 2), FL_FORM_EXIT_GROUP,
				FL_EXIT_GROUP_BYTES, false};
		if (is_getaffinity(at) && !branch_into(text, (u64)(at - 4)))
			sites[n++] = (struct fl_site){(u64)(at - 4), FL_FORM_GETAFFINITY, 6, false};
		if (is_zeroed(text, at))
			sites[n++] = (struct fl_site){(u64)(at - 7), *(const int *)(at - 6), 9, true};
		if (p[0] != 0xb8)
			continue;
		nr = *(const u32 *)(p + 1);
		if (fl_patch_wants(nr) && !branch_into(text, (u64)p))
			sites[n++] = (struct fl_site){(u64)p, (int)nr, SITE_BYTES, false};
	}
	/* syscall(2): its seventh argument's load stands right before the instruction */
	for (u64 q = generic; generic && q < generic + 48 && q + SITE_BYTES < text.end; q++)
		if (!memcmp((void *)q, load_arg6, sizeof(load_arg6)) && !branch_into(text, q)) {
			sites[n++] = (struct fl_site){q, FL_FORM_GENERIC, SITE_BYTES, false};
			break;
		}
	return n;
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
static void write_jump(const struct fl_site *s, const u8 *stub)
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
	static struct fl_site sites[MAX_SITES];
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
		else if (sites[i].nr == FL_FORM_GENERIC)
			ret->seen[7] |= 1ull << 63;
		else if (sites[i].nr == FL_FORM_GETAFFINITY)
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

	stub_bytes = fl_page_up(n * FL_STUB_BYTES);
	stubs = near_memory(text, stub_bytes);
	if (!stubs) {
		ret->why = "no free memory near it";
		return -ENOMEM;
	}
	for (u32 i = 0; i < n; i++)
		fl_stub_write(stubs + i * FL_STUB_BYTES, &sites[i]);
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
		write_jump(&sites[i], stubs + i * FL_STUB_BYTES);
	fl_syscall(SYS_mprotect, lo, bytes, PROT_READ | PROT_EXEC);
	ret->sites = n;
	return 0;
}
