/*
 * Shared anonymous memory: one physical copy for all processes of the tree.
 *
 * An object stands for the memory behind a MAP_SHARED|MAP_ANONYMOUS mapping, as the
 * inode and its address_space do in Linux (mm/shmem.c); the kernel's own inode is its
 * name. Which pages are there belongs to no process, so each page has an entry here, and
 * the frames and slots of all objects are held by one record of their own (t->shmem).
 *
 *	NONE -------> RESIDENT <------> OUT -------> SWAP
 *	  ^  touched     |      cancelled  written     |
 *	  |              |                             v
 *	  +--------------+ <------------------------- IN
 *	     given up                  read
 *
 * OUT is on its way out: one process has asked all others to unmap the page, and writes
 * it. Whoever touches it meanwhile makes it RESIDENT again: that is the reference bit.
 * IN is being read by one process; the others try again.
 *
 * Both name that process. One that dies leaves its range in its record, and who finds it
 * dead sets the entries back; one that is stopped, or slow, is not waited for: another reads
 * the page, or takes others out, and whoever comes too late sees that the entry is not its
 * own any more. Frames and slots are its own until it is done.
 *
 * Context: any thread, fault path, after fork; the caller holds no lock of rank
 * FL_RANK_SHMEM or higher, unless said otherwise.
 */
#ifndef FL_MACHINE_SHMEM_H
#define FL_MACHINE_SHMEM_H

#include "machine/machine.h"

enum fl_shmem_state {
	FL_SHMEM_NONE,
	FL_SHMEM_RESIDENT, /* payload: frame */
	FL_SHMEM_OUT,	   /* payload: frame */
	FL_SHMEM_SWAP,	   /* payload: slot */
	FL_SHMEM_IN,	   /* payload: slot */
};

#define FL_SHMEM_YOUNG 8ull /* not looked at by reclaim since it came */

static inline u64 fl_shmem_make(enum fl_shmem_state state, u32 payload)
{
	return (u64)state | (u64)payload << 12;
}

static inline enum fl_shmem_state fl_shmem_state(u64 entry)
{
	return (enum fl_shmem_state)(entry & 7);
}

static inline u32 fl_shmem_payload(u64 entry)
{
	return (u32)(entry >> 12);
}

/* OUT or IN by self. */
static inline u64 fl_shmem_make_own(const struct fl_machine_view *v, enum fl_shmem_state state,
	u32 payload)
{
	return fl_shmem_make(state, payload) | (u64)(v->self - v->procs) << 44;
}

static inline u32 fl_shmem_owner(u64 entry)
{
	return (u32)(entry >> 44);
}

/* The lock that guards objects and entries. The taker of a dead owner's lock has set
 * right what that left behind. */
void fl_shmem_lock(struct fl_machine_view *v);
void fl_shmem_unlock(struct fl_machine_view *v);

/* The lock is held for all of these. */

/* The object of the kernel's inode, or NULL. */
struct fl_shmem *fl_shmem_find(const struct fl_machine_view *v, u64 dev, u64 ino);
/* The same, made if need be; NULL where there is no room for one more. */
struct fl_shmem *fl_shmem_get(struct fl_machine_view *v, u64 dev, u64 ino, u64 pages);
u64 *fl_shmem_entry(const struct fl_machine_view *v, const struct fl_shmem *s, u32 index);

/* self has the object mapped. */
void fl_shmem_map(struct fl_machine_view *v, struct fl_shmem *s);
bool fl_shmem_is_mapped(const struct fl_machine_view *v, const struct fl_shmem *s);
/* It has not any more; the last one takes the object with it. */
void fl_shmem_unmap(struct fl_machine_view *v, struct fl_shmem *s);
/* self may have pages of it in its page table; true if that is new. */
bool fl_shmem_activate(struct fl_machine_view *v, struct fl_shmem *s);

/* A frame of self's becomes an entry's, or a slot; and an entry's goes back to the tree. */
void fl_shmem_give_frame(struct fl_machine_view *v, u32 frame);
void fl_shmem_put_frame(struct fl_machine_view *v, u32 frame);
void fl_shmem_give_slot(struct fl_machine_view *v, u32 slot);
void fl_shmem_put_slot(struct fl_machine_view *v, u32 slot);
/* Whatever the entry is: its frame or slot goes back, and it is NONE. */
void fl_shmem_clear(struct fl_machine_view *v, u64 *entry);

/* n entries from this one on are OUT, or IN, by self, until fl_shmem_idle; one range each. */
void fl_shmem_busy(struct fl_machine_view *v, enum fl_shmem_state state, const u64 *entry, u32 n);
void fl_shmem_idle(struct fl_machine_view *v, enum fl_shmem_state state);
/* The entry is IN: if for too long, it is SWAP again, for self to read. */
bool fl_shmem_take_over(struct fl_machine_view *v, u64 *entry);

/*
 * Taking pages out: one process at a time. Returns a run of at most max pages of one
 * object that self has mapped, all RESIDENT and not young, as self's to make OUT; NULL where
 * there is none, or somebody else is at it. fl_shmem_evict_end ends it.
 */
struct fl_shmem *fl_shmem_evict_begin(struct fl_machine_view *v, u32 max, u32 *ret_index,
	u32 *ret_n);
void fl_shmem_evict_end(struct fl_machine_view *v);

/* Asks all others that may have these pages in their page tables to unmap them. Returns the
 * question's number. */
u32 fl_shmem_ask(struct fl_machine_view *v, const struct fl_shmem *s, u32 index, u32 n);

/* No lock held. */

/* Have they all? Waits a little for it; false where somebody has refused, or another has
 * asked since. */
bool fl_shmem_await(struct fl_machine_view *v, u32 seq, u64 timeout_ns);
/* What is self asked to unmap? False: nothing. */
bool fl_shmem_asked(struct fl_machine_view *v, u32 *ret_object, u32 *ret_index, u32 *ret_n,
	u32 *ret_seq);
void fl_shmem_answer(struct fl_machine_view *v, u32 seq, bool done);

/* fork(2): the child has what self has. */
void fl_shmem_fork(struct fl_machine_view *v, const struct fl_proc *child);
/* A process is dead. proc_lock held. */
void fl_shmem_release(struct fl_machine_view *v, struct fl_proc *p);

/* Do entries and frames agree? 0, or -1 with a sentence in why; the lock is held. */
int fl_shmem_validate(const struct fl_machine_view *v, char *why, size_t why_bytes);

#endif
