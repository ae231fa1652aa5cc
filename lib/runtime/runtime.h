/*
 * The one instance of everything in a preloaded process, and its start.
 *
 * Context: see each part; `fl` itself is set up before the first hook runs.
 */
#ifndef FL_RUNTIME_RUNTIME_H
#define FL_RUNTIME_RUNTIME_H

#include "fault/handler.h"
#include "fault/uffd.h"
#include "pager/pager.h"

#define FL_MAX_INTERNAL 32
#define FL_LIBRARIES_MAX 4096 /* bytes of $LD_PRELOAD */

struct fl_range {
	u64 start, end;
	bool not_inherited;	/* a forked child does not have it */
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
	bool mm_shared;			/* other processes may live in our address space */
	bool mlock_future;		/* mlockall(MCL_FUTURE) is in force */
	bool mlock_future_onfault;
	bool had_threads;		/* the program has made a thread in this process */
	bool first_left;		/* its first thread has called exit(2) */
	int first_status;
	u64 look_ns;			/* when to look next whether any is left */
	void *handler_stack, *kswapd_stack;
	u64 pool_bytes;
	struct fl_range internal[FL_MAX_INTERNAL]; /* our own mappings */
	u32 nr_internal;
	struct fl_machine_view child_view; /* between the two halves of a fork */
};

extern struct fl_runtime fl __attribute__((visibility("hidden")));

/* init.c: what hooks need before anything else. 0 or -errno. */
int fl_runtime_stacks(char *why, size_t why_bytes);

/* init.c: 0, or -errno with one line in why. Single-threaded start. */
int fl_runtime_start(const struct fl_config *c, int base, char *why, size_t why_bytes);
void fl_runtime_internal(u64 start, u64 end);
/* Whether the memory at start is our own, up to ret_stop, where that changes, or end. */
bool fl_is_internal(u64 start, u64 end, u64 *ret_stop);

/* threads.c: with the mm lock held. 0 or -errno. */
int fl_start_handler(void);
void fl_kick_kswapd(struct fl_pager *p);
void fl_maybe_start_kswapd(void);

/* last.c: a thread of the program is about to leave. No lock held. */
void fl_runtime_left(u32 tid, int status);
/* kswapd: ends the process when none is left; else when to look again, 0: no need to. */
u64 fl_runtime_look(void);

/* child.c: the child's half of a fork, on its hook stack, mm lock held as the
 * parent held it. */
void fl_runtime_child(bool shares_files);
/* The parent, before such a child: closes what those that died have left open. */
void fl_runtime_close_shared(void);

/* control.c */
int fl_control_open(void);
int fl_control_serve(struct fl_handler *h);

/* sample.c: what is not managed, and our own tables. */
void fl_sample(struct fl_handler *h);
void fl_sample_new_thread(struct fl_pager *p); /* one is about to be made */

/* maps.c: makes the mirror agree with /proc/self/maps about what is not
 * managed, and drops what is gone. Lock held. 0 or -errno. */
int fl_resync(bool adopt_heap);
/* The same, if there is memory that grows without a call that anyone could see (MAP_GROWSDOWN). */
void fl_resync_stacks(void);

#endif
