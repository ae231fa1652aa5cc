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

/* What each page of the area is: an enum shmem_where a page, to be freed. NULL if it is no
 * object's. */
enum shmem_where { SHMEM_NOWHERE, SHMEM_IN_MEMORY, SHMEM_IN_SWAP };

u8 *shmem_area_read(const struct tree *t, const struct fl_snap_vma *v);

void shmem_page_read(
	const struct tree *t, const struct fl_snap_vma *v, u64 va, struct shmem_page *ret);
void shmem_page_free(struct shmem_page *p);

void shmem_page_print(const struct shmem_page *p);
/* An object, or null. */
void shmem_page_print_json(const struct shmem_page *p);

#endif
