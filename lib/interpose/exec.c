/*
 * execve(2) and execveat(2).
 *
 * Where the new program cannot open our library, after chroot(2) or as another
 * user, its loader would say so on standard error. It runs natively then, and the
 * library is left out of its environment.
 *
 * Limits on memory are handed on as the kernel has them: by how much they are above those of the
 * program the next one is told in its environment (runtime/limits.h).
 *
 * The environment that we make instead must stay until the kernel has read it, and
 * nobody comes back from exec to free it. A process of its own loses it with the rest
 * of its memory, but a vfork child borrows its parent's: so it is kept by the number
 * of who made it, and given to the next when nobody has that number any more.
 */
#include "interpose/hooks.h"
#include "machine/handoff.h"
#include "runtime/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define MAX_ENTRIES 65536u
#define HEAD_BYTES  24u /* of an entry: more than the longest name that we look for */

static const char preload_name[] = "LD_PRELOAD=";

struct place {
	struct place *next;
	u64 bytes;
	u32 tid;
	bool lowered; /* that child has the limits of a program that is not managed */
	u64 entries[];
};

static struct place *places;

/* Can the loader open it? When in doubt yes. */
static bool reachable(const char *path)
{
	long fd = fl_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		fl_syscall(SYS_close, fd);
	return fd != -ENOENT && fd != -EACCES && fd != -ENOTDIR && fd != -ELOOP;
}

/* The beginning of a string, up to n - 1 bytes of it. False: it lies nowhere. */
static bool peek_string(u64 va, char *to, u32 n)
{
	for (u32 at = 0; at < n - 1;) {
		u32 piece = (u32)fl_min((u64)n - 1 - at, FL_PAGE_SIZE - ((va + at) & (FL_PAGE_SIZE - 1)));

		if (!fl_peek(va + at, to + at, piece))
			return false;
		if (memchr(to + at, 0, piece))
			return true;
		at += piece;
	}
	to[n - 1] = 0;
	return true;
}

/* The entries before the one that ends the list, or -1 if they lie nowhere. */
static long count(u64 envp)
{
	u64 entry;

	for (u32 n = 0; envp && n < MAX_ENTRIES; n++) {
		if (!fl_peek(envp + n * 8ull, &entry, 8))
			return -1;
		if (!entry)
			return n;
	}
	return -1;
}

/*
 * For children that borrow our memory (vfork): one that is killed in here must not take the lock
 * with it. Made before there is the child, never freed; taken by the one that writes its number.
 */
#define SPARES	    8
#define SPARE_BYTES 8192u
static struct place *spares[SPARES];

void fl_exec_make_room(void)
{
	for (u32 i = 0; i < SPARES; i++) {
		if (!spares[i]) {
			spares[i] = fl_arena_alloc(&fl.arena, SPARE_BYTES);
			if (spares[i])
				*spares[i] = (struct place){.bytes = SPARE_BYTES};
			return;
		}
		if (spares[i]->tid && fl_syscall(SYS_kill, spares[i]->tid, 0) == -ESRCH)
			spares[i]->tid = 0;
		if (!spares[i]->tid)
			return;
	}
}

static struct place *spare_for(u32 tid, u64 bytes)
{
	for (u32 i = 0; i < SPARES && bytes <= SPARE_BYTES; i++) {
		u32 nobody = 0;

		if (!spares[i])
			continue;
		if (spares[i]->tid == tid)
			return spares[i];
		if (__atomic_compare_exchange_n(&spares[i]->tid, &nobody, tid, false, __ATOMIC_ACQUIRE,
			    __ATOMIC_RELAXED)) {
			spares[i]->lowered = false;
			return spares[i];
		}
	}
	return NULL;
}

static struct place *place_for(u32 tid, u64 bytes, bool borrowed)
{
	struct place **link = &places, *p;

	p = borrowed ? spare_for(tid, bytes) : NULL;
	if (p)
		return p;
	fl_lock(&fl.pager.lock);
	while ((p = *link)) {
		if (p->tid != tid && fl_syscall(SYS_kill, p->tid, 0) != -ESRCH) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		fl_arena_free(&fl.arena, p, p->bytes);
	}
	p = fl_arena_alloc(&fl.arena, bytes);
	if (p) {
		*p = (struct place){.next = places, .bytes = bytes, .tid = tid};
		places = p;
	}
	fl_unlock(&fl.pager.lock);
	return p;
}

static bool begins(const char *s, const char *with)
{
	return !memcmp(s, with, strlen(with));
}

/* The list of libraries without ours, in place; false if nothing is left of it. */
static bool without_library(char *list)
{
	size_t n = strlen(fl.library), k;
	char *from = list, *to = list;

	while (*from) {
		for (k = 0; from[k] && from[k] != ':' && from[k] != ' '; k++)
			;
		if (k != n || memcmp(from, fl.library, n)) {
			if (to != list)
				*to++ = ':';
			memmove(to, from, k);
			to += k;
		}
		from += k + (from[k] != 0);
	}
	*to = 0;
	return to != list;
}

/* $LD_PRELOAD without us, at list; true: nothing is left of it. False in ret_ok: it cannot be read. */
static bool unload(u64 entry, char *list, bool *ret_ok)
{
	const size_t n = strlen(preload_name);

	memcpy(list, preload_name, n + 1);
	*ret_ok = peek_string(entry + n, list + n, FL_LIBRARIES_MAX);
	return *ret_ok && !without_library(list + n);
}

/*
 * The environment for the next program: with what it must know of the limits (NULL: nothing),
 * and without us where the library is out of reach. 0 if it must stay as it is.
 */
static u64 edited(u64 envp, const char *limits, bool native, bool borrowed)
{
	long n = count(envp);
	char head[HEAD_BYTES];
	struct place *p;
	u64 entry, k = 0;
	bool changed = limits && !native, found = false, ok = true;
	char *list, *told;

	if (n < 0)
		return 0;
	p = place_for(fl_gettid(), sizeof(*p) + (u64)(n + 2) * 8 + strlen(preload_name) +
			FL_LIBRARIES_MAX + FL_LIMITS_TEXT + 1, borrowed);
	if (!p)
		return 0;
	told = (char *)&p->entries[n + 2];
	list = told + FL_LIMITS_TEXT;
	for (long i = 0; i < n; i++) {
		memset(head, 0, sizeof(head));
		if (!fl_peek(envp + (u64)i * 8, &entry, 8) ||
			!peek_string(entry, head, sizeof(head)))
			return 0;
		if (begins(head, FL_LIMITS_ENV "=")) {
			changed = true; /* somebody else's */
			continue;
		}
		if (native && (begins(head, "FAULTLINE=") || begins(head, "FAULTLINE_FDS=")))
			continue;
		if (native && begins(head, preload_name) && !found) {
			found = changed = true;
			if (unload(entry, list, &ok))
				continue;
			if (!ok)
				return 0;
			entry = (u64)list;
		}
		p->entries[k++] = entry;
	}
	if (limits && !native) {
		memcpy(told, limits, strlen(limits) + 1);
		p->entries[k++] = (u64)told;
	}
	p->entries[k] = 0;
	return changed ? (u64)p->entries : 0;
}

/* Does it have us? When in doubt yes. */
static bool has_library(u64 envp)
{
	const size_t n = strlen(preload_name), bytes = strlen(fl.library);
	long entries = count(envp);
	char list[FL_LIBRARIES_MAX], head[HEAD_BYTES];

	for (long i = 0; i < entries && bytes; i++) {
		u64 entry;

		memset(head, 0, sizeof(head));
		if (!fl_peek(envp + (u64)i * 8, &entry, 8) || !peek_string(entry, head, sizeof(head)))
			return true;
		if (!begins(head, preload_name))
			continue;
		if (!peek_string(entry + n, list, sizeof(list)))
			return true;
		for (const char *s = list; strlen(s) >= bytes; s++)
			if (!memcmp(s, fl.library, bytes))
				return true;
	}
	return envp && (entries < 0 || !bytes);
}

/* The limits for a program that is not managed. A child that borrows our memory may try one after
 * another. True: it is to be told, for those that it starts. */
static bool lower(char *limits, u64 envp, bool native, bool borrowed, struct place *child)
{
	fl_limits_lower(!borrowed);
	if (child)
		child->lowered = true;
	return (native || has_library(envp)) && fl_limits_tell(limits, FL_LIMITS_TEXT, true);
}

enum fl_action fl_hook_exec(struct fl_call *c)
{
	u64 *envp = c->nr == SYS_execve ? &c->a[2] : &c->a[3], other = 0;
	bool native = fl.library[0] && !reachable(fl.library), limited = false, borrowed = fl_is_borrowed();
	char limits[FL_LIMITS_TEXT];
	struct place *child = NULL;

	if (!borrowed) {
		fl_kfault_settle();
		fl_lock(&fl.pager.lock);
		fl_follow_restore(&fl.handler.follow);
		fl_sample(&fl.handler); /* the last chance to count what goes now */
		fl.exec_tid = fl_gettid();
		limited = fl_limits_tell(limits, sizeof(limits), false);
		fl_unlock(&fl.pager.lock);
	} else {
		limited = fl_limits_tell(limits, sizeof(limits), false);
		child = limited ? spare_for(fl_gettid(), 0) : NULL;
		if (child && child->lowered) { /* what it tried before was refused */
			child->lowered = false;
			fl_limits_raise();
			fl_limits_tell(limits, sizeof(limits), false);
		}
	}
	if (limited && (native || fl_exec_is_native(c) || !has_library(*envp)))
		limited = lower(limits, *envp, native, borrowed, child);
	if (native || limited)
		other = edited(*envp, limited ? limits : NULL, native, borrowed);
	if (other)
		*envp = other;
	return FL_NATIVE;
}
