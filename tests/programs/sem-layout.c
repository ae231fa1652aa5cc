/*
 * Addresses that the program leaves open: mappings made one after the other lie side by side and
 * become one VMA, holes are used again, hints and windows are honoured, and so are the neighbours of
 * a mapping that grows down.
 */
#include "sem.h"
#include "sem-raw.h"

#include <sys/personality.h>

#define RUN 200
#define GIB (1UL << 30)

static const int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;

static void *map_at(void *hint, size_t bytes, int flags)
{
	return mmap(hint, bytes, rw, anon | flags, -1, 0);
}

/* The line of /proc/self/maps with an address in it; false if there is none. */
static bool vma_of(const void *p, unsigned long *start, unsigned long *end)
{
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;
	char line[512];

	CHECK(f, "/proc/self/maps");
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%lx-%lx", start, end) == 2 && *start <= (unsigned long)p &&
			(unsigned long)p < *end;
	fclose(f);
	return found;
}

/*
 * Fills holes until mappings of a size follow each other into free memory. Returns the distance from
 * one to the next: which way they go. The first, large one lies beyond all holes but those as large.
 */
static long fill_holes(size_t bytes)
{
	size_t far_bytes = 16 * MIB + PAGE;
	char *far = map_flags(far_bytes, PROT_NONE, anon);

	for (int i = 0; i < 100000; i++) {
		char *p = map(bytes);

		if (p + bytes == far)
			return -(long)bytes;
		if (p == far + far_bytes)
			return (long)bytes;
	}
	CHECK(false, "no mapping of %zu bytes comes to lie beside the largest", bytes);
	return 0;
}

static void test_side_by_side(void)
{
	long step = fill_holes(PAGE);
	unsigned long start, end;
	char *first = map(PAGE), *low, *p;

	fill_page(first, 0);
	for (int i = 1; i < RUN; i++) {
		p = map(PAGE);
		CHECK(p == first + i * step, "page %d is at %p, the first at %p", i, (void *)p,
			(void *)first);
		fill_page(p, (uint64_t)i);
	}
	low = step < 0 ? first + (RUN - 1) * step : first;
	CHECK(vma_of(low, &start, &end), "not in maps");
	CHECK(start <= (unsigned long)low && end >= (unsigned long)low + RUN * PAGE,
		"%lx-%lx is not one VMA of %d pages from %p", start, end, RUN, (void *)low);
	/* another protection ends it */
	p = mmap(NULL, PAGE, PROT_READ, anon, -1, 0);
	CHECK(p == first + RUN * step, "the next is not beside them");
	CHECK(vma_of(p, &start, &end) && end - start == PAGE, "it is part of them");
	push_out();
	for (int i = 0; i < RUN; i++)
		expect(first + i * step, 1, (uint64_t)i);
	say("side by side: ok\n");
}

static void test_holes(void)
{
	char *p, *q;

	fill_holes(3 * PAGE);
	p = map(64 * PAGE);
	CHECK(munmap(p + 8 * PAGE, 3 * PAGE) == 0, "munmap");
	CHECK(munmap(p + 40 * PAGE, 3 * PAGE) == 0, "munmap");
	q = map(3 * PAGE);
	CHECK(q == p + 8 * PAGE || q == p + 40 * PAGE, "%p is in no hole of %p", (void *)q,
		(void *)p);
	q = map(3 * PAGE);
	CHECK(q == p + 8 * PAGE || q == p + 40 * PAGE, "%p is in no hole of %p", (void *)q,
		(void *)p);
	fill(p, 64, 7);
	push_out();
	expect(p, 64, 7);
	say("holes: ok\n");
}

static void test_hints(void)
{
	char *room = map(4 * MIB), *p;

	CHECK(munmap(room, 4 * MIB) == 0, "munmap");
	CHECK(map_at(room + MIB, MIB, 0) == room + MIB, "a free place");
	p = mmap(room + 2 * MIB, PAGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p == room + 2 * MIB, "a free place for shared memory");
	CHECK(map_at(room + 3 * MIB + 5, PAGE, 0) == room + 3 * MIB, "the page of a free place");
	p = map_at(room + MIB, MIB, 0);
	CHECK(p != MAP_FAILED && p != room + MIB, "a place that is taken");
	p = map_at(room, MIB + PAGE, 0);
	CHECK(p != MAP_FAILED && p != room, "a place that is too small");
	p = map_at((void *)(1UL << 60), PAGE, 0);
	CHECK(p != MAP_FAILED && (unsigned long)p < 1UL << 47, "beyond the address space: %p", p);
	p = map_at((void *)PAGE, PAGE, 0);
	CHECK(p != MAP_FAILED, "too low");
	CHECK(map_at(room + MIB, PAGE, MAP_FIXED_NOREPLACE) == MAP_FAILED && errno == EEXIST,
		"taken, with MAP_FIXED_NOREPLACE");
	say("hints: ok\n");
}

static void test_windows(void)
{
	char *p, *q;

	for (int i = 0; i < 50; i++) {
		p = map_at(NULL, 16 * PAGE, MAP_32BIT);
		CHECK(p != MAP_FAILED, "MAP_32BIT");
		CHECK((unsigned long)p >= 1UL << 30 && (unsigned long)p + 16 * PAGE <= 2UL << 30,
			"%p with MAP_32BIT", (void *)p);
		fill(p, 16, (uint64_t)p);
	}
	CHECK(map_at(NULL, GIB + PAGE, MAP_32BIT | MAP_NORESERVE) == MAP_FAILED && errno == ENOMEM,
		"more than the window");
	push_out();
	expect(p, 16, (uint64_t)p);
	/* as much as there is no more of */
	CHECK(map_at(NULL, 1UL << 47, MAP_NORESERVE) == MAP_FAILED && errno == ENOMEM, "128 TiB");
	CHECK(map_at(NULL, ~0UL - PAGE, MAP_NORESERVE) == MAP_FAILED && errno == ENOMEM,
		"all that a number can say");
	CHECK(map_at(NULL, 0, 0) == MAP_FAILED && errno == EINVAL, "nothing");
	/* and much of what there is */
	p = mmap(NULL, 1UL << 43, PROT_NONE, anon | MAP_NORESERVE, -1, 0);
	q = mmap(NULL, 1UL << 43, PROT_NONE, anon | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED, "8 TiB twice");
	CHECK(munmap(p, 1UL << 43) == 0 && munmap(q, 1UL << 43) == 0, "munmap");
	say("windows: ok\n");
}

/* What is mapped by huge pages natively begins at one. */
static void test_aligned(void)
{
	unsigned long two = 2 * MIB;
	void *p = map(two), *q = map(3 * two);

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
		say("aligned: %d %d\n", (unsigned long)p % two == 0, (unsigned long)q % two == 0);
	fill(q, 3 * two / PAGE, 5);
	push_out();
	expect(q, 3 * two / PAGE, 5);
}

/* Nothing new comes within 256 pages below a mapping that grows down. */
static void test_guard(void)
{
	char *room = map(8 * MIB), *stack = room + 4 * MIB, *p;

	CHECK(munmap(room, 8 * MIB) == 0, "munmap");
	CHECK(map_at(stack, 4 * PAGE, MAP_GROWSDOWN | MAP_FIXED) == stack, "MAP_GROWSDOWN");
	/* a call that ends half way, at a hole */
	CHECK(mprotect(stack, 8 * PAGE, rw) < 0 && errno == ENOMEM, "mprotect over a hole");
	p = map_at(stack - PAGE, PAGE, 0);
	CHECK(p != MAP_FAILED && p != stack - PAGE, "right below");
	p = map_at(stack - 256 * PAGE, PAGE, 0);
	CHECK(p != MAP_FAILED && p != stack - 256 * PAGE, "within the guard");
	p = map_at(stack - 257 * PAGE, PAGE, 0);
	CHECK(p == stack - 257 * PAGE, "below the guard: %p for %p", (void *)p,
		(void *)(stack - 257 * PAGE));
	say("guard: ok\n");
}

/* What somebody has mapped behind everybody's back, where the next mapping would have come. */
static void test_unseen(void)
{
	long step = fill_holes(8 * PAGE);
	char *next = map(8 * PAGE) + step, *p, *q;

	p = (char *)raw(SYS_mmap, 0, 8 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1UL, 0);
	CHECK(p == next, "unseen: at %p, not %p", (void *)p, (void *)next);
	fill(p, 8, 100);
	q = map_filled(8, 200);
	CHECK(q == next + step, "the next is at %p, not %p", (void *)q, (void *)(next + step));
	p = (char *)raw(SYS_mmap, 0, 16 * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1UL, 0);
	CHECK((long)p > 0, "mmap");
	fill(p, 16, 400);
	q = mremap(q, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && (q + 16 * PAGE <= p || q >= p + 16 * PAGE), "mremap");
	push_out();
	expect(next, 8, 100);
	expect(q, 8, 200);
	expect_zero(q + 8 * PAGE, 8);
	expect(p, 16, 400);
	say("unseen: ok\n");
}

/* A child goes on with the layout of its parent. */
static void test_fork(void)
{
	long step = fill_holes(PAGE);
	char *here = map(PAGE);
	pid_t pid = fork_checked();

	if (pid == 0) {
		CHECK(map(PAGE) == here + step, "the child's is elsewhere");
		_exit(0);
	}
	reap(pid);
	CHECK(map(PAGE) == here + step, "the parent's is elsewhere");
	say("fork: ok\n");
}

/* This program, started again: where its mappings go. */
static void print_places(void)
{
	void *p = map(4 * MIB), *q = map(4 * MIB), *r = map(PAGE);

	say("%p %p %p\n", p, q, r);
}

static void again(const char *self, unsigned int persona, char out[256])
{
	int fds[2];
	pid_t pid;
	ssize_t n;

	CHECK(pipe(fds) == 0, "pipe");
	pid = fork_checked();
	if (pid == 0) {
		personality(persona);
		dup2(fds[1], 1);
		execl(self, self, "places", (char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	n = read(fds[0], out, 255);
	CHECK(n > 0, "read");
	out[n] = 0;
	close(fds[0]);
	reap(pid);
}

static void test_personality(const char *self)
{
	char one[256], two[256];
	unsigned long a, b;

	again(self, ADDR_NO_RANDOMIZE, one);
	again(self, ADDR_NO_RANDOMIZE, two);
	CHECK(!strcmp(one, two), "without random offsets: %s and %s", one, two);
	CHECK(sscanf(one, "%lx", &a) == 1 && a > 5UL << 44, "downwards: %s", one);
	again(self, ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT, one);
	CHECK(sscanf(one, "%lx %lx", &a, &b) == 2 && a > 2UL << 44 && b < 3UL << 44 && b > a,
		"upwards: %s", one);
	again(self, 0, one);
	again(self, 0, two);
	CHECK(strcmp(one, two), "twice the same: %s", one);
	say("personality: ok\n");
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		print_places();
		return 0;
	}
	test_side_by_side();
	test_holes();
	test_hints();
	test_windows();
	test_aligned();
	test_guard();
	test_unseen();
	test_fork();
	test_personality("/proc/self/exe");
	return 0;
}
