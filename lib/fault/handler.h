/*
 * The fault handler's thread: reads fault messages, resolves them, takes up
 * finished reads from swap, and answers the control socket.
 *
 * Context: its own thread, which holds no lock when it waits.
 */
#ifndef FL_FAULT_HANDLER_H
#define FL_FAULT_HANDLER_H

#include "fault/follow.h"
#include "fault/uffd.h"
#include "pager/pager.h"

/* userfaultfd, control socket, reads, stop_fd, kernel's faults: the last are done without first */
#define FL_HANDLER_FDS 5

struct fl_handler {
	struct fl_pager *pager;
	struct fl_uffd *uffd;
	int control_fd;				/* -1: none */
	int (*control)(struct fl_handler *h);	/* it is readable; returns a
						   connection to watch, or -1 */
	int client_fd;				/* -1, or it holds the mm lock frozen */
	u64 thaw_ns;
	u32 nfds;				/* descriptors that ppoll(2) takes */
	int stop_fd;				/* readable when the thread is to end, or is asked
						   for something; -1: none */
	int kfault_fd;				/* faults that the kernel has resolved; of its own
						   table; -1: none */
	void (*serve)(struct fl_handler *h);	/* either is readable */
	u32 stop;				/* it is, and kswapd's */
	void (*sample)(struct fl_handler *h);	/* now and then, lock held */
	u32 faults_since_sample;
	u64 busy_cycles;	/* when it last had something to do */
	u64 breath_cycles;	/* when it last let the CPU go */
	u64 sampled_ns;
	struct fl_follow follow;
};

/* Runs until it is stopped. */
void fl_handler_run(void *handler);

#endif
