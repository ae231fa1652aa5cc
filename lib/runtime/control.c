/*
 * The control socket: snapshots for the tools; see faultline/snapshot.h.
 *
 * The answer is written into a memory file and handed over, so that a tool
 * that is slow to read never holds up a fault.
 */
#include "runtime/kfault.h"
#include "runtime/runtime.h"
#include "arch/x86_64/syscall.h"
#include "base/log.h"
#include "faultline/snapshot.h"
#include "machine/handoff.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

int fl_control_open(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = 1 + fl_format(a.sun_path + 1, sizeof(a.sun_path) - 1, "faultline/%d",
			       (int)fl_syscall(SYS_getpid));
	int to;
	long fd = fl_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1; /* the program runs on without tools */
	if (fl_syscall(SYS_bind, fd, &a, offsetof(struct sockaddr_un, sun_path) + n) < 0 ||
		fl_syscall(SYS_listen, fd, 4) < 0) {
		fl_syscall(SYS_close, fd);
		return -1;
	}
	to = fl_fd_place(fl.fd_base, FL_FD_CONTROL, (int)fd, true);
	if (to < 0)
		fl_syscall(SYS_close, fd); /* no number of ours: none of the program's either */
	return to;
}

/* Lock held. */
static void fill_head(struct fl_snapshot *s)
{
	struct fl_pager *p = &fl.pager;
	struct fl_machine *t = p->machine.t;
	struct fl_mm *mm = &p->mm;

	fl_sample(&fl.handler);
	*s = (struct fl_snapshot){
		.magic = FL_SNAPSHOT_MAGIC,
		.version = FL_SNAPSHOT_VERSION,
		.pid = (u32)fl_syscall(SYS_getpid),
		.total_vm = mm->total_vm,
		.data_vm = mm->data_vm,
		.exec_vm = mm->exec_vm,
		.stack_vm = mm->stack_vm,
		.locked_vm = mm->locked_vm,
		.hiwater_vm = mm->hiwater_vm,
		.rss_anon = mm->rss_anon,
		.soft_pages = mm->soft_pages,
		.swapin_pages = mm->swapin_pages,
		.swap_ents = mm->swap_ents,
		.zero_pages = mm->zero_pages,
		.hiwater_rss = mm->hiwater_rss,
		.map_count = mm->map_count,
		.start_brk = mm->start_brk,
		.brk = mm->brk,
		.pgtables_bytes = mm->pgtables_bytes,
		.vma_bytes = mm->vma_bytes,
		.frames_total = t->nframes,
		.frames_used = t->frames_used,
		.frames_held = p->machine.self->held,
		.frames_free_local = p->local.nr_free,
		.active = p->policy.nr_mapped,
		.inactive = p->policy.nr_aside,
		.wmark_low = p->low,
		.wmark_high = p->high,
		.slots_total = t->slots.nr_slots,
		.slots_used = t->slots.nr_used,
		.ram_bytes = t->config.ram_bytes,
		.stats = p->machine.self->stats,
		.engine_moves = p->host->can_move,
		.nr_ranges = fl.nr_internal,
		.mm_users = mm->mm_users,
		.mmap_base = mm->mmap_base,
		.start_stack = mm->start_stack,
		.mmap_legacy_base = mm->legacy_base,
		.topdown = mm->topdown,
		.pgd = mm->pgd & FL_PAGE_MASK,
		.def_flags = (fl.mlock_future ? FL_VM_LOCKED : 0) |
			(fl.mlock_future_onfault ? FL_VM_LOCKONFAULT : 0),
		.helpers = p->machine.self->helpers,
		.kswapd = !fl.kswapd_started	  ? FL_SNAP_KSWAPD_NONE :
			p->machine.self->asleep ? FL_SNAP_KSWAPD_ASLEEP :
						    FL_SNAP_KSWAPD_AWAKE,
		.nr_deferred = p->nr_deferred,
		.frames_available = fl_frames_available(p),
	};
	memcpy(s->nr_tables, mm->nr_tables, sizeof(s->nr_tables));
	memcpy(s->comm, p->machine.self->comm, sizeof(s->comm));
}

static void fill_vmas(struct fl_snapshot *s, struct fl_snap_vma *out)
{
	struct fl_vma *v;

	fl_for_each_vma(&fl.pager.mm, v)
	{
		struct fl_snap_vma *o = &out[s->nr_vmas++];
		u64 *ptep;

		*o = (struct fl_snap_vma){v->start, v->end, v->pgoff, v->flags, v->dev, v->ino, v->owner, v->why,
			.faults = v->faults, .major_faults = v->major_faults};
		if (v->owner != FL_OWNER_MANAGED)
			continue;
		for (u64 va = v->start; (ptep = fl_pt_next(&fl.pager.mm, &va, v->end));
			va += FL_PAGE_SIZE)
			switch (fl_pte_state(*ptep)) {
			case FL_PTE_PRESENT: o->present++; break;
			case FL_PTE_SOFT:
			case FL_PTE_SWAPIN: o->soft++; break;
			case FL_PTE_SWAP: o->swapped++; break;
			case FL_PTE_ZERO: o->zero++; break;
			default: break;
			}
	}
}

/* A page that was written to swap, or read from there, is clean from then on,
 * whatever the pte has kept of its life before. */
u64 fl_snapshot_pte(u64 pte)
{
	bool in_memory = fl_pte_state(pte) == FL_PTE_PRESENT || fl_pte_state(pte) == FL_PTE_SOFT;
	struct fl_page page = {0};

	if (in_memory)
		page = fl.pager.pages.page[fl_pte_payload(pte)];
	return fl_page_has(page, FL_PG_DIRTY) ? fl_pte_with(pte, FL_PTE_DIRTY) :
						fl_pte_without(pte, FL_PTE_DIRTY);
}

static void fill_pages(struct fl_snapshot *s, struct fl_snap_page *out)
{
	struct fl_vma *v;
	u64 *ptep;

	fl_for_each_vma(&fl.pager.mm, v)
		if (v->owner == FL_OWNER_MANAGED)
			for (u64 va = v->start; (ptep = fl_pt_next(&fl.pager.mm, &va, v->end));
				va += FL_PAGE_SIZE)
				out[s->nr_pages++] = (struct fl_snap_page){va, fl_snapshot_pte(*ptep)};
}

/* The memory file, or -errno. Lock held. */
static long snapshot(const struct fl_ctl_request *rq, u64 *ret_bytes)
{
	u32 flags = rq->flags;
	struct fl_mm *mm = &fl.pager.mm;
	u64 pages = fl_mm_held_frames(mm) + mm->swap_ents + mm->zero_pages;
	u64 ranges_at = sizeof(struct fl_snapshot);
	u64 vmas_at = ranges_at + fl.nr_internal * sizeof(struct fl_snap_range);
	u64 pages_at = vmas_at + (flags & FL_CTL_VMAS ? mm->map_count : 0) * sizeof(struct fl_snap_vma);
	u64 bytes = pages_at + (flags & FL_CTL_PAGES ? pages : 0) * sizeof(struct fl_snap_page);
	long fd = fl_syscall(SYS_memfd_create, "faultline-snapshot", MFD_CLOEXEC), m;
	struct fl_snapshot *s;

	if (fd < 0)
		return fd;
	m = fl_syscall(SYS_ftruncate, fd, bytes);
	if (m == 0)
		m = fl_syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fl_is_err(m)) {
		fl_syscall(SYS_close, fd);
		return m;
	}
	s = (struct fl_snapshot *)m;
	fill_head(s);
	if (flags & FL_CTL_WALK)
		fl_snapshot_walk(rq, &s->walk);
	s->ranges_at = ranges_at;
	s->vmas_at = vmas_at;
	s->pages_at = pages_at;
	for (u32 i = 0; i < fl.nr_internal; i++)
		((struct fl_snap_range *)(m + (long)ranges_at))[i] =
			(struct fl_snap_range){fl.internal[i].start, fl.internal[i].end};
	if (flags & FL_CTL_VMAS)
		fill_vmas(s, (struct fl_snap_vma *)(m + (long)vmas_at));
	if (flags & FL_CTL_PAGES)
		fill_pages(s, (struct fl_snap_page *)(m + (long)pages_at));
	fl_syscall(SYS_munmap, m, bytes);
	*ret_bytes = bytes;
	return fd;
}

static void answer(long conn, struct fl_ctl_reply *reply, long file)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {reply, sizeof(*reply)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cm;

	if (file >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		*(int *)CMSG_DATA(cm) = (int)file;
	}
	fl_syscall(SYS_sendmsg, conn, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool allowed(long conn)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (fl_syscall(SYS_getsockopt, conn, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return false;
	return cred.uid == 0 || cred.uid == (uid_t)fl_syscall(SYS_geteuid) ||
		cred.uid == (uid_t)fl_syscall(SYS_getuid);
}

int fl_control_serve(struct fl_handler *h)
{
	struct timeval patience = {0, 200000};
	struct fl_ctl_request rq;
	struct fl_ctl_reply reply = {.version = FL_SNAPSHOT_VERSION};
	long conn = fl_syscall(SYS_accept4, h->control_fd, NULL, NULL, SOCK_CLOEXEC), file = -1;
	long n;

	if (conn < 0)
		return -1;
	fl_syscall(SYS_setsockopt, conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* another version's request may be shorter: it gets an answer too */
	n = fl_syscall(SYS_recvfrom, conn, &rq, sizeof(rq));
	if (n < (long)sizeof(rq.version)) {
		fl_syscall(SYS_close, conn);
		return -1;
	}
	if (!allowed(conn))
		reply.status = EPERM;
	else if (rq.version != FL_SNAPSHOT_VERSION || n != (long)sizeof(rq))
		reply.status = EPROTO;
	if (!reply.status) {
		fl_kfault_look();
		fl_lock(&h->pager->lock);
		fl_resync_stacks();
		file = snapshot(&rq, &reply.bytes);
		reply.status = file < 0 ? (int)-file : 0;
		if (reply.status || !(rq.flags & FL_CTL_FREEZE))
			fl_unlock(&h->pager->lock);
	}
	answer(conn, &reply, file);
	if (file >= 0)
		fl_syscall(SYS_close, file);
	if (!reply.status && (rq.flags & FL_CTL_FREEZE)) {
		h->thaw_ns = fl_now_ns() + FL_CTL_FREEZE_MS * 1000000ull;
		return (int)conn;
	}
	fl_syscall(SYS_close, conn);
	return -1;
}
