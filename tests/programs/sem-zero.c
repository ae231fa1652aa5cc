/*
 * Pages that are all zero: read before any write, written with zeros, and
 * zeroed after they had other bytes, through swap and fork.
 */
#include "sem.h"

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 64);
	char *base = map(pages * PAGE);
	pid_t pid;

	expect_zero(base, pages); /* read first */
	push_out();
	for (size_t i = 0; i < pages; i += 2)
		fill_page(base + i * PAGE, 1 + i);
	for (size_t i = 0; i < pages; i++) {
		if (i % 2)
			expect_zero(base + i * PAGE, 1);
		else
			expect(base + i * PAGE, 1, 1 + i);
	}
	say("read, then written: ok\n");

	memset(base, 0, pages * PAGE); /* zeros over old bytes, some of them in swap */
	push_out();
	expect_zero(base, pages);
	for (size_t i = 0; i < pages; i++)
		base[i * PAGE + i % PAGE] = 1; /* one byte: no longer zero */
	push_out();
	for (size_t i = 0; i < pages; i++) {
		CHECK(base[i * PAGE + i % PAGE] == 1, "page %zu lost its only byte", i);
		base[i * PAGE + i % PAGE] = 0;
	}
	pid = fork_checked();
	if (!pid) {
		expect_zero(base, pages);
		_exit(0);
	}
	reap(pid);
	expect_zero(base, pages);
	say("zeroed: ok\n");
	return 0;
}
