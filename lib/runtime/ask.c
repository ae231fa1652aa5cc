/* Asking a thread of ours; see ask.h. */
#include "runtime/ask.h"
#include "runtime/runtime.h"

#define CALL_AGAIN_NS 10000000u /* where it could not be called */

struct fl_ask *fl_ask_new(u32 bytes, void (*serve)(struct fl_ask *a))
{
	struct fl_ask *a = fl_arena_alloc(&fl.arena, bytes);

	if (a)
		*a = (struct fl_ask){.serve = serve, .bytes = bytes};
	return a;
}

void fl_ask_free(struct fl_ask *a)
{
	fl_arena_free(&fl.arena, a, a->bytes);
}

bool fl_ask(struct fl_asks *asks, struct fl_ask *a, long (*call)(void), u64 patience_ns)
{
	struct fl_ask **at = &asks->first;
	u64 end = fl_now_ns() + patience_ns, now;
	bool done;

	while (*at) /* in turn */
		at = &(*at)->next;
	*at = a;
	fl_unlock(&fl.pager.lock);
	do {
		u64 wait = patience_ns;

		if (call() < 0)
			wait = CALL_AGAIN_NS;
		if (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE))
			fl_futex_wait(&a->done, 0, wait, false);
		now = fl_now_ns();
	} while (!__atomic_load_n(&a->done, __ATOMIC_ACQUIRE) && (!patience_ns || now < end));
	fl_lock(&fl.pager.lock);
	done = a->done;
	a->forsaken = !done;
	for (at = &asks->first; *at && *at != a; at = &(*at)->next)
		;
	if (*at) { /* nobody has begun with it */
		*at = a->next;
		fl_ask_free(a);
	}
	return done;
}

void fl_asks_serve(struct fl_asks *asks)
{
	struct fl_ask *a;

	while ((a = asks->first)) {
		asks->first = a->next;
		fl_unlock(&fl.pager.lock);
		a->serve(a);
		if (a->forsaken) {
			fl_ask_free(a);
			continue;
		}
		__atomic_store_n(&a->done, 1, __ATOMIC_RELEASE);
		fl_futex_wake(&a->done, 1, false);
	}
}
