/*
 * What the parts of mm-diff share; main.c says what it does.
 *
 * The program must do the same natively and under a memory manager, byte for byte. So nothing that
 * the kernel or the run decides may decide what is done: operation i draws from a generator seeded
 * with (seed, thread, i) alone. It works in an arena of fixed addresses, where layout is determined,
 * and in regions wherever the kernel puts them, which have an index and are logged by it. An
 * operation never depends on another having been there, so that any subset of them can be run.
 */
#ifndef TESTS_MM_DIFF_H
#define TESTS_MM_DIFF_H

#include "../sem.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/uio.h>

#define ARENA	    0x200000000000UL /* of thread 0; far from where the kernel puts anything */
#define ARENA_STEP  0x010000000000UL
#define ARENA_PAGES 8192UL
#define HOT_PAGES   768UL /* the first ones, where most calls meet */
#define HEAP_PAGES  1024UL
#define FILE_PAGES  96UL /* of each file at start */
#define SHM_PAGES   24UL
#define REGIONS	    10
#define RW	    (PROT_READ | PROT_WRITE)
#define RX	    (PROT_READ | PROT_EXEC)
#define TASK_END    0x7ffffffff000UL
#define LOG_BYTES   (256u << 10)

/* Where bytes come from. */
enum source { ANON, FILE_RW, FILE_RO, MEMFD, SEALED, NR_FILES, NO_FD };

struct region {
	char *base; /* NULL: none */
	size_t pages;
};

/* A signal that was caught, sig 0: none. */
struct caught {
	int sig, code;
	char *addr;
	unsigned int repairs;
};

enum repair { REPAIR_NO, REPAIR_PROTECT, REPAIR_MAP };

struct worker {
	pthread_t thread;
	unsigned int index;
	unsigned long op; /* which one is run */
	uint64_t draws;	  /* state of its generator */
	char *arena;
	struct region region[REGIONS];
	int fd[NR_FILES]; /* by enum source; ANON: -1 */
	int shm, pidfd, pipe[2], socket[2];
	char *heap; /* NULL: this thread does not move the break */

	/* guard.c */
	sigjmp_buf escape;
	volatile bool armed;
	enum repair repair;
	struct caught caught;
	char *signal_stack;

	/* log.c */
	int log_fd;
	size_t log_used;
	char *log;
	char *scratch; /* 64 KiB of the program's own memory */
};

extern __thread struct worker *me;

/* A range that an operation works on. */
struct span {
	char *at;
	size_t bytes;
	int region; /* which, or -1: in the arena */
};

struct op {
	const char *name;
	void (*run)(struct worker *w, const struct op *op);
	unsigned int weight;
	long arg, arg2; /* what run makes of them: flags, an advice, a protection */
	enum source source;
	unsigned int limits; /* ALONE, ... */
};

#define ALONE 1u /* changes the whole process: not with other threads */

/* Tables of operations, each ending with one that has no name. */
extern const struct op map_ops[], unmap_ops[], protect_ops[], advise_ops[], lock_ops[], file_ops[],
	access_ops[], buffer_ops[], process_ops[];

/* draw.c */
uint64_t draw(struct worker *w, uint64_t below);
/* A range of at most @most pages in the arena, or now and then a part of a region. */
struct span draw_span(struct worker *w, size_t most);
struct span draw_arena(struct worker *w, size_t most);
/* Makes some ranges invalid or odd: misaligned, empty, past the end. What is valid stays in place. */
struct span draw_odd(struct worker *w, struct span s);
/* An index of a region, which is unmapped if it is in use. */
int draw_region(struct worker *w);
void region_set(struct worker *w, int k, void *base, size_t bytes);

/* log.c: to be followed by more, or by a newline. */
void note(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void note_addr(struct worker *w, const void *addr);
void note_span(struct worker *w, struct span s);
void note_result(struct worker *w, long ret);	/* a call that returns 0 or a number, or -1 */
void note_pointer(struct worker *w, void *ret); /* one that returns an address */
void note_caught(struct worker *w, const struct caught *c);
void log_flush(struct worker *w);

/* guard.c */
typedef void access_fn(void *arg);
/* Runs an access. Returns false if a signal ended it. */
bool guarded(struct worker *w, enum repair repair, access_fn *fn, void *arg);
void guard_init(struct worker *w);
/* The sum of up to n bytes at an address within one page; false: not readable. */
bool guarded_sum(struct worker *w, const char *at, size_t n, uint64_t *sum);
/* Fills what can be written of the range, page by page; returns how many pages took it. */
size_t guarded_fill(struct worker *w, char *at, size_t bytes, uint64_t key);

/* digest.c */
/* Notes what is readable at a few places of the range. */
void note_bytes(struct worker *w, struct span s);
/* The layout and every byte of all that the thread has. */
void note_everything(struct worker *w);
/* Mapped pages of the thread's arena. */
size_t arena_mapped(struct worker *w);
/* Lets go what the thread has locked there. */
void arena_unlock(struct worker *w);

static inline struct span span_of(void *at, size_t bytes)
{
	return (struct span){at, bytes, -1};
}

#endif
