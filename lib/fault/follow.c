/* The handler and the CPU of the thread it serves; see follow.h. */
#include "fault/follow.h"
#include "arch/x86_64/syscall.h"
#include "mm/pgtable.h"

#include <string.h>

#define FIRST_THREADS 64u
#define MOVE_AFTER    4u	/* faults in a row from another CPU */

void fl_follow_start(struct fl_follow *f)
{
	u64 one[FL_CPUSET_BYTES / 8] = {0};
	u32 cpu = 0;

	fl_syscall(SYS_getcpu, &cpu, NULL);
	one[cpu / 64] = 1ull << cpu % 64;
	f->cpu = cpu;
	fl_syscall(SYS_sched_setaffinity, 0, sizeof(one), one);
}

void fl_follow_only(struct fl_follow *f, u64 tcb, u32 tid)
{
	f->nr_threads = 0;
	f->tid = 0;
	if (f->threads)
		f->threads[f->nr_threads++] = (struct fl_thread){.tcb = tcb, .tid = tid};
}

void fl_follow_thread(struct fl_follow *f, struct fl_arena *arena, u64 tcb, u64 tid_at, u32 tid)
{
	if (f->nr_threads == f->max_threads) {
		u32 max = f->max_threads ? 2 * f->max_threads : FIRST_THREADS;
		struct fl_thread *t = fl_arena_alloc(arena, max * sizeof(*t));

		if (!t)
			return; /* it is woken as usual */
		if (f->threads) {
			memcpy(t, f->threads, f->nr_threads * sizeof(*t));
			fl_arena_free(arena, f->threads, f->max_threads * sizeof(*t));
		}
		f->threads = t;
		f->max_threads = max;
	}
	f->threads[f->nr_threads++] = (struct fl_thread){.tcb = tcb, .tid_at = tid_at, .tid = tid};
}

u64 fl_follow_tid_at(const struct fl_follow *f, u32 tid)
{
	for (u32 i = f->nr_threads; i--;)
		if (f->threads[i].tid == tid)
			return f->threads[i].tid_at;
	return 0;
}

/* May n bytes at va be read without a fault of ours? */
static bool readable(const struct fl_mm *mm, u64 va)
{
	struct fl_vma *v = fl_vma_at(mm, va);

	if (!v || !(v->flags & FL_VM_READ))
		return false;
	return v->owner != FL_OWNER_MANAGED ||
		fl_pte_state(fl_pte_get(mm, va)) == FL_PTE_PRESENT;
}

static bool is_thread(struct fl_follow *f, const struct fl_mm *mm, u32 i, u32 tid)
{
	struct fl_thread *t = &f->threads[i];

	if (!t->tid && readable(mm, t->tid_at) && *(volatile u32 *)t->tid_at == tid)
		t->tid = tid;
	return t->tid == tid;
}

/* The CPU on which the thread last ran in user mode, or -1. */
static int cpu_of(struct fl_follow *f, const struct fl_mm *mm, u32 tid)
{
	u32 i = f->last, cpu;
	u64 at;

	if (!f->rseq_offset)
		return -1;
	if (i >= f->nr_threads || f->threads[i].tid != tid)
		/* the newest first: a TCB that was reused belongs to the last one made */
		for (i = f->nr_threads; i-- && !is_thread(f, mm, i, tid);)
			;
	if (i == UINT32_MAX)
		return -1;
	f->last = i;
	at = f->threads[i].tcb + (u64)f->rseq_offset + 4; /* rseq.cpu_id */
	if (!readable(mm, at)) {
		f->threads[i] = f->threads[--f->nr_threads]; /* gone */
		return -1;
	}
	cpu = *(volatile u32 *)at;
	return cpu < FL_CPUSET_BYTES * 8 ? (int)cpu : -1;
}

/* Sets the mask to one CPU. */
static void only(u64 *mask, u32 cpu)
{
	memset(mask, 0, FL_CPUSET_BYTES);
	mask[cpu / 64] = 1ull << cpu % 64;
}

static bool affinity(u32 tid, u64 *mask)
{
	long n = fl_syscall(SYS_sched_getaffinity, tid, FL_CPUSET_BYTES, mask);

	if (n <= 0)
		return false;
	memset((char *)mask + n, 0, FL_CPUSET_BYTES - (u64)n);
	return true;
}

void fl_follow_restore(struct fl_follow *f)
{
	u64 now[FL_CPUSET_BYTES / 8], narrowed[FL_CPUSET_BYTES / 8];

	if (!f->tid)
		return;
	only(narrowed, f->tid_cpu);
	if (affinity(f->tid, now) && !memcmp(now, narrowed, sizeof(now)))
		fl_syscall(SYS_sched_setaffinity, f->tid, sizeof(f->mask), f->mask);
	f->tid = 0;
}

static void move_to(struct fl_follow *f, u32 cpu)
{
	u64 one[FL_CPUSET_BYTES / 8];

	only(one, cpu);
	fl_follow_restore(f);
	if (fl_syscall(SYS_sched_setaffinity, 0, sizeof(one), one) == 0)
		f->cpu = cpu;
	f->elsewhere = 0;
}

void fl_follow_wake(struct fl_follow *f, const struct fl_mm *mm, u32 tid)
{
	u64 one[FL_CPUSET_BYTES / 8];
	int cpu = tid ? cpu_of(f, mm, tid) : -1;

	if (cpu < 0)
		return;
	if ((u32)cpu != f->cpu) {
		if (f->elsewhere_cpu != (u32)cpu)
			f->elsewhere = 0;
		f->elsewhere_cpu = (u32)cpu;
		if (++f->elsewhere >= MOVE_AFTER)
			move_to(f, (u32)cpu);
		return;
	}
	f->elsewhere = 0;
	f->used_cycles = fl_cycles();
	if (f->tid == tid)
		return;
	fl_follow_restore(f);
	only(one, f->cpu);
	if (!affinity(tid, f->mask) || !(f->mask[cpu / 64] & one[cpu / 64]) ||
		!memcmp(one, f->mask, sizeof(one)))
		return;
	if (fl_syscall(SYS_sched_setaffinity, tid, sizeof(one), one) == 0) {
		f->tid = tid;
		f->tid_cpu = f->cpu;
	}
}
