/*
 * The layout of this program's address space, and the part of it that is ours.
 */
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"
#include "mm/layout.h"

#include <sys/random.h>
#include <sys/resource.h>

u64 fl_random(void)
{
	u64 random = 0;

	fl_syscall(SYS_getrandom, &random, sizeof(random), GRND_NONBLOCK);
	return random;
}

void fl_runtime_layout(const struct fl_config *c)
{
	struct rlimit stack = {8 << 20, 8 << 20};
	struct fl_layout_wish wish = {
		.flexible = c->layout == FL_LAYOUT_FLEXIBLE,
		.legacy = c->layout == FL_LAYOUT_LEGACY,
		.no_randomize = c->no_randomize,
		.random = fl_random(),
	};

	fl_syscall(SYS_getrlimit, RLIMIT_STACK, &stack);
	wish.stack_limit_bytes = stack.rlim_cur;
	fl_layout_init(&fl.pager.mm, &wish);
}

bool fl_runtime_taken(u64 start, u64 end, u64 *ret_start, u64 *ret_end)
{
	for (u32 i = 0; i < fl.nr_internal; i++) {
		const struct fl_range *r = &fl.internal[i];

		if (r->end > start && r->start < end) {
			*ret_start = r->start;
			*ret_end = r->end;
			return true;
		}
	}
	return false;
}
