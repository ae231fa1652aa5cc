/*
 * A tree of processes of which random ones are killed at any moment.
 *
 *	kill-storm [--seed S] [--kills N]
 *
 * Up to 40 processes, four deep, some with threads, write, verify, drop and
 * inherit pages (tree-model.h), fork, exec and end, until N kills were done. Killed
 * are: any process; one that is about to fork, or does; a child by its parent as
 * soon as clone(2) returns; a parent by its child, as the first thing that it does;
 * and process groups; but nobody within a posix_spawn. Everybody verifies all of his memory before he ends. Nobody
 * may end otherwise than by exit(0) or a kill of ours.
 *
 * In the end the root is alone. It verifies its memory, has $FAULTLINE_CHECK run
 * with its process id, gives its memory back, and has that run again.
 *
 * The seed repeats what each process does and draws, as far as the order in which
 * they are born is the same.
 */
#include "tree-model.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { MAX_NODES = 40, MAX_DEPTH = 4, MAX_THREADS = 2 };
/* The last pages of the area are the threads': a fork finds them in the middle of
 * a write, so that a child begins with none of them. */
enum { OWN_PAGES = 1024, THREAD_PAGES = 64, ALL_PAGES = OWN_PAGES + MAX_THREADS * THREAD_PAGES };
enum { GROUPS = 65536 };

enum kill_kind { ANY, FORKING, NEWBORN, PARENT, GROUP, NR_KINDS };
static const char *const kind_names[] = {
	"any", "in a fork", "just born", "by their child", "groups"};

struct storm {
	uint64_t kills, kills_wanted, kind[NR_KINDS];
	uint64_t forks, clones, execs, spawns, threads, ends, deaths, refused;
	uint8_t group_doomed[GROUPS]; /* by number of the leader */
};

static struct storm *storm;
static int tree_fd;
static pthread_t thread[MAX_THREADS];
static int nr_threads, threads_stop;
static char **program_argv;

static bool stopping(void)
{
	return __atomic_load_n(&tree->stop, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&tree->failed, __ATOMIC_ACQUIRE);
}

/* ---- killing ---- */

static bool count_kill(enum kill_kind kind)
{
	uint64_t n = bump(&storm->kills, 1) + 1;

	if (n >= storm->kills_wanted)
		__atomic_store_n(&tree->stop, 1, __ATOMIC_RELEASE);
	if (n > storm->kills_wanted)
		return false;
	bump(&storm->kind[kind], 1);
	return true;
}

/* The child of a posix_spawn lives in its parent's memory until it has another program,
 * and cannot do without the parent (docs/ARCHITECTURE.md, known limits). */
static void await_spawn(int node)
{
	while (__atomic_load_n(&nodes[node].spawning, __ATOMIC_SEQ_CST))
		usleep(20);
}

/* The other half of the same: who is to be killed spawns no more. */
static bool begin_spawn(void)
{
	uint32_t group = nodes[me].group;

	__atomic_store_n(&nodes[me].spawning, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&nodes[me].doomed, __ATOMIC_SEQ_CST) &&
		!(group && __atomic_load_n(&storm->group_doomed[group % GROUPS], __ATOMIC_SEQ_CST)))
		return true;
	__atomic_store_n(&nodes[me].spawning, 0, __ATOMIC_SEQ_CST);
	return false;
}

static void kill_node(int node, pid_t pid, enum kill_kind kind)
{
	/* those who are dead already do not count */
	if (node <= 0 || pid <= 0 || stopping() ||
		__atomic_exchange_n(&nodes[node].doomed, 1, __ATOMIC_SEQ_CST))
		return;
	await_spawn(node);
	if (count_kill(kind))
		kill(pid, SIGKILL);
}

static void kill_group(uint32_t group)
{
	if (!group || stopping() ||
		__atomic_exchange_n(&storm->group_doomed[group % GROUPS], 1, __ATOMIC_SEQ_CST))
		return;
	for (int i = 1; i < MAX_NODES; i++)
		if (nodes[i].used && nodes[i].group == group)
			await_spawn(i);
	if (count_kill(GROUP))
		kill(-(pid_t)group, SIGKILL);
}

/* The one who is not in the table of nodes. Waits by what the others have done. */
static __attribute__((noreturn)) void be_the_killer(void)
{
	random_state = mix(tree->seed ^ 0xdead);
	while (!stopping()) {
		uint64_t at = __atomic_load_n(&tree->steps, __ATOMIC_RELAXED) + draw(60);
		int node = 1 + (int)draw(MAX_NODES - 1);

		while (__atomic_load_n(&tree->steps, __ATOMIC_RELAXED) < at && !stopping())
			usleep(20);
		switch (draw(8)) {
		case 0:
			if (nodes[node].used)
				kill_group(__atomic_load_n(&nodes[node].group, __ATOMIC_ACQUIRE));
			break;
		case 1:
		case 2:
		case 3:
			for (int i = 0; i < 20000 && !stopping();
				i++, node = 1 + i % (MAX_NODES - 1))
				if (__atomic_load_n(&nodes[node].forking, __ATOMIC_ACQUIRE)) {
					/* not always in its first microsecond */
					for (uint64_t k = draw(2000); k--;)
						__asm__ volatile("pause");
					kill_node(node, nodes[node].pid, FORKING);
					break;
				}
			break;
		default:
			if (nodes[node].used)
				kill_node(node, nodes[node].pid, ANY);
		}
	}
	_exit(0);
}

/* ---- children ---- */

static void judge(pid_t pid, int status)
{
	int node = node_of(pid);
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, ours = true;

	/* without a node: its parent was killed before it could write the number down */
	if (node != NO_NODE) {
		ours = __atomic_load_n(&nodes[node].doomed, __ATOMIC_SEQ_CST) ||
		       (nodes[node].group && storm->group_doomed[nodes[node].group % GROUPS]);
		node_free(node);
	}
	bump(killed ? &storm->deaths : &storm->ends, 1);
	if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || (killed && ours))
		return;
	__atomic_store_n(&tree->failed, 1, __ATOMIC_RELEASE);
	sem_fail(__FILE__, __LINE__, "judge", "seed %llu: process %d ended with status %#x%s",
		(unsigned long long)tree->seed, (int)pid, (unsigned int)status,
		killed ? ", and nobody killed it" : "");
}

/* Collects those who have ended; with wait until there is nobody left. */
static void collect(bool wait)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, wait ? 0 : WNOHANG)) != 0) {
		if (pid > 0)
			judge(pid, status);
		else if (errno != EINTR)
			break;
	}
}

static __attribute__((noreturn)) void live(bool may_have_threads);

static void exec_worker(char **ret_argv, char *fd, char *node, int child)
{
	sprintf(fd, "%d", tree_fd);
	sprintf(node, "%d", child);
	ret_argv[0] = program_argv[0];
	ret_argv[1] = "--worker";
	ret_argv[2] = fd;
	ret_argv[3] = node;
	ret_argv[4] = NULL;
}

static __attribute__((noreturn)) void be_a_child(int node, pid_t parent, bool by_libc)
{
	int parent_node = nodes[node].parent;

	become(node);
	nr_threads = 0;
	/* not its number now: that may be somebody else's, who adopted us */
	if (draw(16) == 0)
		kill_node(parent_node, parent, PARENT);
	madvise(page_at(OWN_PAGES), (ALL_PAGES - OWN_PAGES) * PAGE, MADV_DONTNEED);
	if (draw(6) == 0 && setpgid(0, 0) == 0)
		__atomic_store_n(&nodes[me].group, (uint32_t)getpid(), __ATOMIC_RELEASE);
	if (draw(8) == 0) {
		char fd[16], number[16], *argv[5];

		bump(&storm->execs, 1);
		verify_pages(draw(OWN_PAGES), 1);
		forget_pages(0, ALL_PAGES);
		exec_worker(argv, fd, number, me);
		execv("/proc/self/exe", argv);
		CHECK(false, "execv");
	}
	live(by_libc);
}

static void spawn_one(int child)
{
	char fd[16], number[16], *argv[5];
	pid_t pid;
	int err;

	if (!begin_spawn()) {
		node_free(child);
		return;
	}
	bump(&storm->spawns, 1);
	forget_node(child);
	exec_worker(argv, fd, number, child);
	err = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	__atomic_store_n(&nodes[me].spawning, 0, __ATOMIC_SEQ_CST);
	CHECK(err == 0 || err == EAGAIN || err == ENOMEM, "posix_spawn: %d", err);
	if (err) {
		bump(&storm->refused, 1);
		node_free(child);
	} else {
		nodes[child].pid = pid;
	}
}

static void fork_one(bool single)
{
	bool by_libc = !single || draw(2);
	pid_t pid, mine = getpid();
	int child = nodes[me].depth < MAX_DEPTH ? node_take(nodes[me].depth + 1) : NO_NODE;

	if (child == NO_NODE)
		return;
	nodes[child].group = nodes[me].group;
	if (draw(10) == 0) {
		spawn_one(child);
		return;
	}
	copy_model(child, OWN_PAGES);
	__atomic_store_n(&nodes[me].forking, 1, __ATOMIC_RELEASE);
	/* The kernel writes the child's number down before the child runs. */
	pid = by_libc ? fork()
		      : (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, NULL,
				&nodes[child].pid, NULL, 0);
	if (!pid)
		be_a_child(child, mine, by_libc);
	if (pid > 0 && draw(8) == 0)
		kill_node(child, pid, NEWBORN);
	__atomic_store_n(&nodes[me].forking, 0, __ATOMIC_RELEASE);
	CHECK(pid > 0 || errno == EAGAIN || errno == ENOMEM, "fork");
	if (pid < 0) {
		bump(&storm->refused, 1);
		node_free(child);
		return;
	}
	nodes[child].pid = pid;
	bump(by_libc ? &storm->forks : &storm->clones, 1);
}

/* ---- what a process does ---- */

static void write_or_verify(size_t first, size_t pages, size_t longest)
{
	size_t n = 1 + draw(longest), at = first + draw(pages - n + 1);

	switch (draw(10)) {
	case 0:
		CHECK(madvise(page_at(at), n * PAGE, MADV_DONTNEED) == 0, "madvise");
		forget_pages(at, n);
		break;
	case 1:
		CHECK(mmap(page_at(at), n * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page_at(at),
			"mmap over the area");
		forget_pages(at, n);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		write_pages(at, n);
		break;
	default:
		verify_pages(at, n);
	}
}

static void *thread_main(void *arg)
{
	size_t index = (size_t)arg, first = OWN_PAGES + index * THREAD_PAGES;

	random_state = mix(tree->seed + (uint64_t)getpid() * 8 + index);
	while (!__atomic_load_n(&threads_stop, __ATOMIC_ACQUIRE))
		write_or_verify(first, THREAD_PAGES, 4);
	verify_pages(first, THREAD_PAGES);
	return NULL;
}

static void start_threads(void)
{
	int n = 1 + (int)draw(MAX_THREADS);

	threads_stop = 0;
	while (nr_threads < n && pthread_create(&thread[nr_threads], NULL, thread_main,
					 (void *)(size_t)nr_threads) == 0)
		nr_threads++;
	bump(&storm->threads, (uint64_t)nr_threads);
}

static void step(void)
{
	bump(&tree->steps, 1);
	if (draw(8))
		write_or_verify(0, OWN_PAGES, 32);
	else if (draw(2))
		fork_one(nr_threads == 0);
	else
		collect(false);
}

static void finish_threads(void)
{
	__atomic_store_n(&threads_stop, 1, __ATOMIC_RELEASE);
	while (nr_threads)
		pthread_join(thread[--nr_threads], NULL);
}

static void live(bool may_have_threads)
{
	if (may_have_threads && draw(4) == 0)
		start_threads();
	for (uint64_t n = 20 + draw(200); n && !stopping(); n--)
		step();
	finish_threads();
	collect(true);
	verify_pages(0, ALL_PAGES);
	_exit(0);
}

static __attribute__((noreturn)) void be_a_worker(char **argv)
{
	tree_fd = atoi(argv[2]);
	tree_open(tree_fd);
	storm = (struct storm *)((char *)tree + tree->own_at);
	become(atoi(argv[3]));
	area = map(ALL_PAGES * PAGE);
	live(true);
}

/* ---- the root ---- */

static void report(void)
{
	say("kill-storm: ok\n");
	dprintf(2, "%llu kills:", (unsigned long long)storm->kills_wanted);
	for (int i = 0; i < NR_KINDS; i++)
		dprintf(2, " %llu %s,", (unsigned long long)storm->kind[i], kind_names[i]);
	dprintf(2, " %llu died, %llu ended; %llu forks, %llu clones, %llu execs, %llu spawns, ",
		(unsigned long long)storm->deaths, (unsigned long long)storm->ends,
		(unsigned long long)storm->forks, (unsigned long long)storm->clones,
		(unsigned long long)storm->execs, (unsigned long long)storm->spawns);
	dprintf(2, "%llu threads, %llu refused; %llu pages written, %llu verified\n",
		(unsigned long long)storm->threads, (unsigned long long)storm->refused,
		(unsigned long long)(tree->next_stamp / CELLS_PER_PAGE),
		(unsigned long long)(tree->cells_verified / CELLS_PER_PAGE));
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, kills = 50;
	pid_t root = getpid(), killer;

	program_argv = argv;
	if (argc == 4 && !strcmp(argv[1], "--worker"))
		be_a_worker(argv);
	tree_options(argc, argv, "kills", &seed, &kills);
	/* orphans come to us; and nobody outside is in a group that is killed */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
	tree_fd = tree_create(seed, MAX_NODES, ALL_PAGES, sizeof(struct storm));
	storm = (struct storm *)((char *)tree + tree->own_at);
	storm->kills_wanted = kills;
	area = map(ALL_PAGES * PAGE);
	CHECK(node_take(0) == 0, "the root is node 0");
	become(0);
	write_pages(0, OWN_PAGES);
	killer = fork_checked();
	if (!killer)
		be_the_killer();
	while (!stopping())
		step();
	collect(true);
	CHECK(!tree->failed, "seed %llu: a process has failed", (unsigned long long)seed);
	verify_pages(0, ALL_PAGES);
	check_from_outside(&root, 1);
	verify_pages(0, ALL_PAGES);
	CHECK(munmap(area, ALL_PAGES * PAGE) == 0, "munmap");
	check_from_outside(&root, 1);
	report();
	return 0;
}
