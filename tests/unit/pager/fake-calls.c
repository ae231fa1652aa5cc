/* What the program does: its accesses, its system calls, and what others do to its memory. */
#include "fake-host.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void fake_set(struct fake *f, u32 page, u32 n, u8 flags, bool on)
{
	pthread_mutex_lock(&f->lock);
	for (u32 i = page; i < page + n; i++)
		if (on)
			f->page[i].flags |= flags;
		else
			f->page[i].flags &= (u8)~flags;
	pthread_mutex_unlock(&f->lock);
}

bool fake_is(struct fake *f, u32 page, u8 flags)
{
	bool r;

	pthread_mutex_lock(&f->lock);
	r = (f->page[page].flags & flags) == flags;
	pthread_mutex_unlock(&f->lock);
	return r;
}

static void set_prot(struct fake *f, u32 page, u32 n, u64 prot)
{
	pthread_mutex_lock(&f->lock);
	for (u32 i = page; i < page + n; i++)
		f->page[i].prot = (u8)prot;
	pthread_mutex_unlock(&f->lock);
}

static void enter(struct fake *f)
{
	fl_lock(&f->p.lock);
	fake_must(f, fl_vma_prealloc(&f->p.mm, FL_VMA_MAX_NODES) == 0);
}

static void leave(struct fake *f)
{
	fl_unlock(&f->p.lock);
}

static void kernel_drops(struct fake *f, u32 page, u32 n)
{
	f->host.ops->discard(&f->host, fake_va(f, page), n);
}

void fake_mmap(struct fake *f, u32 page, u32 n, u64 prot)
{
	struct fl_vma v = {
		.start = fake_va(f, page),
		.end = fake_va(f, page + n),
		.pgoff = fake_va(f, page) >> FL_PAGE_SHIFT,
		.flags = prot,
		.owner = FL_OWNER_MANAGED,
	};

	enter(f);
	kernel_drops(f, page, n); /* MAP_FIXED */
	fake_set(f, page, n, FAKE_LOCKED | FAKE_PINNED, false);
	fake_set(f, page, n, FAKE_MAPPED, true);
	set_prot(f, page, n, prot);
	fl_pager_forget(&f->p, v.start, v.end);
	fl_mm_map(&f->p.mm, &v);
	leave(f);
}

void fake_munmap(struct fake *f, u32 page, u32 n)
{
	u64 start = fake_va(f, page), end = fake_va(f, page + n);

	enter(f);
	fl_pager_harvest(&f->p, start, end);
	kernel_drops(f, page, n);
	fake_set(f, page, n, FAKE_MAPPED | FAKE_LOCKED | FAKE_PINNED, false);
	fl_pager_forget(&f->p, start, end);
	fl_mm_unmap(&f->p.mm, start, end);
	leave(f);
}

void fake_dontneed(struct fake *f, u32 page, u32 n)
{
	u64 start = fake_va(f, page), end = fake_va(f, page + n);

	enter(f);
	fl_pager_harvest(&f->p, start, end);
	kernel_drops(f, page, n);
	fl_pager_forget(&f->p, start, end);
	leave(f);
}

void fake_mprotect(struct fake *f, u32 page, u32 n, u64 prot)
{
	enter(f);
	set_prot(f, page, n, prot);
	fl_mm_change(&f->p.mm, fake_va(f, page), fake_va(f, page + n), prot, FAKE_RWX & ~prot);
	leave(f);
}

void fake_mlock(struct fake *f, u32 page, u32 n, bool on)
{
	enter(f);
	fake_set(f, page, n, FAKE_LOCKED, on);
	fl_mm_change(&f->p.mm, fake_va(f, page), fake_va(f, page + n), on ? FL_VM_LOCKED : 0,
		on ? 0 : FL_VM_LOCKED | FL_VM_LOCKONFAULT);
	leave(f);
}

/* The pages of the source, whose range is one VMA; the target is replaced. */
void fake_mremap(struct fake *f, u32 from, u32 to, u32 n)
{
	u64 old = fake_va(f, from), new = fake_va(f, to), bytes = n *FL_PAGE_SIZE;

	enter(f);
	kernel_drops(f, to, n);
	pthread_mutex_lock(&f->lock);
	for (u32 i = 0; i < n; i++) {
		struct fake_page *src = &f->page[from + i], *dst = &f->page[to + i];

		if (src->flags & FAKE_PRESENT)
			memcpy((void *)fake_va(f, to + i), (void *)fake_va(f, from + i),
				FL_PAGE_SIZE);
		*dst = *src;
		dst->flags &= (u8)~FAKE_WP; /* with the registration */
		*src = (struct fake_page){0};
	}
	pthread_mutex_unlock(&f->lock);
	fl_pager_forget(&f->p, new, new + bytes);
	fl_mm_move(&f->p.mm, old, bytes, new, bytes, false);
	fake_must(f, fl_pager_moved(&f->p, old, new, bytes) == 0);
	leave(f);
}

void fake_unseen_drop(struct fake *f, u32 page)
{
	f->loose = true;
	kernel_drops(f, page, 1);
}

void fake_unseen_make(struct fake *f, u32 page, u32 version)
{
	pthread_mutex_lock(&f->lock);
	f->loose = true;
	fake_must(f, f->page[page].flags & FAKE_MAPPED);
	if (!(f->page[page].flags & FAKE_PRESENT)) {
		f->page[page].flags |= FAKE_PRESENT;
		f->storage++;
	}
	fake_pattern((void *)fake_va(f, page), version);
	pthread_mutex_unlock(&f->lock);
}

void fake_pattern(void *to, u32 version)
{
	u64 *w = to, seed = (u64)version << 32 | version;

	memset(to, 0, FL_PAGE_SIZE);
	if (!version)
		return;
	/* every word differs, from version to version too */
	for (u32 i = 0; i < FL_PAGE_SIZE / 8; i++)
		w[i] = seed * 0x9e3779b97f4a7c15ull + i * 0x100000001b3ull + 1;
}

bool fake_matches(const void *at, u32 version)
{
	u64 want[FL_PAGE_SIZE / 8];

	fake_pattern(want, version);
	return !memcmp(at, want, FL_PAGE_SIZE);
}

static void wrong_content(struct fake *f, u32 page, u32 version)
{
	u64 *w = (u64 *)fake_va(f, page);

	printf("page %u should hold version %u; it begins %#lx %#lx\n", page, version, w[0], w[1]);
	fake_fail(f, __FILE__, __LINE__, "wrong content");
}

u32 fake_try(
	struct fake *f, u32 page, bool write, u32 old_version, u32 version, struct fake_waiter *w)
{
	struct fake_page *g = &f->page[page];
	void *at = (void *)fake_va(f, page);
	u32 r = 0, want = old_version & ~FAKE_ANY;

	pthread_mutex_lock(&f->lock);
	fake_must(f, g->flags & FAKE_MAPPED && g->prot & (write ? FL_VM_WRITE : FL_VM_READ));
	if (!(g->flags & FAKE_PRESENT)) {
		r = FAKE_FAULT | (write ? FL_FAULT_WRITE : 0);
	} else if (write && g->flags & FAKE_WP) {
		r = FAKE_FAULT | FL_FAULT_WRITE | FL_FAULT_WP;
	} else {
		if (!fake_matches(at, want) && !(old_version & FAKE_ANY && fake_matches(at, 0)))
			wrong_content(f, page, want);
		if (write) {
			g->flags &= (u8)~FAKE_SHARED; /* the kernel's copy */
			fake_pattern(at, version);
		}
	}
	if (r && w) {
		w->va = fake_va(f, page);
		w->waiting = true;
		w->next = f->waiters;
		f->waiters = w;
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

bool fake_wait(struct fake *f, struct fake_waiter *w, u32 seconds)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&f->lock);
	while (w->waiting && !r)
		r = pthread_cond_timedwait(&w->woken, &f->lock, &until);
	pthread_mutex_unlock(&f->lock);
	return !r;
}

bool fake_fork(struct fake *f)
{
	struct fl_pager *p = &f->p;
	bool ok;

	if (f->child.t)
		return false;
	fl_lock(&p->lock);
	fl_pager_wait_idle(p);
	ok = fl_pager_fork_prepare(p, &f->child) == 0;
	pthread_mutex_lock(&f->lock);
	for (u32 i = 0; i < f->nr_pages && ok; i++)
		if (f->page[i].flags & FAKE_PRESENT)
			f->page[i].flags |= FAKE_SHARED;
	pthread_mutex_unlock(&f->lock);
	if (!ok)
		f->child.t = NULL;
	if (p->nr_deferred)
		p->kick(p);
	fl_unlock(&p->lock);
	return ok;
}

void fake_fork_end(struct fake *f)
{
	if (!f->child.t)
		return;
	fl_proc_abandon(&f->p.machine, &f->child);
	/* for the kernel the pages stay shared until they are written to */
	f->child.t = NULL;
}

/* One thread. */

enum fl_fault_result fake_fault(struct fake *f, u32 page, u32 flags)
{
	enum fl_fault_result r;

	fl_lock(&f->p.lock);
	f->p.submit_to = &f->p.reads;
	r = fl_pager_fault(&f->p, fake_va(f, page) + 8, flags & ~FAKE_FAULT);
	fl_pager_update_stats(&f->p);
	fl_unlock(&f->p.lock);
	return r;
}

u32 fake_reap_reads(struct fake *f, bool all)
{
	struct fl_pager *p = &f->p;
	struct fl_io *io;
	u32 n = 0;

	while (p->reads.in_flight && (all || !n) && (io = p->backend->reap(&p->reads, true))) {
		fl_lock(&p->lock);
		fl_pager_read_done(p, io);
		fl_unlock(&p->lock);
		n++;
	}
	return n;
}

bool fake_kswapd(struct fake *f)
{
	f->kicked = 0;
	return fl_kswapd_round(&f->p, &f->writes) != ~0ull;
}

u32 fake_reclaim(struct fake *f, u32 want)
{
	u32 n;

	fl_lock(&f->p.lock);
	n = fl_pager_reclaim(&f->p, &f->writes, want);
	fl_unlock(&f->p.lock);
	return n;
}

static void touch(struct fake *f, u32 page, bool write, u32 old_version, u32 version)
{
	for (u32 tries = 0; tries < 10000; tries++) {
		u32 fault = fake_try(f, page, write, old_version, version, NULL);

		if (!fault)
			return;
		switch (fake_fault(f, page, fault)) {
		case FL_FAULT_IO:
			fake_must(f, fake_reap_reads(f, true));
			break;
		case FL_FAULT_NOMEM:
			fake_kswapd(f);
			break;
		default:
			break;
		}
	}
	fake_fail(f, __FILE__, __LINE__, "10000 faults did not bring the page");
}

void fake_load(struct fake *f, u32 page, u32 version)
{
	touch(f, page, false, version, version);
}

void fake_store(struct fake *f, u32 page, u32 old_version, u32 version)
{
	touch(f, page, true, old_version, version);
}
