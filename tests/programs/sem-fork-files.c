/*
 * Private mappings of a file in several processes and threads: each side of a fork has what it
 * wrote, and sees what others write to the file where it has not, in memory or not, whichever
 * process ends first, and however often the file is opened for it.
 */
#include "sem.h"
#include "sem-file.h"

#include <pthread.h>
#include <sys/prctl.h>

enum { KEY = 1000, PARENT = 3000000, CHILD = 5000000, LATER = 9000000, ROUNDS = 60, STORM_PAGES = 96 };

/* Of four pages one was written before the fork, one by the parent and one by the child after it. */
static void expect_side(const char *m, size_t pages, bool child, uint64_t rest)
{
	for (size_t i = 0; i < pages; i++) {
		uint64_t key = i % 4 == 0 ? PARENT : i % 4 == 1 && !child ? PARENT :
			i % 4 == 2 && child				 ? CHILD :
									   rest;

		CHECK(page_has(m + i * PAGE, key + i), "page %zu of the %s", i,
			child ? "child" : "parent");
	}
}

static void write_side(char *m, size_t pages, size_t which, uint64_t key)
{
	for (size_t i = which; i < pages; i += 4)
		fill_page(m + i * PAGE, key + i);
}

static void both_sides(size_t pages)
{
	const char *name = file_of(pages, KEY);
	char *m = map_private(name, pages, 0);
	pid_t pid;

	expect(m, pages, KEY);
	write_side(m, pages, 0, PARENT);
	pid = fork_checked();
	if (!pid) {
		write_side(m, pages, 2, CHILD);
		expect_side(m, pages, true, KEY);
		push_out();
		expect_side(m, pages, true, KEY);
		/* of the file again */
		CHECK(madvise(m, pages * PAGE, MADV_DONTNEED) == 0, "madvise");
		expect(m, pages, KEY);
		_exit(0);
	}
	write_side(m, pages, 1, PARENT);
	expect_side(m, pages, false, KEY);
	reap(pid);
	expect_side(m, pages, false, KEY);
	munmap(m, pages * PAGE);
	say("parent and child: ok\n");
}

/* The one that goes on learns of a change, and so does the one that is still there. */
static void who_ends_first(size_t pages, bool parent_first)
{
	const char *name = file_of(pages, KEY);
	char *m = map_private(name, pages, 0);
	int begin[2], fd;
	pid_t pid = fork_checked(), child;
	char byte;

	if (pid) { /* what happens is the business of two others */
		reap(pid);
		munmap(m, pages * PAGE);
		say("%s ends first: ok\n", parent_first ? "the parent" : "the child");
		return;
	}
	CHECK(pipe(begin) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		write_side(m, pages, 0, PARENT);
		expect(m + PAGE, 3, KEY + 1);
		child = fork_checked();
		if (!child) {
			CHECK(!parent_first || read(begin[0], &byte, 1) == 1, "pipe");
			write_side(m, pages, 2, CHILD);
			if (parent_first) {
				fd = open(name, O_WRONLY);
				write_file(fd, pages, LATER);
				close(fd);
			}
			for (size_t i = 1; i < pages; i += 4)
				CHECK(page_has(m + i * PAGE, (parent_first ? LATER : KEY) + i), "page %zu", i);
			for (size_t i = 2; i < pages; i += 4)
				CHECK(page_has(m + i * PAGE, CHILD + i), "page %zu", i);
			_exit(0);
		}
		if (!parent_first) {
			reap(child);
			fd = open(name, O_WRONLY);
			write_file(fd, pages, LATER);
			close(fd);
			write_side(m, pages, 1, PARENT);
			expect_side(m, pages, false, LATER);
		}
		_exit(0);
	}
	reap(pid);
	CHECK(!parent_first || write(begin[1], "x", 1) == 1, "pipe");
	if (parent_first) {
		int status;

		CHECK(wait(&status) > 0 && status == 0, "the child: %#x", (unsigned int)status);
	}
	_exit(0);
}

/* The state of the file: version v is in every page once write_done is v. */
static volatile uint64_t write_done;
static volatile bool storm_over;
static const char *storm_name;

static void *write_storm(void *arg UNUSED)
{
	static uint64_t words[WORDS];

	for (uint64_t v = 1; !storm_over; v++) {
		int fd = open(storm_name, O_WRONLY);

		CHECK(fd >= 0, "%s", storm_name);
		for (size_t i = 0; i < WORDS; i++)
			words[i] = v;
		for (size_t i = 0; i < STORM_PAGES; i++)
			CHECK(pwrite(fd, words, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE, "pwrite");
		close(fd);
		__atomic_store_n(&write_done, v, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Pages that are read are never older than what was written before; those that are written stay. */
static void *read_storm(void *arg)
{
	uint64_t seed = (uintptr_t)arg, me = ~seed;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t *m = (uint64_t *)map_private(storm_name, STORM_PAGES, 0);
		bool own[STORM_PAGES] = {false};

		for (int n = 0; n < 400; n++) {
			size_t page = mix(seed++) % STORM_PAGES, at = page * WORDS + mix(seed) % WORDS;
			uint64_t least = __atomic_load_n(&write_done, __ATOMIC_SEQ_CST), got;

			if (n % 16 == 0) {
				for (size_t i = 0; i < WORDS; i++)
					m[page * WORDS + i] = me;
				own[page] = true;
			}
			got = __atomic_load_n(&m[at], __ATOMIC_SEQ_CST);
			CHECK(own[page] ? got == me : got >= least,
				"round %d: page %zu has %lu, and %lu was written", round, page,
				(unsigned long)got, (unsigned long)least);
		}
		munmap(m, STORM_PAGES * PAGE);
	}
	return NULL;
}

static void make_storm_file(void)
{
	static char zeros[PAGE];
	int fd;

	storm_name = file_of(1, KEY);
	fd = open(storm_name, O_WRONLY);
	for (size_t i = 0; i < STORM_PAGES; i++)
		CHECK(pwrite(fd, zeros, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE, "pwrite");
	close(fd);
}

static void storm(void)
{
	pthread_t writer, reader[3];

	make_storm_file();
	CHECK(pthread_create(&writer, NULL, write_storm, NULL) == 0, "pthread_create");
	for (size_t i = 0; i < 3; i++)
		CHECK(pthread_create(&reader[i], NULL, read_storm, (void *)(i << 32)) == 0, "pthread_create");
	for (size_t i = 0; i < 3; i++)
		pthread_join(reader[i], NULL);
	storm_over = true;
	pthread_join(writer, NULL);
	CHECK(write_done > 0, "nothing was written");
	say("a storm of writers: ok\n");
}

/* A process that writes version after version when it is told to; done is the last. */
static pid_t start_writer(int go[2], int ack[2], volatile uint64_t *done)
{
	static uint64_t words[WORDS];
	pid_t pid;
	char byte;

	CHECK(pipe(go) == 0 && pipe(ack) == 0, "pipe");
	pid = fork_checked();
	if (pid)
		return pid;
	close(go[1]);
	for (uint64_t v = 1; read(go[0], &byte, 1) == 1; v++) {
		int fd = open(storm_name, O_WRONLY);

		for (size_t i = 0; i < WORDS; i++)
			words[i] = v;
		for (size_t i = 0; i < STORM_PAGES; i++)
			CHECK(pwrite(fd, words, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE, "pwrite");
		close(fd);
		__atomic_store_n(done, v, __ATOMIC_SEQ_CST);
		CHECK(write(ack[1], "x", 1) == 1, "pipe");
	}
	_exit(0);
}

/* No page is older than what was written before it was looked at. */
static void look_until(const uint64_t *m, volatile uint64_t *done, uint64_t v, const char *who)
{
	uint64_t least;

	do {
		least = __atomic_load_n(done, __ATOMIC_SEQ_CST);
		for (size_t i = 1; i < STORM_PAGES; i++) { /* the first is its own */
			uint64_t got = __atomic_load_n(&m[i * WORDS], __ATOMIC_SEQ_CST);

			CHECK(got >= least, "%s, version %lu: page %zu has %lu, %lu was written", who,
				(unsigned long)v, i, (unsigned long)got, (unsigned long)least);
		}
	} while (least < v);
}

/* The file is written to while the process is made that has it mapped too. */
static void write_while_forking(void)
{
	volatile uint64_t *done = map_flags(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	int go[2], ack[2];
	pid_t writer, pid;
	char byte;

	make_storm_file();
	writer = start_writer(go, ack, done);
	for (uint64_t v = 1; v <= ROUNDS; v++) {
		uint64_t *m = (uint64_t *)map_private(storm_name, STORM_PAGES, 0);

		for (size_t i = 0; i < STORM_PAGES; i++)
			CHECK(m[i * WORDS] == v - 1, "page %zu", i);
		m[0] = v;
		CHECK(write(go[1], "x", 1) == 1, "pipe");
		pid = fork_checked();
		look_until(m, done, v, pid ? "parent" : "child");
		if (!pid)
			_exit(0);
		CHECK(read(ack[0], &byte, 1) == 1, "pipe");
		reap(pid);
		munmap(m, STORM_PAGES * PAGE);
	}
	close(go[1]);
	close(ack[1]);
	reap(writer);
	say("written to while a process was made: ok\n");
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 20);

	both_sides(pages);
	who_ends_first(pages / 2, true);
	who_ends_first(pages / 2, false);
	storm();
	write_while_forking();
	return 0;
}
