/*
 * The one instance of everything in a preloaded process, and its start.
 *
 * Context: see each part; `fl` itself is set up before the first hook runs.
 */
#ifndef FL_RUNTIME_RUNTIME_H
#define FL_RUNTIME_RUNTIME_H

#include "arch/x86_64/syscall.h"
#include "fault/handler.h"
#include "fault/uffd.h"
#include "pager/pager.h"
#include "runtime/ask.h"

#define FL_MAX_INTERNAL (32 + FL_NR_SHMEM)
#define FL_LIBRARIES_MAX 4096 /* bytes of $LD_PRELOAD */

struct fl_range {
	u64 start, end;
	bool not_inherited;	/* a forked child does not have it */
	bool data;		/* to the kernel it is data: private and writable */
};

struct fl_runtime {
	struct fl_pager pager;
	struct fl_uffd uffd;
	struct fl_handler handler;
	struct fl_arena arena;
	struct fl_queue writes;		/* kswapd's */
	bool kswapd_started;
	int fd_base, dev_fd;
	char library[FL_PATH_MAX];	/* as the loader was told; empty: it is not known */
	bool active;			/* hooks do their work */
	bool is_root;			/* made the machine itself: reports at exit */
	u32 pid;			/* of this process, in its own namespace */
	u32 vfork_tid;			/* the thread that calls vfork, 0: none yet */
	u32 exec_tid;			/* the thread that is about to become another program, 0: none */
	bool mm_shared;			/* other processes may live in our address space */
	bool mlock_future;		/* mlockall(MCL_FUTURE) is in force */
	bool mlock_future_onfault;
	bool had_threads;		/* the program has made a thread in this process */
	bool first_left;		/* its first thread has called exit(2) */
	int first_status;
	u64 look_ns;			/* when to look next whether any is left */
	void *handler_stack, *kswapd_stack, *lease_stack;
	u32 handler_tid, kswapd_tid, lease_tid;	/* 0: none */
	struct fl_asks handler_asks, lease_asks;
	u64 pool_bytes;
	struct fl_range internal[FL_MAX_INTERNAL]; /* our own mappings */
	u32 nr_internal;
	u64 twin_area;			/* where files are mapped to be read; 0: not yet */
	struct fl_file *dropped_files;	/* whose descriptors the thread of leases is to close */
	struct fl_machine_view child_view; /* between the two halves of a fork */
};

extern struct fl_runtime fl __attribute__((visibility("hidden")));

/* init.c: what hooks need before anything else. 0 or -errno. */
int fl_runtime_stacks(char *why, size_t why_bytes);

/* Is the calling thread of a process that borrows our memory (vfork, CLONE_VM)? It is not counted, and
 * must not take the mm lock with it when it is killed. */
static inline bool fl_is_borrowed(void)
{
	return (u32)fl_syscall(SYS_getpid) != fl.pid;
}

/* init.c: 0, or -errno with one line in why. Single-threaded start. */
int fl_runtime_start(const struct fl_config *c, int base, char *why, size_t why_bytes);
/* A mapping of our own; counts as data or not. NULL: there are too many. */
struct fl_range *fl_runtime_internal(u64 start, u64 end, bool data);
void fl_runtime_not_internal(u64 start, u64 end); /* what has been so is unmapped */
/* Whether the memory at start is our own, up to ret_stop, where that changes, or end. */
bool fl_is_internal(u64 start, u64 end, u64 *ret_stop);

/* layout.c: where the program's mappings go. The mirror is of its start. */
void fl_runtime_layout(const struct fl_config *c);
/* Is any of [start, end) our own, which is not in the mirror? The first range of it found. */
bool fl_runtime_taken(u64 start, u64 end, u64 *ret_start, u64 *ret_end);
u64 fl_random(void);

/* rings.c: the swap file, with its rings out of the program's way. */
const struct fl_backend_ops *fl_rings_init(const struct fl_config *c);
void fl_rings_child(void); /* after a fork, before the program runs */

/* threads.c: with the mm lock held. 0 or -errno. */
int fl_start_handler(void);
void fl_kick_kswapd(struct fl_pager *p);
void fl_maybe_start_kswapd(void);

/* threads.c: the handler's thread alone. Its tid, or -errno. */
int fl_start_handler_thread(void);

/* pause.c: with the mm lock held, for a program that has one thread. */
struct fl_pause {
	void *robust; /* the calling thread's own */
	size_t robust_bytes;
	bool kswapd;
};
/* Ends our threads; false: they cannot be. The lock is let go meanwhile. */
bool fl_threads_end(struct fl_pause *pause);
void fl_threads_again(const struct fl_pause *pause);

/* last.c: a thread of the program is about to leave. No lock held. */
void fl_runtime_left(u32 tid, int status);
/* kswapd: ends the process when none is left; else when to look again, 0: no need to. */
u64 fl_runtime_look(void);

/* child.c: the child's half of a fork, on its hook stack, mm lock held as the
 * parent held it, and the limits lifted. */
struct fl_limits;
void fl_runtime_child(bool shares_files, const struct fl_limits *limits);
/* The parent, before such a child: closes what those that died have left open. */
void fl_runtime_close_shared(void);

/* control.c */
int fl_control_open(void);
int fl_control_serve(struct fl_handler *h);
/* A pte as tools are shown it. Lock held. */
u64 fl_snapshot_pte(u64 pte);

/* snapshot-walk.c: the way to the page that the request names. Lock held. */
struct fl_ctl_request;
struct fl_snap_walk;
void fl_snapshot_walk(const struct fl_ctl_request *rq, struct fl_snap_walk *ret);

/* sample.c: what is not managed, and our own tables. */
void fl_sample(struct fl_handler *h);
void fl_sample_new_thread(struct fl_pager *p); /* one is about to be made */

/* maps.c: makes the mirror agree with /proc/self/maps about what is not
 * managed, and drops what is gone. Lock held. 0 or -errno. */
int fl_resync(bool adopt_heap);
/* The kernel's mapping at an address, as the mirror would have it. 0 or -errno. */
int fl_map_at(u64 addr, struct fl_vma *ret);

/* shared.c: with the mm lock held. */
/* Our own view of an object is needed no more. */
void fl_shared_unmap_view(u64 start, u64 end);
/* The program has mapped [start, end) as shared anonymous memory. */
void fl_shared_new(u64 start, u64 end);
/* Does this VMA belong to shared memory that we serve? */
bool fl_is_shared(const struct fl_vma *vma);
/* To any in the range? */
bool fl_any_shared(u64 start, u64 end);
/* Registers all shared memory that we serve: after a fork, or where it was moved. */
void fl_shared_register(void);
/* The program has given pages up (MADV_REMOVE). */
void fl_shared_removed(u64 start, u64 end);
/* The same, if there is memory that grows without a call that anyone could see (MAP_GROWSDOWN). */
void fl_resync_stacks(void);

#endif
