/*
 * For the VMA tests: one mm, and its list drawn as text.
 *
 * A list is drawn as one letter a page, '.' for a hole and a ')' after each VMA: "ww)rr)..w)".
 */
#ifndef FL_TEST_VMA_DRAW_H
#define FL_TEST_VMA_DRAW_H

#include "check-main.h"
#include "mm-test.h"
#include "mm/vma.h"

#define BASE	 0x100000000UL
#define VA(page) (BASE + (u64)(page)*FL_PAGE_SIZE)

static const struct kind {
	char letter;
	u64 flags;
	u8 owner;
} kinds[] = {
	{'w', FL_VM_READ | FL_VM_WRITE, FL_OWNER_MANAGED}, {'r', FL_VM_READ, FL_OWNER_MANAGED},
	{'n', 0, FL_OWNER_MANAGED}, {'x', FL_VM_READ | FL_VM_EXEC, FL_OWNER_MANAGED},
	{'l', FL_VM_READ | FL_VM_WRITE | FL_VM_LOCKED, FL_OWNER_MANAGED},
	{'s', FL_VM_READ | FL_VM_WRITE | FL_VM_GROWSDOWN, FL_OWNER_KERNEL},
	{'k', FL_VM_READ | FL_VM_WRITE, FL_OWNER_KERNEL},
	{'h', FL_VM_READ | FL_VM_WRITE | FL_VM_HUGETLB, FL_OWNER_KERNEL},
	{'f', FL_VM_READ | FL_VM_FILE, FL_OWNER_KERNEL}, /* pgoff as for anonymous: contiguous */
};

static struct test_alloc mem;
static struct fl_mm mm;

static inline void draw(char *text)
{
	const struct fl_vma *vma;
	u64 at = BASE;

	fl_for_each_vma (&mm, vma) {
		for (; at < vma->start; at += FL_PAGE_SIZE)
			*text++ = '.';
		for (; at < vma->end; at += FL_PAGE_SIZE) {
			*text = '?';
			for (size_t k = 0; k < fl_array_size(kinds); k++)
				if (vma->flags == kinds[k].flags && vma->owner == kinds[k].owner)
					*text = kinds[k].letter;
			text++;
		}
		*text++ = ')';
	}
	*text = 0;
}

/* Operations below get only the nodes the header promises are enough. */
static inline void reserve(u32 nr_nodes)
{
	struct fl_vma *vma;

	mem.fail_after = -1;
	while ((vma = mm.free_vmas) && mm.nr_free_vmas > nr_nodes) {
		mm.free_vmas = vma->next;
		mm.nr_free_vmas--;
		mm.vma_bytes -= sizeof(*vma);
		test_alloc_put(&mem, vma, sizeof(*vma));
	}
	ck_assert_int_eq(fl_vma_prealloc(&mm, nr_nodes), 0);
	mem.fail_after = 0;
}

static inline struct fl_vma *map(u32 from, u32 to, char letter)
{
	struct fl_vma template = {.start = VA(from), .end = VA(to), .pgoff = VA(from) >> 12, .anon = 1};

	for (size_t k = 0; k < fl_array_size(kinds); k++) {
		if (kinds[k].letter == letter) {
			template.flags = kinds[k].flags;
			template.owner = kinds[k].owner;
		}
	}
	if (template.flags & FL_VM_FILE)
		template.dev = template.ino = 7;
	reserve(2);
	return fl_mm_map(&mm, &template);
}

static inline void map_all(const char *pages)
{
	u32 at = 0;

	for (; *pages; pages++) {
		if (*pages == ')')
			continue;
		if (*pages != '.')
			map(at, at + 1, *pages);
		at++;
	}
}

static inline void expect(const char *pages)
{
	char text[256];

	draw(text);
	ck_assert_str_eq(text, pages);
	ck_valid(fl_vma_validate(&mm, &why));
}

#endif
