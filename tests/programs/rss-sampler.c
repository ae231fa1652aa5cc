/*
 * Runs a program and watches the anonymous memory of its whole process tree
 * from outside, through /proc.
 *
 *	rss-sampler [-i MS] [-o FILE] [-t SECONDS] [-x NAME] -- PROGRAM [ARGS]
 *
 * At every interval (10 ms unless -i says otherwise, 0 samples never) the
 * anonymous memory is summed: RssAnon of /proc/PID/status, less what fork shares and
 * RssAnon counts in each process. That is the difference between Anonymous and
 * Pss_Anon of smaps_rollup. Neither of these is good by itself: the kernel walks the
 * address space for some milliseconds, and what moves meanwhile, within a process or
 * from one to another, counts twice. RssAnon is a counter; it is read of all processes
 * at once, before and after the walks, and the smaller sum taken. -x leaves
 * processes out whose executable has that base name. -o gets
 * four lines: peak_kib, samples, processes (the most at once) and leftover
 * (descendants still alive when the program was gone, which are killed).
 * The exit status is the program's, 128+N for a signal, 124 after -t seconds.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PROCESSES = 4096 };

static pid_t tree[MAX_PROCESSES];
static const char *excluded;
static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* Returns the first number after key in a /proc file, -1 when there is none. */
static long number_in(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (n < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			n = strtol(line + strlen(key), NULL, 10);
	fclose(f);
	return n;
}

/* Both from one walk of the address space; false when the process has gone. */
static bool numbers_in_rollup(pid_t pid, long *ret_anonymous, long *ret_pss)
{
	char path[64], line[256];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Anonymous: %ld", ret_anonymous) == 1)
			found |= 1;
		else if (sscanf(line, "Pss_Anon: %ld", ret_pss) == 1)
			found |= 2;
	}
	fclose(f);
	return found == 3;
}

static bool is_excluded(pid_t pid)
{
	char path[64], exe[4096], *base;
	ssize_t n;

	if (!excluded)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	base = strrchr(exe, '/');
	return base && !strcmp(base + 1, excluded);
}

static int add_children(pid_t pid, int count)
{
	char path[64];
	struct dirent *d;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return count;
	while ((d = readdir(tasks))) {
		char children[128];
		FILE *f;
		int child;

		if (d->d_name[0] == '.')
			continue;
		snprintf(children, sizeof(children), "/proc/%d/task/%.20s/children", (int)pid,
			d->d_name);
		f = fopen(children, "re");
		if (!f)
			continue;
		while (count < MAX_PROCESSES && fscanf(f, "%d", &child) == 1)
			tree[count++] = child;
		fclose(f);
	}
	closedir(tasks);
	return count;
}

/* Fills tree[] with all descendants of this process; returns how many. */
static int collect(void)
{
	int count = add_children(getpid(), 0);

	for (int i = 0; i < count; i++)
		count = add_children(tree[i], count);
	return count;
}

/* The sum of RssAnon in KiB. */
static long rss_anon(const pid_t *pids, int count)
{
	long sum = 0;

	for (int i = 0; i < count; i++) {
		long kib = number_in(pids[i], "status", "RssAnon:");

		sum += kib > 0 ? kib : 0;
	}
	return sum;
}

/* What rss_anon counts more than once, in KiB. */
static long counted_again(const pid_t *pids, int count)
{
	long shares = 0;

	for (int i = 0; i < count; i++) {
		long anonymous, pss;

		if (numbers_in_rollup(pids[i], &anonymous, &pss))
			shares += anonymous - pss;
	}
	return shares;
}

/*
 * The tree's anonymous memory in KiB. A process that starts or ends in the
 * middle shifts shares between the others, so such a sample is taken again.
 */
static long sample(int *ret_processes)
{
	static pid_t seen[MAX_PROCESSES];

	for (int attempt = 0; attempt < 5; attempt++) {
		int count = collect(), counted = 0;
		long before, again, after;

		for (int i = 0; i < count; i++)
			if (!is_excluded(tree[i]))
				seen[counted++] = tree[i];
		before = rss_anon(seen, counted);
		if (counted <= 1) {
			*ret_processes = counted;
			return before;
		}
		again = counted_again(seen, counted);
		after = rss_anon(seen, counted);
		memcpy(seen, tree, count * sizeof(*tree));
		if (collect() != count || memcmp(seen, tree, count * sizeof(*tree)))
			continue;
		*ret_processes = counted;
		return (before < after ? before : after) - again;
	}
	return -1;
}

/* Those of the tree that run, and are not only waited for. */
static int count_alive(int count)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		char path[64];
		char state = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)tree[i]);
		f = fopen(path, "re");
		n += f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state != 'Z';
		if (f)
			fclose(f);
	}
	return n;
}

/* Orphans that are about to end are not what a program leaves behind: they have as long as
 * it takes, up to a guard against those that do not end. */
static void await_orphans(void)
{
	for (int round = 0; round < 1000 && count_alive(collect()); round++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		poll(NULL, 0, 10);
	}
}

static int kill_tree(void)
{
	int killed = 0;

	for (int round = 0; round < 100; round++) {
		int count = collect(), alive = 0;

		if (round == 0)
			killed = count_alive(count);
		for (int i = 0; i < count; i++) {
			if (kill(tree[i], SIGKILL) == 0)
				alive++;
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (!alive)
			break;
		poll(NULL, 0, 10);
	}
	return killed;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int interval = 10, opt, status = 0, result = 0, most = 0, leftover;
	struct sigaction sa = {.sa_handler = on_signal};
	const char *out = NULL;
	long peak = 0, samples = 0;
	double limit = 0, start;
	struct pollfd pfd;
	pid_t child;
	FILE *f;

	while ((opt = getopt(argc, argv, "+i:o:t:x:")) != -1) {
		switch (opt) {
		case 'i':
			interval = atoi(optarg);
			break;
		case 'o':
			out = optarg;
			break;
		case 't':
			limit = atof(optarg);
			break;
		case 'x':
			excluded = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: rss-sampler [-i MS] [-o FILE] [-t SECONDS] [-x NAME] -- "
				"PROGRAM [ARGS]\n");
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	start = now();
	child = fork();
	if (child == 0) {
		execvp(argv[optind], argv + optind);
		fprintf(stderr, "rss-sampler: %s: %s\n", argv[optind], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	if (child < 0) {
		perror("rss-sampler: fork");
		return 125;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);

	pfd.fd = syscall(SYS_pidfd_open, child, 0);
	pfd.events = POLLIN;
	for (;;) {
		int processes = 0, wait_ms = interval ? interval : 100;
		pid_t got;

		if (pfd.fd < 0 && wait_ms > 10)
			wait_ms = 10;
		poll(&pfd, pfd.fd >= 0, wait_ms);
		/* Descendants whose parent died end here too. */
		while ((got = waitpid(-1, &status, WNOHANG)) > 0 && got != child)
			;
		if (got == child) {
			result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
			break;
		}
		if (interrupted || (limit > 0 && now() - start > limit)) {
			result = interrupted ? 128 + interrupted : 124;
			if (!interrupted)
				fprintf(stderr, "rss-sampler: %s: no end after %g s, killed\n",
					argv[optind], limit);
			break;
		}
		if (interval) {
			long kib = sample(&processes);

			if (kib >= 0)
				samples++;
			if (kib > peak)
				peak = kib;
			if (processes > most)
				most = processes;
		}
	}
	if (result != 124 && !interrupted)
		await_orphans();
	leftover = kill_tree();
	if (out) {
		f = fopen(out, "we");
		if (!f ||
			fprintf(f, "peak_kib %ld\nsamples %ld\nprocesses %d\nleftover %d\n", peak,
				samples, most, leftover) < 0 ||
			fclose(f) != 0) {
			fprintf(stderr, "rss-sampler: %s: %s\n", out, strerror(errno));
			return 125;
		}
	}
	return result;
}
