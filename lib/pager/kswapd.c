/*
 * Background reclaim, and what happens when memory is short.
 *
 * One thread a process. It keeps the frames free to the process between the
 * low and the high watermark, gives frames to other processes of the tree that
 * ask for them, and resolves the faults that found no frame.
 *
 * Out of memory: nothing of ours can be evicted, no dead process is left to
 * reap, and nobody gave anything for a while. Then the program is killed, with
 * a line that says why, as the kernel's OOM killer would.
 */
#include "pager/pager.h"
#include "pager/shed.h"
#include "pager/shmem.h"
#include "pager/writeback.h"
#include "base/log.h"
#include "arch/x86_64/syscall.h"

#include <string.h>

#define RETRY_NS     1000000ull	 /* before a fault that found no memory is tried again */
#define LATER_NS     200000ull	 /* and one that waits for another process's I/O */
#define STALL_NS     10000000ull /* how long to wait for others to give */
#define STALL_ROUNDS 300u	 /* and how often before giving up */
#define REAP_MS	     4u
#define FIRST_WAIT_NS 100000ull	 /* of that, until the dead are looked for */
#define ANSWER_NS    1000000ull	 /* how long a process may take to answer */

void fl_pager_init(struct fl_pager *p, struct fl_arena *arena, struct fl_host *host)
{
	u32 nframes = p->machine.t->nframes;

	fl_lock_init(&p->lock, FL_RANK_MM);
	p->arena = arena;
	p->host = host;
	fl_buddy_init_empty(&p->local, nframes);
	fl_policy_init(&p->policy, &p->machine.t->config.policy_options, nframes, p->pages.next,
		p->pages.prev, p->policy_memory);
	p->policy.fast_swap = p->machine.t->config.zram != FL_ZRAM_NONE;
	p->low = fl_wmark_low(nframes);
	p->high = fl_wmark_high(nframes);
	p->deferred_tail = &p->deferred;
	p->around_order = p->machine.t->config.fault_around_order;
	p->prefetch.kind = (u32)fl_prefetch_kind(p->machine.t->config.prefetch);
}

void fl_pager_wait_idle(struct fl_pager *p)
{
	p->quiesce++;
	while (p->ios_in_flight) {
		u32 seq = __atomic_load_n(&p->idle_seq, __ATOMIC_ACQUIRE);

		fl_unlock(&p->lock);
		fl_futex_wait(&p->idle_seq, seq, 0, false);
		fl_lock(&p->lock);
	}
	p->quiesce--;
}

void fl_pager_update_stats(struct fl_pager *p)
{
	struct fl_proc_stats *s = &p->machine.self->stats;
	struct fl_mm *mm = &p->mm;
	u64 held = fl_mm_held_frames(mm);

	s->rss_bytes = held * FL_PAGE_SIZE;
	s->rss_peak_bytes = fl_max(s->rss_peak_bytes, s->rss_bytes);
	s->swap_bytes = mm->swap_ents * FL_PAGE_SIZE;
	p->machine.self->tail_ms = p->policy.nr_mapped ? fl_age_tail(&p->age, p->policy.nr_mapped) :
							  fl_now_ms(p->machine.t);
	p->touched_peak = fl_max(p->touched_peak, held + mm->swap_ents + mm->zero_pages);
}

static void out_of_memory(struct fl_pager *p)
{
	struct fl_machine *t = p->machine.t;
	char why[200];

	if (t->swap_full && !fl_has_swap_file(&t->config))
		fl_format(why, sizeof(why),
			"compressed memory is full (%lu MiB, of at most %lu): raise --ram, or put a file below it: --swap zram --swap file",
			(unsigned long)(fl_zpool_pages(&t->zpool) >> 8),
			(unsigned long)(t->zpool.max_blocks * FL_ZBLOCK_PAGES >> 8));
	else if (t->swap_full)
		fl_format(why, sizeof(why),
			"the swap file cannot take more (%s): free disk space, name another place with --swap file:DIR, or raise --ram",
			fl_errname((int)t->swap_full));
	else
		fl_format(why, sizeof(why),
			"%lu MiB are resident and none of it can be evicted (locked, or in use by devices): raise --ram above %lu MiB",
			(unsigned long)(fl_mm_held_frames(&p->mm) >> 8),
			(unsigned long)(t->nframes >> 8));
	p->dead(p, why);
}

/* Waits for frames that others were asked for, and for processes to die, a little
 * longer each time. True when it makes sense to try again. */
static bool wait_for_others(struct fl_pager *p, u32 seq, u64 at_most_ns)
{
	for (u64 ns = FIRST_WAIT_NS; at_most_ns; ns *= 2) {
		bool came;

		ns = fl_min(ns, at_most_ns);
		at_most_ns -= ns;
		fl_unlock(&p->lock);
		came = fl_machine_wait(&p->machine, seq, ns) || fl_machine_reap(&p->machine);
		fl_lock(&p->lock);
		if (came)
			return true;
	}
	return false;
}

/* Nothing was freed here: dead processes, then living ones. */
static bool ask_others(struct fl_pager *p, u32 want)
{
	u32 seq = __atomic_load_n(&p->machine.t->freed_seq, __ATOMIC_ACQUIRE);

	if (fl_machine_reap(&p->machine) && fl_zone_free_frames(&p->machine))
		return true;
	fl_machine_beg_shared(&p->machine);
	fl_machine_beg(&p->machine, want);
	return wait_for_others(p, seq, STALL_NS);
}

/* The cheapest memory is that of the dead; but looking for them takes time. */
static void reap_now_and_then(struct fl_pager *p)
{
	u32 now = fl_now_ms(p->machine.t);

	if (now - p->reaped_ms < REAP_MS)
		return;
	p->reaped_ms = now;
	fl_machine_reap(&p->machine);
}

/* Others sit on pages that are colder than ours, or on the same pages as we have given
 * up: their turn. Waited for only so long as it takes to answer. */
static void ask_colder(struct fl_pager *p, u32 want)
{
	u32 seq = __atomic_load_n(&p->machine.t->freed_seq, __ATOMIC_ACQUIRE);
	u32 asked = p->shed ? fl_machine_beg_shared(&p->machine) : 0;

	want -= fl_min(want, p->shed);
	p->shed = 0;
	asked += fl_machine_beg_colder(&p->machine, want);
	if (asked)
		wait_for_others(p, seq, ANSWER_NS);
}

/* Frees want frames: of shared memory its share, and of our own. */
static u32 reclaim(struct fl_pager *p, struct fl_queue *q, u32 want)
{
	u32 own = p->policy.nr_mapped + p->policy.nr_aside, freed = 0, shared, inactive;

	fl_shmem_mine(&p->machine, &shared, &inactive);
	if (shared)
		freed = fl_shmem_reclaim(p, (u32)((u64)want * shared / (shared + own)));
	/* those whose faults wait come first */
	if (freed < want && own && !(freed && p->nr_deferred))
		freed += fl_pager_reclaim(p, q, fl_min(want - freed, fl_max(own / 2, 1u)));
	if (!freed && shared)
		freed = fl_shmem_reclaim(p, want);
	return freed;
}

static void serve_others(struct fl_pager *p, struct fl_queue *q)
{
	struct fl_proc *self = p->machine.self;
	u32 wanted = __atomic_load_n(&self->wanted, __ATOMIC_ACQUIRE), given;

	if (!fl_pager_held(p) && __atomic_exchange_n(&self->shed, 0, __ATOMIC_ACQ_REL))
		fl_shed_published(p, 0, true);
	if (!wanted)
		return;
	given = fl_frames_give_back(p, wanted);
	if (given < wanted) {
		reclaim(p, q, wanted - given);
		fl_frames_give_back(p, wanted - given);
	}
	/* only now: nobody asks for more while this is under way */
	__atomic_store_n(&self->wanted, 0, __ATOMIC_RELEASE);
}

u64 fl_kswapd_round(struct fl_pager *p, struct fl_queue *q)
{
	u32 have, want, freed = 0;
	u64 wait = ~0ull;
	bool more = false;
	u32 deferred, short_of; /* faults that wait, and those of them that wait for memory */

	fl_lock(&p->lock);
	p->writes = q;
	fl_shmem_serve(p);
	serve_others(p, q);
	if (p->pageout)
		fl_pager_pageout(p, q);
	fl_pager_write_back(p, q, false);
	have = fl_frames_available(p);
	if (have < p->low && !p->quiesce) {
		reap_now_and_then(p);
		have = fl_frames_available(p);
	}
	if (have < p->low && !p->quiesce) {
		ask_colder(p, p->high - have);
		have = fl_frames_available(p);
	}
	short_of = p->nr_deferred - p->nr_later;
	if (!p->quiesce && (have < p->low || short_of || (p->nr_will_need && have < p->high))) {
		want = have < p->high ? p->high - have : short_of;
		fl_count(p, kswapd_wakeups, 1);
		freed = reclaim(p, q, want);
		if (p->shed)
			ask_colder(p, 0);
		if (!freed && short_of && !fl_frames_available(p) && !p->quiesce) {
			if (fl_pager_write_back(p, q, true) || ask_others(p, fl_max(short_of, 32u)))
				p->unevictable_scans = 0;
			else if (++p->unevictable_scans > STALL_ROUNDS)
				out_of_memory(p);
		}
	}
	if (freed || fl_frames_available(p))
		p->unevictable_scans = 0;
	if (p->nr_deferred && !p->quiesce)
		fl_pager_run_deferred(p, q);
	if (p->nr_will_need && !p->quiesce)
		more = fl_pager_read_needed(p, q);
	fl_pager_drain(p, q);
	deferred = p->nr_deferred;
	if ((freed && (deferred || fl_frames_available(p) < p->low)) ||
		__atomic_load_n(&p->machine.self->wanted, __ATOMIC_RELAXED) || more)
		wait = 0;
	else if (deferred)
		wait = deferred == p->nr_later ? LATER_NS : RETRY_NS;
	fl_pager_update_stats(p);
	fl_unlock(&p->lock);
	return wait;
}
