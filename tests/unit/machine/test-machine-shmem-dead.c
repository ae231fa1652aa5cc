/*
 * Shared memory of a tree: what becomes of objects and their entries when processes end, or are
 * late, at any point.
 */
#include "machine-shmem.h"

/* A process that dies while it takes pages out or in leaves them as they were. */
START_TEST(dead_ones_finish_nothing)
{
	struct fl_shmem_unmapping u;
	struct fl_shmem *s;
	u32 frame;

	s = set_up_shared();
	for (u32 i = 0; i < 8; i++)
		bring_in(&view, s, i);
	bring_out(&view, s, 7);
	fl_shmem_lock(&other);
	fl_shmem_activate(&view, s);
	ck_assert(fl_shmem_unmap_begin(&other, &u));
	ck_assert_ptr_eq(u.s, s);
	ck_assert_uint_eq(u.index, 0);
	ck_assert_uint_ge(u.n, 8);
	ck_assert(u.asked);
	fl_shmem_unlock(&other);
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 3)), FL_SHMEM_OUT);
	frame = fl_shmem_payload(*entry(s, 3));
	end(&other);
	ck_assert_uint_eq(*entry(s, 3), fl_shmem_make(FL_SHMEM_RESIDENT, frame) | FL_SHMEM_MAPPED);
	check_machine();
	at_it(&view, s, 7, FL_SHMEM_IN);
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

	s = set_up_shared();
	bring_in(&view, s, 0);
	bring_in(&view, s, 1);
	bring_out(&view, s, 1);
	frame = fl_shmem_payload(*entry(s, 0));
	at_it(&other, s, 0, FL_SHMEM_OUT);
	at_it(&other, s, 1, FL_SHMEM_IN);
	end(&other);
	ck_assert_uint_eq(*entry(s, 0), fl_shmem_make(FL_SHMEM_RESIDENT, frame) | FL_SHMEM_MAPPED);
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 1)), FL_SHMEM_SWAP);
	check_machine();
	end(&view);
}
END_TEST

/* A page that was being punched out of the inode is where it was written to. */
START_TEST(dead_ones_punch_no_more)
{
	struct fl_shmem *s;
	u32 slot;
	int err;

	s = set_up_shared();
	bring_in(&view, s, 0);
	bring_in(&view, s, 1);
	bring_in(&view, s, 2);
	ck_assert_uint_eq(fl_swap_alloc(&other, 1, &slot, &err), 1);
	fl_shmem_lock(&other);
	fl_shmem_busy(&other, FL_SHMEM_OUT, entry(s, 0), 3);
	fl_shmem_give_slots(&other, &slot, 1);
	fl_shmem_punch(&other, s, 0, slot);
	fl_shmem_punch(&other, s, 1, FL_NO_SLOT);
	fl_shmem_unlock(&other);
	check_machine();
	fl_shmem_lock(&view);
	ck_assert(!fl_shmem_take_over(&view, s, 0)); /* it lives, however late it is */
	ck_assert(!fl_shmem_take_over(&view, s, 1));
	fl_shmem_unlock(&view);
	end(&other);
	check_machine();
	ck_assert_uint_eq(*entry(s, 0), fl_shmem_make(FL_SHMEM_SWAP, slot));
	ck_assert_uint_eq(*entry(s, 1), 0);
	ck_assert_uint_eq(view.t->frames_used, 1);
	end(&view);
	ck_assert_uint_eq(view.t->slots.nr_used, 0);
}
END_TEST

/* A page that is given up (MADV_REMOVE) while it is punched out is waited for, and then zeros. */
START_TEST(given_up_while_punched)
{
	struct fl_shmem *s;
	u32 slot;
	int err;

	s = set_up_shared();
	for (u32 i = 0; i < 3; i++)
		bring_in(&view, s, i);
	bring_out(&view, s, 2);
	ck_assert_uint_eq(fl_swap_alloc(&other, 1, &slot, &err), 1);
	fl_shmem_lock(&other);
	fl_shmem_busy(&other, FL_SHMEM_OUT, entry(s, 0), 1);
	fl_shmem_give_slots(&other, &slot, 1);
	fl_shmem_punch(&other, s, 0, slot);
	fl_shmem_clear(&view, s, 0, PAGES);
	fl_shmem_unlock(&other);
	check_machine();
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 0)), FL_SHMEM_PUNCH);
	ck_assert_uint_eq(*entry(s, 1), 0);
	ck_assert_uint_eq(view.t->slots.nr_used, 0);
	fl_shmem_lock(&other);
	fl_shmem_leave(&other, s, 0);
	fl_shmem_idle(&other, FL_SHMEM_OUT);
	fl_shmem_unlock(&other);
	check_machine();
	ck_assert_uint_eq(*entry(s, 0), 0);
	ck_assert_uint_eq(view.t->frames_used, 0);
}
END_TEST

/* One that is stopped is not waited for, and its end is not taken for that of another. */
START_TEST(late_ones_are_taken_over_from)
{
	struct fl_shmem_unmapping u, u2;
	struct fl_shmem *s, *own;
	u64 slot;

	s = set_up_shared();
	own = object(&view, 8);
	bring_in(&view, s, 0);
	bring_in(&view, s, 1);
	bring_in(&view, s, PAGES - 1);
	bring_in(&view, own, 0);
	bring_out(&view, s, 1);
	slot = fl_shmem_payload(*entry(s, 1));
	at_it(&other, s, 1, FL_SHMEM_IN);
	fl_shmem_lock(&other);
	ck_assert(!fl_shmem_take_over(&view, s, 1));
	other.self->shmem_in_ms -= 10000;
	ck_assert(fl_shmem_take_over(&view, s, 1));
	ck_assert_uint_eq(*entry(s, 1), fl_shmem_make(FL_SHMEM_SWAP, (u32)slot));
	fl_shmem_unlock(&other);
	at_it(&view, s, 1, FL_SHMEM_IN);
	ck_assert_uint_ne(*entry(s, 1), fl_shmem_make_own(&other, FL_SHMEM_IN, (u32)slot));

	/* asking is one's at a time; what nobody else has touched needs no asking */
	fl_shmem_lock(&other);
	s->grain = 16;
	fl_shmem_activate(&view, s);
	fl_shmem_activate(&other, s);
	ck_assert(fl_shmem_unmap_begin(&other, &u));
	ck_assert_ptr_eq(u.s, s);
	ck_assert(fl_shmem_unmap_begin(&view, &u2));
	ck_assert_ptr_eq(u2.s, own);
	ck_assert(!u2.asked);
	fl_shmem_unmap_end(&view, &u2, true);
	ck_assert_uint_eq(own->inactive, 1);
	ck_assert(!fl_shmem_unmap_begin(&view, &u2));
	view.t->shmem_evict_ms -= 10000;
	ck_assert(fl_shmem_unmap_begin(&view, &u2));
	ck_assert_ptr_eq(u2.s, s);
	fl_shmem_unmap_end(&other, &u, true); /* asking is not its own any more */
	ck_assert(!fl_shmem_unmap_begin(&other, &u));
	fl_shmem_unlock(&other);
	check_machine();
	/* what the other dies with is ours */
	end(&other);
	ck_assert_uint_eq(*entry(s, 1), fl_shmem_make_own(&view, FL_SHMEM_IN, (u32)slot));
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

int main(void)
{
	static const struct test_case tests[] = {
		{&dead_ones_finish_nothing},
		{&dead_ones_finish_neither},
		{&dead_ones_punch_no_more},
		{&given_up_while_punched},
		{&late_ones_are_taken_over_from},
		{&nobodys_object_is_found},
	};

	return run_tests("machine-shmem-dead", tests, sizeof(tests) / sizeof(tests[0]));
}
