/*
 * Shared memory of a tree: objects, their entries, and what becomes of both when
 * processes end at any point.
 */
#include "machine/shmem.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRANSIT 64u
#define FRAMES	256u
#define PAGES	40u

static struct fl_machine_view view, other; /* two processes' */

static void set_up(void)
{
	const char *dir = getenv("TMPDIR");
	struct fl_config c;
	char why[512] = "?";
	int mem, swap;

	fl_config_init(&c);
	c.page_shared = true;
	c.ram_bytes = (FRAMES + TRANSIT) * FL_PAGE_SIZE;
	c.swap_max_bytes = 1 << 20;
	snprintf(c.swap_path, sizeof(c.swap_path), "%s", dir && *dir ? dir : "/tmp");
	ck_assert_msg(fl_machine_create(&c, &mem, &swap, why, sizeof(why)) == 0, "%s", why);
	ck_assert_int_eq(fl_machine_open(&view, mem, swap), 0);
	ck_assert_int_eq(fl_proc_enter(&view, (u32)getpid(), fl_gettid()), 0);
	ck_assert_int_eq(fl_machine_open(&other, mem, swap), 0);
	/* of the same thread: alive as long as we are */
	ck_assert_int_eq(fl_proc_fork(&view, &other), 0);
	fl_proc_settle(&other, (u32)getpid(), fl_gettid());
}

static void check_machine(void)
{
	char why[200] = "?";

	ck_assert_msg(fl_machine_validate(&view, why, sizeof(why)) == 0, "%s", why);
}

static struct fl_shmem *object(struct fl_machine_view *v, u64 ino)
{
	struct fl_shmem *s;

	fl_shmem_lock(v);
	s = fl_shmem_get(v, 1, ino, PAGES);
	ck_assert_ptr_nonnull(s);
	fl_shmem_map(v, s);
	fl_shmem_unlock(v);
	return s;
}

static u64 *entry(struct fl_shmem *s, u32 i)
{
	return fl_shmem_entry(&view, s, i);
}

/* Page i is in memory, brought in by v. */
static void bring_in(struct fl_machine_view *v, struct fl_shmem *s, u32 i)
{
	u32 order, f = fl_zone_alloc_best(v, 0, &order);

	ck_assert_uint_ne(f, FL_NO_FRAME);
	fl_shmem_lock(v);
	fl_shmem_give_frame(v, f);
	*entry(s, i) = fl_shmem_make(FL_SHMEM_RESIDENT, f);
	fl_shmem_unlock(v);
}

static void bring_out(struct fl_machine_view *v, struct fl_shmem *s, u32 i)
{
	u32 slot, f = fl_shmem_payload(*entry(s, i));
	int err;

	ck_assert_uint_eq(fl_swap_alloc(v, 1, &slot, &err), 1);
	fl_shmem_lock(v);
	fl_shmem_give_slot(v, slot);
	*entry(s, i) = fl_shmem_make(FL_SHMEM_SWAP, slot);
	fl_shmem_put_frame(v, f);
	fl_shmem_unlock(v);
}

static void end(struct fl_machine_view *v)
{
	fl_proc_leave(v);
}

START_TEST(pages_are_the_trees)
{
	struct fl_shmem *s;

	set_up();
	s = object(&view, 7);
	ck_assert_ptr_eq(object(&other, 7), s);
	ck_assert_ptr_ne(object(&other, 8), s);
	for (u32 i = 0; i < PAGES; i++)
		bring_in(i % 2 ? &view : &other, s, i);
	for (u32 i = 0; i < PAGES / 2; i++)
		bring_out(&other, s, i);
	check_machine();
	ck_assert_uint_eq(view.t->frames_used, PAGES / 2);
	ck_assert_uint_eq(view.t->slots.nr_used, PAGES / 2);
	ck_assert_uint_eq(view.self->held, 0);
	/* who brought them in goes; they stay */
	end(&other);
	check_machine();
	ck_assert_uint_eq(view.t->frames_used, PAGES / 2);
	fl_shmem_lock(&view);
	fl_shmem_unmap(&view, s);
	fl_shmem_unlock(&view);
	check_machine();
	ck_assert_uint_eq(view.t->frames_used, 0);
	ck_assert_uint_eq(view.t->slots.nr_used, 0);
}
END_TEST

START_TEST(child_of_a_fork_has_it_too)
{
	struct fl_machine_view child;
	struct fl_shmem *s;

	set_up();
	s = object(&view, 7);
	bring_in(&view, s, 3);
	ck_assert_int_eq(fl_proc_fork(&view, &child), 0);
	fl_proc_settle(&child, (u32)getpid(), fl_gettid());
	end(&view);
	check_machine();
	ck_assert_uint_eq(child.t->frames_used, 1);
	end(&child);
	ck_assert_uint_eq(child.t->frames_used, 0);
}
END_TEST

/* A process that dies while it takes pages out or in leaves them as they were. */
START_TEST(dead_ones_finish_nothing)
{
	struct fl_shmem *s;
	u32 index, n, frame, slot;

	set_up();
	s = object(&view, 7);
	object(&other, 7);
	for (u32 i = 0; i < 8; i++)
		bring_in(&view, s, i);
	bring_out(&view, s, 7);
	slot = fl_shmem_payload(*entry(s, 7));
	fl_shmem_lock(&other);
	ck_assert_ptr_eq(fl_shmem_evict_begin(&other, 4, &index, &n), s);
	ck_assert_uint_eq(n, 4);
	fl_shmem_busy(&other, FL_SHMEM_OUT, entry(s, index), n);
	frame = fl_shmem_payload(*entry(s, index));
	for (u32 i = 0; i < n; i++)
		*entry(s, index + i) = fl_shmem_make_own(&other, FL_SHMEM_OUT,
			fl_shmem_payload(*entry(s, index + i)));
	fl_shmem_unlock(&other);
	/* nobody else may, meanwhile */
	fl_shmem_lock(&view);
	ck_assert_ptr_null(fl_shmem_evict_begin(&view, 4, &(u32){0}, &(u32){0}));
	fl_shmem_unlock(&view);
	end(&other);
	ck_assert_uint_eq(*entry(s, index), fl_shmem_make(FL_SHMEM_RESIDENT, frame));
	check_machine();
	fl_shmem_lock(&view);
	ck_assert_ptr_eq(fl_shmem_evict_begin(&view, 4, &index, &n), s);
	fl_shmem_evict_end(&view);
	fl_shmem_busy(&view, FL_SHMEM_IN, entry(s, 7), 1);
	*entry(s, 7) = fl_shmem_make_own(&view, FL_SHMEM_IN, slot);
	fl_shmem_unlock(&view);
	end(&view);
	ck_assert_uint_eq(view.t->frames_used, 0);
	ck_assert_uint_eq(view.t->slots.nr_used, 0);
}
END_TEST

/* The same of one that does both at a time, which two of its threads may. */
START_TEST(dead_ones_finish_neither)
{
	struct fl_shmem *s;
	u32 frame;

	set_up();
	s = object(&view, 7);
	object(&other, 7);
	bring_in(&view, s, 0);
	bring_in(&view, s, 1);
	bring_out(&view, s, 1);
	frame = fl_shmem_payload(*entry(s, 0));
	fl_shmem_lock(&other);
	fl_shmem_busy(&other, FL_SHMEM_OUT, entry(s, 0), 1);
	*entry(s, 0) = fl_shmem_make_own(&other, FL_SHMEM_OUT, frame);
	fl_shmem_busy(&other, FL_SHMEM_IN, entry(s, 1), 1);
	fl_shmem_idle(&other, FL_SHMEM_IN);
	fl_shmem_unlock(&other);
	end(&other);
	ck_assert_uint_eq(*entry(s, 0), fl_shmem_make(FL_SHMEM_RESIDENT, frame));
	end(&view);
}
END_TEST

/* One that is stopped is not waited for, and its end is not taken for that of another. */
START_TEST(late_ones_are_taken_over_from)
{
	struct fl_shmem *s;
	u32 index, n, slot;

	set_up();
	s = object(&view, 7);
	object(&other, 7);
	bring_in(&view, s, 0);
	bring_in(&view, s, 1);
	bring_out(&view, s, 1);
	slot = fl_shmem_payload(*entry(s, 1));
	fl_shmem_lock(&other);
	fl_shmem_busy(&other, FL_SHMEM_IN, entry(s, 1), 1);
	*entry(s, 1) = fl_shmem_make_own(&other, FL_SHMEM_IN, slot);
	ck_assert(!fl_shmem_take_over(&view, entry(s, 1)));
	other.self->shmem_in_ms -= 10000;
	ck_assert(fl_shmem_take_over(&view, entry(s, 1)));
	ck_assert_uint_eq(*entry(s, 1), fl_shmem_make(FL_SHMEM_SWAP, slot));
	fl_shmem_busy(&view, FL_SHMEM_IN, entry(s, 1), 1);
	*entry(s, 1) = fl_shmem_make_own(&view, FL_SHMEM_IN, slot);
	ck_assert_uint_ne(*entry(s, 1), fl_shmem_make_own(&other, FL_SHMEM_IN, slot));

	ck_assert_ptr_eq(fl_shmem_evict_begin(&other, 4, &index, &n), s);
	ck_assert_ptr_null(fl_shmem_evict_begin(&view, 4, &index, &n));
	view.t->shmem_evict_ms -= 10000;
	ck_assert_ptr_eq(fl_shmem_evict_begin(&view, 4, &index, &n), s);
	fl_shmem_evict_end(&other); /* not its own any more */
	ck_assert_ptr_null(fl_shmem_evict_begin(&other, 4, &index, &n));
	fl_shmem_unlock(&other);
	/* what the other dies with is ours */
	end(&other);
	ck_assert_uint_eq(*entry(s, 1), fl_shmem_make_own(&view, FL_SHMEM_IN, slot));
	end(&view);
}
END_TEST

/* Who was the last to have an object mapped is killed before all of it is given back. */
START_TEST(nobodys_object_is_found)
{
	struct fl_shmem *s;
	pid_t pid;

	set_up();
	s = object(&view, 7);
	bring_in(&view, s, 0);
	pid = fork();
	if (!pid) {
		fl_shmem_lock(&other);
		memset(s->mapped, 0, sizeof(s->mapped));
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	fl_shmem_lock(&view);
	fl_shmem_unlock(&view);
	ck_assert_uint_eq(s->npages, 0);
	ck_assert_uint_eq(view.t->frames_used, 0);
	check_machine();
}
END_TEST

/* The hand passes over what is young, once, and over what reclaim must leave. */
START_TEST(hand_goes_round)
{
	struct fl_shmem *s, *kept;
	u32 index, n;

	set_up();
	kept = object(&view, 6);
	kept->kept = 1;
	s = object(&view, 7);
	for (u32 i = 0; i < 6; i++) {
		bring_in(&view, kept, i);
		bring_in(&view, s, i);
	}
	*entry(s, 2) |= FL_SHMEM_YOUNG;
	fl_shmem_lock(&view);
	ck_assert_ptr_eq(fl_shmem_evict_begin(&view, 16, &index, &n), s);
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(n, 2);
	fl_shmem_evict_end(&view);
	ck_assert_ptr_eq(fl_shmem_evict_begin(&view, 16, &index, &n), s);
	ck_assert_uint_eq(index, 3);
	ck_assert_uint_eq(n, 3);
	fl_shmem_evict_end(&view);
	ck_assert_ptr_eq(fl_shmem_evict_begin(&view, 16, &index, &n), s);
	ck_assert_uint_eq(index, 0);
	ck_assert_uint_eq(n, 6);
	fl_shmem_evict_end(&view);
	fl_shmem_unlock(&view);
}
END_TEST

START_TEST(others_are_asked_to_unmap)
{
	struct fl_shmem *s;
	u32 object_index, index, n, seq, asked;

	set_up();
	s = object(&view, 7);
	object(&other, 7);
	fl_shmem_lock(&view);
	ck_assert(fl_shmem_activate(&other, s));
	ck_assert(!fl_shmem_activate(&other, s));
	asked = fl_shmem_ask(&view, s, 4, 5);
	fl_shmem_unlock(&view);
	ck_assert(!fl_shmem_asked(&view, &object_index, &index, &n, &seq));
	ck_assert(!fl_shmem_await(&view, asked, 1000000)); /* no answer yet */
	ck_assert(fl_shmem_asked(&other, &object_index, &index, &n, &seq));
	ck_assert_uint_eq(index, 4);
	ck_assert_uint_eq(n, 5);
	fl_shmem_answer(&other, seq, true);
	ck_assert(!fl_shmem_asked(&other, &object_index, &index, &n, &seq));
	ck_assert(fl_shmem_await(&view, asked, 1000000));
	fl_shmem_lock(&view);
	asked = fl_shmem_ask(&view, s, 4, 5);
	fl_shmem_unlock(&view);
	ck_assert(fl_shmem_asked(&other, &object_index, &index, &n, &seq));
	fl_shmem_answer(&other, seq, false);
	ck_assert(!fl_shmem_await(&view, asked, 1000000)); /* refused */
	/* somebody else asks for something else: nobody seems to be missing then */
	fl_shmem_lock(&view);
	asked = fl_shmem_ask(&view, s, 4, 5);
	fl_shmem_ask(&view, s, 0, 1);
	fl_shmem_unlock(&view);
	ck_assert(!fl_shmem_await(&view, asked, 1000000));
}
END_TEST

START_TEST(table_is_full)
{
	struct fl_shmem *s;
	u64 ino;

	set_up();
	fl_shmem_lock(&view);
	ck_assert_ptr_null(fl_shmem_get(&view, 1, 1, (u64)FL_SHMEM_PAGES + 1));
	s = fl_shmem_get(&view, 1, 1, FL_SHMEM_PAGES - 10);
	ck_assert_ptr_nonnull(s);
	fl_shmem_map(&view, s);
	ck_assert_ptr_null(fl_shmem_get(&view, 1, 2, 11));
	ck_assert_ptr_nonnull(fl_shmem_get(&view, 1, 2, 10));
	fl_shmem_map(&view, fl_shmem_find(&view, 1, 2));
	fl_shmem_unmap(&view, s);
	for (ino = 3; ino <= FL_NR_SHMEM + 1; ino++) {
		s = fl_shmem_get(&view, 1, ino, 1);
		ck_assert_ptr_nonnull(s);
		fl_shmem_map(&view, s);
	}
	ck_assert_ptr_null(fl_shmem_get(&view, 1, ino, 1));
	fl_shmem_unlock(&view);
	check_machine();
}
END_TEST

int main(void)
{
	static const struct test_case tests[] = {
		{&pages_are_the_trees},
		{&child_of_a_fork_has_it_too},
		{&dead_ones_finish_nothing},
		{&dead_ones_finish_neither},
		{&late_ones_are_taken_over_from},
		{&nobodys_object_is_found},
		{&hand_goes_round},
		{&others_are_asked_to_unmap},
		{&table_is_full},
	};

	return run_tests("machine-shmem", tests, sizeof(tests) / sizeof(tests[0]));
}
