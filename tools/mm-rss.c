/*
 * Resident pages by kind, as mm_counter() tells them apart: anonymous, of a file, of shared memory.
 *
 * /proc/PID/status has the sums, but Faultline's own memory is in them, and what is set aside or in
 * Faultline's swap is not. So they are summed over the program's areas.
 */
#include "mm.h"
#include "place.h"

#include <string.h>

static u64 kib_of(struct smaps_area *a, const char *name)
{
	const struct smaps_field *f = smaps_find(a, name);

	return f ? f->kb : 0;
}

void mm_add_rss(const struct mm_sources *from, struct mm_rss *ret)
{
	const u64 kib = FL_PAGE_SIZE / 1024;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < from->smaps.n; i++) {
		struct smaps_area *a = &from->smaps.area[i];
		u64 rss = kib_of(a, "Rss") / kib, anon = kib_of(a, "Anonymous") / kib;
		u64 swap = kib_of(a, "Swap") / kib;

		ret->anon += anon;
		ret->swap += swap;
		if (!a->managed) {
			ret->anon_kernel += anon;
			ret->swap_kernel += swap;
		}
		*(place_is_shmem(from->pid, &a->map) ? &ret->shmem : &ret->file) +=
			rss - fl_min(anon, rss);
	}
}
