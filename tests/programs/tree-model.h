/*
 * A tree of processes that knows every byte of its memory.
 *
 * Each process is a node with an area of pages of its own (private, so paged,
 * inherited by fork). The area is seen as cells of 512 bytes; the stamp of a cell
 * says what fills it, and no stamp is given out twice in a run: a page in the
 * wrong place, of another process, of an older version or half written is seen.
 *
 * The stamps are not in the memory that is tested. They lie, with the table of
 * nodes, in a memory file that all share; each process writes only its own part,
 * and what a child is to find it copies there before it forks. So a parent can
 * also tell what its child's memory must look like.
 */
#ifndef TESTS_PROGRAMS_TREE_MODEL_H
#define TESTS_PROGRAMS_TREE_MODEL_H

#include "sem.h"
#include <getopt.h>
#include <spawn.h>

enum { CELL = 512, CELLS_PER_PAGE = PAGE / CELL, CELL_WORDS = CELL / 8 };
enum { NO_NODE = -1 };

struct node {
	int used;
	pid_t pid;	   /* 0 until it is born */
	int parent, depth; /* parent: its node, which may be another's by now */
	uint32_t group;	   /* of processes that are killed together; 0: none */
	int forking;	   /* it is about to fork, or does */
	int spawning;	   /* a child borrows its memory: not to be killed now */
	int doomed;	   /* somebody kills it */
};

struct tree {
	uint64_t seed;
	int nr_nodes;
	uint32_t pages; /* of each node */
	uint32_t next_stamp, next_group, nr_forks;
	uint64_t steps, cells_verified;
	int stop, failed;
	uint64_t nodes_at, stamps_at, own_at, bytes; /* own: of the program, zero at first */
};

static struct tree *tree;
static struct node *nodes;
static int me = NO_NODE;
static char *area;
static __thread uint64_t random_state;

static UNUSED uint64_t draw(uint64_t below)
{
	random_state += 0x9e3779b97f4a7c15ULL;
	return mix(random_state) % below;
}

static UNUSED uint64_t bump(uint64_t *counter, uint64_t n)
{
	return __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static UNUSED uint32_t *stamps_of(int node)
{
	return (uint32_t *)((char *)tree + tree->stamps_at) +
	       (size_t)node * tree->pages * CELLS_PER_PAGE;
}

static UNUSED void tree_map(int fd, size_t bytes)
{
	tree = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(tree != MAP_FAILED, "mmap of the shared model, %zu bytes", bytes);
}

/* Returns the memory file, which a program that is executed may map again. */
static UNUSED int tree_create(uint64_t seed, int nr_nodes, uint32_t pages, size_t own_bytes)
{
	struct tree head = {.seed = seed, .nr_nodes = nr_nodes, .pages = pages, .next_stamp = 1};
	int fd = memfd_create("tree-model", 0);

	head.nodes_at = PAGE;
	head.stamps_at = (head.nodes_at + nr_nodes * sizeof(struct node) + PAGE - 1) & ~(PAGE - 1);
	head.own_at = head.stamps_at + (uint64_t)nr_nodes * pages * CELLS_PER_PAGE * 4;
	head.bytes = head.own_at + own_bytes;
	CHECK(fd >= 0 && ftruncate(fd, (off_t)head.bytes) == 0, "memory file of %llu bytes",
		(unsigned long long)head.bytes);
	tree_map(fd, head.bytes);
	*tree = head;
	nodes = (struct node *)((char *)tree + tree->nodes_at);
	return fd;
}

/* In a program that was executed: the head says how much there is to map. */
static UNUSED void tree_open(int fd)
{
	uint64_t bytes;

	tree_map(fd, PAGE);
	bytes = tree->bytes;
	munmap(tree, PAGE);
	tree_map(fd, bytes);
	nodes = (struct node *)((char *)tree + tree->nodes_at);
}

/* A free node for a child of this process, with nothing in its area yet. */
static UNUSED int node_take(int depth)
{
	for (int i = 0; i < tree->nr_nodes; i++) {
		int none = 0;

		if (nodes[i].used || !__atomic_compare_exchange_n(&nodes[i].used, &none, 1, false,
					     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		nodes[i] = (struct node){.used = 1, .parent = me, .depth = depth};
		return i;
	}
	return NO_NODE;
}

static UNUSED void node_free(int node)
{
	__atomic_store_n(&nodes[node].pid, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&nodes[node].used, 0, __ATOMIC_RELEASE);
}

static UNUSED int node_of(pid_t pid)
{
	for (int i = 0; i < tree->nr_nodes; i++)
		if (nodes[i].used && nodes[i].pid == pid)
			return i;
	return NO_NODE;
}

/* This process is that node from now on. */
static UNUSED void become(int node)
{
	me = node;
	nodes[me].pid = getpid();
	random_state = mix(
		tree->seed * 1000003 + __atomic_fetch_add(&tree->nr_forks, 1, __ATOMIC_RELAXED));
}

/* n stamps, one after the other. */
static UNUSED uint32_t new_stamps(uint32_t n)
{
	return __atomic_fetch_add(&tree->next_stamp, n, __ATOMIC_RELAXED);
}

static UNUSED uint64_t cell_word(uint32_t stamp, size_t i)
{
	uint64_t x = stamp * 0x9e3779b97f4a7c15ULL + i * 0xbf58476d1ce4e5b9ULL;

	return stamp ? x ^ (x >> 29) : 0;
}

static UNUSED void cell_fill(void *at, uint32_t stamp)
{
	uint64_t *w = at;

	for (size_t i = 0; i < CELL_WORDS; i++)
		w[i] = cell_word(stamp, i);
}

static UNUSED bool cell_has(const void *at, uint32_t stamp)
{
	const uint64_t *w = at;

	for (size_t i = 0; i < CELL_WORDS; i++)
		if (w[i] != cell_word(stamp, i))
			return false;
	return true;
}

/* What a cell that is wrong holds, for the message. */
static UNUSED const char *cell_looks(const void *at)
{
	static char text[96];
	const uint64_t *w = at;
	size_t zeros = 0;

	for (size_t i = 0; i < CELL_WORDS; i++)
		zeros += w[i] == 0;
	if (zeros == CELL_WORDS)
		return "zeros";
	for (uint32_t s = 1; s < tree->next_stamp; s++)
		if (cell_has(at, s)) {
			snprintf(text, sizeof(text), "stamp %u", s);
			return text;
		}
	snprintf(text, sizeof(text), "no stamp's bytes, %zu of %d words zero", zeros, CELL_WORDS);
	return text;
}

static UNUSED char *page_at(size_t page)
{
	return area + page * PAGE;
}

static UNUSED void write_pages(size_t page, size_t n)
{
	uint32_t *model = stamps_of(me) + page * CELLS_PER_PAGE;
	uint32_t stamp = new_stamps((uint32_t)(n * CELLS_PER_PAGE));

	for (size_t i = 0; i < n * CELLS_PER_PAGE; i++) {
		model[i] = stamp + (uint32_t)i;
		cell_fill(page_at(page) + i * CELL, model[i]);
	}
}

static UNUSED void forget_pages(size_t page, size_t n)
{
	memset(stamps_of(me) + page * CELLS_PER_PAGE, 0, n * CELLS_PER_PAGE * sizeof(uint32_t));
}

static UNUSED void forget_node(int node)
{
	memset(stamps_of(node), 0, tree->pages * CELLS_PER_PAGE * sizeof(uint32_t));
}

static UNUSED void verify_pages(size_t page, size_t n)
{
	const uint32_t *model = stamps_of(me) + page * CELLS_PER_PAGE;

	for (size_t i = 0; i < n * CELLS_PER_PAGE; i++) {
		const char *at = page_at(page) + i * CELL;

		if (cell_has(at, model[i]))
			continue;
		__atomic_store_n(&tree->failed, 1, __ATOMIC_RELEASE);
		sem_fail(__FILE__, __LINE__, "verify_pages",
			"seed %llu, pid %d (depth %d): page %zu at %p, cell %zu: %s, not stamp %u",
			(unsigned long long)tree->seed, (int)getpid(), nodes[me].depth,
			page + i / CELLS_PER_PAGE, (const void *)at, i % CELLS_PER_PAGE,
			cell_looks(at), model[i]);
	}
	bump(&tree->cells_verified, n * CELLS_PER_PAGE);
}

/* digest() of the area of a process whose memory is as the model says. */
static UNUSED uint64_t model_digest(int node)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < (size_t)tree->pages * CELLS_PER_PAGE; i++)
		for (size_t k = 0; k < CELL_WORDS; k++)
			h = (h ^ cell_word(stamps_of(node)[i], k)) * 1099511628211ULL;
	return h;
}

/* What the child is going to inherit. Nobody writes to the area until the fork. */
static UNUSED void copy_model(int child, size_t pages)
{
	memcpy(stamps_of(child), stamps_of(me), pages * CELLS_PER_PAGE * sizeof(uint32_t));
	memset(stamps_of(child) + pages * CELLS_PER_PAGE, 0,
		(tree->pages - pages) * CELLS_PER_PAGE * sizeof(uint32_t));
}

/* [--seed S] [--WHAT N] */
static UNUSED void tree_options(
	int argc, char **argv, const char *what, uint64_t *seed, uint64_t *ret_number)
{
	const struct option options[] = {{"seed", 1, NULL, 's'}, {what, 1, NULL, 'n'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 's' && c != 'n') {
			fprintf(stderr, "usage: %s [--seed S] [--%s N]\n", argv[0], what);
			exit(2);
		}
		*(c == 's' ? seed : ret_number) = strtoull(optarg, NULL, 10);
	}
}

/* Runs the command in $FAULTLINE_CHECK with pids behind it, natively; it must succeed. */
static UNUSED void check_from_outside(const pid_t *pids, int n)
{
	const char *command = getenv("FAULTLINE_CHECK");
	char text[16384], *argv[] = {"sh", "-c", text, NULL};
	char *envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	posix_spawn_file_actions_t actions;
	int len, status;
	pid_t pid;

	if (!command || !*command)
		return;
	len = snprintf(text, sizeof(text), "%s", command);
	for (int i = 0; i < n && len < (int)sizeof(text) - 16; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, " %d", (int)pids[i]);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	CHECK(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, envp) == 0, "cannot run a shell");
	posix_spawn_file_actions_destroy(&actions);
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"seed %llu: '%s' ended with status %#x", (unsigned long long)tree->seed, text,
		(unsigned int)status);
}

#endif
