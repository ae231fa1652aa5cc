/*
 * What the processes of a tree share: frames, slots and the process table, with real processes that
 * are killed at any moment.
 */
#include "machine/machine.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSIT 64u /* frames that fl_machine_create keeps back */
#define FRAMES	1024u
#define KILLS	200
#define SHORT	5000
#define AT_ONCE 4

static struct fl_machine_view view;

static void set_up(u64 swap_bytes)
{
	const char *dir = getenv("TMPDIR");
	struct fl_config c;
	char why[512] = "?";
	int mem, swap;

	fl_config_init(&c);
	c.ram_bytes = (FRAMES + TRANSIT) * FL_PAGE_SIZE;
	c.swap_max_bytes = swap_bytes;
	snprintf(c.swap_path, sizeof(c.swap_path), "%s", dir && *dir ? dir : "/tmp");
	ck_assert_msg(fl_machine_create(&c, &mem, &swap, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(fl_machine_open(&view, mem, swap), 0);
	ck_assert_int_eq(fl_proc_enter(&view, (u32)getpid(), fl_gettid()), 0);
}

static void check_machine(void)
{
	char why[200] = "?";

	ck_assert_msg(fl_machine_validate(&view, why, sizeof(why)) == 0, "%s", why);
}

/* Nobody holds anything. */
static void check_empty(void)
{
	check_machine();
	ck_assert_uint_eq(view.t->frames_used, 0);
	ck_assert_uint_eq(fl_zone_free_frames(&view), FRAMES);
	ck_assert_uint_eq(view.t->slots.nr_used, 0);
	for (u32 f = 0; f < view.t->zone.fresh; f++)
		ck_assert_uint_eq(fl_zone_refs(&view, f), 0);
}

static void put_block(u32 frame, u32 order)
{
	fl_zone_put(&view, frame, order);
}

START_TEST(frames_come_and_go)
{
	u32 order, taken = 0, blocks = 0, frame[FRAMES], orders[FRAMES];

	set_up(1 << 20);
	ck_assert_uint_eq(view.t->nframes, FRAMES);
	while ((frame[blocks] = fl_zone_alloc_best(&view, blocks % 5, &order)) != FL_NO_FRAME) {
		ck_assert_uint_le(order, blocks % 5);
		ck_assert_uint_eq(frame[blocks] % (1u << order), 0);
		orders[blocks++] = order;
		taken += 1u << order;
		ck_assert_uint_eq(view.self->held, taken);
		ck_assert_uint_eq(fl_zone_free_frames(&view), FRAMES - taken);
	}
	ck_assert_uint_eq(taken, FRAMES);
	check_machine();
	while (blocks--)
		put_block(frame[blocks], orders[blocks]);
	ck_assert_uint_eq(view.t->frames_peak, FRAMES);
	check_empty();
	/* all one again */
	ck_assert_uint_ne(fl_zone_alloc_best(&view, FL_MAX_ORDER, &order), FL_NO_FRAME);
	ck_assert_uint_eq(order, FL_MAX_ORDER);
}
END_TEST

START_TEST(frame_that_is_not_held_traps)
{
	u32 order, f;

	set_up(1 << 20);
	f = fl_zone_alloc_best(&view, 0, &order);
	fl_zone_put(&view, f, 0);
	fl_zone_put(&view, f, 0);
}
END_TEST

START_TEST(shared_frame_as_a_block_traps)
{
	struct fl_machine_view child;
	u32 order, f;

	set_up(1 << 20);
	f = fl_zone_alloc_best(&view, 0, &order);
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	fl_zone_dup(&child, &f, 1);
	fl_zone_put(&view, f, 0);
}
END_TEST

START_TEST(forked_frames_are_counted_twice)
{
	struct fl_machine_view child;
	u32 order, f, slot, frames[4];
	int err;

	set_up(1 << 20);
	f = fl_zone_alloc_best(&view, 2, &order);
	for (u32 i = 0; i < 4; i++)
		frames[i] = f + i;
	ck_assert_uint_eq(fl_swap_alloc(&view, 1, &slot, &err), 1);
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	ck_assert_uint_eq(child.self->state, FL_PROC_NEW);
	fl_zone_dup(&child, frames, 4);
	fl_swap_dup(&child, &slot, 1);
	ck_assert_uint_eq(child.self->held, 4);
	ck_assert_uint_eq(fl_zone_refs(&view, f), 2);
	ck_assert_uint_eq(fl_swap_count(&view, slot), 2);
	ck_assert_uint_eq(view.t->frames_used, 4);
	check_machine();

	ck_assert(!fl_zone_put_shared(&view, f));
	ck_assert(fl_zone_put_shared(&child, f));
	ck_assert(!fl_zone_put_shared(&child, f + 1));
	ck_assert(fl_zone_put_shared(&view, f + 1));
	fl_swap_put(&view, slot);
	ck_assert_uint_eq(fl_swap_count(&view, slot), 1);
	check_machine();
	fl_proc_abandon(&view, &child);
	ck_assert_uint_eq(fl_swap_count(&view, slot), 0);
	ck_assert_uint_eq(fl_zone_refs(&view, f + 2), 1);
	fl_zone_put(&view, f + 2, 1);
	check_empty();
}
END_TEST

START_TEST(swap_grows_and_fills)
{
	u32 max = (4 << 20) / FL_PAGE_SIZE, n = 0, slot, got, *slots = calloc(max, sizeof(*slots));
	int err;

	set_up((u64)max * FL_PAGE_SIZE);
	ck_assert_uint_eq(view.t->max_slots, max);
	while ((got = fl_swap_alloc(&view, 7, &slot, &err)))
		for (u32 i = 0; i < got; i++)
			slots[n++] = slot + i;
	ck_assert_int_eq(err, -ENOSPC);
	ck_assert_uint_eq(view.t->swap_full, ENOSPC);
	ck_assert_uint_eq(n, max - 1); /* slot 0 is no slot */
	ck_assert_uint_eq(view.t->slots.nr_slots, max);
	check_machine();
	ck_assert_int_eq(lseek(view.swap_fd, 0, SEEK_END), (off_t)max * (off_t)FL_PAGE_SIZE);

	fl_swap_put(&view, slots[5]);
	ck_assert_uint_eq(fl_swap_alloc(&view, 7, &slot, &err), 1);
	ck_assert_uint_eq(slot, slots[5]);
	ck_assert_uint_eq(view.t->swap_full, 0);
	while (n)
		fl_swap_put(&view, slots[--n]);
	check_empty();
	free(slots);
}
END_TEST

/* A child's life: takes and gives frames and slots until it is killed. */
static void __attribute__((noreturn)) take_and_give(u32 seed)
{
	struct fl_machine_view me;
	u32 frame[64], orders[64], slot[64], slots[64], nf = 0, ns = 0;
	int err;

	if (fl_machine_open(&me, view.mem_fd, view.swap_fd) < 0 ||
		fl_proc_enter(&me, (u32)getpid(), fl_gettid()) < 0)
		_exit(1);
	for (;;) {
		seed = seed * 1103515245 + 12345;
		if (seed & 0x10000) {
			u32 order = seed >> 20 & 3;

			if (nf < 64) {
				frame[nf] = fl_zone_alloc_best(&me, order, &orders[nf]);
				nf += frame[nf] != FL_NO_FRAME;
			}
			if (ns < 64) {
				slots[ns] = fl_swap_alloc(&me, 1 + order, &slot[ns], &err);
				ns += slots[ns] != 0;
			}
		} else {
			if (nf) {
				nf--;
				fl_zone_put(&me, frame[nf], orders[nf]);
			}
			if (ns)
				for (ns--; slots[ns];)
					fl_swap_put(&me, slot[ns] + --slots[ns]);
		}
	}
}

/*
 * Which kills happened to be inside a section is up to the scheduler: several children fight for
 * the locks, so that most of the time one of them holds one.
 */
START_TEST(killed_processes_are_cleaned_up)
{
	pid_t child[AT_ONCE] = {0};
	u32 order, f;

	set_up(2 << 20);
	for (int kills = 0; kills < KILLS + AT_ONCE; kills++) {
		int i = kills % AT_ONCE, status;

		if (child[i]) {
			usleep((useconds_t)(rand() % 1500));
			kill(child[i], SIGKILL);
			ck_assert_int_eq(waitpid(child[i], &status, 0), child[i]);
			ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			child[i] = 0;
			fl_machine_reap(&view);
			/* life goes on */
			f = fl_zone_alloc_best(&view, 0, &order);
			if (f != FL_NO_FRAME)
				fl_zone_put(&view, f, 0);
		}
		if (kills < KILLS) {
			child[i] = fork();
			if (!child[i])
				take_and_give((u32)kills);
			ck_assert_int_gt(child[i], 0);
		}
	}
	fl_machine_reap(&view);
	check_empty();
}
END_TEST

/* Death with a lock held, what it guards half changed. */
static void take_frames_half(struct fl_machine_view *me)
{
	u32 order;

	fl_shlock(&me->t->zone_lock);
	fl_buddy_alloc_best(&me->t->zone, &me->zone, 4, &order);
}

static void count_frame_half(struct fl_machine_view *me)
{
	u32 order;

	fl_shlock(&me->t->zone_lock);
	me->refs[fl_buddy_alloc_best(&me->t->zone, &me->zone, 0, &order)] = 1;
}

static void put_frame_half(struct fl_machine_view *me)
{
	u32 order, f = fl_zone_alloc_best(me, 0, &order);

	fl_shlock(&me->t->zone_lock);
	me->held_frames[f / 64] &= ~(1ull << f % 64);
}

static void take_slots_half(struct fl_machine_view *me)
{
	u32 slot;

	fl_shlock(&me->t->swap_lock);
	fl_slots_alloc(&me->t->slots, &me->slots, 5, &slot);
}

static void put_slot_half(struct fl_machine_view *me)
{
	u32 slot;
	int err;

	fl_swap_alloc(me, 1, &slot, &err);
	fl_shlock(&me->t->swap_lock);
	me->held_slots[slot / 64] &= ~(1ull << slot % 64);
}

static void enter_half(struct fl_machine_view *me)
{
	fl_shlock(&me->t->proc_lock);
}

static void (*const halves[])(struct fl_machine_view *) = {
	take_frames_half,
	count_frame_half,
	put_frame_half,
	take_slots_half,
	put_slot_half,
	enter_half,
};

START_TEST(lock_of_the_dead_is_taken_over)
{
	u32 order, f, slot;
	pid_t pid;
	int err;

	set_up(1 << 20);
	ck_assert_uint_eq(fl_swap_alloc(&view, 1, &slot, &err), 1); /* the file has grown */
	pid = fork();
	if (!pid) {
		struct fl_machine_view me;

		if (fl_machine_open(&me, view.mem_fd, view.swap_fd) < 0 ||
			fl_proc_enter(&me, (u32)getpid(), fl_gettid()) < 0)
			_exit(1);
		halves[_i](&me);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	f = fl_zone_alloc_best(&view, 0, &order);
	ck_assert_uint_ne(f, FL_NO_FRAME);
	fl_zone_put(&view, f, 0);
	fl_swap_put(&view, slot);
	fl_machine_reap(&view);
	check_empty();
}
END_TEST

/* The parent dies while it counts its frames a second time for a child, or the child before it has
 * settled: the child's record must not hold them for ever. */
START_TEST(fork_cut_short_is_cleaned_up)
{
	for (int way = 0; way < 2; way++) {
		pid_t parent;

		if (!way)
			set_up(1 << 20);
		parent = fork();
		if (!parent) {
			struct fl_machine_view me, child;
			u32 order, f;

			if (fl_machine_open(&me, view.mem_fd, view.swap_fd) < 0 ||
				fl_proc_enter(&me, (u32)getpid(), fl_gettid()) < 0)
				_exit(1);
			f = fl_zone_alloc_best(&me, 0, &order);
			if (fl_proc_fork(&me, &child) < 0)
				_exit(1);
			fl_zone_dup(&child, &f, 1);
			if (way && fork()) {
				fl_proc_unmap_child(&child);
				wait(NULL);
				_exit(0);
			}
			kill(getpid(), SIGKILL);
		}
		ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
		fl_machine_reap(&view);
		check_empty();
	}
}
END_TEST

/* A child that is killed before it says that it is there leaves only a number, which may
 * be another process's by now. */
START_TEST(number_in_use_again_is_not_the_child)
{
	struct fl_machine_view child;
	u32 order, f;
	pid_t later;

	set_up(1 << 20);
	f = fl_zone_alloc_best(&view, 0, &order);
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	fl_zone_dup(&child, &f, 1);
	later = fork();
	if (!later)
		for (;;)
			pause();
	fl_proc_born(&child, (u32)later);
	ck_assert_uint_eq(fl_machine_reap(&view), 0);
	ck_assert_uint_eq(fl_zone_refs(&view, f), 2);
	kill(later, SIGKILL);
	ck_assert_int_eq(waitpid(later, NULL, 0), later);
	/* another, as if it had got the same number */
	usleep(100000); /* clocks of processes tick in hundredths */
	later = fork();
	if (!later)
		for (;;)
			pause();
	child.self->born = (u32)later;
	ck_assert_uint_eq(fl_machine_reap(&view), 1);
	ck_assert_uint_eq(fl_zone_refs(&view, f), 1);
	kill(later, SIGKILL);
	ck_assert_int_eq(waitpid(later, NULL, 0), later);
	fl_zone_put(&view, f, 0);
	check_empty();
}
END_TEST

START_TEST(records_are_used_again)
{
	struct fl_proc_stats totals;

	set_up(1 << 20);
	for (int i = 0; i < SHORT; i++) {
		struct fl_machine_view child;
		pid_t pid;

		ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (!pid) {
			u32 order;

			fl_proc_settle(&child, (u32)getpid(), fl_gettid());
			child.self->stats.counter[FL_C_pgfault]++;
			_exit(fl_zone_alloc_best(&child, 0, &order) == FL_NO_FRAME);
		}
		fl_proc_unmap_child(&child);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
	fl_machine_reap(&view);
	ck_assert_uint_le(view.t->nr_procs, FL_NR_PROCS);
	ck_assert_uint_eq(view.t->nr_seen, SHORT + 1);
	fl_machine_totals(&view, &totals);
	ck_assert_uint_eq(totals.counter[FL_C_pgfault], SHORT);
	check_empty();
}
END_TEST

/* Every record has been used: from here on they are used again. */
static void use_all_records(void)
{
	struct fl_machine_view child;

	while (view.t->nr_procs < FL_NR_PROCS) {
		ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
		fl_proc_abandon(&view, &child);
	}
}

/* The child has come and gone before its parent says that there is one; the record is that
 * of another child by then, which is still to be made. */
START_TEST(late_parent_says_nothing_of_others)
{
	struct fl_machine_view early, late;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	set_up(1 << 20);
	use_all_records();
	ck_assert_int_eq(fl_proc_fork(&view, &early), 0);
	fl_proc_leave(&early);
	ck_assert_int_eq(fl_proc_fork(&view, &late), 0);
	ck_assert_ptr_eq(late.self, early.self);
	fl_proc_born(&early, (u32)pid);
	ck_assert_uint_eq(*fl_proc_born_at(&late), 0);
	ck_assert_uint_eq(fl_machine_reap(&view), 0);
	fl_proc_unmap_child(&early);
	fl_proc_abandon(&view, &late);
	check_empty();
}
END_TEST

/* A process that has given all back has threads that may still have a lock: its record is
 * not another's, and its locks are not free, before they are gone. */
START_TEST(record_of_a_process_that_runs_is_not_used_again)
{
	struct fl_machine_view me, child;
	int up[2], down[2];
	char c;
	pid_t pid;

	set_up(1 << 20);
	fl_proc_keep(&view); /* who waits for a lock can tell whether its owner is gone */
	use_all_records();
	ck_assert_int_eq(pipe(up), 0);
	ck_assert_int_eq(pipe(down), 0);
	pid = fork();
	if (!pid) {
		if (fl_machine_open(&me, view.mem_fd, view.swap_fd) < 0 ||
			fl_proc_enter(&me, (u32)getpid(), fl_gettid()) < 0)
			_exit(1);
		fl_proc_keep(&me);
		fl_proc_leave(&me);
		if (write(up[1], "", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(1);
		fl_shlock(&me.t->zone_lock);
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(read(up[0], &c, 1), 1);
	ck_assert_uint_eq(view.procs[1].pid, pid);
	ck_assert(!fl_proc_has_ended(&view.procs[1]));
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	ck_assert_ptr_ne(child.self, &view.procs[1]);
	fl_proc_abandon(&view, &child);
	ck_assert_int_eq(write(down[1], "", 1), 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(fl_proc_has_ended(&view.procs[1]));
	/* it died with a lock, which nobody has taken over yet */
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	ck_assert_ptr_ne(child.self, &view.procs[1]);
	fl_proc_abandon(&view, &child);
	ck_assert(!fl_shlock_is_of(&view.t->zone_lock, 1));
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	ck_assert_ptr_eq(child.self, &view.procs[1]);
	fl_proc_abandon(&view, &child);
	check_empty();
}
END_TEST

START_TEST(exec_gives_back)
{
	struct fl_machine_view again;
	u32 order;

	set_up(1 << 20);
	ck_assert_uint_ne(fl_zone_alloc_best(&view, 3, &order), FL_NO_FRAME);
	ck_assert_int_eq(fl_machine_open(&again, view.mem_fd, view.swap_fd), 0);
	ck_assert_int_eq(fl_proc_enter(&again, (u32)getpid(), fl_gettid()), 0);
	view = again;
	check_empty();
}
END_TEST

/* Each of these leaves every sum as it was. */
START_TEST(wrong_counts_are_found)
{
	u32 order, f, slot;
	char why[200] = "";
	int err;

	set_up(1 << 20);
	f = fl_zone_alloc_best(&view, 1, &order);
	ck_assert_uint_eq(order, 1);
	ck_assert_uint_eq(fl_swap_alloc(&view, 2, &slot, &err), 2);
	check_machine();
	view.refs[f]++;
	view.refs[f + 1]--;
	ck_assert_int_eq(fl_machine_validate(&view, why, sizeof(why)), -1);
	ck_assert_str_ne(why, "");
	view.refs[f]--;
	view.refs[f + 1]++;
	check_machine();
	view.slots.count[slot]++;
	ck_assert_int_eq(fl_machine_validate(&view, why, sizeof(why)), -1);
	view.slots.count[slot]--;
	check_machine();
	view.t->zone.nr_free--;
	ck_assert_int_eq(fl_machine_validate(&view, why, sizeof(why)), -1);
	view.t->zone.nr_free++;
	check_machine();
}
END_TEST

START_TEST(others_are_asked)
{
	struct fl_machine_view other;
	u32 order;

	set_up(1 << 20);
	ck_assert_uint_eq(fl_machine_beg(&view, 10), 0);
	ck_assert_int_eq(fl_proc_fork(&view, &other), 0);
	fl_proc_settle(&other, (u32)getpid(), fl_gettid());
	ck_assert_uint_eq(fl_machine_beg(&view, 10), 0); /* it holds nothing */
	ck_assert_uint_ne(fl_zone_alloc_best(&other, 8, &order), FL_NO_FRAME);
	ck_assert_uint_eq(fl_machine_beg(&view, 10), 1);
	ck_assert_uint_ge(other.self->wanted, 10);
	ck_assert_uint_ge(other.self->doorbell, 1);
	ck_assert_uint_eq(fl_machine_beg(&view, 10), 0); /* it has not answered yet */
}
END_TEST

START_TEST(colder_ones_are_asked)
{
	struct fl_machine_view warm, cold;
	u32 order;

	set_up(4 << 20);
	ck_assert_int_eq(fl_proc_fork(&view, &warm), 0);
	ck_assert_int_eq(fl_proc_fork(&view, &cold), 0);
	fl_proc_settle(&warm, (u32)getpid(), fl_gettid());
	fl_proc_settle(&cold, (u32)getpid(), fl_gettid());
	ck_assert_uint_ne(fl_zone_alloc_best(&view, 8, &order), FL_NO_FRAME);
	ck_assert_uint_ne(fl_zone_alloc_best(&warm, 8, &order), FL_NO_FRAME);
	ck_assert_uint_ne(fl_zone_alloc_best(&cold, 8, &order), FL_NO_FRAME);
	view.t->start_ns = fl_now_ns() - 10000000000ull; /* ten seconds ago */
	view.self->tail_ms = warm.self->tail_ms = 9000;
	cold.self->tail_ms = 5000;
	ck_assert_uint_eq(fl_machine_beg_colder(&view, 10), 1);
	ck_assert_uint_eq(warm.self->wanted, 0);
	ck_assert_uint_eq(cold.self->wanted, 10);
	/* the same age, but much more of it */
	for (int i = 0; i < 4; i++)
		ck_assert_uint_ne(fl_zone_alloc_best(&warm, 6, &order), FL_NO_FRAME);
	view.self->held = warm.self->held / 8;
	ck_assert_uint_eq(fl_machine_beg_colder(&view, 10), 1);
	ck_assert_uint_eq(warm.self->wanted, 10);
	ck_assert_uint_eq(fl_machine_beg_shared(&view), 2);
	ck_assert_uint_eq(cold.self->shed, 1);
}
END_TEST

int main(void)
{
	const struct test_case tests[] = {
		{&frames_come_and_go},
		{&frame_that_is_not_held_traps, SIGILL},
		{&shared_frame_as_a_block_traps, SIGILL},
		{&forked_frames_are_counted_twice},
		{&swap_grows_and_fills},
		{&killed_processes_are_cleaned_up},
		{&lock_of_the_dead_is_taken_over, 0, fl_array_size(halves)},
		{&fork_cut_short_is_cleaned_up},
		{&number_in_use_again_is_not_the_child},
		{&records_are_used_again},
		{&late_parent_says_nothing_of_others},
		{&record_of_a_process_that_runs_is_not_used_again},
		{&exec_gives_back},
		{&wrong_counts_are_found},
		{&others_are_asked},
		{&colder_ones_are_asked},
	};

	return run_tests("machine", tests, fl_array_size(tests));
}
