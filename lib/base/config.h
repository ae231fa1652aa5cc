/*
 * Options: one table of keys for `faultline run --KEY VALUE` and for
 * FAULTLINE="KEY=VALUE,KEY=VALUE".
 *
 * Context: start of a process; no libc, no allocation.
 */
#ifndef FL_BASE_CONFIG_H
#define FL_BASE_CONFIG_H

#include "base/policy-options.h"
#include "base/types.h"

#define FL_PATH_MAX 512

enum fl_engine {
	FL_ENGINE_AUTO,
	FL_ENGINE_UFFD,
};

enum fl_layout {
	FL_LAYOUT_KERNEL, /* as the kernel has begun: personality(2) and a sysctl decide */
	FL_LAYOUT_FLEXIBLE,
	FL_LAYOUT_LEGACY,
};

enum fl_zram {
	FL_ZRAM_NONE,
	FL_ZRAM_LZ4,
	FL_ZRAM_ZSTD,
};

struct fl_config {
	u64 ram_bytes;		/* 0: no limit, measure only */
	u64 swap_max_bytes;	/* 0: as much as the file system gives */
	u64 zram_max_bytes;	/* of pages in compressed memory, before it; 0: as many as fit */
	u32 engine;		/* enum fl_engine */
	u32 layout;		/* enum fl_layout */
	bool no_randomize;	/* no random offsets in the layout */
	u32 zram;		/* enum fl_zram: compressed memory as a swap device */
	bool zram_uncharged;	/* beside --ram, not within it */
	bool swap_file;		/* a file was asked for, below compressed memory */
	bool quiet, strict;
	bool page_shared;	/* shared anonymous memory is within the budget, too */
	bool copy_only;		/* do without UFFDIO_MOVE, as on kernels before 6.8 */
	u8 fault_around_order;	/* log2 of the pages mapped at a first touch */
	char swap_path[FL_PATH_MAX];	/* directory or file; empty: $TMPDIR, /tmp */
	char stats_path[FL_PATH_MAX];	/* empty: none; "-": standard error */
	char policy[64], prefetch[32];	/* as they were given */
	struct fl_policy_options policy_options;
};

void fl_config_init(struct fl_config *c);

static inline bool fl_has_swap_file(const struct fl_config *c)
{
	return c->swap_file || c->zram == FL_ZRAM_NONE;
}

/* Smallest --ram: below it a process cannot even keep what one fault needs. */
#define FL_RAM_MIN_BYTES (2ull << 20)

/* "64M", "1G", "4096": bytes, suffixes K M G T of 1024. Returns 0 or -EINVAL. */
int fl_parse_size(const char *text, u64 *ret_bytes);

/* Sets one option. On error returns -EINVAL with the whole message, without
 * "faultline: ", in why. */
int fl_config_set(struct fl_config *c, const char *key, const char *value, char *why,
	size_t why_bytes);

/* Parses FAULTLINE's value. A value may hold commas within file:..,size=..:
 * "size" and "charge" after "swap" belong to it. */
int fl_config_parse(struct fl_config *c, const char *text, char *why, size_t why_bytes);

#endif
