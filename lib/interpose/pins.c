/*
 * Calls after which a device may write to the program's memory: what is shared stays in memory from
 * then on (runtime/pins.c). They are the kernel's as they are; it is known before they are made.
 */
#include "interpose/hooks.h"
#include "pager/shmem.h"

#include <fcntl.h>
#include <linux/openat2.h>

static bool begins_pins(const struct fl_call *c)
{
	struct open_how how;

	switch (c->nr) {
	case SYS_open: return c->a[1] & O_DIRECT;
	case SYS_openat: return c->a[2] & O_DIRECT;
	case SYS_openat2: return fl_peek(c->a[2], &how, sizeof(how)) && (how.flags & O_DIRECT);
	case SYS_fcntl: return (u32)c->a[1] == F_SETFL && (c->a[2] & O_DIRECT);
	default: return true; /* io_uring_setup, vmsplice */
	}
}

enum fl_action fl_hook_pins(struct fl_call *c)
{
	if (begins_pins(c))
		fl_pins_begin();
	return FL_NATIVE;
}

/* It waits for its own memory while it holds pages of the other's. */
enum fl_action fl_hook_process_vm_writev(struct fl_call *c)
{
	struct fl_machine_view *v = &fl.pager.machine;
	const struct fl_proc *to = fl_record_of((u32)c->a[0]);
	/* one that borrows our memory may be killed in here, and its count stay */
	bool told = to && !fl_is_borrowed();
	long ret;

	if (told)
		fl_shmem_poke_begin(v, to);
	ret = fl_call_kernel(c);
	if (told)
		fl_shmem_poke_end(v);
	return fl_done(c, ret);
}
