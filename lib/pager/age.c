/* How old the active list's tail is; see age.h. */
#include "pager/age.h"

/* Room for more marks: those before the tail go, and if that is not enough, as while a
 * list grows and nothing leaves it, every second one. */
static void make_room(struct fl_age *a)
{
	u32 n = 0, step = a->tail < FL_AGE_MARKS / 4 ? 2 : 1;

	for (u32 i = a->tail; i < a->nr; i += step)
		a->mark[n++] = a->mark[i];
	a->nr = n;
	a->tail = 0;
}

void fl_age_mark(struct fl_age *a, u32 ms)
{
	if (a->nr == FL_AGE_MARKS)
		make_room(a);
	a->mark[a->nr++] = (struct fl_age_mark){a->joined, ms};
}

u32 fl_age_tail(struct fl_age *a, u32 n)
{
	u32 before = a->joined - n; /* joined before the one at the tail */

	/* the last mark that is not younger than the tail */
	while (a->tail + 1 < a->nr && (s32)(a->mark[a->tail + 1].joined - before) <= 1)
		a->tail++;
	return a->mark[a->tail].ms;
}
