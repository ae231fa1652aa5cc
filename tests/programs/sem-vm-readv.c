/*
 * Another process reads and writes the swapped memory of this one: by
 * process_vm_readv and process_vm_writev. (Not through /proc/PID/mem and ptrace:
 * the kernel does not wait for a userfaultfd there.)
 */
#include "sem.h"
#include <sys/prctl.h>
#include <sys/uio.h>

int main(int argc, char **argv)
{
	size_t pages = pages_arg(argc, argv, 40);
	char *base = map_filled(pages, 1);
	pid_t parent = getpid(), pid;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pid = fork_checked();
	if (!pid) {
		char *own = map(64 * PAGE);

		for (size_t i = 0; i < pages; i += 64) {
			struct iovec local = {own, 64 * PAGE},
				     remote = {base + i * PAGE, 64 * PAGE};
			ssize_t n = process_vm_readv(parent, &local, 1, &remote, 1, 0);

			if (n < 0 && (errno == ENOSYS || errno == EPERM))
				_exit(EXIT_SKIP);
			CHECK(n == (ssize_t)(64 * PAGE), "process_vm_readv of page %zu: %zd", i, n);
			expect(own, 64, 1 + i);
		}
		for (size_t i = 0; i < pages; i += 128) {
			struct iovec local = {own, PAGE}, remote = {base + i * PAGE, PAGE};

			fill_page(own, 800000 + i);
			CHECK(process_vm_writev(parent, &local, 1, &remote, 1, 0) == PAGE,
				"process_vm_writev of page %zu", i);
		}
		_exit(0);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "status %#x",
		(unsigned int)status);
	if (WEXITSTATUS(status) == EXIT_SKIP)
		sem_skip("process_vm_readv is not permitted here");
	CHECK(WEXITSTATUS(status) == 0, "the child's check");
	for (size_t i = 0; i < pages; i++)
		expect(base + i * PAGE, 1, i % 128 ? 1 + i : 800000 + i);
	say("process_vm_readv, process_vm_writev: ok\n");
	return 0;
}
