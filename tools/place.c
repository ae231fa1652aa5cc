/* Whose an address is; see place.h. */
#include "place.h"
#include "json.h"
#include "on-process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define TMPFS_MAGIC	0x01021994
#define HUGETLBFS_MAGIC 0x958458f6

const char *place_name(const struct proc_maps *maps, const struct fl_snap_vma *v)
{
	const struct proc_map *m = proc_maps_find(maps, v->start);

	/* to the kernel a managed file is anonymous memory; it is mapped once more to be read */
	for (size_t i = 0; !v->owner && (v->flags & MAP_FLAG_FILE) && i < maps->n; i++)
		if (maps->map[i].ino == v->ino && *maps->map[i].name)
			return maps->map[i].name;
	if (m && m->start <= v->start && *m->name)
		return m->name;
	/* the page below, where nothing may be, was mapped with it */
	return v->flags & MAP_FLAG_STACK ? "[thread stack]" : "";
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* The file of an area by its link, which root may follow. */
static bool look_at_file(int pid, u64 start, u64 end, struct stat *ret_st, struct statfs *ret_fs)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, start, end);
	return stat(path, ret_st) == 0 && statfs(path, ret_fs) == 0;
}

/* Where it cannot be looked at its name must do. */
static const char *why_file(int pid, const struct fl_snap_vma *v, const char *name)
{
	bool shared = v->flags & MAP_FLAG_SHARED;
	struct statfs fs = {0};
	struct stat st;

	if (begins(name, "anon_inode:") || begins(name, "socket:"))
		return "device";
	if (begins(name, "/dev/zero") || begins(name, "/memfd:") || begins(name, "/SYSV"))
		return shared ? "shared" : "file";
	if (begins(name, "/anon_hugepage"))
		return "hugetlb";
	if (!look_at_file(pid, v->start, v->end, &st, &fs)) {
		if (begins(name, "/dev/") && !begins(name, "/dev/shm/"))
			return "device";
	} else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		return "device";
	}
	if (fs.f_type == HUGETLBFS_MAGIC)
		return "hugetlb";
	return shared && fs.f_type == TMPFS_MAGIC ? "shared" : "file";
}

bool place_is_shmem(int pid, const struct proc_map *m)
{
	struct statfs fs;
	struct stat st;

	if (!m->ino && !m->major && !m->minor)
		return m->flags & MAP_FLAG_SHARED;
	if (look_at_file(pid, m->start, m->end, &st, &fs))
		return fs.f_type == TMPFS_MAGIC;
	return begins(m->name, "/dev/zero") || begins(m->name, "/memfd:") ||
	       begins(m->name, "/SYSV") || begins(m->name, "/dev/shm/");
}

/* Of a mapping that would be managed but for its file. */
static const char *why_not(u32 why)
{
	switch (why) {
	case FL_WHY_WRITERS: return "file: writers";
	case FL_WHY_OWNER: return "file: owner";
	case FL_WHY_NO_LEASE: return "file: no lease";
	case FL_WHY_FILE_SYSTEM: return "file: not local";
	case FL_WHY_EXECUTED: return "file: executed";
	case FL_WHY_REPLACED: return "file: replacing";
	case FL_WHY_NO_ROOM: return "file: no room";
	default: return NULL;
	}
}

const char *place_why(int pid, const struct fl_snap_vma *v, const char *name)
{
	if (!v->owner)
		return NULL;
	if (v->flags & MAP_FLAG_HUGETLB)
		return "hugetlb";
	if (begins(name, "[v"))
		return "vdso"; /* and what belongs to it: [vvar] */
	if ((v->flags & MAP_FLAG_GROWSDOWN) || !strcmp(name, "[stack]"))
		return "stack";
	if (v->flags & MAP_FLAG_STACK)
		return "thread stack";
	if (why_not(v->why))
		return why_not(v->why);
	if (v->flags & MAP_FLAG_FILE)
		return why_file(pid, v, name);
	if (v->flags & MAP_FLAG_SHARED)
		return "shared";
	return v->flags & MAP_FLAG_LOCKED ? "locked" : "early";
}

/* Between areas and Faultline's own memory. */
static void find_hole(const struct snapshot *s, u64 va, struct place *ret)
{
	ret->hole_end = TASK_SIZE;
	for (u32 i = 0; i < s->head->nr_vmas; i++) {
		if (s->vmas[i].end <= va)
			ret->hole_start = fl_max(ret->hole_start, s->vmas[i].end);
		else
			ret->hole_end = fl_min(ret->hole_end, s->vmas[i].start);
	}
	for (u32 i = 0; i < s->head->nr_ranges; i++) {
		if (s->ranges[i].end <= va)
			ret->hole_start = fl_max(ret->hole_start, s->ranges[i].end);
		else if (s->ranges[i].start > va)
			ret->hole_end = fl_min(ret->hole_end, s->ranges[i].start);
		else
			ret->is_faultlines = true;
	}
}

void place_find(
	int pid, const struct snapshot *s, const struct proc_maps *maps, u64 va, struct place *ret)
{
	*ret = (struct place){.name = ""};
	for (u32 i = 0; i < s->head->nr_vmas; i++)
		if (va >= s->vmas[i].start && va < s->vmas[i].end)
			ret->vma = &s->vmas[i];
	if (!ret->vma) {
		find_hole(s, va, ret);
		return;
	}
	ret->name = place_name(maps, ret->vma);
	ret->why = place_why(pid, ret->vma, ret->name);
}

void place_print(const struct place *p)
{
	char perms[5];

	if (!p->vma) {
		if (p->is_faultlines)
			printf("memory of Faultline itself, not the program's");
		else
			printf("in no area, %lx-%lx is free: to touch it is SIGSEGV (SEGV_MAPERR)",
				p->hole_start, p->hole_end);
		return;
	}
	perms_text(p->vma->flags, perms);
	printf("in %lx-%lx %s%s%s\n  ", p->vma->start, p->vma->end, perms, *p->name ? " " : "",
		p->name);
	if (p->why)
		printf("the kernel's: %s", p->why);
	else
		printf("managed by Faultline");
}

void place_print_json(const struct place *p)
{
	char perms[5];

	if (!p->vma) {
		printf("null");
		return;
	}
	perms_text(p->vma->flags, perms);
	printf("{\"start\": \"0x%lx\", \"end\": \"0x%lx\", \"perms\": \"%s\", \"owner\": \"%s\", "
	       "\"why\": ",
		p->vma->start, p->vma->end, perms, p->vma->owner ? "kernel" : "faultline");
	if (p->why)
		json_string(p->why);
	else
		printf("null");
	printf(", \"name\": ");
	json_string(p->name);
	printf("}");
}
