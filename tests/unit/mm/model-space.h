/*
 * The model of an address space: for each page of one window, what is mapped there and its pte.
 *
 * The window lies across a 512 GiB boundary, so that ranges cross tables of every level. Some pages
 * far away have ptes too.
 */
#ifndef FL_TEST_MODEL_SPACE_H
#define FL_TEST_MODEL_SPACE_H

#include "mm/pgtable.h"
#include "mm/vma.h"
#include "model.h"

#define NR_PAGES 1536U
#define NR_FAR	 64U
#define BASE	 ((1UL << 39) - 700 * FL_PAGE_SIZE)
#define VA(page) (BASE + (u64)(page)*FL_PAGE_SIZE)

struct page {
	bool mapped;
	u8 owner;
	u64 flags, pgoff, dev, ino;
	u64 pte;
};

struct model_space {
	struct test_alloc mem;
	struct fl_mm mm; /* the real one; the rest is the model */
	struct page pages[NR_PAGES];
	u64 far_va[NR_FAR], far_pte[NR_FAR]; /* by address, above the window */
	u64 hiwater_rss, hiwater_vm;
};

extern struct model_space space;

#endif
