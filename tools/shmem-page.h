/*
 * A page of shared anonymous memory by the tree's books: its entry in the object that all processes
 * which map it have in common (machine/shmem.h).
 *
 * Context: the tool; one thread.
 */
#ifndef FL_TOOLS_SHMEM_PAGE_H
#define FL_TOOLS_SHMEM_PAGE_H

#include "client.h"
#include "holders.h"
#include "tree.h"

struct shmem_page {
	bool known; /* the area is such an object's; else the rest means nothing */
	u64 ino;    /* the kernel's number of it */
	u64 index;  /* of the page in it */
	const char *state;
	u32 frame, slot;       /* FL_NO_FRAME, 0: it has none */
	struct holders mapped; /* processes that have the object mapped */
};

/* Where each page of an area is. Set aside: in memory, and mapped by nobody. */
enum shmem_where { SHMEM_NOWHERE, SHMEM_IN_MEMORY, SHMEM_SET_ASIDE, SHMEM_IN_SWAP };

struct shmem_area {
	u8 *where;    /* an enum shmem_where a page */
	u64 nr[4];    /* how many are where */
	u32 nr_users; /* live processes that have touched the object */
	u64 users[FL_NR_PROCS / 64];
};

/* False if it is no object's, or one that was left to the kernel. */
bool shmem_area_read(const struct tree *t, const struct fl_snap_vma *v, struct shmem_area *ret);
void shmem_area_free(struct shmem_area *a);

static inline bool shmem_area_is_user(const struct shmem_area *a, u32 record)
{
	return a->users[record / 64] >> record % 64 & 1;
}

void shmem_page_read(
	const struct tree *t, const struct fl_snap_vma *v, u64 va, struct shmem_page *ret);
void shmem_page_free(struct shmem_page *p);

void shmem_page_print(const struct shmem_page *p);
/* An object, or null. */
void shmem_page_print_json(const struct shmem_page *p);

#endif
