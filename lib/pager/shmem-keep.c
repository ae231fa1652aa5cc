/* Shared anonymous memory that this process has no more, or has without us; see shmem.h. */
#include "pager/shmem.h"
#include "arch/x86_64/syscall.h"

#include <string.h>
#include <time.h>

#define POKED_SCANS 20u /* without a page freed: then what another process writes to is given up */
#define PUNCH_NS 100000 /* how long to wait for a page to be punched out */

/* What has no frame comes back, without one: the object is the kernel's. False: the page is being
 * punched out right now. */
static bool keep(struct fl_pager *p, struct fl_shmem *s, u32 index)
{
	u64 e = *fl_shmem_entry(&p->machine, s, index);
	u32 payload = fl_shmem_payload(e);

	switch (fl_shmem_state(e)) {
	case FL_SHMEM_PUNCH:
		return fl_shmem_take_over(&p->machine, s, index) && keep(p, s, index);
	case FL_SHMEM_SWAP:
	case FL_SHMEM_IN:
		if (fl_pager_read_slots_now(p, payload, 1, p->zeros) < 0)
			p->dead(p, "the swap file cannot be read");
		memcpy((void *)fl_shmem_view(p, s, index), p->zeros, FL_PAGE_SIZE);
		fl_shmem_set(&p->machine, s, index, 0);
		fl_shmem_put_slots(&p->machine, &payload, 1);
		return true;
	default: return true;
	}
}

void fl_shmem_keep_all(struct fl_pager *p)
{
	static const struct timespec pause = {0, PUNCH_NS};
	struct fl_machine_view *v = &p->machine;

	if (!p->shmem_view)
		return;
	fl_shmem_lock(v);
	for (u32 i = 0; i < v->t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];

		if (!s->npages || !fl_shmem_is_mapped(v, s))
			continue;
		fl_shmem_keep(v, s);
		for (u32 k = 0; (k = fl_shmem_next(v, s, k, FL_SHMEM_OF_ALL)) < s->npages;) {
			if (keep(p, s, k)) {
				k++;
				continue;
			}
			fl_shmem_unlock(v);
			fl_syscall(SYS_nanosleep, &pause, NULL);
			fl_shmem_lock(v);
		}
	}
	fl_shmem_unlock(v);
}

bool fl_shmem_leave_pinned(struct fl_pager *p, struct fl_shmem *s, bool look)
{
	struct fl_machine_view *v = &p->machine;
	bool leave;

	/* what this process has never touched, no device can write to for it */
	if (!p->may_pin || !fl_shmem_is_active(v, s) || !p->may_pin(p, look))
		return false;
	fl_shmem_lock(v);
	/* who asks may have had another object in mind, which is gone */
	leave = s->npages && fl_shmem_is_mapped(v, s) && fl_shmem_is_active(v, s);
	if (leave && !s->kept)
		fl_count(p, shmem_pinned, fl_shmem_keep(v, s));
	fl_shmem_unlock(v);
	return leave;
}

bool fl_shmem_leave_poked(struct fl_pager *p, struct fl_shmem *s)
{
	struct fl_machine_view *v = &p->machine;

	if (!fl_shmem_poked(v))
		return false;
	if (p->unevictable_scans > POKED_SCANS) {
		fl_shmem_lock(v);
		if (s->npages && fl_shmem_is_mapped(v, s) && !s->kept)
			fl_count(p, shmem_pinned, fl_shmem_keep(v, s));
		fl_shmem_unlock(v);
	}
	return true;
}

void fl_shmem_drop(struct fl_pager *p, struct fl_shmem *s)
{
	u64 *view = &p->shmem_view[s - p->machine.shmems], bytes = (u64)s->npages * FL_PAGE_SIZE;

	/* our own view of it goes too, and with the last one the kernel's memory */
	p->unmap_view(*view, *view + bytes);
	*view = 0;
	fl_shmem_unmap(&p->machine, s);
}

void fl_shmem_forget_unused(struct fl_pager *p)
{
	struct fl_machine_view *v = &p->machine;
	struct fl_vma *vma;

	if (!p->shmem_view)
		return;
	fl_shmem_lock(v);
	for (u32 i = 0; i < v->t->nr_shmem; i++) {
		struct fl_shmem *s = &v->shmems[i];
		bool used = false;

		if (!s->npages || !fl_shmem_is_mapped(v, s))
			continue;
		fl_for_each_vma(&p->mm, vma)
			used |= (vma->flags & FL_VM_SHARED) && vma->ino == s->ino && vma->dev == s->dev;
		if (used)
			continue;
		/* what others have still, a device may yet write to; self has it, so it stays */
		fl_shmem_unlock(v);
		fl_shmem_leave_pinned(p, s, true);
		fl_shmem_lock(v);
		fl_shmem_drop(p, s);
	}
	fl_shmem_unlock(v);
}
