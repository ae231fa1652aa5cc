/* A page of shared anonymous memory; see shmem-page.h. */
#include "shmem-page.h"
#include "json.h"
#include "machine/shmem.h"
#include "procmaps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *meaning;
} states[] = {
	[FL_SHMEM_NONE] = {"none", "untouched"},
	[FL_SHMEM_RESIDENT] = {"resident", "in memory"},
	[FL_SHMEM_OUT] = {"out", "being written to swap"},
	[FL_SHMEM_SWAP] = {"swap", "in swap"},
	[FL_SHMEM_IN] = {"in", "being read from swap"},
	[FL_SHMEM_PUNCH] = {"punch", "being taken out of memory"},
};

static bool find_object(const struct tree *t, u64 dev, u64 ino, struct fl_shmem *ret)
{
	u64 n = fl_min(t->machine.nr_shmem, FL_NR_SHMEM);
	struct fl_shmem *all = tree_read(t, t->machine.shmems_at, n * sizeof(*all));
	bool found = false;

	for (u64 i = 0; all && i < n && !found; i++)
		if (all[i].npages && all[i].dev == dev && all[i].ino == ino) {
			*ret = all[i];
			found = true;
		}
	free(all);
	return found;
}

void shmem_page_read(
	const struct tree *t, const struct fl_snap_vma *v, u64 va, struct shmem_page *ret)
{
	struct fl_shmem object;
	u64 *entry, state;

	*ret = (struct shmem_page){.frame = FL_NO_FRAME};
	if (!(v->flags & MAP_FLAG_SHARED) || !find_object(t, v->dev, v->ino, &object) || object.kept)
		return;
	ret->ino = v->ino;
	ret->index = v->pgoff + ((va - v->start) >> FL_PAGE_SHIFT);
	if (ret->index >= object.npages)
		return;
	entry = tree_read(t,
		t->machine.shmem_entries_at + (object.first + ret->index) * sizeof(u64),
		sizeof(u64));
	state = entry ? fl_shmem_state(*entry) : fl_array_size(states);
	ret->known = state < fl_array_size(states);
	if (ret->known) {
		ret->state = states[state].name;
		if (state == FL_SHMEM_RESIDENT || state == FL_SHMEM_OUT)
			ret->frame = fl_shmem_payload(*entry);
		if (state == FL_SHMEM_SWAP || state == FL_SHMEM_IN)
			ret->slot = fl_shmem_payload(*entry);
		holders_of_bits(t, object.mapped, &ret->mapped);
	}
	free(entry);
}

static enum shmem_where where_is(u64 e)
{
	switch (fl_shmem_state(e)) {
	case FL_SHMEM_RESIDENT: return e & FL_SHMEM_MAPPED ? SHMEM_IN_MEMORY : SHMEM_SET_ASIDE;
	case FL_SHMEM_OUT: return SHMEM_SET_ASIDE;
	case FL_SHMEM_SWAP:
	case FL_SHMEM_IN:
	case FL_SHMEM_PUNCH: return SHMEM_IN_SWAP;
	default: return SHMEM_NOWHERE;
	}
}

bool shmem_area_read(const struct tree *t, const struct fl_snap_vma *v, struct shmem_area *ret)
{
	u64 n = (v->end - v->start) >> FL_PAGE_SHIFT, *entry;
	struct fl_shmem object;

	*ret = (struct shmem_area){0};
	if (!(v->flags & MAP_FLAG_SHARED) || !find_object(t, v->dev, v->ino, &object) || object.kept ||
		v->pgoff + n > object.npages)
		return false;
	entry = tree_read(t, t->machine.shmem_entries_at + (object.first + v->pgoff) * sizeof(u64),
		n * sizeof(u64));
	ret->where = entry ? calloc(n, 1) : NULL;
	for (u64 i = 0; ret->where && i < n; i++) {
		ret->where[i] = where_is(entry[i]);
		ret->nr[ret->where[i]]++;
	}
	free(entry);
	memcpy(ret->users, object.active, sizeof(ret->users));
	for (u32 i = 0; i < t->machine.nr_procs; i++)
		ret->nr_users += tree_is_live(&t->procs[i]) && shmem_area_is_user(ret, i);
	return ret->where;
}

void shmem_area_free(struct shmem_area *a)
{
	free(a->where);
}

void shmem_page_free(struct shmem_page *p)
{
	holders_free(&p->mapped);
}

void shmem_page_print(const struct shmem_page *p)
{
	const char *meaning = "";

	for (size_t i = 0; i < fl_array_size(states); i++)
		if (!strcmp(states[i].name, p->state))
			meaning = states[i].meaning;
	printf("within the budget: page %lu of inode %lu, %s", p->index, p->ino, meaning);
	if (p->frame != FL_NO_FRAME)
		printf(", frame %u", p->frame);
	if (p->slot)
		printf(", slot %u", p->slot);
	printf("\nmapped by:\n");
	for (size_t i = 0; i < p->mapped.n; i++)
		printf("  %d (%s)\n", p->mapped.holder[i].pid, p->mapped.holder[i].comm);
}

void shmem_page_print_json(const struct shmem_page *p)
{
	if (!p->known) {
		printf("null");
		return;
	}
	printf("{\"inode\": %lu, \"index\": %lu, \"state\": \"%s\"", p->ino, p->index, p->state);
	if (p->frame != FL_NO_FRAME)
		printf(", \"frame\": %u", p->frame);
	if (p->slot)
		printf(", \"slot\": %u", p->slot);
	printf(", \"mapped_by\": [");
	for (size_t i = 0; i < p->mapped.n; i++) {
		printf("%s{\"pid\": %d, \"comm\": ", i ? ", " : "", p->mapped.holder[i].pid);
		json_string(p->mapped.holder[i].comm);
		printf("}");
	}
	printf("]}");
}
