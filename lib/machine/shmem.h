/*
 * Shared anonymous memory: one physical copy for all processes of the tree.
 *
 * An object stands for the memory behind a MAP_SHARED|MAP_ANONYMOUS mapping, as the
 * inode and its address_space do in Linux (mm/shmem.c); the kernel's own inode is its
 * name. Which pages are there belongs to no process, so each page has an entry here, and
 * the frames and slots of all objects are held by one record of their own (t->shmem).
 *
 *	NONE ----> MAPPED ----> OUT ----> INACTIVE ----> OUT ----> PUNCH ----> SWAP
 *	  ^ touched  ^  all asked     unmapped      being written  written      |
 *	  |          |  to unmap it       |               |                     |
 *	  |          +-------touched------+---touched-----+                     |
 *	  |          +<------------------------- IN <---------------------------+
 *	given up                                   read
 *
 * MAPPED and INACTIVE are one state, RESIDENT, with a flag: may a process have the page in
 * its page table? All are asked to unmap many at a time, and who touches one of them again
 * has it MAPPED: that is the reference bit. A page that stays INACTIVE is written, and
 * nobody need be asked any more. Whoever touches one that is OUT takes it back. PUNCH and IN
 * are waited for: the page leaves the inode, or comes back into it.
 *
 * OUT, PUNCH and IN name the process that is at it. One that dies leaves its range in its
 * record, and who finds it dead sets the entries back; one that is stopped, or slow, is not
 * waited for: another reads the page, or takes others out, and whoever comes too late sees
 * that the entry is not its own any more. Only a punch cannot be called off, and takes no
 * time. Frames and slots are its own until it is done.
 *
 * Entries are counted by chunks (struct fl_shmem_chunk), so that those few of a large object
 * that are in memory are soon found. The lock is held for what entries say alone, never over
 * a system call but for memory of our own.
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
	FL_SHMEM_PUNCH,	   /* payload: frame; its slot is noted by the frame's number */
};

#define FL_SHMEM_MAPPED 8ull /* of RESIDENT: somebody may have it in a page table */

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

static inline bool fl_shmem_has_frame(u64 entry)
{
	return fl_shmem_state(entry) == FL_SHMEM_RESIDENT || fl_shmem_state(entry) == FL_SHMEM_OUT ||
		fl_shmem_state(entry) == FL_SHMEM_PUNCH;
}

/* Kinds of entries that are counted by chunk, and looked for. */
enum fl_shmem_kind {
	FL_SHMEM_OF_ALL,	/* but NONE */
	FL_SHMEM_OF_MAPPED,	/* RESIDENT and MAPPED */
	FL_SHMEM_OF_INACTIVE,	/* RESIDENT, and not */
};

static inline bool fl_shmem_is_of(u64 e, enum fl_shmem_kind kind)
{
	return kind == FL_SHMEM_OF_ALL ? e != 0 :
		fl_shmem_state(e) == FL_SHMEM_RESIDENT &&
			!(e & FL_SHMEM_MAPPED) == (kind == FL_SHMEM_OF_INACTIVE);
}

/* OUT, PUNCH or IN by self. */
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
bool fl_shmem_is_active(const struct fl_machine_view *v, const struct fl_shmem *s);

/* An entry changes: only so. */
void fl_shmem_set(struct fl_machine_view *v, struct fl_shmem *s, u32 index, u64 entry);
/* Frames of self's become entries', or slots; and entries' go back to the tree. */
void fl_shmem_give_frames(struct fl_machine_view *v, const u32 *frames, u32 n);
void fl_shmem_put_frames(struct fl_machine_view *v, const u32 *frames, u32 n);
void fl_shmem_give_slots(struct fl_machine_view *v, const u32 *slots, u32 n);
void fl_shmem_put_slots(struct fl_machine_view *v, const u32 *slots, u32 n);
/* An entry is PUNCH, its page in this slot, which is shared memory's already; FL_NO_SLOT: the
 * page is all zeros. leave: it has been punched out, or is never looked at again. */
void fl_shmem_punch(struct fl_machine_view *v, struct fl_shmem *s, u32 index, u32 slot);
void fl_shmem_leave(struct fl_machine_view *v, struct fl_shmem *s, u32 index);
/* The slot of an entry that has one, else FL_NO_SLOT. */
u32 fl_shmem_slot(const struct fl_machine_view *v, u64 entry);
/* Whatever [from, to) is: frames and slots go back, and it is NONE; but where a page is being
 * punched out that is still to be waited for. */
void fl_shmem_clear(struct fl_machine_view *v, struct fl_shmem *s, u32 from, u32 to);
/* The object is the kernel's from now on: what is in memory of it is not counted, nor taken out.
 * What is in swap, or on its way, comes back when it is touched. Returns pages. */
u32 fl_shmem_keep(struct fl_machine_view *v, struct fl_shmem *s);
/* The first page at or behind from that is of this kind, npages if none is. */
u32 fl_shmem_next(const struct fl_machine_view *v, const struct fl_shmem *s, u32 from,
	enum fl_shmem_kind kind);
/* Where the chunk that has the page ends. */
u32 fl_shmem_chunk_end(const struct fl_shmem *s, u32 index);

/* n entries from this one on may be OUT or PUNCH, or IN, by self, until fl_shmem_idle; several
 * of the latter at a time. */
void fl_shmem_busy(struct fl_machine_view *v, enum fl_shmem_state state, const u64 *entry, u32 n);
void fl_shmem_idle(struct fl_machine_view *v, enum fl_shmem_state state);
/* The entry is IN, or PUNCH: if for too long, or by somebody who is dead, it is set back. */
bool fl_shmem_take_over(struct fl_machine_view *v, struct fl_shmem *s, u32 index);

/* Pages of objects that self has mapped, and may take out: in memory, and inactive. */
void fl_shmem_mine(const struct fl_machine_view *v, u32 *ret_resident, u32 *ret_inactive);

/*
 * Unmapping pages in all processes. begin makes what is MAPPED in some range of one object
 * OUT, and asks all others that may have it in a page table; false where there is nothing to
 * unmap, or another process is asking. end: they are INACTIVE if all have done it.
 */
struct fl_shmem_unmapping {
	struct fl_shmem *s;
	u64 *entry;	/* of the first; the object may be another's by the end */
	u32 index, n;
	u32 seq;	/* of the question, if others are asked */
	bool asked;
};
bool fl_shmem_unmap_begin(struct fl_machine_view *v, struct fl_shmem_unmapping *ret);
void fl_shmem_unmap_end(struct fl_machine_view *v, const struct fl_shmem_unmapping *u, bool gone);

/* Makes up to want pages that are INACTIVE OUT, all of one chunk. False: there are none. */
#define FL_SHMEM_BATCH 128u
struct fl_shmem_batch {
	struct fl_shmem *s;
	u64 *entry;	/* of page 0 */
	u32 n;
	u32 index[FL_SHMEM_BATCH], frame[FL_SHMEM_BATCH];
};
bool fl_shmem_take_inactive(struct fl_machine_view *v, u32 want, struct fl_shmem_batch *ret);

/* Asks all others that may have these pages in their page tables to unmap them. Returns the
 * question's number. */
u32 fl_shmem_ask(struct fl_machine_view *v, const struct fl_shmem *s, u32 index, u32 n);

/* Shares the frames of each object out to one process that could give them. Takes the lock. */
void fl_shmem_share_out(struct fl_machine_view *v);

/* No lock held. */

/* Have they all? Waits a little for it; false where somebody has refused, or another has
 * asked since. */
bool fl_shmem_await(struct fl_machine_view *v, u32 seq, u64 timeout_ns);
/* What is self asked to unmap? False: nothing. */
bool fl_shmem_asked(struct fl_machine_view *v, u32 *ret_object, u32 *ret_index, u32 *ret_n,
	u32 *ret_seq);
void fl_shmem_answer(struct fl_machine_view *v, u32 seq, bool done);

/* shmem-poke.c: self writes to the memory of to, process_vm_writev(2), several of its threads at a
 * time maybe; and who does so to self's. */
void fl_shmem_poke_begin(struct fl_machine_view *v, const struct fl_proc *to);
void fl_shmem_poke_end(struct fl_machine_view *v);
bool fl_shmem_poked(const struct fl_machine_view *v);

/* fork(2): the child has what self has. */
void fl_shmem_fork(struct fl_machine_view *v, const struct fl_proc *child);
/* A process is dead. proc_lock held. */
void fl_shmem_release(struct fl_machine_view *v, struct fl_proc *p);

/* Sets right what a dead owner of the lock may have left; it is held. */
void fl_shmem_repair(struct fl_machine_view *v);
/* Do entries and frames agree? 0, or -1 with a sentence in why; the lock is held. */
int fl_shmem_validate(const struct fl_machine_view *v, char *why, size_t why_bytes);

/* Between the files of it. */
struct fl_shmem_chunk *fl_shmem_chunk_of(const struct fl_machine_view *v, const struct fl_shmem *s, u32 index);
/* The tree's record of what is in shared memory, as if it were a process's. */
struct fl_machine_view fl_shmem_holder(const struct fl_machine_view *v);

#endif
