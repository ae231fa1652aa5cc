/* Accesses of all kinds by the program itself, most to memory, some to holes. */
#include "diff.h"

#include <emmintrin.h>

struct access {
	char *at;
	size_t bytes;
	uint64_t value;
};

static void do_read(void *arg)
{
	struct access *a = arg;

	a->value = *(volatile unsigned char *)a->at;
}

static void do_write(void *arg)
{
	struct access *a = arg;

	*(volatile char *)a->at = (char)a->value;
}

static void do_read8(void *arg)
{
	struct access *a = arg;

	asm volatile("movq (%1), %0" : "=r"(a->value) : "r"(a->at) : "memory");
}

static void do_write8(void *arg)
{
	struct access *a = arg;

	asm volatile("movq %0, (%1)" : : "r"(a->value), "r"(a->at) : "memory");
}

static void do_add(void *arg)
{
	struct access *a = arg;

	a->value = __atomic_fetch_add((uint64_t *)((uintptr_t)a->at & -8), 3, __ATOMIC_SEQ_CST);
}

/* One that fails writes all the same, in the eyes of the processor. */
static void do_exchange(void *arg)
{
	struct access *a = arg;
	uint64_t expected = a->value;

	__atomic_compare_exchange_n((uint64_t *)((uintptr_t)a->at & -8), &expected, 7, false,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	a->value = expected;
}

static void do_vector(void *arg)
{
	struct access *a = arg;

	_mm_storeu_si128((__m128i *)a->at, _mm_set1_epi64x((long long)a->value));
}

static void do_string_read(void *arg)
{
	struct access *a = arg;
	const char *from = a->at;
	size_t n = a->bytes / 8;
	uint64_t last = 0;

	asm volatile("rep lodsq" : "+S"(from), "+c"(n), "+a"(last) : : "memory");
	a->value = last;
}

static void do_string_write(void *arg)
{
	struct access *a = arg;
	char *to = a->at;
	size_t n = a->bytes;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(a->value) : "memory");
}

/* mov $imm, %eax; ret: put there if that is possible, and run if it is there. */
static void do_plant(void *arg)
{
	struct access *a = arg;
	const unsigned char code[6] = {0xb8, a->value & 0xff, a->value >> 8 & 0xff, 0, 0, 0xc3};

	memcpy(a->at, code, sizeof(code));
}

static void do_call(void *arg)
{
	struct access *a = arg;
	int (*function)(void);

	memcpy(&function, &a->at, sizeof(function));
	a->value = (uint64_t)function();
}

static void show(struct worker *w, const struct access *a, bool ok, bool read)
{
	if (ok && read)
		note(w, " = %#lx", (unsigned long)a->value);
	else if (ok)
		note(w, " done");
	note_caught(w, &w->caught);
}

static void op_access(struct worker *w, access_fn *fn, enum repair repair, size_t bytes, bool read)
{
	struct span s = repair ? draw_arena(w, 8) : draw_span(w, 8);
	struct access a = {s.at + draw(w, PAGE), bytes, draw(w, 1 << 16)};

	/* mostly across the border of two pages, where that can be */
	if (bytes > 1 && s.bytes > PAGE && draw(w, 4))
		a.at = s.at + PAGE - 1 - draw(w, bytes - 1);
	if (a.at + bytes > s.at + s.bytes)
		a.at = s.at + s.bytes - bytes;
	note_addr(w, a.at);
	show(w, &a, guarded(w, repair, fn, &a), read);
}

#define ACCESS(name, fn, bytes, read)                                                              \
	static void name(struct worker *w, const struct op *op)                                    \
	{                                                                                          \
		op_access(w, fn, (enum repair)op->arg, bytes, read);                               \
	}

ACCESS(op_read, do_read, 1, true)
ACCESS(op_write, do_write, 1, false)
ACCESS(op_read8, do_read8, 8, true)
ACCESS(op_write8, do_write8, 8, false)
ACCESS(op_add, do_add, 8, true)
ACCESS(op_exchange, do_exchange, 8, true)
ACCESS(op_vector, do_vector, 16, false)
ACCESS(op_string_read, do_string_read, 2048, true)
ACCESS(op_string_write, do_string_write, 2048, false)

static void op_exec(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_span(w, 4);
	struct access a = {s.at, 6, draw(w, 1 << 16)};
	bool ok = guarded(w, REPAIR_NO, do_plant, &a);
	uint64_t sum;
	bool readable, ours;

	note_addr(w, a.at);
	note(w, ok ? " planted" : " not planted");
	readable = guarded_sum(w, a.at, 6, &sum);
	ours = readable && *(unsigned char *)a.at == 0xb8 && a.at[3] == 0 && a.at[4] == 0 &&
		*(unsigned char *)(a.at + 5) == 0xc3;
	/* other bytes might do anything, if they may be run; what cannot be read cannot be run */
	if (readable && !ours)
		return;
	show(w, &a, guarded(w, REPAIR_NO, do_call, &a), true);
}

/* Makes the working set: what can be written of a long range is. */
static void op_fill(struct worker *w, const struct op *op)
{
	struct span s = draw_span(w, (size_t)op->arg);
	size_t n = guarded_fill(w, s.at, s.bytes, w->op << 20);

	note_span(w, s);
	note(w, " = %zu", n);
}

/* One access in reach of every 7th page. */
static void op_sweep(struct worker *w, const struct op *op UNUSED)
{
	struct span s = draw_span(w, 600);
	uint64_t sum, all = 0;
	size_t n = 0;

	note_span(w, s);
	for (size_t at = 0; at < s.bytes; at += 7 * PAGE)
		if (guarded_sum(w, s.at + at, 64, &sum)) {
			all = mix(all ^ sum);
			n++;
		}
	note(w, " = %zu readable, %016lx", n, (unsigned long)all);
}

const struct op access_ops[] = {
	{"read", op_read, 14},
	{"write", op_write, 14},
	{"read 8", op_read8, 10},
	{"write 8", op_write8, 10},
	{"atomic add", op_add, 8},
	{"atomic exchange", op_exchange, 6},
	{"write 16", op_vector, 6},
	{"string read", op_string_read, 6},
	{"string write", op_string_write, 6},
	{"execute", op_exec, 10},
	{"write, mended by mprotect", op_write8, 6, REPAIR_PROTECT},
	{"write, mended by mmap", op_write8, 4, REPAIR_MAP},
	{"string write, mended by mprotect", op_string_write, 4, REPAIR_PROTECT},
	{"read, mended by mmap", op_read8, 3, REPAIR_MAP},
	{"fill", op_fill, 34, 160},
	{"fill long", op_fill, 6, 1500},
	{"sweep", op_sweep, 20},
	{NULL},
};
