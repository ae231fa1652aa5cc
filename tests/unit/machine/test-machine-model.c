/*
 * The machine against a naive model: for each process an array that says which frames
 * and slots it holds, and nothing else.
 *
 *	test-machine-model [SEED [OPERATIONS]]
 *
 * Several processes are one program here, each a view of its own; a child that only
 * waits lends each its life. They take and give, fork, exec and settle, are killed in any
 * order, also between the halves of a fork, and in the middle of a section: with the
 * lock held and what it guards in ruins. After every step the machine validates itself
 * and is compared with the model.
 *
 * The seed comes from the command line, else from FL_SEED, else from the clock;
 * it is printed, and the same seed repeats the same run.
 */
#include "machine-model.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that waits to be killed, and ends with us. */
static pid_t lend_life(void)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		fail("no child could be made");
	if (!pid) {
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 0)
		fail("a pipe");
	close(ready[0]);
	nr_births++;
	return pid;
}

static void take_life(struct process *p)
{
	kill(p->keeper, SIGKILL);
	waitpid(p->keeper, NULL, 0);
	p->keeper = 0;
	nr_deaths++;
}

static void forget(struct process *p)
{
	munmap(p->view.held_frames, p->view.t->held_stride); /* as it would go with him */
	*p = (struct process){0};
}

/* Has nobody any more who could make it, or live for it? */
static bool is_dead(const struct process *p)
{
	return p->alive && !p->keeper && (p->settled || !process[p->maker].keeper);
}

/* The dead, and what they had not brought to life yet, hold nothing now; returns how many. */
static u32 bury(void)
{
	bool dead[PROCESSES];
	u32 n = 0;

	for (int i = 0; i < PROCESSES; i++)
		dead[i] = is_dead(&process[i]);
	for (int i = 0; i < PROCESSES; i++)
		if (dead[i]) {
			forget(&process[i]);
			n++;
		}
	return n;
}

static struct process *pick(bool settled)
{
	for (int i = 0; i < 20; i++) {
		struct process *p = &process[rnd(PROCESSES + 1)];

		if (p->alive && p->settled == settled && (!settled || p->keeper))
			return p;
	}
	return settled ? self : NULL;
}

static struct process *vacant(void)
{
	for (int i = 0; i < PROCESSES; i++)
		if (!process[i].alive && nr_births < BIRTHS)
			return &process[i];
	return NULL;
}

/* ---- taking and giving ---- */

static void take_frames(struct process *p)
{
	u32 order, f = fl_zone_alloc_best(&p->view, rnd(5), &order);
	u32 n = f == FL_NO_FRAME ? 0 : 1u << order;

	for (u32 i = 0; i < n; i++) {
		if (users(false, f + i))
			fail("a frame given that is not free");
		p->frame[f + i] = true;
	}
}

static void take_slots(struct process *p)
{
	u32 slot, n;
	int err;

	n = fl_swap_alloc(&p->view, 1 + rnd(20), &slot, &err);
	for (u32 i = 0; i < n; i++) {
		if (users(true, slot + i))
			fail("a slot given that is not free");
		p->slot[slot + i] = true;
	}
}

static void give(struct process *p)
{
	u32 at = rnd(FRAMES), end = at + 1 + rnd(64);

	for (u32 f = at; f < end && f < FRAMES; f++) {
		if (!p->frame[f])
			continue;
		p->frame[f] = false;
		if (fl_zone_put_shared(&p->view, f) != (users(false, f) == 0))
			fail("the last user is not the last");
	}
	at = rnd(SLOTS);
	for (u32 s = at; s < at + 64 && s < SLOTS; s++)
		if (p->slot[s]) {
			p->slot[s] = false;
			fl_swap_put(&p->view, s);
		}
}

/* ---- life and death ---- */

static void reap_all(void)
{
	if (fl_machine_reap(&pick(true)->view) != bury())
		fail("not those who are dead were taken for dead");
}

static void enter(struct process *p, pid_t keeper)
{
	if (fl_machine_open(&p->view, mem_fd, swap_fd) < 0 ||
		fl_proc_enter(&p->view, (u32)keeper, (u32)keeper) < 0)
		fail("a process cannot enter");
	p->keeper = keeper;
	p->alive = p->settled = true;
}

/* A new image in place of the old: what that held, or was making, is given back. */
static void exec_one(struct process *p)
{
	pid_t keeper = p->keeper;

	if (p == self)
		return;
	p->keeper = 0;
	bury();
	enter(p, keeper);
}

/* The parent's half: a record that holds what it holds, or some of it. */
static void fork_half(struct process *p)
{
	struct process *child = vacant();
	u32 list[SLOTS], n = 0, some = rnd(3);

	if (!child)
		return;
	if (fl_proc_fork(&p->view, &child->view) < 0)
		fail("a process cannot fork");
	child->view.self->maker = (u32)p->keeper; /* all of us are one thread */
	child->alive = true;
	child->maker = (int)(p - process);
	for (u32 f = 0; f < FRAMES; f++)
		if (p->frame[f] && (some || rnd(2)))
			child->frame[list[n++] = f] = true;
	fl_zone_dup(&child->view, list, n);
	n = 0;
	for (u32 s = 0; s < SLOTS && some != 1; s++)
		if (p->slot[s])
			child->slot[list[n++] = s] = true;
	fl_swap_dup(&child->view, list, n);
}

/* The other half: the kernel makes the child, or refuses; it settles, or is killed first. */
static void fork_rest(struct process *child)
{
	struct process *parent = &process[child->maker];

	if (rnd(6) == 0) {
		fl_proc_abandon(&parent->view, &child->view);
		*child = (struct process){0};
		return;
	}
	child->keeper = lend_life();
	*fl_proc_born_at(&child->view) = (u32)child->keeper;
	/* from here on its parent may die, and it lives */
	if (rnd(3) == 0 && parent != self)
		take_life(parent);
	if (rnd(4) == 0)
		take_life(child);
	else if (rnd(2))
		reap_all();
	if (child->keeper)
		fl_proc_settle(&child->view, (u32)child->keeper, (u32)child->keeper);
	child->settled = true;
	reap_all();
}

/* Who cannot look at what the dead held must leave them to others. */
static void reap_without_space(void)
{
	struct rlimit old, none;

	getrlimit(RLIMIT_AS, &old);
	none = (struct rlimit){0, old.rlim_max};
	setrlimit(RLIMIT_AS, &none);
	if (fl_machine_reap(&self->view))
		fail("the dead were found, and what they held was not");
	setrlimit(RLIMIT_AS, &old);
}

/* One or two at once. */
static void die(void)
{
	for (u32 n = 1 + rnd(2); n; n--) {
		struct process *p = pick(true);

		if (p != self)
			take_life(p);
	}
	if (rnd(4) == 0)
		reap_without_space();
	reap_all();
}

static void ruin_zone(struct process *p)
{
	struct fl_machine *t = self->view.t;

	for (u32 f = 0; f < t->zone.fresh; f++) {
		self->view.refs[f] = (u16)rnd(9);
		self->view.zone.next[f] = rnd(FRAMES);
		self->view.zone.prev[f] = rnd(FRAMES);
		self->view.zone.order[f] = (u8)rnd(9);
	}
	t->frames_used = rnd(FRAMES);
	p->view.self->held = rnd(FRAMES);
	/* a bit that was cleared before the count went down */
	if (t->zone.fresh)
		p->view.held_frames[rnd(t->zone.fresh) / 64] &= test_random(&state);
}

static void ruin_swap(struct process *p)
{
	struct fl_machine *t = self->view.t;

	for (u32 s = 1; s < t->slots.nr_slots; s++) {
		self->view.slots.count[s] = (u16)rnd(9);
		self->view.slots.used[s / FL_SLOT_CLUSTER] = (u8)rnd(FL_SLOT_CLUSTER);
	}
	t->slots.nr_used = rnd(SLOTS);
	p->view.held_slots[rnd(SLOTS) / 64] &= test_random(&state);
}

/* He dies in the middle of a section, what it guards in ruins; the next one takes over.
 * That one waits before it asks whether the owner lives: no more than a few of these. */
static void die_with_lock(void)
{
	struct process *p = pick(true);
	struct fl_machine *t = self->view.t;
	u32 word = fl_shlock_word((u32)p->keeper), which = rnd(3);

	if (p == self || nr_takeovers >= TAKEOVERS)
		return;
	nr_takeovers++;
	take_life(p);
	if (which == 0)
		ruin_zone(p);
	else if (which == 1)
		ruin_swap(p);
	/* what the ruin took from the bitmap is nobody's */
	for (u32 f = 0; f < FRAMES; f++)
		p->frame[f] &= p->view.held_frames[f / 64] >> f % 64 & 1;
	for (u32 s = 0; s < SLOTS; s++)
		p->slot[s] &= p->view.held_slots[s / 64] >> s % 64 & 1;
	(which == 0 ? &t->zone_lock : which == 1 ? &t->swap_lock : &t->proc_lock)->word = word;
	if (which == 0)
		take_frames(pick(true));
	else if (which == 1)
		take_slots(pick(true));
	reap_all();
}

static void step(void)
{
	struct process *p = pick(true), *child;

	switch (rnd(64)) {
	case 0:
	case 1:
		fork_half(p);
		break;
	case 2:
	case 3:
		child = pick(false);
		if (child)
			fork_rest(child);
		break;
	case 4:
		exec_one(p);
		break;
	case 5:
		if (rnd(2))
			die();
		break;
	case 6:
		if (rnd(4) == 0)
			die_with_lock();
		break;
	case 7:
		p = vacant();
		if (p)
			enter(p, lend_life());
		break;
	default:
		if (rnd(3) == 0)
			give(p);
		else if (rnd(2))
			take_frames(p);
		else
			take_slots(p);
	}
}

static void begin(void)
{
	const char *dir = getenv("TMPDIR");
	struct fl_config c;
	char why[512] = "?";

	fl_config_init(&c);
	c.page_shared = true;
	c.ram_bytes = (FRAMES + TRANSIT) * FL_PAGE_SIZE;
	c.swap_max_bytes = SLOTS * FL_PAGE_SIZE;
	snprintf(c.swap_path, sizeof(c.swap_path), "%s", dir && *dir ? dir : "/tmp");
	if (fl_machine_create(&c, &mem_fd, &swap_fd, why, sizeof(why)) < 0)
		fail(why);
	enter(self, getpid());
}

int main(int argc, char **argv)
{
	u64 ops = argc > 2 ? strtoul(argv[2], NULL, 0) : 5000;

	state = seed = test_seed(argc, argv);
	printf("seed %lu\n", seed);
	fflush(stdout);
	begin();
	for (nr_ops = 0; nr_ops < ops; nr_ops++) {
		step();
		compare();
	}
	for (int i = 0; i < PROCESSES; i++)
		if (process[i].keeper)
			take_life(&process[i]);
	reap_all();
	compare();
	printf("%lu operations, %lu born, %lu killed, %lu of them with a lock\n", nr_ops, nr_births,
		nr_deaths, nr_takeovers);
	return 0;
}
