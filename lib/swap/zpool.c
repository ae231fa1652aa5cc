/* Blocks of objects of one size; see zpool.h. */
#include "swap/zpool.h"
#include "arch/x86_64/syscall.h"

#include <string.h>
#include <sys/mman.h>

#define NO_LIST	   2u
#define KEEP_EMPTY(z) (4 + (z)->max_blocks / 256) /* blocks: for what is stored next */
#define TRIM_MOST     16u			  /* at once: the caller may have a lock */

/* Objects a block. Steps of about an eighth, as far as whole objects allow. */
static const u16 per_block[FL_ZCLASSES] = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 22, 25,
	28, 32, 36, 42, 50, 60, 72, 90, 128, 180, 256};

static u32 object_bytes(u32 class)
{
	return (u32)(FL_ZBLOCK_BYTES / per_block[class]);
}

static u32 class_of(u32 bytes)
{
	u32 low = 0, high = FL_ZCLASSES - 1;

	/* the last class whose objects are large enough */
	while (low < high) {
		u32 mid = (low + high + 1) / 2;

		if (object_bytes(mid) >= bytes)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static u32 entry_block(u64 e)
{
	return (u32)(e >> 32);
}

static u32 entry_index(u64 e)
{
	return (u32)(e >> 16 & 0xff);
}

static u64 entry_object(u32 block, u32 index, u32 bytes)
{
	return FL_Z_OBJECT | (u64)bytes << 2 | (u64)index << 16 | (u64)block << 32;
}

u64 fl_zentry_same(u32 word)
{
	return FL_Z_SAME | (u64)word << 32;
}

u64 fl_zentry_file(void)
{
	return FL_Z_FILE;
}

void *fl_zobject(const struct fl_zpool_view *v, u64 e)
{
	u32 block = entry_block(e);

	return v->data + block * FL_ZBLOCK_BYTES +
		entry_index(e) * object_bytes(class_of(fl_zentry_bytes(e)));
}

void fl_zpool_init(struct fl_zpool *z, u32 max_blocks, bool charged)
{
	memset(z, 0, sizeof(*z));
	fl_shlock_init(&z->lock, FL_RANK_ZPOOL);
	z->max_blocks = max_blocks;
	z->charged = charged;
}

static void push(struct fl_zpool_view *v, u32 *head, u32 b)
{
	v->block[b].next = *head;
	v->block[b].prev = 0;
	if (*head)
		v->block[*head - 1].prev = b + 1;
	*head = b + 1;
}

static void take(struct fl_zpool_view *v, u32 *head, u32 b)
{
	struct fl_zblock *k = &v->block[b];

	if (k->prev)
		v->block[k->prev - 1].next = k->next;
	else
		*head = k->next;
	if (k->next)
		v->block[k->next - 1].prev = k->prev;
}

/* Onto the list that its number of objects calls for. */
static void relist(struct fl_zpool_view *v, u32 b)
{
	struct fl_zblock *k = &v->block[b];
	u32 most = per_block[k->class], list = k->used == most ? NO_LIST : k->used * 2 >= most;

	if (list == k->list && k->used)
		return;
	if (k->list != NO_LIST)
		take(v, &v->z->partial[k->class][k->list], b);
	k->list = NO_LIST;
	if (!k->used) {
		push(v, &v->z->empty, b);
		v->z->nr_empty++;
	} else if (list != NO_LIST) {
		k->list = (u8)list;
		push(v, &v->z->partial[k->class][list], b);
	}
}

/* A block with room for the class, the fuller the better: so others become empty. Or -1. */
static long block_for(struct fl_zpool_view *v, u32 class)
{
	struct fl_zpool *z = v->z;
	u32 b;

	for (u32 list = 2; list--;)
		if (z->partial[class][list])
			return z->partial[class][list] - 1;
	if (z->empty) {
		b = z->empty - 1;
		take(v, &z->empty, b);
		z->nr_empty--;
	} else {
		if (z->nr_blocks == z->max_blocks)
			return -1;
		if (z->spare) {
			b = z->spare - 1;
			take(v, &z->spare, b);
		} else {
			b = z->fresh++;
		}
		__atomic_store_n(&z->nr_blocks, z->nr_blocks + 1, __ATOMIC_RELAXED);
		z->peak_blocks = fl_max(z->peak_blocks, z->nr_blocks);
	}
	memset(&v->block[b], 0, sizeof(v->block[b]));
	v->block[b].class = (u8)class;
	v->block[b].list = NO_LIST;
	return b;
}

static void add_sums(struct fl_zpool *z, u64 e, u64 sign)
{
	enum fl_zkind kind = fl_zentry_kind(e);

	if (kind != FL_Z_SAME && kind != FL_Z_OBJECT)
		return;
	z->sums.orig_data_size += sign * FL_PAGE_SIZE;
	if (kind == FL_Z_SAME) {
		z->sums.same_pages += sign;
		return;
	}
	z->sums.compr_data_size += sign * fl_zentry_bytes(e);
	z->sums.huge_pages += sign * (fl_zentry_bytes(e) == FL_PAGE_SIZE);
}

static void mark(struct fl_zblock *k, u32 index)
{
	k->map[index / 64] |= 1ull << index % 64;
	k->used++;
}

/* Its owner died within a section: the entries are the truth. */
static void rebuild(struct fl_zpool_view *v)
{
	struct fl_zpool *z = v->z;
	u32 blocks = fl_min(z->fresh + 1, z->max_blocks);

	memset(v->block, 0, blocks * sizeof(*v->block));
	memset(z->partial, 0, sizeof(z->partial));
	memset(&z->sums, 0, sizeof(z->sums));
	z->spare = z->empty = z->nr_empty = 0;
	for (u32 s = 0; s < z->nr_entries; s++) {
		u64 e = v->entry[s];

		add_sums(z, e, 1);
		if (fl_zentry_kind(e) != FL_Z_OBJECT)
			continue;
		v->block[entry_block(e)].class = (u8)class_of(fl_zentry_bytes(e));
		mark(&v->block[entry_block(e)], entry_index(e));
	}
	/* those without an object may have memory: they are looked upon as if they had */
	for (u32 b = 0; b < blocks; b++) {
		v->block[b].list = NO_LIST;
		relist(v, b);
	}
	z->fresh = z->nr_blocks = blocks;
}

static void lock(struct fl_zpool_view *v)
{
	if (fl_shlock(&v->z->lock))
		rebuild(v);
}

static bool has_room(const struct fl_zblock *k)
{
	return k->used < per_block[k->class];
}

/* Lock held. An object for what takes so many bytes; 0: there is no room. */
static u64 get_object(struct fl_zpool_view *v, u32 bytes)
{
	u32 class = class_of(bytes), index = 0;
	long b = block_for(v, class);
	struct fl_zblock *k;

	if (b < 0)
		return 0;
	k = &v->block[b];
	if (!has_room(k))
		__builtin_trap(); /* a full block on a list */
	while (!~k->map[index / 64])
		index += 64;
	index += (u32)__builtin_ctzll(~k->map[index / 64]);
	mark(k, index);
	relist(v, (u32)b);
	return entry_object((u32)b, index, bytes);
}

static void put_object(struct fl_zpool_view *v, u64 e)
{
	u32 b = entry_block(e), index = entry_index(e);
	struct fl_zblock *k = &v->block[b];

	if (!(k->map[index / 64] >> index % 64 & 1))
		__builtin_trap(); /* an object given back that was not there */
	k->map[index / 64] &= ~(1ull << index % 64);
	k->used--;
	relist(v, b);
}

/* Lock held: replaces what the slot holds. */
static void set_entry(struct fl_zpool_view *v, u32 slot, u64 e)
{
	u64 was = v->entry[slot];

	__atomic_store_n(&v->entry[slot], e, __ATOMIC_RELEASE);
	add_sums(v->z, was, -1ull);
	add_sums(v->z, e, 1);
	if (fl_zentry_kind(was) == FL_Z_OBJECT)
		put_object(v, was);
}

u32 fl_zpool_store(struct fl_zpool_view *v, u32 slot, u32 n, const u16 *bytes, u64 *entries)
{
	u32 i;

	lock(v);
	for (i = 0; i < n; i++) {
		if (bytes[i])
			entries[i] = get_object(v, bytes[i]);
		if (!entries[i])
			break;
		v->stamp[slot + i]++;
		v->z->nr_entries = fl_max(v->z->nr_entries, slot + i + 1);
		set_entry(v, slot + i, entries[i]);
	}
	fl_shunlock(&v->z->lock);
	return i;
}

void fl_zpool_clear(struct fl_zpool_view *v, u32 slot)
{
	if (fl_zentry_kind(fl_zentry(v, slot)) == FL_Z_NONE)
		return;
	lock(v);
	set_entry(v, slot, FL_Z_NONE);
	fl_shunlock(&v->z->lock);
}

bool fl_zpool_to_file(struct fl_zpool_view *v, u32 slot, u32 stamp)
{
	bool same;

	lock(v);
	same = v->stamp[slot] == stamp && fl_zentry_kind(v->entry[slot]) == FL_Z_OBJECT;
	if (same)
		set_entry(v, slot, FL_Z_FILE);
	fl_shunlock(&v->z->lock);
	return same;
}

/* An empty block, off the list and counted as yet: who dies with it leaves it to the next who makes
 * the lists anew. Or -1: there are not so many. */
static long take_empty(struct fl_zpool_view *v, u32 keep)
{
	struct fl_zpool *z = v->z;
	long b = -1;

	lock(v);
	if (z->nr_empty > keep) {
		b = z->empty - 1;
		take(v, &z->empty, (u32)b);
		z->nr_empty--;
	}
	fl_shunlock(&z->lock);
	return b;
}

bool fl_zpool_trim(struct fl_zpool_view *v, bool all)
{
	struct fl_zpool *z = v->z;
	u32 keep = all ? 0 : KEEP_EMPTY(z), n;
	long b;

	if (__atomic_load_n(&z->nr_empty, __ATOMIC_RELAXED) <= 2 * keep)
		return false;
	/* the lock is not held over a system call: a stopped process would stop all others */
	for (n = 0; n < TRIM_MOST && (b = take_empty(v, keep)) >= 0; n++) {
		fl_syscall(SYS_madvise, v->data + (u64)b * FL_ZBLOCK_BYTES, FL_ZBLOCK_BYTES, MADV_REMOVE);
		lock(v);
		push(v, &z->spare, (u32)b);
		__atomic_store_n(&z->nr_blocks, z->nr_blocks - 1, __ATOMIC_RELAXED);
		fl_shunlock(&z->lock);
	}
	return n;
}

u32 fl_zpool_pages(const struct fl_zpool *z)
{
	return __atomic_load_n(&z->nr_blocks, __ATOMIC_RELAXED) * FL_ZBLOCK_PAGES;
}

/* The blocks' bitmaps against the entries, by taking them away and putting them back. */
static const char *check_objects(struct fl_zpool_view *v, u64 *ret_objects)
{
	struct fl_zsums sums = v->z->sums;

	*ret_objects = 0;
	for (u32 s = 0; s < v->z->nr_entries; s++) {
		u64 e = v->entry[s];
		const struct fl_zblock *k;

		add_sums(v->z, e, -1ull);
		if (fl_zentry_kind(e) != FL_Z_OBJECT)
			continue;
		++*ret_objects;
		k = &v->block[entry_block(e)];
		if (entry_block(e) >= v->z->fresh || k->class != class_of(fl_zentry_bytes(e)) ||
			!(k->map[entry_index(e) / 64] >> entry_index(e) % 64 & 1)) {
			v->z->sums = sums;
			return "an entry names an object that is not there";
		}
	}
	if (v->z->sums.orig_data_size || v->z->sums.compr_data_size || v->z->sums.same_pages ||
		v->z->sums.huge_pages) {
		v->z->sums = sums;
		return "its sums are wrong";
	}
	v->z->sums = sums;
	return NULL;
}

int fl_zpool_validate(struct fl_zpool_view *v, const char **why)
{
	u64 objects, used = 0;
	u32 listed = 0;

	lock(v);
	*why = check_objects(v, &objects);
	for (u32 b = 0; b < v->z->fresh; b++)
		used += v->block[b].used;
	for (u32 b = v->z->spare; b; b = v->block[b - 1].next)
		listed++;
	if (!*why && used != objects)
		*why = "objects are in use that no entry names";
	if (!*why && listed + v->z->nr_blocks != v->z->fresh)
		*why = "blocks are lost";
	fl_shunlock(&v->z->lock);
	return *why ? -1 : 0;
}
