/*
 * Processes that write to each other's memory (process_vm_writev(2)); see shmem.h.
 *
 * The kernel takes hold of many pages at a time, and may then wait for a fault on what is to be
 * written to them: pages that are taken out meanwhile would not get it. So the writer says in its
 * record whose memory it is, before it begins, and whoever has unmapped pages of his looks whether
 * he is meant. A writer that is killed is meant by nobody.
 */
#include "machine/shmem.h"

#define ANYBODY 0xffffffffull

/* The count is the lower half; above it one more than the record's number. */
static u64 changed(u64 was, s32 by, u64 whom)
{
	u32 n = (u32)was + (u32)by;

	if ((u32)was && was >> 32 != whom) /* of several calls */
		whom = ANYBODY;
	return n ? (u64)n | whom << 32 : 0;
}

void fl_shmem_poke_begin(struct fl_machine_view *v, const struct fl_proc *to)
{
	u64 was = __atomic_load_n(&v->self->poking, __ATOMIC_SEQ_CST), whom = (u64)(to - v->procs) + 1;

	while (!__atomic_compare_exchange_n(&v->self->poking, &was, changed(was, 1, whom), true,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

void fl_shmem_poke_end(struct fl_machine_view *v)
{
	u64 was = __atomic_load_n(&v->self->poking, __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(&v->self->poking, &was, changed(was, -1, was >> 32), true,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

bool fl_shmem_poked(const struct fl_machine_view *v)
{
	u64 self = (u64)(v->self - v->procs) + 1;

	for (u32 i = 0; i < __atomic_load_n(&v->t->nr_procs, __ATOMIC_ACQUIRE); i++) {
		const struct fl_proc *p = &v->procs[i];
		u64 poking = __atomic_load_n(&p->poking, __ATOMIC_SEQ_CST);

		if (poking && (poking >> 32 == self || poking >> 32 == ANYBODY) &&
			p->state == FL_PROC_LIVE && !fl_proc_is_gone(p))
			return true;
	}
	return false;
}
