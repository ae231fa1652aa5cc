/*
 * Copy-on-write held against a model: a tree of forks, four deep, in which every
 * process works on its inherited memory at random.
 *
 *	cow-model [--seed S] [--ops N]
 *
 * 46 processes do N operations together (100,000): writes and reads of pages and of
 * parts of pages, copies within the memory, through a pipe and by
 * process_vm_readv, read(2) of /dev/zero, MADV_DONTNEED, mremap, mprotect, mapping
 * anew, and short-lived children that find the state of just then. A third of its
 * operations a process does before it forks its children, one while they do theirs,
 * and one after all have stood still, when the root has $FAULTLINE_CHECK run with
 * the ids of all. In the end each verifies all of its memory and sends its
 * parent a digest of what is there, which must be that of the parent's
 * copy of the model.
 */
#include "tree-model.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>

enum { AREA_PAGES = 768, LONGEST = 24 };
enum { RW = PROT_READ | PROT_WRITE };

/* How many children each process of a depth has: 1 + 3 + 6 + 12 + 24 processes. */
static const int nr_children[] = {3, 2, 2, 2, 0};
enum { NR_PROCESSES = 46, MAX_CHILDREN = 3 };
enum { NR_NODES = 2 * NR_PROCESSES }; /* each may have a short-lived child too */

struct verdict {
	int node;
	uint64_t ops, digest;
};

struct shared {
	uint64_t ops_each, peeks;
	int waiting, go_on; /* the standstill; futexes would be no better than yielding here */
};

static struct shared *shared;
static uint8_t prot[AREA_PAGES]; /* of each page; inherited */
static uint64_t ops_done;
static int pipe_fds[2], zero_fd, report_fd = -1;

/* A run of pages that may be read, and written when that is asked for. */
static size_t pick(size_t longest, bool writable, size_t *ret_at)
{
	size_t want = 1 + draw(longest), at, n = 0;

	for (int tries = 0; tries < 100 && !n; tries++) {
		at = draw(AREA_PAGES);
		while (n < want && at + n < AREA_PAGES &&
			(prot[at + n] == RW || (!writable && prot[at + n] == PROT_READ)))
			n++;
	}
	*ret_at = at;
	return n;
}

/* Cells: the same, as a run of cells in one page or over a page's end. */
static size_t pick_cells(size_t longest, bool writable, size_t *ret_cell)
{
	size_t at, pages = pick(2, writable, &at), cells = pages * CELLS_PER_PAGE;
	size_t first = cells ? draw(cells) : 0;

	*ret_cell = at * CELLS_PER_PAGE + first;
	return cells - first < longest ? cells - first : longest;
}

static char *cell_at(size_t cell)
{
	return area + cell * CELL;
}

static void verify_cells(size_t cell, size_t n)
{
	size_t first = cell / CELLS_PER_PAGE, last = (cell + n - 1) / CELLS_PER_PAGE;

	verify_pages(first, last - first + 1);
}

/* ---- the operations ---- */

static void do_write(void)
{
	size_t at, n = pick(draw(4) ? 4 : LONGEST, true, &at);

	if (n)
		write_pages(at, n);
}

static void do_read(void)
{
	size_t at, n = pick(LONGEST, false, &at);

	if (n)
		verify_pages(at, n);
}

/* Part of a page, without looking at the rest first. */
static void do_write_part(void)
{
	size_t at, n = pick_cells(CELLS_PER_PAGE - 1, true, &at);
	uint32_t stamp = new_stamps((uint32_t)n);

	for (size_t i = 0; i < n; i++) {
		cell_fill(cell_at(at + i), stamp + (uint32_t)i);
		stamps_of(me)[at + i] = stamp + (uint32_t)i;
	}
	if (n && draw(2))
		verify_cells(at, n);
}

enum way { MEMMOVE, PIPE, VM_READV, VM_WRITEV, NR_WAYS };

static void copy_through(enum way way, char *to, char *from, size_t bytes)
{
	struct iovec in = {to, bytes}, out = {from, bytes};
	ssize_t n;

	switch (way) {
	case PIPE:
		n = write(pipe_fds[1], from, bytes);
		CHECK(n == (ssize_t)bytes, "write to a pipe: %zd of %zu", n, bytes);
		n = read(pipe_fds[0], to, bytes);
		break;
	case VM_READV:
		n = process_vm_readv(getpid(), &in, 1, &out, 1, 0);
		break;
	case VM_WRITEV:
		n = process_vm_writev(getpid(), &out, 1, &in, 1, 0);
		break;
	default:
		memmove(to, from, bytes);
		return;
	}
	CHECK(n == (ssize_t)bytes, "copy by way %d: %zd of %zu", way, n, bytes);
}

static void do_copy(void)
{
	enum way way = (enum way)draw(NR_WAYS);
	size_t from, to, n = pick_cells(CELLS_PER_PAGE, false, &from);
	size_t room = pick_cells(n ? n : 1, true, &to);

	n = n < room ? n : room;
	/* the kernel copies forwards: an overlap is no copy */
	if (!n || (way != MEMMOVE && from < to + n && to < from + n))
		return;
	copy_through(way, cell_at(to), cell_at(from), n * CELL);
	memmove(stamps_of(me) + to, stamps_of(me) + from, n * sizeof(uint32_t));
	if (draw(2))
		verify_cells(to, n);
}

static void do_read_zeros(void)
{
	size_t at, n = pick_cells(CELLS_PER_PAGE, true, &at);

	if (!n)
		return;
	CHECK(read(zero_fd, cell_at(at), n * CELL) == (ssize_t)(n * CELL), "read of zeros");
	memset(stamps_of(me) + at, 0, n * sizeof(uint32_t));
}

static void do_dontneed(void)
{
	size_t at, n = pick(LONGEST, false, &at);

	if (!n)
		return;
	CHECK(madvise(page_at(at), n * PAGE, MADV_DONTNEED) == 0, "madvise");
	forget_pages(at, n);
}

static void map_again(size_t at, size_t n)
{
	CHECK(mmap(page_at(at), n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
			page_at(at),
		"mmap over pages");
	forget_pages(at, n);
	memset(prot + at, RW, n);
}

static void do_map(void)
{
	size_t n = 1 + draw(LONGEST), at = draw(AREA_PAGES - n);

	if (draw(2))
		CHECK(munmap(page_at(at), n * PAGE) == 0, "munmap");
	map_again(at, n);
}

/* Onto other pages, which go; page by page, as the run may be several kernel areas. */
static void do_mremap(void)
{
	size_t from, to, n = pick(8, true, &from), room = pick(n ? n : 1, true, &to);

	n = n < room ? n : room;
	if (!n || (from < to + n && to < from + n))
		return;
	for (size_t i = 0; i < n; i++)
		CHECK(mremap(page_at(from + i), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      page_at(to + i)) == page_at(to + i),
			"mremap");
	memcpy(stamps_of(me) + to * CELLS_PER_PAGE, stamps_of(me) + from * CELLS_PER_PAGE,
		n * CELLS_PER_PAGE * sizeof(uint32_t));
	map_again(from, n);
	verify_pages(to, n);
}

static void do_mprotect(void)
{
	static const uint8_t prots[] = {RW, RW, RW, PROT_READ, PROT_NONE};
	size_t n = 1 + draw(LONGEST), at = draw(AREA_PAGES - n);
	uint8_t how = prots[draw(sizeof(prots))];

	CHECK(mprotect(page_at(at), n * PAGE, how) == 0, "mprotect %d", how);
	memset(prot + at, how, n);
}

/* A child that sees the state of now, writes over some of it, and ends. */
static void do_peek(void)
{
	int child = node_take(nodes[me].depth + 1);
	pid_t pid;

	CHECK(child != NO_NODE, "a node");
	copy_model(child, AREA_PAGES); /* ours goes on */
	pid = fork_checked();
	if (!pid) {
		become(child);
		for (int i = 0; i < 8; i++) {
			size_t at, n = pick(LONGEST, true, &at);

			if (!n)
				continue;
			verify_pages(at, n);
			write_pages(at, n);
		}
		_exit(0);
	}
	do_write();
	do_read();
	reap(pid);
	node_free(child);
	bump(&shared->peeks, 1);
}

static void operate(uint64_t n)
{
	static const struct {
		unsigned int share; /* of 1000 */
		void (*op)(void);
	} ops[] = {{300, do_read}, {230, do_write}, {150, do_write_part}, {170, do_copy},
		{30, do_read_zeros}, {30, do_dontneed}, {20, do_map}, {30, do_mremap},
		{34, do_mprotect}, {6, do_peek}};

	for (; n; n--, ops_done++) {
		uint64_t k = draw(1000);
		size_t i = 0;

		while (k >= ops[i].share)
			k -= ops[i++].share;
		ops[i].op();
	}
}

/* ---- the tree ---- */

/* Nobody has failed, and none of our children has ended: that is too early. */
static bool all_well(void)
{
	siginfo_t info = {0};

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid)
		__atomic_store_n(&tree->failed, 1, __ATOMIC_RELEASE);
	return !__atomic_load_n(&tree->failed, __ATOMIC_ACQUIRE);
}

/* Until all stand here; the root has them looked at, and lets them go on. */
static void stand_still(void)
{
	pid_t pids[NR_NODES];
	int n = 0;

	__atomic_add_fetch(&shared->waiting, 1, __ATOMIC_ACQ_REL);
	if (nodes[me].depth) {
		while (!__atomic_load_n(&shared->go_on, __ATOMIC_ACQUIRE) && all_well())
			usleep(2000);
		return;
	}
	while (__atomic_load_n(&shared->waiting, __ATOMIC_ACQUIRE) < NR_PROCESSES && all_well())
		usleep(2000);
	for (int i = 0; i < NR_NODES; i++)
		if (nodes[i].used)
			pids[n++] = nodes[i].pid;
	if (!tree->failed)
		check_from_outside(pids, n);
	__atomic_store_n(&shared->go_on, 1, __ATOMIC_RELEASE);
}

static void live(void);

static pid_t fork_node(int *ret_read_fd, int *ret_node)
{
	int child = node_take(nodes[me].depth + 1), fds[2];
	pid_t pid;

	CHECK(child != NO_NODE && pipe(fds) == 0, "a node and a pipe");
	copy_model(child, AREA_PAGES);
	pid = fork_checked();
	if (!pid) {
		close(fds[0]);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		CHECK(pipe(pipe_fds) == 0, "pipe");
		report_fd = fds[1];
		ops_done = 0;
		become(child);
		live();
		_exit(0);
	}
	close(fds[1]);
	*ret_read_fd = fds[0];
	*ret_node = child;
	return pid;
}

static uint64_t hear(pid_t pid, int fd, int node)
{
	struct verdict v = {0};

	CHECK(read(fd, &v, sizeof(v)) == sizeof(v), "the verdict of process %d", (int)pid);
	CHECK(v.node == node && v.digest == model_digest(node),
		"seed %llu: process %d has other memory than the model",
		(unsigned long long)tree->seed, (int)pid);
	close(fd);
	reap(pid);
	return v.ops;
}

static void finish(uint64_t ops)
{
	struct verdict v = {.node = me, .ops = ops};

	for (size_t i = 0; i < AREA_PAGES; i++)
		if (prot[i] != RW)
			CHECK(mprotect(page_at(i), PAGE, RW) == 0, "mprotect");
	verify_pages(0, AREA_PAGES);
	v.digest = digest(area, AREA_PAGES * PAGE);
	if (report_fd >= 0)
		CHECK(write(report_fd, &v, sizeof(v)) == sizeof(v), "write of the verdict");
	else
		CHECK(v.digest == model_digest(me), "the root has other memory than the model");
}

static void live(void)
{
	int fd[MAX_CHILDREN], node[MAX_CHILDREN], n = nr_children[nodes[me].depth];
	uint64_t each = shared->ops_each / 3, ops = 0;
	pid_t pid[MAX_CHILDREN];

	operate(each);
	for (int i = 0; i < n; i++)
		pid[i] = fork_node(&fd[i], &node[i]);
	operate(each);
	stand_still();
	operate(shared->ops_each - 2 * each);
	for (int i = 0; i < n; i++)
		ops += hear(pid[i], fd[i], node[i]);
	ops_done += ops;
	finish(ops_done);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, ops = 100000;

	tree_options(argc, argv, "ops", &seed, &ops);
	tree_create(seed, NR_NODES, AREA_PAGES, sizeof(*shared));
	shared = (struct shared *)((char *)tree + tree->own_at);
	shared->ops_each = (ops + NR_PROCESSES - 1) / NR_PROCESSES;
	area = map(AREA_PAGES * PAGE);
	memset(prot, RW, sizeof(prot));
	zero_fd = open("/dev/zero", O_RDONLY);
	CHECK(zero_fd >= 0 && pipe(pipe_fds) == 0, "/dev/zero and a pipe");
	CHECK(node_take(0) == 0, "the root is node 0");
	become(0);
	write_pages(0, AREA_PAGES);
	live();
	CHECK(!tree->failed, "a process has failed");
	say("cow-model: ok\n");
	dprintf(2, "%llu operations in %d processes, %llu peeks, %llu pages verified\n",
		(unsigned long long)ops_done, NR_PROCESSES, (unsigned long long)shared->peeks,
		(unsigned long long)(tree->cells_verified / CELLS_PER_PAGE));
	return 0;
}
