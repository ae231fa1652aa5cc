/*
 * Where compressed pages lie: memory that the process tree shares, in blocks.
 *
 * As mm/zsmalloc.c: objects of about the same size share a block of a few pages, because
 * pages compress to any size, and one allocator for all sizes would lose what compression
 * gains to its gaps. A class is a number of objects a block, and every object of a block is
 * as large as that allows.
 *
 * What a slot holds is one word, its entry, so that it is stored and looked at in one piece;
 * the entries are the truth. A process that dies while it changes the books leaves the lock,
 * and who takes it over makes blocks, lists and sums anew from them.
 *
 * An entry is stored before its object is filled, and by the only holder of the slot: one that
 * dies in between leaves nothing behind, as the slot is given back for it.
 *
 * Context: any thread, fault path, after fork; no lock of rank FL_RANK_ZPOOL or higher held.
 */
#ifndef FL_SWAP_ZPOOL_H
#define FL_SWAP_ZPOOL_H

#include "base/lock.h"
#include "base/types.h"

#define FL_ZBLOCK_PAGES 4u
#define FL_ZBLOCK_BYTES ((u64)FL_ZBLOCK_PAGES * FL_PAGE_SIZE)
#define FL_ZBLOCK_MOST	256u /* objects */
#define FL_ZCLASSES	28u
#define FL_ZOBJECT_MOST 3276u /* bytes: larger ones are stored as they are */

/* What a slot holds. */
enum fl_zkind {
	FL_Z_NONE,	/* nothing: free, or not written yet */
	FL_Z_SAME,	/* a page that repeats one word of 32 bits: the word is in the entry */
	FL_Z_OBJECT,	/* an object: compressed, or of a page's size and as it was */
	FL_Z_FILE,	/* nothing here: it is in the file, at the slot's place */
};

/* The sums, named after /sys/block/zram0/mm_stat. */
struct fl_zsums {
	u64 orig_data_size, compr_data_size; /* bytes; of what has an object or a word */
	u64 same_pages, huge_pages;
};

struct fl_zpool {
	struct fl_shlock lock;
	u32 max_blocks;
	u32 charged;	/* counts in the budget */
	u32 nr_entries;	/* those behind have never held anything */
	u32 fresh;	/* blocks below this number have been used */
	u32 nr_blocks;	/* that have memory; those on the empty list, too */
	u32 nr_empty;
	u32 peak_blocks;
	/* heads of lists: block + 1 */
	u32 spare;	/* without memory */
	u32 empty;
	u32 partial[FL_ZCLASSES][2]; /* less than half full; fuller */
	struct fl_zsums sums;
};

struct fl_zblock {
	u32 next, prev;	/* block + 1 */
	u16 used;
	u8 class;
	u8 list;	/* which of partial it is on; 2: none */
	u64 map[FL_ZBLOCK_MOST / 64];
};

struct fl_zpool_view {
	struct fl_zpool *z;	/* NULL: there is none */
	u64 *entry;		/* one a slot */
	u32 *stamp;		/* how often something was stored in it */
	struct fl_zblock *block;
	u8 *data;		/* max_blocks * FL_ZBLOCK_BYTES */
};

void fl_zpool_init(struct fl_zpool *z, u32 max_blocks, bool charged);

static inline enum fl_zkind fl_zentry_kind(u64 e)
{
	return (enum fl_zkind)(e & 3);
}

static inline u32 fl_zentry_word(u64 e) /* FL_Z_SAME */
{
	return (u32)(e >> 32);
}

static inline u32 fl_zentry_bytes(u64 e) /* FL_Z_OBJECT; FL_PAGE_SIZE: as it was */
{
	return (u32)(e >> 2 & 0x1fff);
}

u64 fl_zentry_same(u32 word);
u64 fl_zentry_file(void);

static inline u64 fl_zentry(const struct fl_zpool_view *v, u32 slot)
{
	return __atomic_load_n(&v->entry[slot], __ATOMIC_ACQUIRE);
}

/* The object's memory. While its slot is held it stays, unless it goes to the file: who reads
 * it looks at the entry once more afterwards. */
void *fl_zobject(const struct fl_zpool_view *v, u64 entry);

/*
 * Room for n pages of consecutive slots, which hold nothing. bytes[i] is what page i takes: 1 to
 * FL_ZOBJECT_MOST, FL_PAGE_SIZE for one that is stored as it is, and 0 for one that has no
 * object: its entry is in entries[i] already. Stores the entries, in entries too, and returns
 * for how many of them, from the first on, there was room.
 */
u32 fl_zpool_store(struct fl_zpool_view *v, u32 slot, u32 n, const u16 *bytes, u64 *entries);

/* The slot holds nothing from now on. */
void fl_zpool_clear(struct fl_zpool_view *v, u32 slot);

/* What the slot holds is in the file from now on; false: not if something else has been stored
 * since its stamp was that. */
bool fl_zpool_to_file(struct fl_zpool_view *v, u32 slot, u32 stamp);

/* Gives memory of some empty blocks back to the kernel; a few stay, unless all is set. True if there
 * was some. */
bool fl_zpool_trim(struct fl_zpool_view *v, bool all);

/* Pages of memory that the blocks have, and those of them that count in the budget. */
u32 fl_zpool_pages(const struct fl_zpool *z);
static inline u32 fl_zpool_charge(const struct fl_zpool *z)
{
	return z->charged ? fl_zpool_pages(z) : 0;
}

/* Recounts all; 0, or -1 with *why set. */
int fl_zpool_validate(struct fl_zpool_view *v, const char **why);

#endif
