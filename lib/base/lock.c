/*
 * Futex locks without libc.
 *
 * The private lock is the three-state mutex of Drepper's "Futexes Are Tricky".
 * The shared one names its owner, as robust futexes do, so that a lock whose
 * owner was killed can be recognised.
 */
#include "base/lock.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "base/procfs.h"

#include <errno.h>
#include <linux/futex.h>
#include <time.h>

#define WAITED	 0x80000000u
#define RECORD	 0x40000000u /* the owner is a process's record, else a tid and a namespace's mark */
#define TID_BITS 22u	     /* the kernel's limit on pids */
#define NS_MASK	 (0xffu << TID_BITS)
#define PROBE_NS 100000000ull /* how long to wait before asking whether the owner lives */

u32 fl_gettid(void)
{
	return (u32)fl_syscall(SYS_gettid);
}

void fl_futex_wait(u32 *word, u32 seen, u64 timeout_ns, bool shared)
{
	struct timespec ts = {timeout_ns / 1000000000u, timeout_ns % 1000000000u};

	fl_syscall(SYS_futex, word, shared ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE, seen,
		timeout_ns ? &ts : NULL);
}

void fl_futex_wake(u32 *word, int n, bool shared)
{
	fl_syscall(SYS_futex, word, shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, n);
}

#ifdef FL_DEBUG_LOCKS
/* Which ranks each thread holds: a small open-addressed table by tid. */
static struct {
	u32 tid, held;
} ranks[256];

static u32 *held_of(u32 tid)
{
	for (u32 i = 0; i < fl_array_size(ranks); i++) {
		u32 at = (tid + i) % fl_array_size(ranks), none = 0;

		if (__atomic_load_n(&ranks[at].tid, __ATOMIC_RELAXED) == tid)
			return &ranks[at].held;
		if (__atomic_compare_exchange_n(&ranks[at].tid, &none, tid, false,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return &ranks[at].held;
	}
	return NULL; /* more threads than the table: unchecked */
}

static void rank_acquire(u32 rank)
{
	u32 *held = held_of(fl_gettid());

	if (!held)
		return;
	if (*held >> rank)
		__builtin_trap(); /* lock order reversed: see the list in lock.h */
	*held |= 1u << rank;
}

static void rank_release(u32 rank)
{
	u32 tid = fl_gettid(), *held = held_of(tid);

	if (held)
		*held &= ~(1u << rank);
}
#else
static inline void rank_acquire(u32 rank)
{
}
static inline void rank_release(u32 rank)
{
}
#endif

void fl_lock_init(struct fl_lock *l, enum fl_rank rank)
{
	l->word = 0;
	l->rank = rank;
}

bool fl_trylock(struct fl_lock *l)
{
	u32 free = 0;

	if (!__atomic_compare_exchange_n(
		    &l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	rank_acquire(l->rank);
	return true;
}

void fl_lock(struct fl_lock *l)
{
	u32 c = 0;

	rank_acquire(l->rank);
	/* a batch of moves holds it for some 20 us; a sleep costs more than that */
	for (int spin = 0; spin < 256; spin++) {
		c = 0;
		if (__atomic_compare_exchange_n(
			    &l->word, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		if (c == 2)
			break;
		fl_cpu_relax();
	}
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
		fl_futex_wait(&l->word, 2, 0, false);
}

void fl_unlock(struct fl_lock *l)
{
	rank_release(l->rank);
	if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2)
		fl_futex_wake(&l->word, 1, false);
}

bool fl_lock_is_held(const struct fl_lock *l)
{
	return __atomic_load_n(&l->word, __ATOMIC_RELAXED) != 0;
}

/* The thread's state letter, 0 if /proc does not tell, and in *ret_start_ticks when it was
 * made: since boot, in hundredths of a second. */
static char task_state(u32 tid, u64 *ret_start_ticks)
{
	char path[32], buf[512];
	const char *state, *start;

	fl_format(path, sizeof(path), "/proc/%u/stat", tid);
	fl_read_file(path, buf, sizeof(buf));
	state = fl_stat_field(buf, 3);
	start = fl_stat_field(buf, 22);
	if (!state || !start)
		return 0;
	*ret_start_ticks = fl_read_number(&start);
	return *state;
}

static bool is_dead(char state)
{
	return state == 'Z' || state == 'X';
}

bool fl_task_is_zombie(u32 tid)
{
	u64 start;

	return is_dead(task_state(tid, &start));
}

static u32 own_record, own_ns; /* as they stand in the word; 0: none */
static bool (*record_gone)(u32 record);

void fl_shlock_judge(bool (*gone)(u32 record))
{
	record_gone = gone;
}

void fl_shlock_identity(u32 record, bool (*gone)(u32 record))
{
	record_gone = gone;
	own_record = RECORD | record;
}

void fl_shlock_namespace(u64 pid_ns)
{
	/* inode numbers, given in ascending order */
	own_ns = (u32)pid_ns << TID_BITS & NS_MASK;
}

/* A killed process's main thread stays as a zombie until its parent asks. */
bool fl_thread_is_gone(u32 tid)
{
	return fl_syscall(SYS_kill, tid, 0) == -ESRCH || fl_task_is_zombie(tid);
}

bool fl_thread_is_gone_since(u32 tid, u64 by_ns)
{
	const u64 tick_ns = 10000000;
	struct timespec boot, mono;
	u64 ticks, since_boot;
	char state;

	if (fl_syscall(SYS_kill, tid, 0) == -ESRCH)
		return true;
	state = task_state(tid, &ticks);
	if (!state || is_dead(state))
		return is_dead(state);
	fl_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono);
	fl_syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &boot);
	/* the one clock stands still where the machine sleeps */
	since_boot = by_ns + (u64)(boot.tv_sec - mono.tv_sec) * 1000000000u + (u64)(boot.tv_nsec - mono.tv_nsec);
	return ticks * tick_ns > since_boot + 2 * tick_ns;
}

static bool owner_is_gone(u32 owner)
{
	u32 tid = owner & ((1u << TID_BITS) - 1);

	if (owner & RECORD)
		return record_gone && record_gone(owner & ~RECORD);
	return (owner & NS_MASK) == own_ns && fl_thread_is_gone(tid);
}

void fl_shlock_init(struct fl_shlock *l, enum fl_rank rank)
{
	l->word = 0;
	l->rank = rank;
}

u32 fl_shlock_word(u32 tid)
{
	return own_record ? own_record : own_ns | tid;
}

bool fl_shlock_is_of(const struct fl_shlock *l, u32 record)
{
	return (__atomic_load_n(&l->word, __ATOMIC_ACQUIRE) & ~WAITED) == (RECORD | record);
}

bool fl_shlock(struct fl_shlock *l)
{
	u32 mine = fl_shlock_word(fl_gettid()), c, dead = 0;
	u32 waited = mine | WAITED;

	rank_acquire(l->rank);
	for (;;) {
		c = 0;
		if (__atomic_compare_exchange_n(
			    &l->word, &c, mine, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return false;
		if (!(c & WAITED)) {
			if (!__atomic_compare_exchange_n(&l->word, &c, c | WAITED, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
				continue;
			c |= WAITED;
		}
		fl_futex_wait(&l->word, c, PROBE_NS, true);
		/* whoever slept takes it as waited for: others may sleep still */
		mine = waited;
		if (__atomic_load_n(&l->word, __ATOMIC_RELAXED) != c || !owner_is_gone(c & ~WAITED)) {
			dead = 0;
			continue;
		}
		/* of a record's threads one is known to be gone, the others were
		 * killed with it: they have the time of another wait to be gone too */
		if ((c & RECORD) && dead != c) {
			dead = c;
			continue;
		}
		if (__atomic_compare_exchange_n(&l->word, &c, mine, false, __ATOMIC_ACQUIRE,
			    __ATOMIC_RELAXED))
			return true;
	}
}

void fl_shunlock(struct fl_shlock *l)
{
	rank_release(l->rank);
	if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) & WAITED)
		fl_futex_wake(&l->word, 1, true);
}
