/* Shared memory of a tree: objects, their entries, and which pages are taken out. */
#include "machine-shmem.h"

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

/* What is unmapped and stays so is taken out, a chunk at a time; what reclaim must leave is not. */
START_TEST(hands_go_round)
{
	struct fl_shmem *s, *kept;
	struct fl_shmem_unmapping u;
	struct fl_shmem_batch b;
	u32 resident, inactive;

	set_up();
	kept = object(&view, 6);
	kept->kept = 1;
	s = object(&view, 7);
	for (u32 i = 0; i < 6; i++) {
		bring_in(&view, kept, i);
		bring_in(&view, s, i);
	}
	fl_shmem_lock(&view);
	ck_assert(!fl_shmem_take_inactive(&view, 16, &b));
	ck_assert(fl_shmem_unmap_begin(&view, &u));
	ck_assert_ptr_eq(u.s, s);
	ck_assert(!u.asked);
	/* page 2 is touched before all have unmapped it */
	fl_shmem_set(&view, s, 2, fl_shmem_make(FL_SHMEM_RESIDENT, fl_shmem_payload(*entry(s, 2))) | FL_SHMEM_MAPPED);
	fl_shmem_unmap_end(&view, &u, true);
	fl_shmem_mine(&view, &resident, &inactive);
	ck_assert_uint_eq(resident, 6);
	ck_assert_uint_eq(inactive, 5);
	ck_assert(fl_shmem_take_inactive(&view, 3, &b));
	ck_assert_ptr_eq(b.s, s);
	ck_assert_uint_eq(b.n, 3);
	ck_assert_uint_eq(b.index[0], 0);
	ck_assert_uint_eq(b.index[2], 3);
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 3)), FL_SHMEM_OUT);
	ck_assert(fl_shmem_take_inactive(&view, 16, &b));
	ck_assert_uint_eq(b.n, 2);
	ck_assert_uint_eq(b.index[0], 4);
	ck_assert(!fl_shmem_take_inactive(&view, 16, &b));
	/* one that somebody refuses to unmap: fewer at a time from then on */
	ck_assert(fl_shmem_unmap_begin(&view, &u));
	ck_assert_uint_eq(u.index, 2);
	fl_shmem_unmap_end(&view, &u, false);
	ck_assert_uint_lt(s->grain, FL_SHMEM_CHUNK);
	ck_assert_uint_eq(*entry(s, 2) & FL_SHMEM_MAPPED, FL_SHMEM_MAPPED);
	fl_shmem_unlock(&view);
	check_machine();
}
END_TEST

/* The kernel's: what is in memory is not counted, and who was taking it out is too late. What is in
 * swap, or on its way, stays what it is. */
START_TEST(what_is_left_to_the_kernel_is_not_counted)
{
	struct fl_shmem_unmapping u;
	struct fl_shmem *s = set_up_shared();
	u32 used;

	for (u32 i = 0; i < 6; i++)
		bring_in(&view, s, i);
	bring_out(&view, s, 0);
	at_it(&other, s, 1, FL_SHMEM_PUNCH);
	used = view.t->frames_used;
	fl_shmem_lock(&view);
	ck_assert(fl_shmem_unmap_begin(&view, &u));
	ck_assert_uint_eq(fl_shmem_keep(&other, s), 4);
	fl_shmem_unmap_end(&view, &u, false);
	ck_assert_uint_eq(view.t->frames_used, used - 4);
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 0)), FL_SHMEM_SWAP);
	ck_assert_uint_eq(fl_shmem_state(*entry(s, 1)), FL_SHMEM_PUNCH);
	for (u32 i = 2; i < 6; i++)
		ck_assert_uint_eq(*entry(s, i), 0);
	ck_assert(!fl_shmem_unmap_begin(&view, &u));
	fl_shmem_unlock(&view);
	check_machine();
}
END_TEST

/* Whose memory is written to learns of it, and nobody else, until the last writer has ended. */
START_TEST(writers_are_told_of)
{
	set_up();
	ck_assert(!fl_shmem_poked(&view));
	fl_shmem_poke_begin(&other, view.self);
	ck_assert(fl_shmem_poked(&view));
	ck_assert(!fl_shmem_poked(&other));
	fl_shmem_poke_begin(&other, view.self);
	fl_shmem_poke_end(&other);
	ck_assert(fl_shmem_poked(&view));
	ck_assert(!fl_shmem_poked(&other));
	/* of two at once it is not known which is which */
	fl_shmem_poke_begin(&other, other.self);
	ck_assert(fl_shmem_poked(&view) && fl_shmem_poked(&other));
	fl_shmem_poke_end(&other);
	fl_shmem_poke_end(&other);
	ck_assert(!fl_shmem_poked(&view) && !fl_shmem_poked(&other));
	/* one that ends in between is meant by nobody */
	fl_shmem_poke_begin(&other, view.self);
	end(&other);
	ck_assert(!fl_shmem_poked(&view));
	check_machine();
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
	s = fl_shmem_get(&view, 1, 1, FL_SHMEM_PAGES - FL_SHMEM_CHUNK);
	ck_assert_ptr_nonnull(s);
	fl_shmem_map(&view, s);
	ck_assert_ptr_null(fl_shmem_get(&view, 1, 2, FL_SHMEM_CHUNK + 1));
	ck_assert_ptr_nonnull(fl_shmem_get(&view, 1, 2, FL_SHMEM_CHUNK));
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
		{&hands_go_round},
		{&what_is_left_to_the_kernel_is_not_counted},
		{&writers_are_told_of},
		{&others_are_asked_to_unmap},
		{&table_is_full},
	};

	return run_tests("machine-shmem", tests, sizeof(tests) / sizeof(tests[0]));
}
