/*
 * The process table: entering, forking, dying; see machine.h.
 *
 * Whether a process lives is asked of its record; see keeper.c.
 */
#include "machine/machine.h"
#include "machine/shmem.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"
#include "base/own.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

const u64 *fl_held_of(const struct fl_machine_view *v, u32 proc, u64 **ret_map)
{
	const struct fl_machine *t = v->t;
	long r = fl_syscall(SYS_mmap, fl_own_hint(t->held_stride), t->held_stride,
		PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, v->mem_fd, t->held_at + t->held_stride * proc);

	*ret_map = fl_is_err(r) ? NULL : (u64 *)r;
	return *ret_map;
}

/* A record's bitmaps, for a look at them. This takes no address space: there may be none to have
 * (RLIMIT_AS). Shown until the next is. proc_lock held. */
static u64 *show_held(struct fl_machine_view *v, u32 proc)
{
	const struct fl_machine *t = v->t;
	long r = fl_syscall(SYS_mmap, v->window, t->held_stride, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_NORESERVE | MAP_FIXED, v->mem_fd,
		t->held_at + t->held_stride * proc);

	return fl_is_err(r) ? NULL : (u64 *)r;
}

/* Gives back all that a dead process's bitmaps name. Where they cannot be looked at (too many
 * mappings) somebody else will find it dead. proc_lock held. */
static bool release_held(struct fl_machine_view *v, struct fl_proc *p)
{
	struct fl_machine_view dead = *v;
	u64 *held = show_held(v, (u32)(p - v->procs));

	if (!held)
		return false;
	dead.self = p;
	dead.held_frames = held;
	dead.held_slots = (u64 *)((char *)held + v->t->held_slots_at);
	fl_shmem_release(v, p);
	fl_zone_release_all(&dead);
	fl_swap_release_all(&dead);
	p->held = 0;
	p->stats.rss_bytes = p->stats.swap_bytes = 0;
	fl_proc_unmanaged(v->t, p, 0);
	p->stats.bookkeeping_bytes = 0;
	p->state = FL_PROC_DEAD;
	return true;
}

void fl_proc_unmanaged(struct fl_machine *t, struct fl_proc *p, u64 bytes)
{
	u64 now = __atomic_add_fetch(
		&t->unmanaged_bytes, bytes - p->stats.unmanaged_bytes, __ATOMIC_RELAXED);
	u64 peak = __atomic_load_n(&t->unmanaged_peak_bytes, __ATOMIC_RELAXED);

	while (now > peak && !__atomic_compare_exchange_n(&t->unmanaged_peak_bytes, &peak, now,
				     false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	p->stats.unmanaged_bytes = bytes;
	p->stats.unmanaged_peak_bytes = fl_max(p->stats.unmanaged_peak_bytes, bytes);
}

void fl_proc_threads(struct fl_proc *p, u32 threads)
{
	p->threads = threads;
	p->threads_peak = fl_max(p->threads_peak, threads);
}

void fl_stats_fold(struct fl_proc_stats *to, const struct fl_proc_stats *from)
{
	for (int i = 0; i < FL_NR_COUNTERS; i++)
		to->counter[i] += from->counter[i];
	to->rss_bytes += from->rss_bytes;
	to->swap_bytes += from->swap_bytes;
	to->unmanaged_bytes += from->unmanaged_bytes;
	to->bookkeeping_bytes += from->bookkeeping_bytes;
	to->rss_peak_bytes = fl_max(to->rss_peak_bytes, from->rss_peak_bytes);
	to->bookkeeping_peak_bytes =
		fl_max(to->bookkeeping_peak_bytes, from->bookkeeping_peak_bytes);
}

/* A dead process's thread may have died with a lock, and still be named as its owner: that
 * must not become another's name. */
static bool may_be_used_again(const struct fl_machine_view *v, u32 i)
{
	const struct fl_machine *t = v->t;

	if (v->procs[i].state == FL_PROC_FREE)
		return true;
	return v->procs[i].state == FL_PROC_DEAD && fl_proc_has_ended(&v->procs[i]) &&
		!fl_shlock_is_of(&t->shmem_lock, i) && !fl_shlock_is_of(&t->zone_lock, i) &&
		!fl_shlock_is_of(&t->swap_lock, i) && !fl_shlock_is_of(&t->zpool.lock, i) &&
		!fl_shlock_is_of(&t->limits_lock, i);
}

/* A free record, or a dead process's; at no point of this a killed caller leaves one that
 * is nobody's. proc_lock held. */
static struct fl_proc *take_record(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;
	struct fl_proc *p = NULL;

	if (t->nr_procs < FL_NR_PROCS) {
		p = &v->procs[t->nr_procs];
	} else {
		for (u32 i = 0; i < FL_NR_PROCS && !p; i++) {
			if (fl_proc_is_gone(&v->procs[i]))
				release_held(v, &v->procs[i]);
			if (may_be_used_again(v, i))
				p = &v->procs[i];
		}
		if (!p)
			return NULL;
		fl_stats_fold(&t->gone, &p->stats);
		t->nr_folded++;
		memset(p, 0, sizeof(*p));
	}
	p->maker = fl_gettid();
	p->use = ++t->nr_seen;
	p->helpers = 1; /* the keeper */
	p->stats.start_ns = fl_now_ns();
	__atomic_store_n(&p->state, FL_PROC_NEW, __ATOMIC_RELEASE);
	t->nr_procs += p == &v->procs[t->nr_procs];
	return p;
}

static int use_record(struct fl_machine_view *v, struct fl_proc *p)
{
	if (!fl_held_of(v, (u32)(p - v->procs), &v->held_frames))
		return -ENOMEM;
	v->self = p;
	v->use = p->use;
	v->held_slots = (u64 *)((char *)v->held_frames + v->t->held_slots_at);
	return 0;
}

static void read_comm(struct fl_proc *p)
{
	fl_syscall(SYS_prctl, PR_GET_NAME, p->comm);
}

/* proc_lock held. */
static u32 reap(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;
	u32 n = 0;

	for (u32 i = 0; i < t->nr_procs; i++)
		if (&v->procs[i] != v->self && fl_proc_is_gone(&v->procs[i]))
			n += release_held(v, &v->procs[i]);
	return n;
}

int fl_proc_enter(struct fl_machine_view *v, u32 pid, u32 keeper_tid)
{
	struct fl_machine *t = v->t;
	u64 ns = fl_pid_namespace(true);
	struct fl_proc *p = NULL;
	int r = -EAGAIN;

	fl_proc_judge(v); /* the image that this one replaced may have died within a lock */
	fl_shlock(&t->proc_lock);
	reap(v);
	/* the image that this one replaced by exec held frames that are gone now, and
	 * may have been about to fork: its number lives on, its threads do not */
	for (u32 i = 0; ns && i < t->nr_procs; i++)
		if (v->procs[i].pid_ns == ns &&
			((v->procs[i].pid == pid && v->procs[i].state == FL_PROC_LIVE) ||
				(v->procs[i].maker == pid && v->procs[i].state == FL_PROC_NEW &&
					!v->procs[i].born)))
			release_held(v, &v->procs[i]);
	p = take_record(v);
	if (p) {
		p->pid = pid;
		p->ppid = (u32)fl_syscall(SYS_getppid);
		p->keeper_tid = keeper_tid;
		p->pid_ns = ns;
		read_comm(p);
		r = use_record(v, p);
		p->state = r < 0 ? FL_PROC_DEAD : FL_PROC_LIVE;
	}
	fl_shunlock(&t->proc_lock);
	return r;
}

int fl_proc_fork(struct fl_machine_view *v, struct fl_machine_view *child)
{
	struct fl_proc *p;
	int r = -EAGAIN;

	*child = *v;
	fl_shlock(&v->t->proc_lock);
	reap(v); /* a shell's children die one by one: none holds memory for long */
	p = take_record(v);
	if (p) {
		p->ppid = v->self->pid;
		memcpy(p->comm, v->self->comm, sizeof(p->comm));
		memcpy(p->limit, v->self->limit, sizeof(p->limit));
		memcpy(p->lifted, v->self->lifted, sizeof(p->lifted));
		p->shares = v->self->shares = 1;
		p->tail_ms = v->self->tail_ms;
		p->pid_ns = v->self->pid_ns;
		r = use_record(child, p);
		if (r < 0)
			p->state = FL_PROC_DEAD;
		else
			fl_shmem_fork(v, p);
	}
	fl_shunlock(&v->t->proc_lock);
	return r;
}

void fl_proc_settle(struct fl_machine_view *v, u32 pid, u32 keeper_tid)
{
	struct fl_proc who = {.pid = pid, .keeper_tid = keeper_tid};

	v->self->pid_ns = fl_pid_namespace(true);
	__atomic_store_n(&v->self->life, who.life, __ATOMIC_RELEASE);
	__atomic_store_n(&v->self->state, FL_PROC_LIVE, __ATOMIC_RELEASE);
}

u32 *fl_proc_born_at(struct fl_machine_view *child)
{
	return &child->self->born;
}

void fl_proc_born(struct fl_machine_view *child, u32 pid)
{
	fl_shlock(&child->t->proc_lock);
	if (child->self->use == child->use) {
		child->self->born_ns = fl_now_ns();
		__atomic_store_n(fl_proc_born_at(child), pid, __ATOMIC_RELEASE);
	}
	fl_shunlock(&child->t->proc_lock);
}

void fl_proc_unmap_child(struct fl_machine_view *child)
{
	fl_syscall(SYS_munmap, child->held_frames, child->t->held_stride);
}

void fl_proc_abandon(struct fl_machine_view *v, struct fl_machine_view *child)
{
	fl_shlock(&v->t->proc_lock);
	release_held(v, child->self);
	fl_shunlock(&v->t->proc_lock);
	fl_proc_unmap_child(child);
}

void fl_proc_leave(struct fl_machine_view *v)
{
	fl_shlock(&v->t->proc_lock);
	release_held(v, v->self);
	fl_shunlock(&v->t->proc_lock);
}

u32 fl_machine_reap(struct fl_machine_view *v)
{
	u32 n;

	fl_shlock(&v->t->proc_lock);
	n = reap(v);
	fl_shunlock(&v->t->proc_lock);
	return n;
}

void fl_proc_ring(struct fl_proc *p)
{
	__atomic_add_fetch(&p->doorbell, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&p->asleep, __ATOMIC_SEQ_CST))
		fl_futex_wake(&p->doorbell, 1, true);
}

void fl_proc_wait(struct fl_proc *p, u32 seen, u64 timeout_ns)
{
	__atomic_store_n(&p->asleep, 1, __ATOMIC_SEQ_CST);
	fl_futex_wait(&p->doorbell, seen, timeout_ns, true);
	__atomic_store_n(&p->asleep, 0, __ATOMIC_RELAXED);
}

void fl_machine_totals(const struct fl_machine_view *v, struct fl_proc_stats *ret)
{
	*ret = v->t->gone;
	ret->unmanaged_peak_bytes = v->t->unmanaged_peak_bytes;
	for (u32 i = 0; i < v->t->nr_procs; i++)
		if (v->procs[i].state != FL_PROC_FREE)
			fl_stats_fold(ret, &v->procs[i].stats);
}
