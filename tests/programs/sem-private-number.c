/*
 * A file is mapped by a descriptor's number while another thread puts another file there: what is mapped
 * is one of the two, and other mappings of either are what they are.
 */
#include "sem.h"
#include "sem-file.h"

#include <pthread.h>

enum { KEY = 1000, OTHER = 2000000, OWN = 5000000, PAGES = 16, ROUNDS = 1500 };

static int number, file[2];
static bool ended;

static void *replace(void *arg UNUSED)
{
	for (unsigned int i = 0; !__atomic_load_n(&ended, __ATOMIC_RELAXED); i++)
		CHECK(dup2(file[i % 2], number) == number, "dup2");
	return NULL;
}

static char *map_number(int fd)
{
	char *m = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	CHECK(m != MAP_FAILED, "mmap");
	return m;
}

int main(void)
{
	char *memory = map_filled(PRESSURE_BYTES / PAGE, OWN), name[sizeof(sem_file_name) + 8];
	pthread_t thread;

	file[0] = open(file_of(PAGES, KEY), O_RDONLY | O_CLOEXEC);
	snprintf(name, sizeof(name), "%s.first", sem_file_name);
	CHECK(rename(sem_file_name, name) == 0, "rename");
	file[1] = open(file_of(PAGES, OTHER), O_RDONLY | O_CLOEXEC);
	CHECK(file[0] >= 0 && file[1] >= 0 && unlink(name) == 0, "two files");
	number = dup(file[0]);
	CHECK(pthread_create(&thread, NULL, replace, NULL) == 0, "a thread");

	for (int i = 0; i < ROUNDS; i++) {
		char *either = map_number(number), *one = map_number(file[0]), *two = map_number(file[1]);

		expect(one, PAGES, KEY);
		expect(two, PAGES, OTHER);
		expect(either, PAGES, page_has(either, KEY) ? KEY : OTHER);
		fill(either, PAGES, OWN);
		expect(one, PAGES, KEY);
		expect(two, PAGES, OTHER);
		munmap(either, PAGES * PAGE);
		munmap(one, PAGES * PAGE);
		munmap(two, PAGES * PAGE);
	}
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	expect(memory, PRESSURE_BYTES / PAGE, OWN);
	say("mapped by a number: ok\n");
	return 0;
}
