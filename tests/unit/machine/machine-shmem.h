/* Two processes of one machine, and an object of shared memory that both can have. */
#ifndef TEST_MACHINE_SHMEM_H
#define TEST_MACHINE_SHMEM_H

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

static inline void set_up(void)
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

static inline void check_machine(void)
{
	char why[200] = "?";

	ck_assert_msg(fl_machine_validate(&view, why, sizeof(why)) == 0, "%s", why);
}

static inline struct fl_shmem *object(struct fl_machine_view *v, u64 ino)
{
	struct fl_shmem *s;

	fl_shmem_lock(v);
	s = fl_shmem_get(v, 1, ino, PAGES);
	ck_assert_ptr_nonnull(s);
	fl_shmem_map(v, s);
	fl_shmem_unlock(v);
	return s;
}

/* One that both have; as in set_up, which this begins with. */
static inline struct fl_shmem *set_up_shared(void)
{
	struct fl_shmem *s;

	set_up();
	s = object(&view, 7);
	object(&other, 7);
	return s;
}

static inline u64 *entry(struct fl_shmem *s, u32 i)
{
	return fl_shmem_entry(&view, s, i);
}

/* Page i is in memory, brought in by v. */
static inline void bring_in(struct fl_machine_view *v, struct fl_shmem *s, u32 i)
{
	u32 order, f = fl_zone_alloc_best(v, 0, &order);

	ck_assert_uint_ne(f, FL_NO_FRAME);
	fl_shmem_lock(v);
	fl_shmem_give_frames(v, &f, 1);
	fl_shmem_set(v, s, i, fl_shmem_make(FL_SHMEM_RESIDENT, f) | FL_SHMEM_MAPPED);
	fl_shmem_unlock(v);
}

static inline void bring_out(struct fl_machine_view *v, struct fl_shmem *s, u32 i)
{
	u32 slot, f = fl_shmem_payload(*entry(s, i));
	int err;

	ck_assert_uint_eq(fl_swap_alloc(v, 1, &slot, &err), 1);
	fl_shmem_lock(v);
	fl_shmem_give_slots(v, &slot, 1);
	fl_shmem_set(v, s, i, fl_shmem_make(FL_SHMEM_SWAP, slot));
	fl_shmem_put_frames(v, &f, 1);
	fl_shmem_unlock(v);
}

static inline void end(struct fl_machine_view *v)
{
	fl_proc_leave(v);
}

/* As v's reading, writing or punching of a page leaves it. */
static inline void at_it(struct fl_machine_view *v, struct fl_shmem *s, u32 i, enum fl_shmem_state state)
{
	fl_shmem_lock(v);
	fl_shmem_busy(v, state, entry(s, i), 1);
	if (state == FL_SHMEM_PUNCH)
		fl_shmem_punch(v, s, i, FL_NO_SLOT);
	else
		fl_shmem_set(v, s, i, fl_shmem_make_own(v, state, fl_shmem_payload(*entry(s, i))));
	fl_shmem_unlock(v);
}

#endif
