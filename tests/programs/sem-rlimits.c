/*
 * RLIMIT_AS and RLIMIT_DATA: the values that were set, the errors, and the very page at which
 * mappings are refused, for what maps, grows or becomes writable, across fork and exec.
 *
 * How much a program has is not asked of /proc, where it may be told of memory that is not the
 * program's own, but of the limit itself: it is the most at which one page more is refused.
 */
#include "sem.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NOBODY 65534

static const char *self;
static const int both[] = {RLIMIT_AS, RLIMIT_DATA};

static const char *name_of(int what)
{
	return what == RLIMIT_AS ? "RLIMIT_AS" : "RLIMIT_DATA";
}

static struct rlimit get(int what)
{
	struct rlimit l;

	CHECK(getrlimit(what, &l) == 0, "getrlimit");
	return l;
}

static void set_soft(int what, rlim_t soft)
{
	struct rlimit l = get(what);

	l.rlim_cur = soft;
	CHECK(setrlimit(what, &l) == 0, "setrlimit %s %lu", name_of(what), (unsigned long)soft);
}

static bool fits(size_t pages, int prot)
{
	void *p = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED || errno == ENOMEM, "mmap");
	if (p != MAP_FAILED)
		munmap(p, pages * PAGE);
	return p != MAP_FAILED;
}

/* Pages that count. The limit is left without an end. */
static size_t used(int what)
{
	size_t low = 0, high = get(what).rlim_max / PAGE;

	if (high > 1UL << 36)
		high = 1UL << 36;
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		set_soft(what, middle * PAGE);
		if (fits(1, PROT_READ | PROT_WRITE))
			high = middle;
		else
			low = middle;
	}
	set_soft(what, get(what).rlim_max);
	return low;
}

/* The main stack's pages, which are more or less as the environment is long. */
static size_t stack_pages(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];
	size_t pages = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			pages = (end - start) / PAGE;
	fclose(f);
	return pages;
}

/* All that there is, to the page: not a page of somebody else's. */
static void say_used(const char *when)
{
	say("%s: %zu pages, %zu of data\n", when, used(RLIMIT_AS) - stack_pages(), used(RLIMIT_DATA));
}

/* The limit, so that there is room for so many pages more, and the odd bytes of another. */
static void leave(int what, size_t pages)
{
	set_soft(what, (used(what) + pages) * PAGE + 123);
}

static void limitless(int what)
{
	set_soft(what, get(what).rlim_max);
}

static void expect_room(int what, size_t pages)
{
	int prot = what == RLIMIT_DATA ? PROT_READ | PROT_WRITE : PROT_READ;

	CHECK(fits(pages, prot), "%s: %zu pages", name_of(what), pages);
	CHECK(!fits(pages + 1, prot), "%s: %zu pages and one more", name_of(what), pages);
	CHECK(what == RLIMIT_AS || fits(pages + 1, PROT_READ), "%s: what is no data", name_of(what));
}

static void values(int what)
{
	struct rlimit l = {5000 * PAGE + 1, RLIM_INFINITY}, got, pair[2];

	CHECK(setrlimit(what, &l) == 0, "setrlimit");
	CHECK(prlimit(0, what, NULL, &got) == 0, "prlimit");
	say("%s is %lu of %ld,", name_of(what), (unsigned long)got.rlim_cur, (long)got.rlim_max);
	CHECK(prlimit(getpid(), what, NULL, &got) == 0, "prlimit");
	say(" %lu,", (unsigned long)got.rlim_cur);
	CHECK(syscall(SYS_getrlimit, what, &got) == 0, "getrlimit");
	say(" %lu,", (unsigned long)got.rlim_cur);
	pair[0] = (struct rlimit){6000 * PAGE, RLIM_INFINITY};
	CHECK(prlimit(0, what, &pair[0], &pair[1]) == 0, "prlimit of both");
	say(" %lu,", (unsigned long)pair[1].rlim_cur);
	pair[0] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	CHECK(syscall(SYS_prlimit64, gettid(), what, &pair[0], &pair[0]) == 0, "in the same place");
	say(" %lu, %ld\n", (unsigned long)pair[0].rlim_cur, (long)get(what).rlim_cur);
}

static void note(long ret)
{
	say(" %ld", ret < 0 ? -errno : ret);
}

static void errors(int what)
{
	struct rlimit bad = {2, 1}, good = {RLIM_INFINITY, RLIM_INFINITY};
	void *nowhere = map_flags(PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	pid_t gone = fork_checked();

	if (!gone)
		_exit(0);
	reap(gone);
	say("%s:", name_of(what));
	note(setrlimit(what, &bad));
	note(syscall(SYS_setrlimit, what, nowhere));
	note(syscall(SYS_getrlimit, what, nowhere));
	note(syscall(SYS_prlimit64, gone, what, NULL, &good));
	note(syscall(SYS_prlimit64, -1, what, NULL, &good));
	note(syscall(SYS_prlimit64, gone, what, &bad, NULL));
	note(syscall(SYS_prlimit64, 0, what | 1 << 8, NULL, &good));
	note(syscall(SYS_prlimit64, 0, what, NULL, NULL));
	/* it is set, only the answer cannot be told */
	good.rlim_cur = 1UL << 40;
	note(syscall(SYS_prlimit64, 0, what, &good, nowhere));
	say(" %lu\n", (unsigned long)get(what).rlim_cur);
	limitless(what);
	munmap(nowhere, PAGE);
}

/* New mappings, of each kind, and what replaces others. */
static void mappings(int what)
{
	char *room = map_flags(64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	const int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, rw = PROT_READ | PROT_WRITE;

	CHECK(mmap(room, 32 * PAGE, rw, fixed, -1, 0) == room, "mmap");
	leave(what, 20);
	expect_room(what, 20);
	/* in place of as much there is always room, and of what kind it was is not asked */
	CHECK(mmap(room, 32 * PAGE, rw, fixed, -1, 0) == room, "replaced");
	expect_room(what, 20);
	CHECK(mmap(room, 64 * PAGE, rw, fixed, -1, 0) == room, "replaced by more data");
	CHECK(fits(1, rw) == (what == RLIMIT_AS), "a page");
	munmap(room, 64 * PAGE);
	limitless(what);
	say("%s: mappings\n", name_of(what));
}

static void grown(int what)
{
	char *p = map(40 * PAGE), *q;

	fill(p, 40, 3);
	munmap(p + 20 * PAGE, 20 * PAGE);
	leave(what, 10);
	CHECK(mremap(p, 20 * PAGE, 31 * PAGE, 0) == MAP_FAILED && errno == ENOMEM, "in place");
	CHECK(mremap(p, 20 * PAGE, 31 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM, "moved");
	CHECK(mremap(p, 20 * PAGE, 30 * PAGE, 0) == p, "just so much");
	CHECK(!fits(1, PROT_READ | PROT_WRITE), "a page more");
	/* without growing it may go elsewhere even now */
	limitless(what);
	q = map_flags(60 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	munmap(q, 60 * PAGE);
	leave(what, 0);
	p = mremap(p, 30 * PAGE, 30 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	CHECK(p == q, "moved only");
	CHECK(mremap(p, 30 * PAGE, 30 * PAGE, MREMAP_MAYMOVE | 4, NULL) == MAP_FAILED && errno == ENOMEM,
		"left behind");
	expect(p, 20, 3);
	munmap(p, 30 * PAGE);
	limitless(what);
	say("%s: mremap\n", name_of(what));
}

static void made_writable(void)
{
	char *p = map(20 * PAGE);

	fill(p, 20, 4);
	CHECK(mprotect(p, 20 * PAGE, PROT_READ) == 0, "mprotect");
	leave(RLIMIT_DATA, 9);
	CHECK(mprotect(p, 10 * PAGE, PROT_READ | PROT_WRITE) < 0 && errno == ENOMEM, "ten");
	CHECK(mprotect(p, 9 * PAGE, PROT_READ | PROT_WRITE) == 0, "nine");
	CHECK(mprotect(p + 9 * PAGE, PAGE, PROT_READ | PROT_WRITE) < 0 && errno == ENOMEM, "one more");
	limitless(RLIMIT_DATA);
	expect(p, 20, 4);
	munmap(p, 20 * PAGE);
	say("RLIMIT_DATA: mprotect\n");
}

static void heap(int what)
{
	char *end = sbrk(0), *up;

	end += (PAGE - (uintptr_t)end % PAGE) % PAGE;
	CHECK(brk(end) == 0, "brk");
	leave(what, 30);
	CHECK(brk(end + 31 * PAGE) < 0 && errno == ENOMEM, "brk");
	CHECK(brk(end + 30 * PAGE + 1) < 0 && errno == ENOMEM, "brk");
	CHECK(brk(end + 30 * PAGE) == 0, "brk, just so much");
	fill(end, 30, 6);
	CHECK(!fits(1, PROT_READ | PROT_WRITE), "a page more");
	/* under a limit that it is above of data may not even become less, unless it is enough */
	up = end + 30 * PAGE;
	set_soft(what, 20 * PAGE);
	CHECK(brk(up - 2 * PAGE) == 0, "brk");
	say("%s: brk down: %zd", name_of(what), (char *)sbrk(0) - up);
	limitless(what);
	CHECK(brk(end) == 0, "brk");
	say(", then without a limit\n");
}

/* The bytes that the heap alone may have, to the byte, as long as its pages stay as they are. */
static void heap_bytes(void)
{
	char *start = sbrk(0), *end;
	size_t low = 0, high = 1UL << 30;

	start += (PAGE - (uintptr_t)start % PAGE) % PAGE;
	end = start + 4 * MIB - 1000;
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		CHECK(brk(end - 1) == 0, "brk");
		set_soft(RLIMIT_DATA, middle);
		if (brk(end) == 0)
			high = middle;
		else
			low = middle;
		limitless(RLIMIT_DATA);
	}
	CHECK(brk(end) == 0, "brk");
	set_soft(RLIMIT_DATA, high);
	CHECK(brk(end + 1) < 0 && errno == ENOMEM, "a byte more");
	CHECK(brk(end - 1) == 0 && brk(end) == 0, "a byte less");
	set_soft(RLIMIT_DATA, high - 100);
	/* to be refused is not to be told so by libc, if it would have become less */
	CHECK(brk(end - 99) == 0 && sbrk(0) == end, "not less enough");
	CHECK(brk(end - 100) == 0 && sbrk(0) == end - 100, "less enough");
	limitless(RLIMIT_DATA);
	CHECK(brk(start) == 0, "brk");
	say("RLIMIT_DATA: the heap's bytes, %s\n", high > 4 * MIB && high < 6 * MIB ? "as many" : "others");
}

/* With a soft limit of none the kernel takes the hard one. */
static void no_data(void)
{
	size_t now = used(RLIMIT_DATA);

	set_soft(RLIMIT_DATA, 0);
	say("RLIMIT_DATA 0: mmap %d, get %lu", fits(1000, PROT_READ | PROT_WRITE),
		(unsigned long)get(RLIMIT_DATA).rlim_cur);
	say(", brk %d\n", brk((char *)sbrk(0) + PAGE));
	set_soft(RLIMIT_DATA, 1);
	CHECK(!fits(1, PROT_READ | PROT_WRITE), "a byte");
	limitless(RLIMIT_DATA);
	CHECK(used(RLIMIT_DATA) == now, "as before");
}

static void mallocs(int what)
{
	static void *block[256];
	size_t n = 0;

	leave(what, 64 * MIB / PAGE);
	while (n < 256 && (block[n] = malloc(MIB))) {
		memset(block[n], 7, MIB);
		n++;
	}
	CHECK(n < 256 && errno == ENOMEM, "malloc");
	say("%s: malloc gave %zu MiB\n", name_of(what), n);
	while (n)
		free(block[--n]);
	limitless(what);
}

static void *idle(void *arg)
{
	return arg;
}

static void threads(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 4 * MIB);
	leave(RLIMIT_AS, 1000);
	CHECK(pthread_create(&t, &attr, idle, NULL) == EAGAIN, "a thread that does not fit");
	leave(RLIMIT_AS, 2000);
	CHECK(pthread_create(&t, &attr, idle, NULL) == 0, "a thread");
	pthread_join(t, NULL);
	limitless(RLIMIT_AS);
	say("RLIMIT_AS: threads\n");
}

static __attribute__((noinline)) unsigned int deep(unsigned int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n ? deep(n - 1) + (unsigned int)frame[0] : 0;
}

/* The main stack grows as far as there is room. */
static void stack(void)
{
	pid_t pid = fork_checked();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		leave(RLIMIT_AS, 200);
		deep(100);
		CHECK(fits(50, PROT_READ), "what is left");
		deep(400);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	say("RLIMIT_AS: the stack: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

/* At the limit, and above it, a process may be made, and has the same one. */
static void forks(int what)
{
	size_t now = used(what);

	for (int room = 8; room >= -8; room -= 8) {
		pid_t pid;

		set_soft(what, (now + (size_t)room) * PAGE);
		pid = fork_checked();
		if (!pid) {
			CHECK(get(what).rlim_cur == (now + (size_t)room) * PAGE, "in the child");
			if (room > 0)
				expect_room(what, (size_t)room);
			else
				CHECK(!fits(1, PROT_READ | PROT_WRITE), "no room");
			set_soft(what, (now + 100) * PAGE);
			expect_room(what, 100);
			_exit(0);
		}
		reap(pid);
		CHECK(get(what).rlim_cur == (now + (size_t)room) * PAGE, "in the parent");
		if (room > 0)
			expect_room(what, (size_t)room);
		CHECK(fits(1, PROT_READ | PROT_WRITE) == (room > 0), "a page");
	}
	limitless(what);
	CHECK(used(what) == now, "as before");
	say("%s: fork\n", name_of(what));
}

/* Of another process, which waits meanwhile. */
static void anothers(int what)
{
	int go[2], done[2];
	struct rlimit l = {0, RLIM_INFINITY}, old;
	size_t now;
	char byte;
	pid_t pid;

	CHECK(pipe(go) == 0 && pipe(done) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		now = used(what);
		CHECK(write(done[1], &now, sizeof(now)) == sizeof(now), "write");
		CHECK(read(go[0], &byte, 1) == 1, "read");
		CHECK(get(what).rlim_cur == (now + 5) * PAGE, "what was set");
		expect_room(what, 5);
		set_soft(what, (now + 7) * PAGE);
		CHECK(write(done[1], &byte, 1) == 1, "write");
		CHECK(read(go[0], &byte, 1) == 1, "read");
		_exit(0);
	}
	CHECK(read(done[0], &now, sizeof(now)) == sizeof(now), "read");
	l.rlim_cur = (now + 5) * PAGE;
	CHECK(prlimit(pid, what, &l, &old) == 0, "prlimit");
	CHECK(old.rlim_cur == RLIM_INFINITY && old.rlim_max == RLIM_INFINITY, "the old one");
	CHECK(write(go[1], "", 1) == 1 && read(done[0], &byte, 1) == 1, "the child");
	CHECK(prlimit(pid, what, NULL, &old) == 0 && old.rlim_cur == (now + 7) * PAGE, "its new one");
	CHECK(write(go[1], "", 1) == 1, "write");
	reap(pid);
	for (int i = 0; i < 2; i++)
		close(go[i]), close(done[i]);
	say("%s: of another process\n", name_of(what));
}

static void run_and_reap(const char *what, char *const argv[])
{
	pid_t pid = fork_checked();
	int status;

	if (!pid) {
		execv(argv[0], argv);
		_exit(1);
	}
	CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	say("%s: status %d\n", what, WEXITSTATUS(status));
}

/* What a program that is started with limits finds: arguments are what they should be. */
static int started(char **argv)
{
	for (int i = 0; i < 2; i++) {
		struct rlimit l = get(both[i]);
		rlim_t soft = strtoul(argv[2 * i], NULL, 10), hard = strtoul(argv[2 * i + 1], NULL, 10);

		CHECK(l.rlim_cur == soft && l.rlim_max == hard, "%s: %lu of %lu", name_of(both[i]),
			(unsigned long)l.rlim_cur, (unsigned long)l.rlim_max);
		if (soft == RLIM_INFINITY)
			continue;
		size_t now = used(both[i]);
		set_soft(both[i], soft);
		expect_room(both[i], soft / PAGE - now);
	}
	say_used("started");
	return 0;
}

static void text_of(char buf[4][24], struct rlimit as, struct rlimit data)
{
	snprintf(buf[0], 24, "%lu", (unsigned long)as.rlim_cur);
	snprintf(buf[1], 24, "%lu", (unsigned long)as.rlim_max);
	snprintf(buf[2], 24, "%lu", (unsigned long)data.rlim_cur);
	snprintf(buf[3], 24, "%lu", (unsigned long)data.rlim_max);
}

/* In a child: the limits, in it and in a program that it becomes by one of the ways. */
static void execs(const char *what, struct rlimit as, struct rlimit data, bool by_vfork, bool unprivileged)
{
	char text[4][24];
	char *argv[] = {(char *)self, "started", text[0], text[1], text[2], text[3], NULL};
	char *again[] = {"/bin/bash", "-c", "true; \"$@\"; exit $?", "bash", argv[0], argv[1], argv[2],
		argv[3], argv[4], argv[5], NULL};
	pid_t pid = fork_checked();

	if (!pid) {
		if (unprivileged)
			CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0, "setuid");
		CHECK(setrlimit(RLIMIT_AS, &as) == 0 && setrlimit(RLIMIT_DATA, &data) == 0, "setrlimit");
		text_of(text, as, data);
		execv("/", argv); /* refused: everything is as before */
		CHECK(errno == EACCES && get(RLIMIT_AS).rlim_cur == as.rlim_cur, "no program");
		if (by_vfork) {
			pid = vfork();
			if (!pid) {
				execv(argv[0], argv);
				_exit(1);
			}
			reap(pid);
		}
		run_and_reap(what, argv);
		execv(again[0], again);
		_exit(1);
	}
	reap(pid);
}

static void all_execs(void)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, soft = {100 * MIB + 1, RLIM_INFINITY},
			    hard = {100 * MIB, 100 * MIB}, uneven = {80 * MIB, 500 * MIB - 1},
			    more = {200 * MIB, 200 * MIB + 1};

	execs("exec: soft", soft, none, false, false);
	execs("exec: hard", hard, none, true, false);
	execs("exec: data", none, hard, false, false);
	execs("exec: both", more, uneven, true, false);
	if (geteuid())
		return;
	execs("exec as nobody: soft", none, soft, true, true);
	execs("exec as nobody: hard", more, hard, true, true);
	execs("exec as nobody: uneven", uneven, none, false, true);
}

/* Whatever else happens in a process at the moment when it becomes another program. */
static void many_execs(void)
{
	char *argv[] = {(char *)self, "limit", "512000001", NULL};

	set_soft(RLIMIT_AS, 512000001);
	for (int i = 0; i < 200; i++) {
		pid_t pid = fork_checked();

		if (!pid) {
			execv(argv[0], argv);
			_exit(1);
		}
		reap(pid);
	}
	limitless(RLIMIT_AS);
	say("exec: many times\n");
}

/* The shell's own command, and programs that it starts. */
static void shells(void)
{
	char *argv[] = {"/bin/bash", "-c",
		"ulimit -v 400000 && ulimit -v && ulimit -Hv && ulimit -d && \"$0\" started 409600000 409600000 "
		"18446744073709551615 18446744073709551615 && ulimit -Sd 100001 && "
		"\"$0\" started 409600000 409600000 102401024 18446744073709551615 && ulimit -Sd && "
		"sh -c 'ulimit -v 500000; ulimit -v' 2>/dev/null; ulimit -v",
		(char *)self, NULL};

	run_and_reap("bash", argv);
}

/* A hard limit that was lowered is as it is, for who may not raise it. */
static void hard_limits(int what)
{
	pid_t pid = fork_checked();

	if (!pid) {
		struct rlimit l = {500 * MIB, 600 * MIB}, up;

		CHECK(setrlimit(what, &l) == 0, "setrlimit");
		up = l;
		up.rlim_max += 1;
		/* with the capability it may be */
		CHECK(setrlimit(what, &up) == 0 || errno == EPERM, "raised");
		CHECK(setrlimit(what, &l) == 0, "setrlimit");
		CHECK(geteuid() || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0), "setuid");
		up.rlim_max = l.rlim_max + 1;
		CHECK(setrlimit(what, &up) < 0 && errno == EPERM, "a byte more");
		up.rlim_max = RLIM_INFINITY;
		CHECK(setrlimit(what, &up) < 0 && errno == EPERM, "no limit");
		up.rlim_cur = up.rlim_max = l.rlim_max;
		CHECK(setrlimit(what, &up) == 0, "all of it");
		expect_room(what, up.rlim_cur / PAGE - used(what));
		limitless(what);
		CHECK(get(what).rlim_cur == 600 * MIB, "the most");
		set_soft(what, 500 * MIB);
		pid = fork_checked(); /* as nobody, too */
		if (!pid) {
			size_t now = used(what);

			set_soft(what, (now + 3) * PAGE);
			expect_room(what, 3);
			_exit(0);
		}
		reap(pid);
		_exit(0);
	}
	reap(pid);
	say("%s: hard limits\n", name_of(what));
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc > 5)
		return started(argv + 2);
	if (argc == 3) /* the limit that there should be */
		return get(RLIMIT_AS).rlim_cur != strtoul(argv[2], NULL, 10);

	say_used("main");
	size_t pages = pages_arg(1, argv, 12);
	char *base = map_filled(pages, 1);

	push_out();
	say_used("in swap");
	for (int i = 0; i < 2; i++) {
		int what = both[i];

		values(what);
		errors(what);
		mappings(what);
		grown(what);
		heap(what);
		mallocs(what);
		forks(what);
		anothers(what);
		hard_limits(what);
	}
	made_writable();
	heap_bytes();
	no_data();
	threads();
	stack();
	all_execs();
	many_execs();
	shells();
	expect(base, pages, 1);
	pid_t pid = fork_checked();
	if (!pid) {
		fill(base, pages, 2);
		say_used("child");
		_exit(0);
	}
	reap(pid);
	say_used("end");
	return 0;
}
