/*
 * mmap(2) and mremap(2) where the program leaves the choice of the address: we choose it, from the
 * mirror and as the kernel would have.
 *
 * The kernel is asked for that very place and nothing else, so a mapping that the mirror does not
 * know (another library's raw system call) is never harmed: the mirror is made right and another
 * place is tried. It is left to the kernel where only it can know: huge-page files and devices,
 * which want addresses of their own; the neighbourhood of a stack, which may have grown; and the
 * errors, of which it decides the order.
 */
#include "interpose/hooks.h"
#include "mm/layout.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define TRIES	   3
#define LOW_BYTES  (1ull << 20) /* a hint as low as this the kernel rounds up to its minimum */
#define NEAR_BYTES (128ull << 20) /* of a stack: as far as it may have grown unseen */

/* Whether any address will do for a file; and whether its file system wants huge pages. */
static bool is_plain_file(long fd, u64 bytes, bool *ret_huge)
{
	struct stat st;
	struct statfs fs;

	*ret_huge = false;
	if (fl_syscall(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (bytes < FL_PMD_BYTES && (u64)st.st_blksize < FL_PMD_BYTES)
		return true;
	if (fl_syscall(SYS_fstatfs, fd, &fs) < 0)
		return false;
	*ret_huge = fs.f_type != TMPFS_MAGIC;
	return fs.f_type != HUGETLBFS_MAGIC;
}

/* A place that lies below a stack is the kernel's to give. */
static u64 if_not_near_stack(u64 at, u64 bytes)
{
	const struct fl_vma *above = fl_vma_find(&fl.pager.mm, at + bytes);

	if (above && (above->flags & FL_VM_GROWSDOWN) && above->start - (at + bytes) < NEAR_BYTES)
		return 0;
	return at;
}

/* The address for a mapping, or 0: the kernel shall choose. */
static u64 choose(const struct fl_call *c)
{
	const u64 named = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_HUGETLB;
	u64 flags = c->a[3], at;
	struct fl_place place = {
		.bytes = fl_page_up(c->a[1]),
		.hint = fl_page_down(c->a[0]),
		.window32 = flags & MAP_32BIT,
		.above4g = flags & MAP_ABOVE4G,
		.taken = fl_runtime_taken,
	};

	if ((flags & named) || !place.bytes || place.bytes > FL_TASK_SIZE ||
		(place.hint && place.hint < LOW_BYTES))
		return 0;
	if (!(flags & MAP_ANONYMOUS)) {
		place.file_bytes = c->a[5];
		if (!is_plain_file((int)c->a[4], place.bytes, &place.huge))
			return 0;
	} else if ((flags & MAP_TYPE) == MAP_PRIVATE) {
		place.huge = !place.hint && !(place.bytes % FL_PMD_BYTES);
	}
	if (place.window32)
		place.random = fl_random();
	at = fl_layout_place(&fl.pager.mm, &place);
	return at ? if_not_near_stack(at, place.bytes) : 0;
}

/* After a mapping was met that the mirror did not know. */
static bool look_again(void)
{
	return fl_resync(false) == 0 && fl_vma_prealloc(&fl.pager.mm, FL_VMA_MAX_NODES) == 0;
}

long fl_place_mmap(const struct fl_call *c)
{
	struct fl_call k = *c;
	long ret;

	for (int i = 0; i < TRIES; i++) {
		k.a[0] = choose(c);
		if (!k.a[0])
			break;
		/* that type of mapping knows only some flags; a hint is all that it can be given */
		if ((c->a[3] & MAP_TYPE) != MAP_SHARED_VALIDATE)
			k.a[3] |= MAP_FIXED_NOREPLACE;
		ret = fl_call_kernel(&k);
		if (ret != -EEXIST)
			return ret;
		if (!look_again())
			return -ENOMEM;
	}
	return fl_call_kernel(c);
}

/* As the kernel aligns what it moves: by the file, or by itself. */
static u64 choose_new(const struct fl_call *c, const struct fl_vma *vma)
{
	struct fl_place place = {
		.bytes = fl_page_up(c->a[2]),
		.hint = c->a[3] & MREMAP_DONTUNMAP ? fl_page_down(c->a[4]) : 0,
		.taken = fl_runtime_taken,
	};
	u64 at;

	if (!place.bytes || place.bytes > FL_TASK_SIZE || (vma->flags & FL_VM_HUGETLB) ||
		(place.hint && place.hint < LOW_BYTES))
		return 0;
	if (vma->flags & FL_VM_FILE) {
		place.file_bytes = (vma->pgoff << FL_PAGE_SHIFT) + (c->a[0] - vma->start);
		place.huge = true;
	} else if (!(vma->flags & FL_VM_SHARED)) {
		place.huge = !place.hint && !(place.bytes % FL_PMD_BYTES);
	}
	at = fl_layout_place(&fl.pager.mm, &place);
	return at ? if_not_near_stack(at, place.bytes) : 0;
}

long fl_place_mremap(const struct fl_call *c, const struct fl_vma *vma)
{
	u64 at = choose_new(c, vma), bytes = fl_page_up(c->a[2]);
	struct fl_call k = *c;
	long ret;

	/* MREMAP_FIXED would replace what the mirror does not know: taken first, so that it is ours */
	if (!at ||
		fl_is_err(fl_syscall(SYS_mmap, at, bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0)))
		return fl_call_kernel(c);
	k.a[3] |= MREMAP_FIXED;
	k.a[4] = at;
	ret = fl_call_kernel(&k);
	if (!fl_is_err(ret))
		return ret;
	/* perhaps only because of what was taken (RLIMIT_AS, vm.max_map_count) */
	fl_syscall(SYS_munmap, at, bytes);
	return fl_call_kernel(c);
}
