/* Counting what is in a ring of faults; see kfault-ring.h. */
#include "runtime/kfault-ring.h"
#include "runtime/runtime.h"

/* The ring has both kinds of events, told apart by their length. */
struct record {
	struct perf_event_header head;
	u64 addr;
};

struct major_record {
	struct record r;
	u64 cpu;
};

struct lost_record {
	struct perf_event_header head;
	u64 id, lost;
};

/* A fault, if it is one of ours to count. */
static bool count(u64 addr, bool major)
{
	struct fl_pager *p = &fl.pager;
	struct fl_vma *vma = fl_vma_at(&p->mm, addr);

	if (!vma || vma->owner != FL_OWNER_KERNEL ||
		(vma->flags & (FL_VM_FILE | FL_VM_SHARED)) != (FL_VM_FILE | FL_VM_SHARED) ||
		fl_is_shared(vma)) /* it has a file in the mirror, too, and its faults are ours */
		return false;
	vma->faults++;
	vma->major_faults += major;
	fl_count(p, pgfault_shared_file, 1);
	fl_count(p, pgmajfault_shared_file, major);
	return true;
}

void fl_kfault_ring_lost(struct fl_kfault_ring *r, u64 lost)
{
	struct fl_vma *vma = fl_vma_at(&fl.pager.mm, r->last_addr);

	if (lost <= r->lost)
		return;
	if (r->last_counted) {
		fl_count(&fl.pager, pgfault_shared_file, lost - r->lost);
		if (vma && vma->owner == FL_OWNER_KERNEL)
			vma->faults += lost - r->lost;
	}
	r->lost = lost;
}

/* A record may go on at the beginning of the ring: all are made of whole words. */
static u64 word(const struct perf_event_mmap_page *ring, u64 at)
{
	return *(const u64 *)((const char *)ring + FL_PAGE_SIZE + (at & (FL_KFAULT_DATA_BYTES - 1)));
}

void fl_kfault_ring_drain(struct perf_event_mmap_page *ring, struct fl_kfault_ring *r)
{
	u64 head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), at = ring->data_tail;
	union {
		u64 word;
		struct perf_event_header head;
	} u;

	for (; at < head && (u.word = word(ring, at)) && u.head.size; at += u.head.size)
		if (u.head.type == PERF_RECORD_LOST) {
			r->reported += word(ring, at + __builtin_offsetof(struct lost_record, lost));
			fl_kfault_ring_lost(r, r->reported);
		} else if (u.head.type == PERF_RECORD_SAMPLE) {
			r->last_addr = word(ring, at + __builtin_offsetof(struct record, addr));
			r->last_counted = count(r->last_addr, u.head.size == sizeof(struct major_record));
		}
	__atomic_store_n(&ring->data_tail, head, __ATOMIC_RELEASE);
}
