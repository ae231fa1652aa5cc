/* The limits on memory; see limits.h. */
#include "runtime/limits.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "base/own.h"
#include "base/procfs.h"
#include "machine/handoff.h"
#include "machine/shmem.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>

/*
 * The hard limit is raised a little more: so that there is room for what we map for a moment where
 * we may not raise it again, and for a next program that needs a page more than this one.
 */
#define SPARE_BYTES (16ull << 20)

static struct {
	u64 library[FL_NR_LIMITS];	/* bytes of our own object as the loader has mapped it */
	u64 start_brk, program_data;	/* the kernel's; where the heap begins, and the size of .data */
	u64 spare;			/* a page of no use, 0: none yet */
	bool lowered;			/* the soft limits are the program's own, for an exec */
} known;

int fl_limit_resource(enum fl_limit which)
{
	return which == FL_LIMIT_AS ? RLIMIT_AS : RLIMIT_DATA;
}

enum fl_limit fl_limit_of(u64 resource)
{
	return resource == RLIMIT_AS   ? FL_LIMIT_AS :
	       resource == RLIMIT_DATA ? FL_LIMIT_DATA :
					 FL_NR_LIMITS;
}

static rlim_t raised(rlim_t l, u64 by)
{
	return l >= RLIM_INFINITY - by ? RLIM_INFINITY : l + by;
}

static rlim_t lowered(rlim_t l, u64 by)
{
	return l == RLIM_INFINITY ? l : l > by ? l - by : 0;
}

void fl_limit_to_kernel(enum fl_limit which, const struct fl_limit_above *above, struct rlimit *l)
{
	l->rlim_max = raised(l->rlim_max, above->hard);
	/* no data at all is something else to the kernel: it takes the hard limit then */
	if (which != FL_LIMIT_DATA || l->rlim_cur)
		l->rlim_cur = raised(l->rlim_cur, above->soft);
	l->rlim_cur = fl_min(l->rlim_cur, l->rlim_max);
}

void fl_limit_to_view(const struct fl_limit_above *above, struct rlimit *l)
{
	/* where the hard limit could not be raised it is all that the other can be */
	bool all = l->rlim_cur == l->rlim_max && above->hard < above->soft;

	l->rlim_max = lowered(l->rlim_max, above->hard);
	l->rlim_cur = all ? l->rlim_max : fl_min(lowered(l->rlim_cur, above->soft), l->rlim_max);
}

static bool read_kernels(enum fl_limit which, struct rlimit *ret)
{
	return fl_syscall(SYS_prlimit64, 0, fl_limit_resource(which), NULL, ret) == 0;
}

static long write_kernels(enum fl_limit which, const struct rlimit *l)
{
	return fl_syscall(SYS_prlimit64, 0, fl_limit_resource(which), l, NULL);
}

/* As far as it may be; in *now what there was, and then is. */
static void lift(enum fl_limit which, struct rlimit *now)
{
	struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, all = {now->rlim_max, now->rlim_max};

	if (now->rlim_cur == RLIM_INFINITY)
		return;
	if (write_kernels(which, &none) == 0)
		*now = none;
	else if (write_kernels(which, &all) == 0)
		*now = all;
}

/* Our own object, page by page as the loader has it: what is read-only once it has been
 * relocated is no data. */
static int add_up_library(struct dl_phdr_info *info, size_t size, void *unused)
{
	u64 first = ~0ull, end = 0, data = 0, here = (u64)&known - info->dlpi_addr;
	bool ours = false;

	(void)size, (void)unused;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		u64 from = fl_page_down(ph->p_vaddr), to = fl_page_up(ph->p_vaddr + ph->p_memsz);

		if (ph->p_type == PT_GNU_RELRO)
			data -= fl_page_down(ph->p_vaddr + ph->p_memsz) - from;
		if (ph->p_type != PT_LOAD)
			continue;
		ours |= here >= ph->p_vaddr && here < ph->p_vaddr + ph->p_memsz;
		first = fl_min(first, from);
		end = fl_max(end, to);
		if (ph->p_flags & PF_W)
			data += to - from;
	}
	if (!ours)
		return 0;
	known.library[FL_LIMIT_AS] = end - first;
	known.library[FL_LIMIT_DATA] = data;
	return 1;
}

/* proc(5): the fields from the 45th on are start_data, end_data, start_brk. */
static void read_heap(void)
{
	char buf[1024];
	const char *s;
	u64 start_data;

	fl_read_file("/proc/self/stat", buf, sizeof(buf));
	s = fl_stat_field(buf, 45);
	if (!s)
		return;
	start_data = fl_read_number(&s);
	known.program_data = fl_read_number(&s) - start_data;
	known.start_brk = fl_read_number(&s);
}

/*
 * At vm.max_map_count not even a mapping that replaces another is made. So there is one of ours that
 * stands for nothing, and makes room for one that is needed for a moment.
 */
static void give_spare(void)
{
	if (known.spare)
		fl_syscall(SYS_munmap, known.spare, FL_PAGE_SIZE);
}

static void take_spare(void)
{
	u64 at = known.spare ? known.spare : fl_own_hint(FL_PAGE_SIZE);
	long r = fl_syscall(SYS_mmap, at, FL_PAGE_SIZE, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (fl_is_err(r) || known.spare)
		return; /* at its old place, or not now: it stays ours */
	known.spare = (u64)r;
	fl_runtime_internal(known.spare, known.spare + FL_PAGE_SIZE, false);
}

static bool is_inside(const struct fl_range *r, const struct fl_range *of)
{
	return r != of && r->start >= of->start && r->end <= of->end &&
		(r->end - r->start < of->end - of->start || r > of);
}

static void count_own(u64 bytes[FL_NR_LIMITS])
{
	memcpy(bytes, known.library, sizeof(known.library));
	for (u32 i = 0; i < fl.nr_internal; i++) {
		const struct fl_range *r = &fl.internal[i];
		bool twice = false;

		for (u32 k = 0; k < fl.nr_internal; k++)
			twice |= is_inside(r, &fl.internal[k]);
		if (twice)
			continue; /* the rings, in the place that is set apart for them */
		bytes[FL_LIMIT_AS] += r->end - r->start;
		if (r->data)
			bytes[FL_LIMIT_DATA] += r->end - r->start;
	}
}

static void publish(enum fl_limit which, const struct rlimit *view, const struct rlimit *kernels)
{
	fl.pager.machine.self->lifted[which] = (struct fl_limit_lifted){true,
		{view->rlim_cur, view->rlim_max}, {kernels->rlim_cur, kernels->rlim_max}};
}

void fl_limits_lift(struct fl_limits *ret)
{
	give_spare();
	ret->left_alone = fl.exec_tid && fl.exec_tid != fl_gettid();
	if (ret->left_alone)
		return;
	fl_shlock(&fl.pager.machine.t->limits_lock);
	ret->left_alone = fl.pager.machine.self->lifted[0].on;
	for (enum fl_limit i = 0; i < FL_NR_LIMITS && !ret->left_alone; i++) {
		struct rlimit *l = &ret->view[i], *now = &ret->kernel[i];

		*now = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
		read_kernels(i, now);
		*l = *now;
		fl_limit_to_view(&fl.pager.machine.self->limit[i], l);
		lift(i, now);
		publish(i, l, now);
	}
	fl_shunlock(&fl.pager.machine.t->limits_lock);
}

/* The program's limit is put into force, with what is ours now. Whoever set another meanwhile without
 * a look at our record has set what the kernel had. limits_lock held. */
static void settle(enum fl_limit which, struct rlimit *view, struct rlimit *kernels, u64 own, u64 spare)
{
	struct fl_limit_above *above = &fl.pager.machine.self->limit[which], next = {own, own + spare};
	struct rlimit k, was;

	for (int tries = 0; tries < 8; tries++) {
		k = *view;
		fl_limit_to_kernel(which, &next, &k);
		if (fl_syscall(SYS_prlimit64, 0, fl_limit_resource(which), &k, &was) < 0) {
			/* it may not be raised: what there is has to do */
			if (!read_kernels(which, &was))
				break;
			next.hard = was.rlim_max - fl_min(view->rlim_max, was.rlim_max);
			k = *view;
			fl_limit_to_kernel(which, &next, &k);
			write_kernels(which, &k);
		}
		if (was.rlim_cur == kernels->rlim_cur && was.rlim_max == kernels->rlim_max)
			break;
		*view = was;
		fl_limit_to_view(above, view);
		*kernels = k;
	}
	*above = next;
}

void fl_limits_settle(const struct fl_limits *limits)
{
	bool may_grow = fl.pager.machine.t->config.page_shared;
	u64 own[FL_NR_LIMITS];

	take_spare();
	if (limits->left_alone)
		return; /* in case that the exec fails: what is new of ours is counted next time */
	count_own(own);
	fl_shlock(&fl.pager.machine.t->limits_lock);
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		struct fl_limit_lifted *lifted = &fl.pager.machine.self->lifted[i];
		struct rlimit view = limits->view[i], kernels = limits->kernel[i];

		if (lifted->on) { /* others may have set it */
			view = (struct rlimit){lifted->view.soft, lifted->view.hard};
			kernels = (struct rlimit){lifted->kernel.soft, lifted->kernel.hard};
		}
		settle(i, &view, &kernels, own[i], SPARE_BYTES + (may_grow ? FL_SHMEM_PAGES * FL_PAGE_SIZE : 0));
		lifted->on = false;
	}
	fl_shunlock(&fl.pager.machine.t->limits_lock);
}

void fl_limits_start(const char *told, struct fl_limits *ret)
{
	ret->left_alone = false;
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		struct rlimit *l = &ret->view[i], *now = &ret->kernel[i];
		struct fl_limit_above above = {0};
		u64 told_soft, soft, told_hard, hard;

		*now = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
		read_kernels(i, now);
		*l = *now;
		if (told) {
			told_soft = fl_read_number(&told);
			soft = fl_read_number(&told);
			told_hard = fl_read_number(&told);
			hard = fl_read_number(&told);
			/* unless somebody has set others meanwhile, who knew nothing of this */
			above.soft = now->rlim_cur == told_soft ? soft : 0;
			above.hard = now->rlim_max == told_hard ? hard : 0;
			fl_limit_to_view(&above, l);
		}
		lift(i, now);
	}
	dl_iterate_phdr(add_up_library, NULL);
	read_heap();
}

void fl_limits_give_up(const struct fl_limits *l)
{
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++)
		if (l->view[i].rlim_cur != RLIM_INFINITY)
			write_kernels(i, &l->view[i]);
}

u64 fl_limits_room(void)
{
	u64 room = ~0ull;

	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		struct rlimit l;

		if (read_kernels(i, &l))
			room = fl_min(room, (u64)l.rlim_cur);
	}
	return room;
}

bool fl_limits_tell(char *buf, u32 size, bool lowered)
{
	struct fl_text t = {buf, size, 0};
	bool any = false;

	fl_text_add(&t, FL_LIMITS_ENV "=");
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		const struct fl_limit_above *above = &fl.pager.machine.self->limit[i];
		struct rlimit l = {RLIM_INFINITY, RLIM_INFINITY};

		read_kernels(i, &l);
		any |= l.rlim_cur != RLIM_INFINITY;
		fl_text_add(&t, "%lu %lu %lu %lu ", (u64)l.rlim_cur, lowered ? 0 : above->soft,
			(u64)l.rlim_max, above->hard);
	}
	return any;
}

void fl_limits_lower(bool undo)
{
	known.lowered = undo;
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		struct rlimit l, view;

		if (!read_kernels(i, &l))
			continue;
		view = l;
		fl_limit_to_view(&fl.pager.machine.self->limit[i], &view);
		l.rlim_cur = view.rlim_cur;
		write_kernels(i, &l);
	}
}

void fl_limits_raise(void)
{
	for (enum fl_limit i = 0; i < FL_NR_LIMITS; i++) {
		struct rlimit l, view;

		if (!read_kernels(i, &l))
			continue;
		view = l;
		fl_limit_to_view(&fl.pager.machine.self->limit[i], &view);
		view.rlim_cur = l.rlim_cur;
		fl_limit_to_kernel(i, &fl.pager.machine.self->limit[i], &view);
		write_kernels(i, &view);
	}
}

void fl_limits_exec_failed(void)
{
	if (known.lowered)
		fl_limits_raise();
	known.lowered = false;
	fl.exec_tid = 0;
}

bool fl_limits_allow_brk(u64 brk)
{
	struct rlimit l;

	if (!known.start_brk || brk < known.start_brk || !read_kernels(FL_LIMIT_DATA, &l))
		return true;
	fl_limit_to_view(&fl.pager.machine.self->limit[FL_LIMIT_DATA], &l);
	return l.rlim_cur == RLIM_INFINITY ||
		brk - known.start_brk + known.program_data <= l.rlim_cur;
}
