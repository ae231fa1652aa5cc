/*
 * A program that is asked for permission when a file is opened (fanotify(7)), and maps that file
 * itself: by another thread, while the one that answers needs memory that may be in swap; and by the
 * one that answers.
 */
#include "sem.h"
#include "sem-file.h"

#include <poll.h>
#include <pthread.h>
#include <sys/fanotify.h>

enum { KEY = 1000, OWN = 5000000, FILE_PAGES = 64, PAGES = PRESSURE_BYTES / PAGE };

static int group, ended[2];
static char *memory;
static bool maps_itself;

/* Reads what it is asked, does with memory what it likes, and then gives permission. */
static void answer(void)
{
	struct fanotify_event_metadata event;
	struct fanotify_response yes;

	CHECK(read(group, &event, sizeof(event)) == (ssize_t)sizeof(event), "an event");
	expect(memory, PAGES, OWN);
	if (maps_itself) {
		char *m = mmap(NULL, FILE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, event.fd, 0);

		CHECK(m != MAP_FAILED, "mmap");
		expect(m, FILE_PAGES, KEY);
		fill(m, FILE_PAGES, OWN);
		expect(m, FILE_PAGES, OWN);
		munmap(m, FILE_PAGES * PAGE);
		maps_itself = false;
	}
	yes = (struct fanotify_response){event.fd, FAN_ALLOW};
	CHECK(write(group, &yes, sizeof(yes)) == (ssize_t)sizeof(yes), "an answer");
	close(event.fd);
}

static void *answer_all(void *arg UNUSED)
{
	struct pollfd fds[] = {{group, POLLIN, 0}, {ended[0], POLLIN, 0}};

	for (;;) {
		CHECK(poll(fds, 2, -1) > 0, "poll");
		if (fds[0].revents)
			answer();
		else if (fds[1].revents)
			return NULL;
	}
}

int main(void)
{
	const char *name = file_of(FILE_PAGES, KEY);
	pthread_t thread;
	char *m;
	int fd;

	group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
	if (group < 0 || fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, name) < 0)
		sem_skip("fanotify's permission events need CAP_SYS_ADMIN");
	memory = map_filled(PAGES, OWN);
	CHECK(pipe(ended) == 0 && pthread_create(&thread, NULL, answer_all, NULL) == 0, "a thread");

	for (int i = 0; i < 3; i++) {
		m = map_private(name, FILE_PAGES, 0);
		expect(m, FILE_PAGES, KEY);
		fill(m, FILE_PAGES / 2, OWN);
		push_out();
		expect(m, FILE_PAGES / 2, OWN);
		munmap(m, FILE_PAGES * PAGE);
	}
	say("mapped while another thread answers: ok\n");
	maps_itself = true;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0, "open");
	close(fd);
	say("mapped by the one that answers: ok\n");
	close(ended[1]);
	pthread_join(thread, NULL);
	close(group);
	return 0;
}
