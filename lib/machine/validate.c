/*
 * Do frames and slots add up? The users of each are counted once more, from the
 * bitmaps of all processes, which are the truth.
 *
 * The count is made in memory of its own: processes look at the shared one without
 * a lock, and a frame that seems to have one user for a moment would be written to.
 * Bitmaps are read and not mapped: a mapping would give their holes storage.
 */
#include "machine/machine.h"
#include "machine/shmem.h"
#include "machine/internal.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"

#include <string.h>
#include <sys/mman.h>

#define CHUNK_WORDS 512u

struct recount {
	struct fl_machine_view *v;
	u16 *users;
	u64 *chunk; /* CHUNK_WORDS */
	u64 bytes;
};

static bool recount_open(struct recount *c, struct fl_machine_view *v)
{
	u64 n = fl_max(v->t->nframes, v->t->max_slots) * sizeof(u16);
	long r;

	c->v = v;
	c->bytes = fl_page_up(n) + CHUNK_WORDS * sizeof(u64);
	r = fl_syscall(SYS_mmap, NULL, c->bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fl_is_err(r))
		return false;
	c->chunk = (u64 *)r;
	c->users = (u16 *)(r + (long)(CHUNK_WORDS * sizeof(u64)));
	return true;
}

/* Adds what one process's bitmap at this place of the file names. */
static bool add_bitmap(struct recount *c, u64 at, u32 bits)
{
	u32 words = (bits + 63) / 64;

	for (u32 w = 0; w < words; w += CHUNK_WORDS) {
		u32 n = fl_min(words - w, CHUNK_WORDS);

		if (fl_syscall(SYS_pread64, c->v->mem_fd, c->chunk, n * sizeof(u64),
			    at + w * sizeof(u64)) != (long)(n * sizeof(u64)))
			return false;
		for (u32 i = 0; i < n; i++)
			for (u64 b = c->chunk[i]; b; b &= b - 1)
				c->users[(w + i) * 64 + (u32)__builtin_ctzll(b)]++;
	}
	return true;
}

/* The users of bits things, whose bitmap is offset bytes into each process's. */
static bool count_users(struct recount *c, u64 offset, u32 bits)
{
	const struct fl_machine *t = c->v->t;

	memset(c->users, 0, bits * sizeof(u16));
	for (u32 i = 0; i < t->nr_procs; i++)
		if (!add_bitmap(c, t->held_at + t->held_stride * i + offset, bits))
			return false;
	return add_bitmap(c, t->shmem_held_at + offset, bits);
}

/* zone_lock held. */
static int check_zone(struct recount *c, char *why, size_t n)
{
	struct fl_machine_view *v = c->v;
	struct fl_machine *t = v->t;
	const char *reason = NULL;
	u32 used = 0;

	if (!count_users(c, 0, t->zone.fresh)) {
		fl_format(why, n, "zone: a process's bitmap cannot be read");
		return -1;
	}
	for (u32 f = 0; f < t->zone.fresh; f++) {
		if (v->refs[f] != c->users[f]) {
			fl_format(why, n, "zone: frame %u is counted for %u processes, %u hold it", f,
				v->refs[f], c->users[f]);
			return -1;
		}
		used += v->refs[f] != 0;
	}
	if (used != t->frames_used || used + t->zone.nr_free != t->nframes) {
		fl_format(why, n, "zone: %u of %u frames are in use, counted %u, and %u are free", used,
			t->nframes, t->frames_used, t->zone.nr_free);
		return -1;
	}
	if (fl_buddy_validate(&t->zone, &v->zone, &reason) < 0) {
		fl_format(why, n, "zone: %s", reason);
		return -1;
	}
	return 0;
}

/* swap_lock held. */
static int check_swap(struct recount *c, char *why, size_t n)
{
	struct fl_machine_view *v = c->v;
	struct fl_slots *s = &v->t->slots;
	const char *reason = NULL;

	if (fl_slots_validate(s, &v->slots, &reason) < 0) {
		fl_format(why, n, "swap map: %s", reason);
		return -1;
	}
	if (!count_users(c, v->t->held_slots_at, s->nr_slots)) {
		fl_format(why, n, "swap map: a process's bitmap cannot be read");
		return -1;
	}
	for (u32 i = 0; i < s->nr_slots; i++)
		if (v->slots.count[i] != c->users[i]) {
			fl_format(why, n, "swap map: slot %u is counted for %u processes, %u hold it", i,
				v->slots.count[i], c->users[i]);
			return -1;
		}
	if (v->zpool.z && fl_zpool_validate(&v->zpool, &reason) < 0) {
		fl_format(why, n, "compressed pages: %s", reason);
		return -1;
	}
	return 0;
}

int fl_machine_validate(struct fl_machine_view *v, char *why, size_t n)
{
	struct recount c;
	int r;

	if (!recount_open(&c, v)) {
		fl_format(why, n, "no memory to count in");
		return -1;
	}
	fl_proc_judge(v);
	fl_shlock(&v->t->proc_lock);
	fl_shmem_lock(v);
	fl_zone_lock(v);
	r = check_zone(&c, why, n);
	fl_zone_unlock(v);
	if (r == 0) {
		fl_swap_lock(v);
		r = check_swap(&c, why, n);
		fl_swap_unlock(v);
	}
	if (r == 0)
		r = fl_shmem_validate(v, why, n);
	fl_shmem_unlock(v);
	fl_shunlock(&v->t->proc_lock);
	fl_syscall(SYS_munmap, c.chunk, c.bytes);
	return r;
}
