/*
 * Processes that share anonymous memory, of which random ones are stopped and killed.
 *
 *	shared-storm [--seed S] [--kills N]
 *
 * Eight processes of two threads each write to, verify and add to pages of one area, larger
 * than the memory there is, have areas of their own for a while, and fork children that
 * verify. The root kills one at a time, and has another in its place, or stops it for a
 * moment. Nobody may see anything but:
 *
 *	a word of each thread	what that thread wrote last, or has begun to write
 *	a counter		as many as have added to it, or a few who have begun to
 *	a pattern		as the root wrote it, or zeros where it did not
 *	a page under a lock	what the last holder of the lock left: words, or zeros by
 *				MADV_REMOVE
 *
 * What has been written, and begun, is in a memory file, which is not what is tested. In the
 * end the root is alone; it verifies all, and has $FAULTLINE_CHECK run with its process id.
 */
#include "tree-model.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

enum { NODES = 8, THREADS = 2, WRITERS = NODES * THREADS };
enum { AREA = 6144, LOCKED = 256, ALL = AREA + LOCKED, OWN = 512 };
enum { COUNTER = 20, FIXED = 32, FIXED_WORDS = 16 };
enum { UNKNOWN = 0xffffffff };

struct book {
	uint64_t steps, stop, failed, seed, kills, stops, removed;
	uint32_t begun[WRITERS][AREA], done[WRITERS][AREA];
	uint32_t adds_begun[AREA], adds_done[AREA];
	uint32_t holder[LOCKED], value[LOCKED];
};

static struct book *book;

#define LOAD(x)	    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v) __atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)

static uint64_t *words(size_t page)
{
	return (uint64_t *)(area + page * PAGE);
}

static uint64_t word_of(size_t page, int writer, uint64_t version)
{
	return version ? version << 32 | (mix(mix(page << 8 | (size_t)writer) + version) & 0xffffffff) : 0;
}

static uint64_t pattern(size_t page, size_t i)
{
	return page % 4 == 3 ? 0 : mix(page << 16 | i);
}

static void write_word(size_t page, int writer)
{
	uint32_t version = LOAD(book->begun[writer][page]) + 1;

	STORE(book->begun[writer][page], version);
	STORE(words(page)[writer], word_of(page, writer, version));
	STORE(book->done[writer][page], version);
}

static void add(size_t page)
{
	__atomic_fetch_add(&book->adds_begun[page], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&words(page)[COUNTER], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&book->adds_done[page], 1, __ATOMIC_SEQ_CST);
}

static void verify(size_t page)
{
	uint32_t least = LOAD(book->adds_done[page]), most;
	uint64_t w = LOAD(words(page)[COUNTER]);

	most = LOAD(book->adds_begun[page]);
	CHECK(least <= w && w <= most, "page %zu: counted %llu, not %u to %u", page, (unsigned long long)w,
		least, most);
	for (int i = 0; i < WRITERS; i++) {
		least = LOAD(book->done[i][page]);
		w = LOAD(words(page)[i]);
		most = LOAD(book->begun[i][page]);
		CHECK(least <= w >> 32 && w >> 32 <= most, "page %zu: version %llu of writer %d, not %u to %u",
			page, (unsigned long long)(w >> 32), i, least, most);
		CHECK(w == word_of(page, i, w >> 32), "page %zu: a word that writer %d never wrote", page, i);
	}
	for (size_t i = FIXED; i < FIXED + FIXED_WORDS; i++)
		CHECK(LOAD(words(page)[i]) == pattern(page, i), "page %zu: another pattern", page);
}

static uint64_t value_word(size_t n, uint32_t value, size_t i)
{
	return value ? mix(n << 40 | (uint64_t)value << 9 | i) : 0;
}

static void verify_locked(size_t n)
{
	for (size_t i = 0; i < WORDS; i++)
		CHECK(words(AREA + n)[i] == value_word(n, book->value[n], i),
			"locked page %zu: word %zu is not of value %u", n, i, book->value[n]);
}

/* Whoever has the lock does as it likes with the page. */
static void use_locked(size_t n, int writer)
{
	uint32_t nobody = 0, value = (uint32_t)draw(1000000) + 1;

	if (!__atomic_compare_exchange_n(&book->holder[n], &nobody, (uint32_t)writer + 1, false,
		    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	if (LOAD(book->value[n]) != UNKNOWN)
		verify_locked(n);
	STORE(book->value[n], UNKNOWN);
	if (draw(2)) {
		CHECK(madvise(words(AREA + n), PAGE, MADV_REMOVE) == 0, "MADV_REMOVE");
		bump(&book->removed, 1);
		value = 0;
		if (draw(2)) /* as soon as it is gone */
			STORE(words(AREA + n)[draw(WORDS)], 0);
	} else {
		for (size_t i = 0; i < WORDS; i++)
			words(AREA + n)[i] = value_word(n, value, i);
	}
	STORE(book->value[n], value);
	STORE(book->holder[n], 0);
}

static void have_an_area(uint64_t seed)
{
	uint64_t *own = map_flags(OWN * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);

	for (size_t i = 0; i < OWN; i++)
		own[i * WORDS + i] = mix(seed + i);
	for (size_t i = 0; i < OWN; i++)
		CHECK(own[i * WORDS + i] == mix(seed + i) && !own[i * WORDS + (i + 1) % WORDS],
			"page %zu of an area of one's own", i);
	CHECK(munmap(own, OWN * PAGE) == 0, "munmap");
}

static void have_a_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return;
	if (!pid) {
		for (int i = 0; i < 64; i++)
			verify(draw(AREA));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "a child's status %#x", (unsigned int)status);
}

static void step(int writer)
{
	size_t page = draw(AREA), n = 1 + draw(32);

	for (; n && page < AREA; n--, page++) {
		switch (draw(8)) {
		case 0:
		case 1: write_word(page, writer); break;
		case 2: add(page); break;
		default: verify(page);
		}
		bump(&book->steps, 1);
	}
	use_locked(draw(LOCKED), writer);
	if (!draw(200))
		have_an_area(mix(book->steps));
	if (!draw(400))
		have_a_child();
}

static void *work(void *arg)
{
	int writer = (int)(intptr_t)arg;

	random_state = mix(book->seed ^ (uint64_t)writer << 32 ^ book->steps);
	while (!LOAD(book->stop))
		step(writer);
	return NULL;
}

static pid_t start(int node)
{
	pthread_t other;
	pid_t pid = fork();

	CHECK(pid >= 0, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECK(pthread_create(&other, NULL, work, (void *)(intptr_t)(node * THREADS + 1)) == 0, "a thread");
	work((void *)(intptr_t)(node * THREADS));
	pthread_join(other, NULL);
	_exit(0);
}

/* The locks of a process that was killed; what lies under them, nobody knows. */
static void release_locks(int node)
{
	for (size_t i = 0; i < LOCKED; i++)
		if (book->holder[i] && (int)(book->holder[i] - 1) / THREADS == node)
			STORE(book->holder[i], 0);
}

/* By what the others do, while they do anything. */
static void let_them_work(uint64_t steps)
{
	uint64_t until = LOAD(book->steps) + steps;

	for (int i = 0; i < 1000 && LOAD(book->steps) < until; i++)
		usleep(100);
}

static void end_of(pid_t pid, bool killed)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	if (killed ? WTERMSIG(status) != SIGKILL : status != 0)
		STORE(book->failed, 1);
	CHECK(!LOAD(book->failed), "seed %llu: a process ended with status %#x",
		(unsigned long long)book->seed, (unsigned int)status);
}

static void storm(uint64_t kills)
{
	pid_t pid[NODES];

	for (int i = 0; i < NODES; i++)
		pid[i] = start(i);
	while (book->kills < kills) {
		int i = (int)draw(NODES);

		let_them_work(draw(4000));
		if (draw(2)) {
			kill(pid[i], SIGSTOP);
			let_them_work(draw(500));
			kill(pid[i], SIGCONT);
			book->stops++;
			continue;
		}
		kill(pid[i], SIGKILL);
		end_of(pid[i], true);
		book->kills++;
		release_locks(i);
		pid[i] = start(i);
	}
	STORE(book->stop, 1);
	for (int i = 0; i < NODES; i++)
		end_of(pid[i], false);
	/* children of those that were killed */
	for (int status; waitpid(-1, &status, 0) > 0;)
		CHECK(status == 0, "a child's status %#x", (unsigned int)status);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, kills = 50;
	pid_t root = getpid();
	int fd = memfd_create("book", MFD_CLOEXEC);

	tree_options(argc, argv, "kills", &seed, &kills);
	tree_create(seed, 1, 1, 0); /* for its messages */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0, "prctl");
	CHECK(fd >= 0 && ftruncate(fd, sizeof(*book)) == 0, "a memory file");
	book = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(book != MAP_FAILED, "mmap");
	book->seed = seed;
	random_state = mix(seed);
	area = map_flags(ALL * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	for (size_t p = 0; p < AREA; p++)
		for (size_t i = FIXED; i < FIXED + FIXED_WORDS && p % 4 != 3; i++)
			words(p)[i] = pattern(p, i);
	storm(kills);
	for (size_t p = 0; p < AREA; p++)
		verify(p);
	for (size_t n = 0; n < LOCKED; n++)
		if (book->value[n] != UNKNOWN)
			verify_locked(n);
	check_from_outside(&root, 1);
	CHECK(munmap(area, ALL * PAGE) == 0, "munmap");
	check_from_outside(&root, 1);
	say("shared-storm: ok\n");
	dprintf(2, "%llu kills, %llu stops, %llu pages used, %llu removed\n", (unsigned long long)book->kills,
		(unsigned long long)book->stops, (unsigned long long)book->steps,
		(unsigned long long)book->removed);
	return 0;
}
