/* Shared anonymous memory: making books agree, and seeing whether they do; see shmem.h. */
#include "machine/shmem.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "machine/internal.h"

#include <string.h>
#include <sys/mman.h>

/* Frames, or slots, that the holder has and no entry names. */
static void give_back_lost(struct fl_machine_view *v, const u64 *held, u32 bits, bool frames)
{
	struct fl_machine *t = v->t;
	u64 bytes = fl_page_up((u64)(bits + 63) / 64 * 8);
	long r = fl_syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 *named = (u64 *)r;

	if (fl_is_err(r))
		return; /* they come back with the tree */
	for (u32 i = 0; i < t->nr_shmem; i++)
		for (u32 k = 0; k < v->shmems[i].npages; k++) {
			u64 e = *fl_shmem_entry(v, &v->shmems[i], k);

			if (frames && fl_shmem_has_frame(e))
				fl_bit_set(named, fl_shmem_payload(e));
			if (!frames && fl_shmem_slot(v, e) != FL_NO_SLOT)
				fl_bit_set(named, fl_shmem_slot(v, e));
		}
	for (u32 w = 0; w < (bits + 63) / 64; w++)
		for (u64 b = held[w] & ~named[w]; b; b &= b - 1) {
			u32 n = w * 64 + (u32)__builtin_ctzll(b);

			if (frames)
				fl_shmem_put_frames(v, &n, 1);
			else
				fl_shmem_put_slots(v, &n, 1);
		}
	fl_syscall(SYS_munmap, named, bytes);
}

static u32 count_bits(const u64 *held, u32 bits)
{
	u32 n = 0;

	for (u32 w = 0; w < (bits + 63) / 64; w++)
		n += (u32)__builtin_popcountll(held[w]);
	return n;
}

/* What entries say, chunk by chunk. */
static void count_entries(const struct fl_machine_view *v, const struct fl_shmem *s, u32 from,
	struct fl_shmem_chunk *ret, u32 *ret_resident)
{
	u32 end = fl_min(from + FL_SHMEM_CHUNK, s->npages);

	memset(ret, 0, sizeof(*ret));
	*ret_resident = 0;
	for (u32 i = from; i < end; i++) {
		u64 e = *fl_shmem_entry(v, s, i);

		ret->used = (u16)(ret->used + fl_shmem_is_of(e, FL_SHMEM_OF_ALL));
		ret->mapped = (u16)(ret->mapped + fl_shmem_is_of(e, FL_SHMEM_OF_MAPPED));
		ret->inactive = (u16)(ret->inactive + fl_shmem_is_of(e, FL_SHMEM_OF_INACTIVE));
		*ret_resident += fl_shmem_has_frame(e);
	}
}

static void recount(struct fl_machine_view *v, struct fl_shmem *s)
{
	s->resident = s->inactive = 0;
	for (u32 i = 0; i < s->npages; i += FL_SHMEM_CHUNK) {
		struct fl_shmem_chunk *c = fl_shmem_chunk_of(v, s, i);
		u32 resident;

		count_entries(v, s, i, c, &resident);
		s->resident += resident;
		s->inactive += c->inactive;
	}
}

void fl_shmem_repair(struct fl_machine_view *v)
{
	struct fl_machine *t = v->t;
	struct fl_machine_view h = fl_shmem_holder(v);

	for (u32 i = 0; i < t->nr_shmem; i++)
		recount(v, &v->shmems[i]);
	/* who made it the kernel's has been killed half way: nobody else would take its frames */
	for (u32 i = 0; i < t->nr_shmem; i++)
		if (v->shmems[i].npages && v->shmems[i].kept && v->shmems[i].resident)
			fl_shmem_keep(v, &v->shmems[i]);
	give_back_lost(v, h.held_frames, t->zone.fresh, true);
	give_back_lost(v, h.held_slots, t->slots.nr_slots, false);
	t->shmem.held = count_bits(h.held_frames, t->zone.fresh);
	t->shmem_swapped = count_bits(h.held_slots, t->slots.nr_slots);
}

static bool counts_agree(const struct fl_machine_view *v, const struct fl_shmem *s)
{
	u32 resident = 0, inactive = 0;

	for (u32 i = 0; i < s->npages; i += FL_SHMEM_CHUNK) {
		const struct fl_shmem_chunk *c = fl_shmem_chunk_of(v, s, i);
		struct fl_shmem_chunk is;
		u32 n;

		count_entries(v, s, i, &is, &n);
		if (is.used != c->used || is.mapped != c->mapped || is.inactive != c->inactive)
			return false;
		resident += n;
		inactive += is.inactive;
	}
	return resident == s->resident && inactive == s->inactive;
}

int fl_shmem_validate(const struct fl_machine_view *v, char *why, size_t n)
{
	struct fl_machine *t = v->t;
	struct fl_machine_view h = fl_shmem_holder(v);
	u32 frames = 0, slots = 0;

	for (u32 i = 0; i < t->nr_shmem; i++) {
		if (!counts_agree(v, &v->shmems[i])) {
			fl_format(why, n, "shared memory: object %u is not counted right", i);
			return -1;
		}
		for (u32 k = 0; k < v->shmems[i].npages; k++) {
			u64 e = *fl_shmem_entry(v, &v->shmems[i], k);
			u32 slot = fl_shmem_slot(v, e);

			if ((fl_shmem_has_frame(e) && !fl_bit_get(h.held_frames, fl_shmem_payload(e))) ||
				(slot != FL_NO_SLOT && !fl_bit_get(h.held_slots, slot))) {
				fl_format(why, n, "shared memory: page %u of object %u names frame or slot %u, which is not held",
					k, i, fl_shmem_payload(e));
				return -1;
			}
			frames += fl_shmem_has_frame(e);
			slots += slot != FL_NO_SLOT;
		}
	}
	if (frames != t->shmem.held || slots != t->shmem_swapped) {
		fl_format(why, n, "shared memory: %u pages are in memory and %u in swap, counted %u and %u",
			frames, slots, t->shmem.held, t->shmem_swapped);
		return -1;
	}
	return 0;
}
