/*
 * mprotect over resident and swapped pages: forbidden accesses fault, allowed
 * ones do not, and the bytes survive every change of protection.
 */
#include "sem.h"
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf escape;
static siginfo_t last;

static void on_segv(int sig, siginfo_t *info, void *context UNUSED)
{
	last = *info;
	siglongjmp(escape, sig);
}

static bool faults(volatile char *p, bool write)
{
	if (sigsetjmp(escape, 1)) {
		CHECK(last.si_addr == p, "si_addr %p for an access to %p", last.si_addr, (void *)p);
		CHECK(last.si_code == SEGV_ACCERR, "si_code %d", last.si_code);
		return true;
	}
	if (write)
		*p = 1;
	else
		(void)*p;
	return false;
}

int main(int argc, char **argv)
{
	static const unsigned char add_one[] = {0x8d, 0x47, 0x01, 0xc3}; /* lea 1(%rdi),%eax; ret */
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};
	size_t pages = pages_arg(argc, argv, 48), half = pages / 2;
	char *base = map_filled(pages, 1);
	int (*fn)(int);

	sigaction(SIGSEGV, &sa, NULL);
	CHECK(mprotect(base, pages * PAGE, PROT_READ) == 0, "read only");
	for (size_t i = 0; i < pages; i += 97) {
		CHECK(!faults(base + i * PAGE, false), "page %zu is not readable", i);
		CHECK(faults(base + i * PAGE + 8, true), "page %zu is writable", i);
	}
	expect(base, pages, 1);
	for (size_t i = 0; i < pages; i += 1013)
		CHECK(faults(base + i * PAGE + 8, true), "page %zu is writable once resident", i);
	say("read only: ok\n");

	CHECK(mprotect(base + half * PAGE, half * PAGE, PROT_NONE) == 0, "none");
	for (size_t i = half; i < pages; i += 97) {
		CHECK(faults(base + i * PAGE, false), "page %zu is readable", i);
		CHECK(faults(base + i * PAGE, true), "page %zu is writable", i);
	}
	push_out();
	for (size_t i = half; i < pages; i += 97)
		CHECK(faults(base + i * PAGE, false), "page %zu is readable once swapped", i);
	say("none: ok\n");

	CHECK(mprotect(base, pages * PAGE, PROT_READ | PROT_WRITE) == 0, "back");
	expect(base, pages, 1);
	for (size_t i = 0; i < pages; i++)
		base[i * PAGE + 5] ^= 1;
	push_out();
	for (size_t i = 0; i < pages; i++)
		base[i * PAGE + 5] ^= 1;
	expect(base, pages, 1);
	say("back: ok\n");

	/* A checkerboard: many small areas, and then one again. */
	for (size_t i = 0; i < 2000; i += 2)
		CHECK(mprotect(base + i * PAGE, PAGE, PROT_READ) == 0, "mprotect of page %zu", i);
	for (size_t i = 0; i < 2000; i++)
		CHECK(faults(base + i * PAGE, true) == (i % 2 == 0), "checkerboard page %zu", i);
	CHECK(mprotect(base, pages * PAGE, PROT_READ | PROT_WRITE) == 0, "back");
	for (size_t i = 1; i < 2000; i += 2)
		fill_page(base + i * PAGE, 1 + i);
	expect(base, pages, 1);
	say("checkerboard: ok\n");

	/* Code written, swapped out, made executable, run. */
	for (size_t i = 0; i < 64; i++)
		memcpy(base + i * PAGE, add_one, sizeof(add_one));
	push_out();
	CHECK(mprotect(base, 64 * PAGE, PROT_READ | PROT_EXEC) == 0, "exec");
	for (size_t i = 0; i < 64; i++) {
		*(void **)&fn = base + i * PAGE;
		CHECK(fn(41 + (int)i) == 42 + (int)i, "code on page %zu", i);
	}
	say("exec: ok\n");

	/* Memory that was reserved without access and is opened step by step, as malloc arenas are.
	 */
	base = map_flags(64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	for (size_t i = 0; i < pages; i += 64) {
		CHECK(mprotect(base + i * PAGE, 64 * PAGE, PROT_READ | PROT_WRITE) == 0, "open");
		expect_zero(base + i * PAGE, 64);
		fill(base + i * PAGE, 64, 1 + i);
		CHECK(i + 64 == 64 * MIB / PAGE || faults(base + (i + 64) * PAGE, false),
			"past the open part");
	}
	expect(base, pages / 64 * 64, 1);
	say("opened step by step: ok\n");
	return 0;
}
