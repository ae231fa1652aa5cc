/*
 * The address that a program gets is the very one that the kernel would have chosen: before each
 * of some thousand mappings the kernel is asked by a system call that no library sees, and what it
 * has mapped is taken away again. Sizes, hints, holes, files and shared memory as they come.
 * Natively both are the kernel.
 */
#include "sem.h"
#include "sem-raw.h"

#define NR_SLOTS 400
#define NR_OPS	 6000
#define FILE_MIB 12

struct request {
	void *hint;
	size_t bytes;
	int prot, flags, fd;
	off_t at;
};

static struct slot {
	char *p;
	size_t bytes;
	bool plain; /* private and anonymous */
} slots[NR_SLOTS];

static uint64_t state;
static int file = -1, nr_moved;

static uint64_t rnd(uint64_t below)
{
	return (state = mix(state)) % below;
}

/* Where the kernel puts it, or -errno. */
static long asked(const struct request *r)
{
	long ret = raw(SYS_mmap, (unsigned long)r->hint, r->bytes, (unsigned long)r->prot,
		(unsigned long)r->flags, (unsigned long)r->fd, (unsigned long)r->at);

	if (ret > 0)
		CHECK(raw(SYS_munmap, (unsigned long)ret, r->bytes, 0, 0, 0, 0) == 0, "munmap");
	return ret;
}

static size_t draw_bytes(void)
{
	switch (rnd(8)) {
	case 0: return (1 + rnd(4)) * 2 * MIB;
	case 1: return MIB + rnd(6 * MIB);
	case 2: return rnd(3) ? 1UL << (30 + rnd(12)) : ~0UL >> rnd(17);
	case 3: return 1 + rnd(PAGE);
	default: return (1 + rnd(40)) * PAGE;
	}
}

static void *draw_hint(void)
{
	const struct slot *s = &slots[rnd(NR_SLOTS)];

	switch (rnd(12)) {
	case 0: return s->p ? s->p + s->bytes + rnd(20) * PAGE : NULL;
	case 1: return s->p ? s->p - rnd(600) * PAGE + rnd(PAGE) : NULL;
	case 2: return (void *)(rnd(1UL << 47));
	case 3: return (void *)(rnd(1UL << 20));
	case 4: return (void *)(~0UL << rnd(48));
	default: return NULL;
	}
}

static struct request draw(void)
{
	struct request r = {draw_hint(), draw_bytes(), PROT_NONE, 0, -1, 0};

	r.prot = rnd(3) ? PROT_READ | PROT_WRITE : PROT_READ;
	switch (rnd(10)) {
	case 0:
		r.flags = MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
		break;
	case 1:
	case 2:
		r.flags = rnd(2) ? MAP_SHARED : MAP_PRIVATE;
		r.fd = file;
		r.at = (off_t)(rnd(FILE_MIB * MIB / PAGE) * PAGE);
		break;
	case 3:
		r.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
		break;
	default:
		r.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	}
	return r;
}

static void drop(struct slot *s)
{
	size_t pages = (s->bytes + PAGE - 1) / PAGE, n;

	if (rnd(3) == 0 && pages > 2 && pages < 4096) { /* only one end of it */
		n = 1 + rnd(pages - 1);
		s->bytes = (pages - n) * PAGE;
		if (rnd(2)) {
			CHECK(munmap(s->p + s->bytes, n * PAGE) == 0, "munmap");
		} else {
			CHECK(munmap(s->p, n * PAGE) == 0, "munmap");
			s->p += n * PAGE;
		}
		return;
	}
	CHECK(munmap(s->p, s->bytes) == 0, "munmap");
	s->p = NULL;
}

/* Where it cannot grow it goes where a new mapping of its new size would. */
static void grow(struct slot *s, int nr)
{
	struct request r = {.bytes = s->bytes + draw_bytes() % (32 * MIB), .fd = -1};
	long want;
	char *p;

	r.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	want = asked(&r);
	p = mremap(s->p, s->bytes, r.bytes, MREMAP_MAYMOVE);
	CHECK(p == s->p || (long)p == want, "%d: mremap to %#lx: at %p, not %#lx", nr, r.bytes,
		(void *)p, want);
	if (p != MAP_FAILED) {
		nr_moved += p != s->p;
		s->p = p;
		s->bytes = r.bytes;
	}
}

static void step(int nr)
{
	struct slot *s = &slots[rnd(NR_SLOTS)];
	struct request r;
	long want;
	char *p;

	if (s->p) {
		if (s->plain && rnd(2))
			grow(s, nr);
		else
			drop(s);
		return;
	}
	r = draw();
	want = asked(&r);
	errno = 0;
	p = mmap(r.hint, r.bytes, r.prot, r.flags, r.fd, r.at);
	if (p == MAP_FAILED)
		CHECK(want == -errno, "%d: %p %#lx %#x: fails, not %#lx", nr, r.hint, r.bytes,
			r.flags, want);
	else
		CHECK((long)p == want, "%d: %p %#lx %#x: at %p, not %#lx", nr, r.hint, r.bytes,
			r.flags, (void *)p, want);
	if (p == MAP_FAILED)
		return;
	s->p = p;
	s->bytes = r.bytes;
	s->plain = r.fd < 0 && !(r.flags & (MAP_SHARED | MAP_STACK));
	if ((r.prot & PROT_WRITE) && r.fd < 0)
		fill_page(p, (uint64_t)nr);
}

int main(int argc, char **argv)
{
	FILE *f = tmpfile();

	CHECK(f && ftruncate(fileno(f), FILE_MIB * MIB) == 0, "tmpfile");
	file = fileno(f);
	state = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	for (int i = 0; i < NR_OPS; i++) {
		step(i);
		if (i == NR_OPS / 2)
			push_out();
	}
	CHECK(nr_moved > 100, "only %d were moved", nr_moved);
	say("%d times the kernel's choice\n", NR_OPS);
	return 0;
}
