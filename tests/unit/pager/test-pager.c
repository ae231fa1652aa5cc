/*
 * The pager's decisions one by one, over the fake host, all in one thread.
 */
#include "fake-host.h"

#include "../mm/check-main.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct fake *f;

static void start(struct fake_options o)
{
	o.nr_frames = o.nr_frames ? o.nr_frames : 256;
	o.nr_pages = o.nr_pages ? o.nr_pages : 512;
	o.slow_swap = true;
	o.seed = 1;
	f = fake_create(&o);
	fake_mmap(f, 0, o.nr_pages, FAKE_RW);
}

/* Page i gets version i + 1. */
static void fill(u32 page, u32 n)
{
	for (u32 i = page; i < page + n; i++)
		fake_store(f, i, 0, i + 1);
}

static void check_filled(u32 page, u32 n)
{
	for (u32 i = page; i < page + n; i++)
		fake_load(f, i, i + 1);
}

/* Out of the program, into swap or away: everything that can be. */
static void evict_all(void)
{
	u32 shed;

	do
		shed = f->p.shed;
	while (fake_reclaim(f, 64) || f->p.shed != shed);
}

/* Out of the program, into the pool. */
static void set_aside(u32 page)
{
	while (fake_state(f, page) == FL_PTE_PRESENT)
		fake_must(f, fake_reclaim(f, 1));
}

#define counter(name) fake_counter(f, FL_C_##name)

START_TEST(zero_fill_brings_neighbours)
{
	start((struct fake_options){.around_order = 3});
	fake_load(f, 20, 0);
	ck_assert_uint_eq(f->p.mm.rss_anon, 8);
	for (u32 i = 16; i < 24; i++)
		ck_assert(fake_is(f, i, FAKE_PRESENT));
	ck_assert_uint_eq(counter(fault_around), 7);
	/* never over what was touched, nor over the end of a mapping */
	fake_munmap(f, 26, 2);
	fake_load(f, 24, 0);
	ck_assert_uint_eq(f->p.mm.rss_anon, 10);
	ck_assert_uint_eq(counter(pgfault_zero), 2);
	fake_check(f, false);
}
END_TEST

/* As many as --fault-around takes. */
START_TEST(largest_fault_around_is_zeros)
{
	start((struct fake_options){.around_order = 6, .copy_only = _i});
	fake_load(f, 100, 0);
	ck_assert_uint_ge(f->p.mm.rss_anon, 16);
	for (u32 i = 64; i < 128; i++)
		fake_load(f, i, 0);
	fake_check(f, false);
}
END_TEST

START_TEST(read_only_memory_comes_page_by_page)
{
	start((struct fake_options){.around_order = 3});
	fake_mprotect(f, 0, 64, FL_VM_READ);
	fake_load(f, 20, 0);
	ck_assert_uint_eq(f->p.mm.rss_anon, 1);
	fake_check(f, false);
}
END_TEST

START_TEST(soft_fault_takes_the_same_frame)
{
	u32 frame;

	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	frame = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 3)));
	/* reclaim moves pages out ahead of those that it frees */
	fake_reclaim(f, 1);
	ck_assert_int_eq(fake_state(f, 3), FL_PTE_SOFT);
	ck_assert(!fake_is(f, 3, FAKE_PRESENT));
	fake_check(f, false);
	fake_load(f, 3, 4);
	ck_assert_uint_eq(fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 3))), frame);
	ck_assert_uint_eq(counter(pgfault_soft), 1);
	ck_assert_uint_eq(counter(pswpin), 0);
	fake_check(f, false);
}
END_TEST

static const struct fake_options hosts[] = {
	{.around_order = 3},
	{.around_order = 3, .copy_only = true},
	{.around_order = 3, .errors = 200},
	{.around_order = 3, .errors = 200, .copy_only = true},
	{.around_order = 0, .no_readahead = true},
};

START_TEST(swap_out_and_in)
{
	start(hosts[_i]);
	fill(0, 512); /* twice what there is */
	fake_check(f, false);
	check_filled(0, 512);
	for (u32 i = 0; i < 512; i++)
		fake_store(f, i, i + 1, i + 1000);
	for (u32 i = 0; i < 512; i++)
		fake_load(f, 511 - i, 511 - i + 1000);
	ck_assert_uint_gt(counter(pswpin), 256);
	ck_assert_uint_gt(counter(pswpout), 256);
	fake_check(f, false);
	fake_munmap(f, 0, 512);
	fake_check(f, false);
	ck_assert_uint_eq(f->p.machine.t->slots.nr_used, 0);
}
END_TEST

START_TEST(executable_memory_goes_through_the_stage)
{
	start((struct fake_options){.around_order = 2});
	fake_mprotect(f, 0, 512, FAKE_RWX);
	fill(0, 64);
	evict_all();
	ck_assert_uint_eq(f->p.mm.rss_anon, 0);
	ck_assert_uint_ne(f->p.stage, 0);
	check_filled(0, 64);
	fake_check(f, false);
}
END_TEST

START_TEST(clean_pages_are_written_once)
{
	u64 written;

	start((struct fake_options){.around_order = 0});
	fill(0, 32);
	evict_all();
	written = counter(pswpout);
	ck_assert_uint_eq(written, 32);
	check_filled(0, 32);
	ck_assert(fake_is(f, 5, FAKE_PRESENT | FAKE_WP));
	fake_check(f, false);
	evict_all();
	ck_assert_uint_eq(counter(pswpout), written);
	ck_assert_uint_gt(counter(swap_clean), 0);
	check_filled(0, 32);
	/* a write ends that */
	fake_store(f, 5, 6, 77);
	ck_assert(!fake_is(f, 5, FAKE_WP));
	ck_assert_uint_eq(counter(pgfault_wp), 1);
	evict_all();
	ck_assert_uint_eq(counter(pswpout), written + 1);
	fake_load(f, 5, 77);
	fake_check(f, false);
}
END_TEST

START_TEST(zeros_are_not_written)
{
	start((struct fake_options){.around_order = 4});
	for (u32 i = 0; i < 64; i++)
		fake_store(f, i, 0, 0);
	evict_all();
	ck_assert_uint_eq(counter(pswpout), 0);
	ck_assert_uint_eq(counter(swap_zero), 64);
	ck_assert_uint_eq(f->p.mm.zero_pages, 64);
	for (u32 i = 0; i < 64; i++)
		fake_load(f, i, 0);
	fake_check(f, false);
}
END_TEST

START_TEST(locked_and_pinned_pages_stay)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 16);
	fake_mlock(f, 0, 4, true);
	fake_set(f, 8, 4, FAKE_PINNED, true);
	evict_all();
	for (u32 i = 0; i < 16; i++)
		ck_assert_int_eq(fake_state(f, i),
			i < 4 || (i >= 8 && i < 12) ? FL_PTE_PRESENT : FL_PTE_SWAP);
	fake_check(f, false);
	fake_mlock(f, 0, 4, false);
	fake_set(f, 8, 4, FAKE_PINNED, false);
	evict_all();
	ck_assert_uint_eq(f->p.mm.swap_ents, 16);
	check_filled(0, 16);
	fake_check(f, false);
}
END_TEST

/* With little to evict beside what is locked, that little must do. */
START_TEST(mostly_locked_memory_goes_on)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 230); /* of 256 */
	fake_mlock(f, 0, 230, true);
	f->p.unevictable_scans = 290; /* of the 300 before it is out of memory */
	fill(230, 200);
	check_filled(0, 430);
	fake_check(f, false);
}
END_TEST

START_TEST(forgotten_during_a_read)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	evict_all();
	ck_assert_int_eq(fake_fault(f, 3, 0), FL_FAULT_IO);
	ck_assert_int_eq(fake_state(f, 3), FL_PTE_SWAPIN);
	fake_check(f, false);
	fake_dontneed(f, 0, 8);
	ck_assert_int_eq(fake_state(f, 3), FL_PTE_NONE);
	fake_check(f, false);
	/* touched anew before the read has ended */
	fake_store(f, 3, 0, 99);
	fake_reap_reads(f, true);
	ck_assert_uint_eq(f->p.ios_in_flight, 0);
	fake_load(f, 3, 99);
	fake_check(f, false);
	ck_assert_uint_eq(f->p.machine.t->slots.nr_used, 0);
}
END_TEST

static u32 meanwhile_calls;

static void forget_writes(struct fake *fake)
{
	if (meanwhile_calls++)
		return;
	fake_check(f, false);
	ck_assert_uint_gt(f->p.ios_in_flight, 0);
	fake_dontneed(f, 0, 8);
	fake_check(f, false);
	fake_store(f, 3, 0, 99);
}

START_TEST(forgotten_during_a_write)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	f->meanwhile = forget_writes;
	evict_all();
	f->meanwhile = NULL;
	ck_assert_uint_gt(meanwhile_calls, 0);
	fake_load(f, 3, 99);
	fake_load(f, 4, 0);
	fake_check(f, false);
}
END_TEST

static void want_writes(struct fake *fake)
{
	if (meanwhile_calls++)
		return;
	for (u32 i = 0; i < 8; i++)
		ck_assert_int_eq(fake_fault(f, i, i % 2 ? FL_FAULT_WRITE : 0), FL_FAULT_IO);
}

START_TEST(wanted_during_a_write)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	f->meanwhile = want_writes;
	fake_reclaim(f, 8);
	f->meanwhile = NULL;
	/* all are back, without a read */
	for (u32 i = 0; i < 8; i++)
		ck_assert(fake_is(f, i, FAKE_PRESENT));
	ck_assert_uint_eq(counter(pswpin), 0);
	check_filled(0, 8);
	fake_check(f, false);
}
END_TEST

static void give_up(struct fake *fake)
{
	ck_assert_msg(++meanwhile_calls < 1000, "reclaim writes the same pages for ever");
}

START_TEST(failed_writes_lose_nothing)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 64);
	f->swap_error = EIO;
	f->meanwhile = give_up;
	ck_assert_uint_eq(fake_reclaim(f, 16), 0);
	ck_assert_uint_eq(f->p.machine.t->slots.nr_used, 0);
	fake_check(f, false);
	f->meanwhile = NULL;
	f->swap_error = 0;
	check_filled(0, 64);
	evict_all();
	check_filled(0, 64);
	fake_check(f, false);
}
END_TEST

START_TEST(neighbours_are_read_ahead)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 64);
	evict_all();
	check_filled(0, 64);
	ck_assert_uint_eq(counter(pswpin), 64);
	ck_assert_uint_lt(counter(swapin_ios), 32);
	ck_assert_uint_gt(counter(swap_ra_hit), 0);
	fake_check(f, false);
}
END_TEST

/* Down through memory, too. */
START_TEST(neighbours_below_are_read_ahead)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 64);
	evict_all();
	/* so that no page comes along that merely lies beside another in the file */
	f->p.ra_pages = 1;
	for (u32 i = 64; i--;) {
		fake_load(f, i, i + 1);
		f->p.ra_pages += 1000;
	}
	ck_assert_uint_eq(counter(pswpin), 64);
	ck_assert_uint_lt(counter(swapin_ios), 32);
	ck_assert_uint_gt(counter(swap_ra_hit), 32);
	fake_check(f, false);
}
END_TEST

/* A walk at equal distances: after a few pages no access waits for a read that it began itself. */
START_TEST(strides_are_read_ahead)
{
	static const char *const kinds[] = {"stride", "majority"};
	u32 majors = 0, n = 0;

	start((struct fake_options){.around_order = 0, .prefetch = kinds[_i]});
	fill(0, 120);
	evict_all();
	for (u32 i = 0; i < 120; i += 3, n++) {
		u64 was = counter(pgmajfault);

		fake_load(f, i, i + 1);
		fake_reap_reads(f, true);
		if (n >= 20)
			majors += (u32)(counter(pgmajfault) - was);
	}
	ck_assert_uint_eq(majors, 0);
	ck_assert_uint_ge(counter(swap_ra_hit), n - 20);
	evict_all();
	ck_assert_uint_le(counter(swap_ra_hit) + counter(swap_ra_waste), counter(swap_ra));
	fake_check(f, false);
}
END_TEST

START_TEST(harvest_keeps_storage)
{
	u32 before;

	start((struct fake_options){.around_order = 3});
	fill(0, 32);
	before = f->storage;
	fake_dontneed(f, 0, 32);
	/* the frames are free and still have their pages */
	ck_assert_uint_eq(f->storage, before);
	ck_assert_uint_eq(f->p.mm.rss_anon, 0);
	fake_check(f, false);
	for (u32 i = 0; i < 32; i++)
		fake_load(f, i, 0);
	ck_assert_uint_eq(f->storage, before);
	fake_check(f, false);
}
END_TEST

/* In every state a page may have. */
START_TEST(mremap_moves_every_state)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 40);
	evict_all();
	for (u32 i = 0; i < 8; i++)
		fake_load(f, i, i + 1); /* clean, write-protected */
	for (u32 i = 40; i < 48; i++)
		fake_store(f, i, 0, i + 1);
	set_aside(40); /* soft, some of them */
	for (u32 i = 0; i < 8; i++)
		fake_load(f, i, i + 1);
	fake_fault(f, 20, 0); /* being read */
	fake_fault(f, 30, FL_FAULT_WRITE);
	fake_munmap(f, 200, 64);
	fake_mremap(f, 0, 200, 64);
	fake_check(f, false);
	fake_reap_reads(f, true);
	fake_check(f, false);
	ck_assert(fake_is(f, 201, FAKE_PRESENT | FAKE_WP));
	for (u32 i = 0; i < 48; i++)
		fake_load(f, 200 + i, i + 1);
	fake_store(f, 201, 2, 500);
	evict_all();
	fake_load(f, 201, 500);
	fake_check(f, false);
}
END_TEST

/* What becomes the kernel's is there afterwards, and nothing is ours; pages of zeros, which
 * may be there by fault-around alone, only if they are wanted. */
START_TEST(all_comes_back_in_every_state)
{
	bool drop_zeros = _i;
	u64 end;

	start((struct fake_options){.around_order = 0});
	fill(0, 40);
	evict_all();
	for (u32 i = 0; i < 8; i++)
		fake_load(f, i, i + 1); /* clean, write-protected */
	for (u32 i = 40; i < 48; i++)
		fake_store(f, i, 0, i + 1);
	set_aside(40); /* soft, some of them */
	fake_load(f, 60, 0);
	set_aside(60);
	evict_all();
	fake_load(f, 0, 1);
	fake_load(f, 61, 0);
	ck_assert_int_eq(fake_state(f, 60), FL_PTE_ZERO);
	fl_lock(&f->p.lock);
	end = fl_pager_all_back(&f->p, fl_vma_at(&f->p.mm, fake_va(f, 0)), fake_va(f, 0),
		fake_va(f, 512), drop_zeros);
	fl_pager_forget(&f->p, fake_va(f, 0), fake_va(f, 512));
	fl_unlock(&f->p.lock);
	f->loose = true;
	ck_assert_uint_eq(end, fake_va(f, 512));
	ck_assert_uint_eq(fl_mm_held_frames(&f->p.mm), 0);
	ck_assert_uint_eq(f->p.machine.t->slots.nr_used, 0);
	for (u32 i = 0; i < 48; i++) {
		ck_assert(fake_is(f, i, FAKE_PRESENT));
		ck_assert(fake_matches((void *)fake_va(f, i), i + 1));
	}
	for (u32 i = 60; i < 62; i++)
		ck_assert_int_eq(fake_is(f, i, FAKE_PRESENT), !drop_zeros);
	ck_assert(!fake_is(f, 100, FAKE_PRESENT));
	fake_check(f, false);
}
END_TEST

START_TEST(fork_counts_frames_and_slots)
{
	u32 used, frame;

	start((struct fake_options){.around_order = 0});
	fill(0, 32);
	fake_reclaim(f, 8); /* some in swap, some set aside */
	used = f->p.machine.t->slots.nr_used;
	ck_assert_uint_gt(used, 0);
	ck_assert_uint_gt(f->p.policy.nr_aside, 0);
	ck_assert(fake_fork(f));
	ck_assert_uint_eq(f->p.policy.nr_aside, 0); /* the child inherits no pool */
	ck_assert_uint_eq(f->child.self->held, f->p.mm.rss_anon);
	fake_check(f, true);
	for (u32 i = 0; i < 32; i++) {
		u64 pte = fl_pte_get(&f->p.mm, fake_va(f, i));

		if (fl_pte_state(pte) == FL_PTE_SWAP) {
			ck_assert_uint_eq(fl_swap_count(&f->p.machine, fl_pte_payload(pte)), 2);
			continue;
		}
		ck_assert_uint_eq(fl_zone_refs(&f->p.machine, fl_pte_payload(pte)), 2);
		ck_assert(fl_pte_has(pte, FL_PTE_COW | FL_PTE_WP));
		ck_assert(fake_is(f, i, FAKE_PRESENT | FAKE_WP));
	}

	/* a write takes a new frame, the old one stays the child's */
	frame = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 31)));
	fake_store(f, 31, 32, 700);
	ck_assert_uint_ne(fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 31))), frame);
	ck_assert_uint_eq(fl_zone_refs(&f->p.machine, frame), 1);
	ck_assert_uint_eq(counter(pgfault_cow), 1);
	fake_check(f, true);

	/* pages that are shared go to swap by a copy */
	evict_all();
	fake_check(f, true);
	ck_assert_uint_eq(f->p.mm.rss_anon, 0);
	fake_load(f, 31, 700);
	check_filled(0, 31);

	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	fake_check(f, false);
	fake_munmap(f, 0, 512);
	ck_assert_uint_eq(f->p.machine.t->slots.nr_used, 0);
}
END_TEST

START_TEST(shared_pages_are_written_once)
{
	static _Alignas(4096) u64 buf[FL_PAGE_SIZE / 8];
	u32 frame[4], slot[4];

	start((struct fake_options){.around_order = 0});
	fill(0, 4);
	ck_assert(fake_fork(f));
	for (u32 i = 0; i < 4; i++)
		frame[i] = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, i)));
	/* the child was first with pages 0 and 1 */
	for (u32 i = 0; i < 2; i++) {
		int err;

		ck_assert_uint_eq(fl_swap_alloc(&f->child, 1, &slot[i], &err), 1);
		fake_pattern(buf, i + 1);
		ck_assert_int_eq(pwrite(f->child.swap_fd, buf, FL_PAGE_SIZE,
					 (off_t)slot[i] * (off_t)FL_PAGE_SIZE),
			(int)FL_PAGE_SIZE);
		fl_swap_publish(&f->child, frame[i], slot[i]);
	}
	/* page 1 is written to: what was written down is not its content */
	fake_store(f, 1, 2, 60);
	evict_all();
	ck_assert_uint_eq(fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 0))), slot[0]);
	ck_assert_uint_eq(fl_swap_count(&f->p.machine, slot[0]), 2);
	ck_assert_uint_eq(counter(pswpout), 3);
	/* and the child need not write pages 2 and 3 */
	for (u32 i = 2; i < 4; i++) {
		slot[i] = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, i)));
		ck_assert_uint_eq(fl_swap_get_published(&f->child, frame[i]), slot[i]);
		ck_assert_uint_eq(fl_swap_get_published(&f->child, frame[i]), FL_NO_SLOT);
		ck_assert_uint_eq(fl_swap_count(&f->p.machine, slot[i]), 2);
	}
	fake_check(f, true);
	fake_load(f, 0, 1);
	fake_load(f, 1, 60);
	fake_load(f, 2, 3);
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	fake_check(f, false);
}
END_TEST

START_TEST(shared_pages_are_given_up_when_asked)
{
	u32 frame;

	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	ck_assert(fake_fork(f));
	evict_all();
	ck_assert_uint_eq(f->p.shed, 8);
	check_filled(0, 8);

	/* forked again: the frames that were read back have slots that count */
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	ck_assert(fake_fork(f));
	frame = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 3)));
	fl_swap_publish(&f->child, frame, f->p.pages.slot[frame]);
	f->p.machine.self->shed = 1;
	fake_kswapd(f);
	ck_assert_uint_eq(f->p.machine.self->shed, 0);
	ck_assert_uint_eq(fake_state(f, 3), FL_PTE_SWAP);
	ck_assert_uint_eq(fake_state(f, 2), FL_PTE_PRESENT);
	ck_assert_uint_eq(fl_zone_refs(&f->p.machine, frame), 1);
	check_filled(0, 8);
	fake_check(f, true);
}
END_TEST

static void store_all(struct fake *fake)
{
	fake->meanwhile = NULL;
	ck_assert_ptr_nonnull(fake->p.shed_io);
	for (u32 i = 0; i < 4; i++)
		fake_store(fake, i, i + 1, 80 + i);
}

START_TEST(written_to_while_shed)
{
	start((struct fake_options){.around_order = 0, .slow_swap = true});
	fill(0, 8);
	ck_assert(fake_fork(f));
	f->meanwhile = store_all;
	fake_reclaim(f, 8);
	ck_assert_ptr_null(f->meanwhile);
	fake_check(f, true);
	for (u32 i = 0; i < 4; i++)
		fake_load(f, i, 80 + i);
	check_filled(4, 4);
	fake_check(f, true);
}
END_TEST

/* The child ends while the page is being written: it is not to be taken twice. */
static void end_child(struct fake *fake)
{
	fake->meanwhile = NULL;
	ck_assert_ptr_nonnull(fake->p.shed_io);
	fl_lock(&fake->p.lock);
	fake_fork_end(fake);
	fl_unlock(&fake->p.lock);
}

START_TEST(child_ends_while_its_pages_are_shed)
{
	start((struct fake_options){.around_order = 0, .slow_swap = true});
	fill(0, 4);
	ck_assert(fake_fork(f));
	f->meanwhile = end_child;
	fake_reclaim(f, 4);
	ck_assert_ptr_null(f->meanwhile);
	fake_check(f, false);
	evict_all();
	check_filled(0, 4);
	fake_check(f, false);
}
END_TEST

START_TEST(last_user_keeps_the_frame)
{
	u32 frame;

	start((struct fake_options){.around_order = 0});
	fill(0, 4);
	ck_assert(fake_fork(f));
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	frame = fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 2)));
	fake_store(f, 2, 3, 50);
	ck_assert_uint_eq(fl_pte_payload(fl_pte_get(&f->p.mm, fake_va(f, 2))), frame);
	evict_all();
	fake_load(f, 2, 50);
	fake_load(f, 1, 2);
	fake_check(f, false);
}
END_TEST

START_TEST(last_user_takes_the_neighbours_too)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 64);
	ck_assert(fake_fork(f));
	fl_lock(&f->p.lock);
	fake_fork_end(f);
	fl_unlock(&f->p.lock);
	fake_store(f, 8, 9, 500);
	ck_assert_uint_eq(counter(pgfault_cow), 1);
	ck_assert_uint_eq(counter(cow_reuse), 16);
	for (u32 i = 9; i < 24; i++)
		fake_store(f, i, i + 1, 500 + i);
	ck_assert_uint_eq(counter(pgfault_cow), 1);
	fake_store(f, 24, 25, 600);
	ck_assert_uint_eq(counter(pgfault_cow), 2);
	fake_check(f, false);
	evict_all();
	for (u32 i = 9; i < 24; i++)
		fake_load(f, i, 500 + i);
	fake_load(f, 40, 41);
	fake_check(f, false);
}
END_TEST

START_TEST(frames_are_given_when_asked)
{
	u32 before;

	start((struct fake_options){.around_order = 0});
	fill(0, 128);
	before = fl_zone_free_frames(&f->p.machine);
	f->p.machine.self->wanted = 60;
	fake_kswapd(f);
	ck_assert_uint_ge(fl_zone_free_frames(&f->p.machine), before + 60);
	ck_assert_uint_eq(f->p.machine.self->wanted, 0);
	fake_check(f, false);
	check_filled(0, 128);
}
END_TEST

START_TEST(deferred_faults_are_resolved_by_kswapd)
{
	u32 page = 0;

	start((struct fake_options){.around_order = 0});
	while (fake_fault(f, page, FL_FAULT_WRITE) == FL_FAULT_DONE)
		fake_must(f, !fake_try(f, page, true, 0, page + 1, NULL) && ++page < 512);
	ck_assert_uint_eq(page, 256); /* every frame there is */
	ck_assert_uint_eq(f->p.nr_deferred, 1);
	ck_assert_uint_gt(f->kicked, 0);
	ck_assert(!fake_is(f, page, FAKE_PRESENT));
	fake_kswapd(f);
	ck_assert_uint_eq(f->p.nr_deferred, 0);
	ck_assert(fake_is(f, page, FAKE_PRESENT));
	check_filled(0, page);
	fake_check(f, false);
}
END_TEST

/* One that needs a read: its page is there when the round is over. */
START_TEST(deferred_reads_end_in_the_round)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 300);
	while (fake_state(f, 0) != FL_PTE_SWAP)
		fake_reclaim(f, 1);
	fl_lock(&f->p.lock);
	fl_pager_defer(&f->p, fake_va(f, 0), 0);
	fl_unlock(&f->p.lock);
	while (fake_kswapd(f))
		;
	ck_assert(fake_is(f, 0, FAKE_PRESENT));
	ck_assert_uint_eq(f->p.ios_in_flight, 0);
	fake_check(f, false);
}
END_TEST

START_TEST(out_of_swap_says_why)
{
	jmp_buf died;

	start((struct fake_options){.nr_pages = 2048, .swap_bytes = 1 << 20});
	f->on_dead = &died;
	if (!setjmp(died)) {
		fill(0, 2048); /* 8 MiB in 1 + 1 */
		ck_abort_msg("that does not fit");
	}
	ck_assert_ptr_nonnull(strstr(f->dead_why, "swap file"));
	ck_assert_uint_eq(f->p.mm.rss_anon + f->p.mm.soft_pages, 256);
}
END_TEST

START_TEST(fault_outside_is_the_kernels)
{
	start((struct fake_options){.around_order = 0});
	fake_munmap(f, 10, 10);
	ck_assert_int_eq(fake_fault(f, 12, 0), FL_FAULT_DONE);
	ck_assert_int_eq(fake_state(f, 12), FL_PTE_NONE);
	ck_assert_uint_eq(f->p.local.nr_free, 0);
	fake_check(f, false);
}
END_TEST

START_TEST(pages_dropped_unseen_are_zeros)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 8);
	fake_unseen_drop(f, 2);
	fake_load(f, 2, 0);
	fake_unseen_drop(f, 3);
	evict_all();
	ck_assert_int_eq(fake_state(f, 3), FL_PTE_NONE);
	fake_load(f, 3, 0);
	fake_load(f, 4, 5);
	fake_check(f, false);
}
END_TEST

/* Shared by fork, with a copy in swap that was right until then. */
START_TEST(shared_pages_dropped_unseen_are_zeros)
{
	start((struct fake_options){.around_order = 0});
	fill(0, 4);
	evict_all();
	check_filled(0, 4);
	ck_assert(fake_fork(f));
	fake_unseen_drop(f, 2);
	evict_all();
	fake_load(f, 2, 0);
}
END_TEST

START_TEST(pages_made_unseen_are_adopted)
{
	start((struct fake_options){.around_order = 2});
	fake_unseen_make(f, 2, 9);
	fake_load(f, 1, 0);
	ck_assert_int_eq(fake_state(f, 2), FL_PTE_PRESENT);
	evict_all();
	fake_load(f, 2, 9);
	fake_check(f, false);
}
END_TEST

int main(void)
{
	const struct test_case tests[] = {
		{&zero_fill_brings_neighbours},
		{&largest_fault_around_is_zeros, 0, 2},
		{&read_only_memory_comes_page_by_page},
		{&soft_fault_takes_the_same_frame},
		{&swap_out_and_in, 0, fl_array_size(hosts)},
		{&executable_memory_goes_through_the_stage},
		{&clean_pages_are_written_once},
		{&zeros_are_not_written},
		{&locked_and_pinned_pages_stay},
		{&mostly_locked_memory_goes_on},
		{&forgotten_during_a_read},
		{&forgotten_during_a_write},
		{&wanted_during_a_write},
		{&failed_writes_lose_nothing},
		{&neighbours_are_read_ahead},
		{&neighbours_below_are_read_ahead},
		{&strides_are_read_ahead, .rows = 2},
		{&harvest_keeps_storage},
		{&mremap_moves_every_state},
		{&all_comes_back_in_every_state, 0, 2},
		{&fork_counts_frames_and_slots},
		{&shared_pages_are_written_once},
		{&shared_pages_are_given_up_when_asked},
		{&written_to_while_shed},
		{&child_ends_while_its_pages_are_shed},
		{&last_user_keeps_the_frame},
		{&last_user_takes_the_neighbours_too},
		{&frames_are_given_when_asked},
		{&deferred_faults_are_resolved_by_kswapd},
		{&deferred_reads_end_in_the_round},
		{&out_of_swap_says_why},
		{&fault_outside_is_the_kernels},
		{&pages_dropped_unseen_are_zeros},
		{&shared_pages_dropped_unseen_are_zeros},
		{&pages_made_unseen_are_adopted},
	};

	return run_tests("pager", tests, fl_array_size(tests));
}
