/*
 * Counters of one process and of a process tree.
 *
 * Names are those of /proc/vmstat where Linux has one. Each process counts in
 * its own record of the memory that the tree shares; the tree's figure is the
 * sum over its processes, living and gone. All are u64 and only ever grow.
 *
 * FL_COUNTERS(X) expands X(name, "meaning") for each; the enum, the JSON, the
 * `vmstat` output and the manual page come from this one table.
 */
#ifndef FAULTLINE_STATS_H
#define FAULTLINE_STATS_H

#include <stdint.h>

#define FL_COUNTERS(X)                                                                             \
	X(pgfault, "faults resolved, of every kind")                                               \
	X(pgmajfault, "faults that waited for a read from swap")                                   \
	X(pgfault_zero, "faults on memory never touched before, filled with zeros")                \
	X(pgfault_soft, "faults on pages set aside but still in memory (second chance)")           \
	X(pgfault_file, "faults on private file mappings, answered from the file")                \
	X(pgfault_shmem, "faults on shared anonymous memory")                                       \
	X(pgfault_shared_file, "faults on shared file mappings, which the kernel resolves; not in pgfault") \
	X(pgmajfault_shared_file, "of these, faults that waited for a disk")                       \
	X(pgfault_cow, "write faults on pages shared by fork")                                     \
	X(cow_reuse, "pages once shared by fork, taken over uncopied: nobody else had them")         \
	X(pgfault_wp, "write faults on pages held clean to spare a write to swap")                 \
	X(pgfault_spurious, "faults that another thread had resolved already")                     \
	X(fault_around, "pages mapped beside the faulting one")                                    \
	X(pgalloc, "page frames allocated")                                                        \
	X(pgfree, "page frames freed")                                                             \
	X(pswpin, "pages read from swap")                                                          \
	X(pswpout, "pages written to swap")                                                        \
	X(swap_ra, "pages read from swap ahead of a fault")                                        \
	X(swap_ra_hit, "of these, pages that were used")                                           \
	X(swap_ra_waste, "of these, pages that left memory again unused")                          \
	X(swap_willneed, "pages read ahead that the program had asked for")                        \
	X(swap_clean, "pages dropped without a write: their copy in swap was still right")         \
	X(swap_zero, "pages dropped without a write: all zeros")                                   \
	X(zram_writeback, "compressed pages that went on to the file below")                      \
	X(filemap_read, "pages read from files, for private mappings of them")                     \
	X(filemap_dropped, "of such pages, dropped without a write: as in the file")               \
	X(filemap_returned, "pages of such mappings given back to the kernel")                     \
	X(pgscan, "pages looked at by reclaim")                                                    \
	X(pgsteal, "pages freed by reclaim")                                                       \
	X(pgactivate, "pages taken back from the inactive list by a fault")                        \
	X(pgdeactivate, "pages moved to the inactive list")                                        \
	X(pgrotated, "pages that reclaim could not take (pinned, locked, busy)")                   \
	X(kswapd_wakeups, "times that background reclaim was started")                             \
	X(allocstall, "faults that had to wait for reclaim")                                       \
	X(swapin_ios, "read requests to swap")                                                     \
	X(swapout_ios, "write requests to swap")                                                   \
	X(uffd_move, "UFFDIO_MOVE calls")                                                          \
	X(uffd_copy, "UFFDIO_COPY calls")                                                          \
	X(nr_fork, "forks")                                                                        \
	X(nr_mmap, "mmap, brk, munmap, mremap, mprotect and madvise calls seen")                   \
	X(fault_ns, "time from taking up a fault to its end, summed over faults, in ns")

enum fl_counter {
#define X(name, meaning) FL_C_##name,
	FL_COUNTERS(X)
#undef X
	FL_NR_COUNTERS,
};

/* One record a process. Written by the process itself, read by anyone. */
struct fl_proc_stats {
	uint64_t counter[FL_NR_COUNTERS];
	uint64_t rss_bytes;		/* managed memory resident, pages held aside included */
	uint64_t rss_peak_bytes;
	uint64_t swap_bytes;		/* managed memory that is in swap */
	uint64_t unmanaged_bytes;	/* anonymous memory that stays with the kernel */
	uint64_t unmanaged_peak_bytes;
	uint64_t bookkeeping_bytes;	/* Faultline's own tables */
	uint64_t bookkeeping_peak_bytes;
	uint64_t start_ns;		/* CLOCK_MONOTONIC */
};

#endif
