/*
 * Compressed pages: the pool of blocks and the device over it, with each compressor, against
 * what was written; with and without a file below; and after a death within the pool's lock.
 */
#include "swap/backend.h"
#include "swap/zpool.h"

#include "../mm/check-main.h"
#include "../mm/mm-test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS	 512u
#define BLOCKS	 40u
#define NR_KINDS 6u

static struct fl_zpool *pool;
static struct fl_zpool_view view;
static struct fl_queue queue;
static u8 *pages, *model; /* SLOTS of each; a slot's page as it was written, if written[] */
static bool written[SLOTS];
static u64 state;

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

static void setup(enum fl_compression how, bool has_file)
{
	char path[] = "/tmp/faultline-test-XXXXXX";
	int fd = -1;

	if (has_file) {
		fd = mkstemp(path);
		ck_assert_int_ge(fd, 0);
		unlink(path);
	}
	pool = shared(sizeof(*pool));
	fl_zpool_init(pool, BLOCKS, true);
	view = (struct fl_zpool_view){pool, shared(SLOTS * 8), shared(SLOTS * 4),
		shared(BLOCKS * sizeof(struct fl_zblock)), shared(BLOCKS * FL_ZBLOCK_BYTES)};
	queue = (struct fl_queue){.ops = &fl_backend_zram, .pool = &view, .has_file = has_file};
	queue.impl = fl_backend_zram_init(shared(fl_backend_zram_bytes(how)), how);
	ck_assert_int_eq(queue.ops->open(&queue, fd), 0);
	pages = shared(SLOTS * FL_PAGE_SIZE);
	model = shared(SLOTS * FL_PAGE_SIZE);
	state = 4711;
}

static void check_pool(void)
{
	const char *why = NULL;

	ck_assert_msg(fl_zpool_validate(&view, &why) == 0, "%s", why ? why : "");
}

static u32 rnd(u32 n)
{
	return (u32)(test_random(&state) % n);
}

/* Pages that become very small, somewhat smaller, and not smaller at all. */
static void make_page(u8 *page, u32 kind)
{
	u32 noise[NR_KINDS] = {0, 0, 64, 1200, 2600, FL_PAGE_SIZE};

	memset(page, 0, FL_PAGE_SIZE);
	if (kind == 1)
		for (u32 i = 0; i < FL_PAGE_SIZE / 4; i++)
			((u32 *)page)[i] = 0xdeadbeef;
	for (u32 i = 0; i < noise[kind]; i++)
		page[i] = (u8)test_random(&state);
	if (kind > 1)
		page[FL_PAGE_SIZE - 1] ^= 1;
}

static int transfer(bool write, u32 slot, u32 n)
{
	struct fl_io io = {.write = write, .slot = slot, .npages = n, .error = 1};
	struct fl_io *got;

	for (u32 i = 0; i < n; i++)
		io.iov[i] = (struct iovec){pages + (slot + i) * FL_PAGE_SIZE, FL_PAGE_SIZE};
	queue.ops->submit(&queue, &io);
	ck_assert_uint_eq(queue.in_flight, 1);
	fl_queue_work(&queue);
	got = queue.ops->reap(&queue, true);
	ck_assert_ptr_eq(got, &io);
	ck_assert_uint_eq(queue.in_flight, 0);
	return io.error;
}

static void clear(u32 slot)
{
	fl_zpool_clear(&view, slot);
	written[slot] = false;
}

static int write_slots(u32 slot, u32 n, u32 kind)
{
	int err;

	for (u32 i = 0; i < n; i++) {
		clear(slot + i);
		make_page(pages + (slot + i) * FL_PAGE_SIZE, kind < NR_KINDS ? kind : rnd(NR_KINDS));
	}
	memcpy(model + slot * FL_PAGE_SIZE, pages + slot * FL_PAGE_SIZE, n * FL_PAGE_SIZE);
	err = transfer(true, slot, n);
	for (u32 i = 0; i < n; i++)
		if (err)
			clear(slot + i);
		else
			written[slot + i] = true;
	return err;
}

static void read_back(u32 slot, u32 n)
{
	memset(pages + slot * FL_PAGE_SIZE, 0x5a, n * FL_PAGE_SIZE);
	ck_assert_int_eq(transfer(false, slot, n), 0);
	ck_assert_mem_eq(pages + slot * FL_PAGE_SIZE, model + slot * FL_PAGE_SIZE, n * FL_PAGE_SIZE);
}

/* Every kind of page by itself, and the sums that describe them. */
START_TEST(test_kinds)
{
	setup(_i ? FL_ZSTD : FL_LZ4, false);
	for (u32 kind = 0; kind < NR_KINDS; kind++) {
		ck_assert_int_eq(write_slots(1 + kind, 1, kind), 0);
		read_back(1 + kind, 1);
	}
	ck_assert_uint_eq(pool->sums.orig_data_size, NR_KINDS * FL_PAGE_SIZE);
	ck_assert_uint_eq(pool->sums.same_pages, 2);
	ck_assert_uint_eq(pool->sums.huge_pages, 1);
	ck_assert_uint_gt(pool->sums.compr_data_size, FL_PAGE_SIZE);
	ck_assert_uint_lt(pool->sums.compr_data_size, 4 * FL_PAGE_SIZE);
	check_pool();
	ck_assert_int_eq(transfer(false, SLOTS - 1, 1), -EIO); /* never written */
}
END_TEST

/* All at random against a model; what is full refuses, and loses nothing. */
START_TEST(test_model)
{
	u32 refused = 0;

	setup(_i & 1 ? FL_ZSTD : FL_LZ4, _i & 2);
	for (u32 op = 0; op < 2000; op++) {
		u32 n = 1 + rnd(FL_IO_PAGES / 4), slot = 1 + rnd(SLOTS - n - 1), have = 0;

		switch (rnd(8)) {
		case 0:
		case 1:
		case 2:
			refused += write_slots(slot, n, NR_KINDS) == -ENOSPC;
			break;
		case 3:
			for (u32 i = 0; i < n; i++)
				clear(slot + i);
			break;
		case 4:
			fl_zpool_trim(&view, rnd(2));
			break;
		default:
			while (have < n && written[slot + have])
				have++;
			if (have)
				read_back(slot, have);
		}
		if (op % 64 == 0)
			check_pool();
		ck_assert_uint_le(fl_zpool_pages(pool), BLOCKS * FL_ZBLOCK_PAGES);
	}
	for (u32 s = 1; s < SLOTS; s++)
		if (written[s])
			read_back(s, 1);
	ck_assert_int_eq(refused != 0, !(_i & 2)); /* it is full then: but not with a file below */
	for (u32 s = 0; s < SLOTS; s++)
		clear(s);
	while (fl_zpool_trim(&view, true))
		;
	ck_assert_uint_eq(fl_zpool_pages(pool), 0);
	ck_assert_uint_eq(pool->sums.orig_data_size + pool->sums.compr_data_size, 0);
	check_pool();
}
END_TEST

/* Who dies within the lock leaves everything else in disorder. */
START_TEST(test_death)
{
	int status;
	pid_t pid;

	setup(FL_LZ4, false);
	for (u32 s = 1; s < 200; s++)
		ck_assert_int_eq(write_slots(s, 1, 2 + s % 2), 0);
	pid = fork();
	if (pid == 0) {
		fl_shlock(&pool->lock);
		memset(pool->partial, 0, sizeof(pool->partial));
		memset(view.block, 0xff, BLOCKS * sizeof(struct fl_zblock));
		pool->nr_empty = 7;
		pool->sums.same_pages = 12345;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	for (u32 s = 200; s < 220; s++)
		ck_assert_int_eq(write_slots(s, 1, 2), 0);
	check_pool();
	for (u32 s = 1; s < 220; s++)
		read_back(s, 1);
}
END_TEST

/* To the file only what is still what it was. */
START_TEST(test_to_file)
{
	u32 stamp;

	setup(FL_LZ4, true);
	ck_assert_int_eq(write_slots(5, 1, 3), 0);
	stamp = view.stamp[5];
	clear(5);
	ck_assert(!fl_zpool_to_file(&view, 5, stamp));
	ck_assert_int_eq(write_slots(5, 1, 3), 0);
	ck_assert(!fl_zpool_to_file(&view, 5, stamp)); /* another page of the same kind */
	ck_assert_int_eq(pwrite(queue.fd, model + 5 * FL_PAGE_SIZE, FL_PAGE_SIZE, 5 * FL_PAGE_SIZE),
		FL_PAGE_SIZE);
	ck_assert(fl_zpool_to_file(&view, 5, view.stamp[5]));
	read_back(5, 1);
	ck_assert_uint_eq(pool->sums.compr_data_size, 0);
	check_pool();
}
END_TEST

/* Bytes that no compressor has made are refused, and nothing beyond a page is written. */
START_TEST(test_garbage)
{
	enum fl_compression how = _i ? FL_ZSTD : FL_LZ4;
	u8 *page = shared(2 * FL_PAGE_SIZE), *same = shared(FL_PAGE_SIZE), bytes[512];
	struct fl_compressor c;
	u32 wrong = 0;

	fl_compressor_init(&c, how, shared(fl_compressor_bytes(how)));
	memset(same, 0x77, FL_PAGE_SIZE);
	state = 42;
	for (u32 i = 0; i < 2000; i++) {
		for (u32 k = 0; k < sizeof(bytes); k++)
			bytes[k] = (u8)test_random(&state);
		memset(page + FL_PAGE_SIZE, 0x77, FL_PAGE_SIZE);
		wrong += !fl_decompress(&c, bytes, 1 + rnd(sizeof(bytes)), page);
		ck_assert_mem_eq(page + FL_PAGE_SIZE, same, FL_PAGE_SIZE);
	}
	ck_assert_uint_gt(wrong, 1900);
}
END_TEST

static const struct test_case tests[] = {
	{&test_kinds, 0, 2}, /* by lz4, by zstd */
	{&test_model, 0, 4}, /* each without a file, and with one */
	{&test_death, 0, 0},
	{&test_to_file, 0, 0},
	{&test_garbage, 0, 2},
};

int main(void)
{
	return run_tests("swap/zram", tests, fl_array_size(tests));
}
