/* One page by the kernel's books; see kpage.h. */
#include "kpage.h"
#include "pagemap-compat.h"
#include "pte.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PM_SOFT_DIRTY (1ull << 55)
#define PM_EXCLUSIVE  (1ull << 56)
#define PM_FILE	      (1ull << 61)
#define PM_PFN	      ((1ull << 55) - 1)

/* linux/kernel-page-flags.h, by the number of the bit. */
static const struct bit_name kpf_names[] = {
	{1ull << 0, "LOCKED"},
	{1ull << 1, "ERROR"},
	{1ull << 2, "REFERENCED"},
	{1ull << 3, "UPTODATE"},
	{1ull << 4, "DIRTY"},
	{1ull << 5, "LRU"},
	{1ull << 6, "ACTIVE"},
	{1ull << 7, "SLAB"},
	{1ull << 8, "WRITEBACK"},
	{1ull << 9, "RECLAIM"},
	{1ull << 10, "BUDDY"},
	{1ull << 11, "MMAP"},
	{1ull << 12, "ANON"},
	{1ull << 13, "SWAPCACHE"},
	{1ull << 14, "SWAPBACKED"},
	{1ull << 15, "COMPOUND_HEAD"},
	{1ull << 16, "COMPOUND_TAIL"},
	{1ull << 17, "HUGE"},
	{1ull << 18, "UNEVICTABLE"},
	{1ull << 19, "HWPOISON"},
	{1ull << 20, "NOPAGE"},
	{1ull << 21, "KSM"},
	{1ull << 22, "THP"},
	{1ull << 23, "OFFLINE"},
	{1ull << 24, "ZERO_PAGE"},
	{1ull << 25, "IDLE"},
	{1ull << 26, "PGTABLE"},
	{1ull << 32, "RESERVED"},
	{1ull << 33, "MLOCKED"},
	{1ull << 34, "MAPPEDTODISK"},
	{1ull << 35, "PRIVATE"},
	{1ull << 36, "PRIVATE_2"},
	{1ull << 37, "OWNER_PRIVATE"},
	{1ull << 38, "ARCH"},
	{1ull << 39, "UNCACHED"},
	{1ull << 40, "SOFTDIRTY"},
	{1ull << 41, "ARCH_2"},
	{1ull << 42, "ARCH_3"},
	{0},
};

/* The word with that index; false if there is none to be had. */
static bool read_word(const char *path, u64 index, u64 *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, ret, sizeof(*ret), (off_t)(index * sizeof(*ret)));

	if (fd >= 0)
		close(fd);
	if (n != (ssize_t)sizeof(*ret))
		*ret = 0;
	return n == (ssize_t)sizeof(*ret);
}

void kpage_read(int pid, u64 va, struct kpage *ret)
{
	char path[64];
	u64 word;

	*ret = (struct kpage){0};
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	if (!read_word(path, va >> FL_PAGE_SHIFT, &word))
		return;
	*ret = (struct kpage){.known = true,
		.present = word & PM_PRESENT,
		.swapped = word & PM_SWAP,
		.file = word & PM_FILE,
		.exclusive = word & PM_EXCLUSIVE,
		.soft_dirty = word & PM_SOFT_DIRTY,
		.uffd_wp = word & PM_UFFD_WP,
		.pfn = word & PM_PRESENT ? word & PM_PFN : 0};
	if (!ret->pfn)
		return;
	read_word("/proc/kpageflags", ret->pfn, &ret->flags);
	read_word("/proc/kpagecount", ret->pfn, &ret->count);
}

void kpage_print(const struct kpage *k)
{
	if (!k->known) {
		printf("  not told: ask as root or as the user that it runs as\n");
		return;
	}
	printf("  %s%s%s%s\n",
		k->present   ? k->file ? "present, of a file or shared" : "present, anonymous"
		: k->swapped ? "in the kernel's swap"
			     : "not present",
		k->exclusive ? ", mapped only here" : "", k->soft_dirty ? ", soft-dirty" : "",
		k->uffd_wp ? ", write-protected by userfaultfd" : "");
	if (!k->pfn)
		return;
	printf("  pfn        %#lx\n", k->pfn);
	printf("  _mapcount  %lu\n  flags      ", k->count);
	bits_print(k->flags, kpf_names);
	printf("\n");
}

void kpage_print_json(const struct kpage *k)
{
	if (!k->known) {
		printf("null");
		return;
	}
	printf("{\"present\": %s, \"swapped\": %s, \"file\": %s, \"exclusive\": %s, "
	       "\"soft_dirty\": %s, \"uffd_wp\": %s, \"pfn\": ",
		k->present ? "true" : "false", k->swapped ? "true" : "false",
		k->file ? "true" : "false", k->exclusive ? "true" : "false",
		k->soft_dirty ? "true" : "false", k->uffd_wp ? "true" : "false");
	if (!k->pfn) {
		printf("null}");
		return;
	}
	printf("%lu, \"mapcount\": %lu, \"flags\": ", k->pfn, k->count);
	bits_print_json(k->flags, kpf_names);
	printf("}");
}
