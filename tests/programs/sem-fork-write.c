/*
 * Writes after fork stay with the writer: the child's are not seen by the
 * parent, the parent's not by the child, for pages that are resident, swapped
 * or zero, and for a grandchild that inherits the child's.
 */
#include "sem.h"

static void await(int fd)
{
	char c;

	CHECK(read(fd, &c, 1) == 1, "the other side ended early");
}

static void post(int fd)
{
	CHECK(write(fd, "x", 1) == 1, "pipe");
}

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 48), third = pages / 3;
	char *base = map(pages * PAGE), *b = base + third * PAGE, *c = b + third * PAGE;
	int to_child[2], to_parent[2];
	pid_t pid;

	fill(base, third, 1);
	push_out();
	fill(b, third, 100000);
	/* the third part is untouched: zero in both */
	CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0, "pipe");

	pid = fork_checked();
	if (!pid) {
		pid_t grandchild;

		await(to_child[0]); /* the parent has written to even pages by now */
		expect(base, third, 1);
		expect(b, third, 100000);
		expect_zero(c, third);
		say("child: does not see the parent's writes\n");
		for (size_t i = 1; i < third; i += 2) {
			fill_page(base + i * PAGE, 700000 + i);
			fill_page(b + i * PAGE, 800000 + i);
			fill_page(c + i * PAGE, 900000 + i);
		}
		grandchild = fork_checked();
		if (!grandchild) {
			for (size_t i = 0; i < third; i++) {
				expect(base + i * PAGE, 1, i % 2 ? 700000 + i : 1 + i);
				expect(b + i * PAGE, 1, i % 2 ? 800000 + i : 100000 + i);
				fill_page(c + i * PAGE, 5);
			}
			_exit(0);
		}
		reap(grandchild);
		post(to_parent[1]);
		await(to_child[0]);
		for (size_t i = 0; i < third; i++) {
			expect(base + i * PAGE, 1, i % 2 ? 700000 + i : 1 + i);
			expect(b + i * PAGE, 1, i % 2 ? 800000 + i : 100000 + i);
			if (i % 2)
				expect(c + i * PAGE, 1, 900000 + i);
			else
				expect_zero(c + i * PAGE, 1);
		}
		say("child: has its own writes, not the grandchild's\n");
		_exit(0);
	}
	for (size_t i = 0; i < third; i += 2) {
		fill_page(base + i * PAGE, 200000 + i);
		fill_page(b + i * PAGE, 300000 + i);
		fill_page(c + i * PAGE, 400000 + i);
	}
	post(to_child[1]);
	await(to_parent[0]); /* the child has written to odd pages by now */
	for (size_t i = 0; i < third; i++) {
		expect(base + i * PAGE, 1, i % 2 ? 1 + i : 200000 + i);
		expect(b + i * PAGE, 1, i % 2 ? 100000 + i : 300000 + i);
		if (i % 2)
			expect_zero(c + i * PAGE, 1);
		else
			expect(c + i * PAGE, 1, 400000 + i);
	}
	post(to_child[1]);
	reap(pid);
	say("parent: has its own writes, not the child's\n");

	/* The child unmaps and drops; the parent keeps. */
	pid = fork_checked();
	if (!pid) {
		CHECK(munmap(base, third * PAGE) == 0, "munmap");
		CHECK(madvise(b, third * PAGE, MADV_DONTNEED) == 0, "madvise");
		expect_zero(b, third);
		_exit(0);
	}
	reap(pid);
	for (size_t i = 0; i < third; i++) {
		expect(base + i * PAGE, 1, i % 2 ? 1 + i : 200000 + i);
		expect(b + i * PAGE, 1, i % 2 ? 100000 + i : 300000 + i);
	}
	say("parent: keeps what the child unmapped\n");

	/* The parent drops; the child keeps. */
	CHECK(pipe(to_child) == 0, "pipe");
	pid = fork_checked();
	if (!pid) {
		await(to_child[0]);
		for (size_t i = 0; i < third; i++)
			expect(base + i * PAGE, 1, i % 2 ? 1 + i : 200000 + i);
		_exit(0);
	}
	CHECK(munmap(base, third * PAGE) == 0, "munmap");
	push_out();
	post(to_child[1]);
	reap(pid);
	say("child: keeps what the parent unmapped\n");
	return 0;
}
