/*
 * Accesses that may fault.
 *
 * The handler runs on an alternate stack, which lies in ordinary memory of the program, so that it
 * may be in swap itself. It jumps out, or mends what the access met and returns.
 */
#include "diff.h"

#define SIGNAL_STACK_BYTES (64u << 10)
#define MOST_REPAIRS	   4u /* of one access: some faults cannot be mended */

__thread struct worker *me;

static bool mend(struct worker *w, char *page)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (w->caught.repairs == MOST_REPAIRS || page < w->arena ||
		page >= w->arena + ARENA_PAGES * PAGE)
		return false;
	if (w->repair == REPAIR_PROTECT && mprotect(page, PAGE, RW))
		return false;
	if (w->repair == REPAIR_MAP && mmap(page, PAGE, RW, flags, -1, 0) != page)
		return false;
	w->caught.repairs++;
	return true;
}

static void on_signal(int sig, siginfo_t *info, void *context UNUSED)
{
	struct worker *w = me;
	int saved = errno;

	if (!w || !w->armed) {
		dprintf(2, "mm-diff: thread %u op %lu: signal %d code %d at %p out of turn\n",
			w ? w->index : 0, w ? w->op : 0, sig, info->si_code, info->si_addr);
		signal(sig, SIG_DFL);
		return;
	}
	if (w->repair && mend(w, (char *)((uintptr_t)info->si_addr & -PAGE))) {
		errno = saved;
		return;
	}
	w->armed = false;
	w->caught.sig = info->si_signo;
	w->caught.code = info->si_code;
	w->caught.addr = info->si_addr;
	siglongjmp(w->escape, 1);
}

bool guarded(struct worker *w, enum repair repair, access_fn *fn, void *arg)
{
	w->caught = (struct caught){0};
	w->repair = repair;
	if (sigsetjmp(w->escape, 1))
		return false;
	w->armed = true;
	fn(arg);
	w->armed = false;
	return true;
}

void guard_init(struct worker *w)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t ss = {.ss_sp = w->signal_stack, .ss_size = SIGNAL_STACK_BYTES};

	me = w;
	CHECK(sigaltstack(&ss, NULL) == 0, "sigaltstack");
	sigemptyset(&sa.sa_mask);
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0 && sigaction(SIGBUS, &sa, NULL) == 0, "sigaction");
}

struct sum {
	const char *at;
	size_t bytes;
	uint64_t sum;
};

static void do_sum(void *arg)
{
	struct sum *s = arg;
	uint64_t h = 0x100001b3, v;

	for (size_t i = 0; i < s->bytes; i += sizeof(v)) {
		v = 0;
		memcpy(&v, s->at + i, s->bytes - i < sizeof(v) ? s->bytes - i : sizeof(v));
		h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	s->sum = h;
}

bool guarded_sum(struct worker *w, const char *at, size_t n, uint64_t *sum)
{
	struct sum s = {at, n, 0};
	bool ok = guarded(w, REPAIR_NO, do_sum, &s);

	*sum = s.sum;
	return ok;
}

struct fill {
	char *page;
	uint64_t key;
};

static void do_fill(void *arg)
{
	struct fill *f = arg;

	fill_page(f->page, f->key);
}

size_t guarded_fill(struct worker *w, char *at, size_t bytes, uint64_t key)
{
	size_t filled = 0;

	for (size_t i = 0; i + PAGE <= bytes; i += PAGE) {
		struct fill f = {at + i, key + i / PAGE};

		filled += guarded(w, REPAIR_NO, do_fill, &f);
	}
	return filled;
}
