/*
 * exit(2) of one thread.
 *
 * On its way out the kernel writes to the program's memory: it clears the word
 * that pthread_join waits for, and marks the robust mutexes that the thread
 * holds. Faults of an exiting thread do not reach a userfaultfd, so a page that
 * is not there then would be skipped in silence, and the joiner wait for ever.
 * The pages are brought in here, and nothing is evicted until the thread is gone.
 *
 * A process ends with its last thread. Faultline's own would keep it alive, so
 * when the first thread leaves, kswapd begins to look whether any is left
 * (runtime/last.c).
 */
#include "interpose/hooks.h"
#include "fault/uffd-compat.h"

#include <linux/futex.h>
#include <sys/mman.h>

static void bring_in(u64 va)
{
	if (va)
		fl_syscall(SYS_madvise, fl_page_down(va), FL_PAGE_SIZE, MADV_POPULATE_WRITE);
}

static void bring_in_robust_list(void)
{
	struct robust_list_head head, *at = NULL;
	size_t bytes = 0;
	u64 entry;

	/* it may be garbage, for all we know */
	if (fl_syscall(SYS_get_robust_list, 0, &at, &bytes) < 0 || !at ||
		!fl_peek((u64)at, &head, sizeof(head)))
		return;
	entry = (u64)head.list.next & ~1ull; /* bit 0: priority inheritance */
	for (int i = 0; i < ROBUST_LIST_LIMIT && entry != (u64)at; i++) {
		bring_in(entry);
		bring_in(entry + (u64)head.futex_offset);
		if (!fl_peek(entry, &entry, sizeof(entry)))
			break;
		entry &= ~1ull;
	}
	if (head.list_op_pending)
		bring_in(((u64)head.list_op_pending & ~1ull) + (u64)head.futex_offset);
}

enum fl_action fl_hook_exit(struct fl_call *c)
{
	u32 tid = fl_gettid();

	/* a process that borrows our memory, and ends: not a thread of ours */
	if (fl_is_borrowed())
		return FL_NATIVE;
	fl_lock(&fl.pager.lock);
	fl_kfault_drain();
	fl_pager_hold(&fl.pager, tid);
	if (fl.handler.follow.tid == tid)
		fl_follow_restore(&fl.handler.follow); /* the number may be another's soon */
	fl_unlock(&fl.pager.lock);
	bring_in_robust_list();
	bring_in(fl_follow_tid_at(&fl.handler.follow, tid));
	fl_runtime_left(tid, (int)c->a[0]);
	return FL_NATIVE;
}
