/* Writing the stub of one system-call site; see stub.h and entry.h. */
#include "arch/x86_64/stub.h"
#include "arch/x86_64/entry.h"
#include "arch/x86_64/patch.h"
#include "arch/x86_64/syscall.h"

#include <fcntl.h>
#include <string.h>

const u8 fl_exit_group_code[FL_EXIT_GROUP_BYTES] = {
	0x89, 0xf0, 0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff};

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
 *         [calls of which the arguments tell that no hook wants them: native]
 *         lea -128(%rsp), %rsp        skip the red zone
 *         lea native(%rip), %rcx
 *         push %rcx
 *         [mov $NR, %eax]
 *         jmp fl_entry
 * native: syscall
 * done:   jmp behind the site
 */
void fl_stub_write(u8 *stub, const struct fl_site *s)
{
	u8 *p = stub, *skip[2] = {NULL, NULL}, *lea;
	struct skips done = {.n = 0};

	if (s->nr == FL_FORM_GENERIC) {
		EMIT(p, 0x4c, 0x8b, 0x4c, 0x24, 0x08);	/* mov 8(%rsp), %r9 */
		EMIT(p, 0x48, 0x3d, 0x00, 0x02, 0, 0);	/* cmp $512, %rax */
		EMIT(p, 0x73, 0);			/* jae native */
		skip[0] = p;
		EMIT(p, 0x48, 0xb9);			/* movabs $fl_patch_hooked, %rcx */
		p = emit64(p, (u64)fl_patch_hooked);
		EMIT(p, 0x0f, 0xa3, 0x01);		/* bt %eax, (%rcx) */
		EMIT(p, 0x73, 0);			/* jnc native */
		skip[1] = p;
	}
	if (s->nr == FL_FORM_GETAFFINITY)
		EMIT(p, 0x49, 0x0f, 0x46, 0xf0);	/* cmovbe %r8, %rsi */
	if (s->nr == FL_FORM_EXIT || s->zeroes_first)
		EMIT(p, 0x31, 0xff);			/* xor %edi, %edi */
	if (s->nr == FL_FORM_EXIT) {
		EMIT(p, 0xb8);
		p = emit32(p, SYS_exit);
	}
	if (s->nr == FL_FORM_EXIT_GROUP) {
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
	if (s->nr == SYS_openat) {			/* with O_DIRECT only */
		EMIT(p, 0xb8);				/* mov $NR, %eax */
		p = emit32(p, SYS_openat);
		EMIT(p, 0xf7, 0xc2);			/* test $O_DIRECT, %edx */
		p = emit32(p, O_DIRECT);
		EMIT(p, 0x74, 0);			/* jz native */
		skip[0] = p;
	}
	if (s->nr == SYS_fcntl) {			/* F_SETFL only */
		EMIT(p, 0xb8);				/* mov $NR, %eax */
		p = emit32(p, SYS_fcntl);
		EMIT(p, 0x83, 0xfe, F_SETFL);		/* cmp $F_SETFL, %esi */
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
	if (s->nr == FL_FORM_EXIT_GROUP)
		p = emit(p, fl_exit_group_code + 4, FL_EXIT_GROUP_BYTES - 4);
	EMIT(p, 0xe9);
	emit32(p, (u32)(s->at + s->bytes - ((u64)p + 4)));
}
