/*
 * Hook stacks: a lock-free stack of stacks.
 *
 * A thread takes one on its way into a hook and gives it back on its way out;
 * both run on the program's stack with signals blocked. The head packs an
 * index with a tag that changes at every operation, so that a stack popped and
 * pushed meanwhile is noticed (the ABA problem).
 */
#include "arch/x86_64/entry.h"
#include "arch/x86_64/syscall.h"

u64 fl_hook_stack_get(void);
void fl_hook_stack_put(u64 top);

static u64 base;
static u32 limit, fresh;
static u64 head; /* tag << 32 | index + 1; 0 index: empty */

void fl_hook_stacks_init(void *range, u64 bytes)
{
	base = (u64)range;
	limit = bytes / FL_HOOK_STACK;
}

u64 fl_hook_stacks_bytes(void)
{
	return (u64)fl_min(fresh, limit) * FL_HOOK_STACK;
}

/* The link of a free stack lies at its lowest word. */
static u32 *link_of(u32 index)
{
	return (u32 *)(base + (u64)(index - 1) * FL_HOOK_STACK);
}

u64 fl_hook_stack_get(void)
{
	for (;;) {
		u64 h = __atomic_load_n(&head, __ATOMIC_ACQUIRE);
		u32 index = (u32)h;

		if (!index) {
			if (__atomic_load_n(&fresh, __ATOMIC_RELAXED) < limit) {
				index = __atomic_fetch_add(&fresh, 1, __ATOMIC_RELAXED) + 1;
				if (index <= limit)
					return base + (u64)index * FL_HOOK_STACK;
			}
			fl_syscall(SYS_sched_yield); /* all are in use: one comes back */
			continue;
		}
		u64 next = ((h >> 32) + 1) << 32 | __atomic_load_n(link_of(index), __ATOMIC_RELAXED);

		if (__atomic_compare_exchange_n(
			    &head, &h, next, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return base + (u64)index * FL_HOOK_STACK;
	}
}

void fl_hook_stack_put(u64 top)
{
	u32 index = (top - base) / FL_HOOK_STACK;
	u64 h = __atomic_load_n(&head, __ATOMIC_RELAXED);

	for (;;) {
		__atomic_store_n(link_of(index), (u32)h, __ATOMIC_RELAXED);
		if (__atomic_compare_exchange_n(&head, &h, ((h >> 32) + 1) << 32 | index, false,
			    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return;
	}
}
