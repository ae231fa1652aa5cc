/*
 * A forked child sees every page as it was, resident, swapped, never touched;
 * so does its own child; and the parent still does afterwards.
 */
#include "sem.h"

static void verify_all(const char *base, size_t pages, const char *who)
{
	size_t half = pages / 2;

	expect(base, half, 1);
	expect_zero(base + half * PAGE, 16);
	expect(base + (half + 16) * PAGE, pages - half - 16, 500000);
	say("%s: every page as it was, digest %016llx\n", who,
		(unsigned long long)digest(base, pages * PAGE));
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 48), half = pages / 2;
	char *base = map(pages * PAGE);
	pid_t pid;

	fill(base, half, 1);
	push_out();
	fill(base + (half + 16) * PAGE, pages - half - 16, 500000);

	pid = fork_checked();
	if (!pid) {
		pid_t grandchild;

		verify_all(base, pages, "child");
		grandchild = fork_checked();
		if (!grandchild) {
			verify_all(base, pages, "grandchild");
			_exit(0);
		}
		reap(grandchild);
		expect(base, half, 1);
		_exit(0);
	}
	reap(pid);
	verify_all(base, pages, "parent");

	/* A child that takes only what it needs, most recent page last and first. */
	for (int i = 0; i < 20; i++) {
		pid = fork_checked();
		if (!pid) {
			size_t n = mix(i) % half;

			expect(base + n * PAGE, 1, 1 + n);
			_exit(0);
		}
		reap(pid);
	}
	say("twenty short children: ok\n");
	return 0;
}
