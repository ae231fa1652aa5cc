/*
 * Locks, and the one list of their order.
 *
 * A thread may take a lock only while every lock it holds has a lower rank.
 * Debug builds (-Dbuildtype=debug) abort on a reversal.
 *
 *   libc's loader and malloc locks   a program thread may hold these when it
 *                                    enters a hook; nothing below ever waits
 *                                    for them: no libc in hooks and handlers
 *   FL_RANK_MM     one a process: VMAs, page table, frames, LRU, userfaultfd
 *   FL_RANK_LIMITS tree: the limits on memory of all processes
 *   FL_RANK_PROC   tree: the process table
 *   FL_RANK_SHMEM  tree: shared anonymous memory
 *   FL_RANK_ZONE   tree: the buddy allocator and the frames' reference counts
 *   FL_RANK_SWAP   tree: the swap map
 *   FL_RANK_ZPOOL  tree: compressed pages
 *   FL_RANK_ARENA  process: Faultline's own memory
 *
 * FL_RANK_MM decides every race between a fault, an eviction and an
 * mmap-family call: whoever holds it sees and leaves the mirror, the kernel's
 * mappings and the pool in agreement. It may be held over system calls that
 * cannot fault in managed memory, never over a read of managed memory.
 *
 * fl_lock is for the threads of one process. fl_shlock lies in memory that
 * the process tree shares: it names its owner, and a waiter takes it over
 * when the owner has died.
 *
 * Context: any thread that has blocked all signals; after fork the child
 * keeps the lock its parent's forking thread held.
 */
#ifndef FL_BASE_LOCK_H
#define FL_BASE_LOCK_H

#include "base/types.h"

enum fl_rank {
	FL_RANK_NONE,
	FL_RANK_MM,
	FL_RANK_LIMITS,
	FL_RANK_PROC,
	FL_RANK_SHMEM,
	FL_RANK_ZONE,
	FL_RANK_SWAP,
	FL_RANK_ZPOOL,
	FL_RANK_ARENA,
	FL_NR_RANKS,
};

struct fl_lock {
	u32 word; /* 0 free, 1 held, 2 held and waited for */
	u32 rank;
};

#define FL_LOCK_INIT(r)                                                                            \
	{                                                                                          \
		.rank = (r)                                                                        \
	}

void fl_lock_init(struct fl_lock *l, enum fl_rank rank);
void fl_lock(struct fl_lock *l);
bool fl_trylock(struct fl_lock *l);
void fl_unlock(struct fl_lock *l);
bool fl_lock_is_held(const struct fl_lock *l);

struct fl_shlock {
	u32 word; /* 0 free, else its owner; bit 31: waited for */
	u32 rank;
};

/*
 * As whom this process's threads take shared locks. A tid means nothing in another
 * pid namespace, so processes that have a record in a table that all can read name
 * that, and gone(record) tells whether its process lives. Those that have none name
 * their tid, with a mark of the namespace: nobody else's waiter judges them.
 */
void fl_shlock_identity(u32 record, bool (*gone)(u32 record));
/* Tells of gone only: before this process has a record of its own. */
void fl_shlock_judge(bool (*gone)(u32 record));
void fl_shlock_namespace(u64 pid_ns);
/* What thread tid writes into the word of a lock that it takes. */
u32 fl_shlock_word(u32 tid);

void fl_shlock_init(struct fl_shlock *l, enum fl_rank rank);

/* Returns true when the lock was taken over from a dead owner: what it guards
 * may be half changed and must be repaired before use. */
bool fl_shlock(struct fl_shlock *l);
void fl_shunlock(struct fl_shlock *l);

/* Has a thread of the record's process taken it, and, if it is dead, nobody over from it yet? */
bool fl_shlock_is_of(const struct fl_shlock *l, u32 record);

/* Sleep until *word != seen, a wake-up, or the time is over (0: for ever). */
void fl_futex_wait(u32 *word, u32 seen, u64 timeout_ns, bool shared);
void fl_futex_wake(u32 *word, int n, bool shared);

/* Whether a thread has ended, or been killed; one that only waits for its parent to
 * ask has. A number that is in use again counts as the thread. */
bool fl_thread_is_gone(u32 tid);

/* The same for a thread that was there at by_ns (CLOCK_MONOTONIC): numbers are used again
 * soon where many processes come and go, and one made later is another. */
bool fl_thread_is_gone_since(u32 tid, u64 by_ns);

/* The calling thread's id, by system call. */
u32 fl_gettid(void);

/* Has the thread ended, and is it still to be waited for? False if /proc does not tell. */
bool fl_task_is_zombie(u32 tid);

#endif
