/*
 * Counting anew who holds what: for who takes over a lock whose owner died within its
 * section. The processes' bitmaps are the truth.
 */
#include "machine/machine.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"

#include <string.h>

#define WORDS (FL_COUNT_BITS / 64)

/* What one bitmap names, at this place of the file. */
static void add(const struct fl_machine_view *v, u64 at, u16 *users)
{
	u64 held[WORDS];

	/* where the next bitmap follows within the same piece its bits are not asked for */
	if (fl_syscall(SYS_pread64, v->mem_fd, held, sizeof(held), at) != (long)sizeof(held))
		__builtin_trap(); /* a file of ours, in memory */
	for (u32 w = 0; w < WORDS; w++)
		for (u64 b = held[w]; b; b &= b - 1)
			users[w * 64 + (u32)__builtin_ctzll(b)]++;
}

void fl_count_holders(const struct fl_machine_view *v, u64 offset, u32 from, u16 *ret_users)
{
	const struct fl_machine *t = v->t;

	memset(ret_users, 0, FL_COUNT_BITS * sizeof(*ret_users));
	for (u32 i = 0; i < t->nr_procs; i++)
		if (v->procs[i].state == FL_PROC_LIVE || v->procs[i].state == FL_PROC_NEW)
			add(v, t->held_at + t->held_stride * i + offset + from / 8, ret_users);
	add(v, t->shmem_held_at + offset + from / 8, ret_users);
}
