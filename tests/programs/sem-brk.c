/* The heap by brk and sbrk: growth, shrink, growth again with zeros, swapped in between. */
#include "sem.h"

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 48), half = pages / 2;
	char *start, *p;
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0); /* no malloc between here and the end */
	start = sbrk(0);
	if ((uintptr_t)start % PAGE)
		CHECK(sbrk(PAGE - (uintptr_t)start % PAGE) != (void *)-1, "align");
	p = sbrk(pages * PAGE);
	CHECK(p != (void *)-1, "sbrk");
	expect_zero(p, pages);
	fill(p, pages, 1);
	push_out();
	expect(p, pages, 1);
	say("grown: ok\n");

	CHECK(brk(p + half * PAGE) == 0 && sbrk(0) == p + half * PAGE, "shrink");
	CHECK(sbrk(half * PAGE) == p + half * PAGE, "grow again");
	expect_zero(p + half * PAGE, half);
	expect(p, half, 1);
	say("shrunk and grown again: zeros\n");

	fill(p + half * PAGE, half, 1 + half);
	for (int i = 0; i < 30; i++) {
		size_t cut = 1 + mix(i) % 200;

		CHECK(sbrk(-(intptr_t)(cut * PAGE)) == p + pages * PAGE, "small shrink");
		CHECK(sbrk(cut * PAGE) == p + (pages - cut) * PAGE, "small growth");
		expect_zero(p + (pages - cut) * PAGE, cut);
		fill(p + (pages - cut) * PAGE, cut, 1 + pages - cut);
	}
	expect(p, pages, 1);
	say("small steps: ok\n");

	/* Steps smaller than a page keep the rest of the page. */
	CHECK(sbrk(100) == p + pages * PAGE, "odd growth");
	memset(p + pages * PAGE, 'a', 100);
	CHECK(sbrk(5000) != (void *)-1 && sbrk(-5000) != (void *)-1, "odd steps");
	for (int i = 0; i < 100; i++)
		CHECK(p[pages * PAGE + i] == 'a', "byte %d", i);
	CHECK(brk(p + pages * PAGE) == 0, "brk");
	CHECK(sbrk((intptr_t)1 << 46) == (void *)-1 && errno == ENOMEM, "an impossible growth");
	CHECK(sbrk(0) == p + pages * PAGE, "the break after a failure");
	say("odd steps: ok\n");

	pid = fork_checked();
	if (!pid) {
		expect(p, pages, 1);
		CHECK(brk(p) == 0 && sbrk(64 * PAGE) == p, "brk in the child");
		expect_zero(p, 64);
		_exit(0);
	}
	reap(pid);
	expect(p, pages, 1);
	say("child: its own break\n");
	return 0;
}
