/* Names of states and flags; see pte.h. */
#include "pte.h"
#include "machine/machine.h" /* mm/page.h */

#include <stdio.h>

static const struct {
	const char *name, *meaning;
} states[] = {
	[PTE_NONE] = {"none", "untouched"},
	[PTE_ZERO] = {"zero", "known to be zeros"},
	[PTE_PRESENT] = {"present", "present"},
	[PTE_SOFT] = {"soft", "set aside in memory"},
	[PTE_SWAP] = {"swap", "in swap"},
	[PTE_SWAPIN] = {"swapin", "being read"},
	[6] = {"state6", "state 6"},
	[7] = {"state7", "state 7"},
};

const struct bit_name pte_flag_names[] = {
	{PTE_DIRTY, "DIRTY"},
	{PTE_ACCESSED, "ACCESSED"},
	{PTE_WP, "WP"},
	{PTE_COW, "COW"},
	{0},
};

const struct bit_name page_flag_names[] = {
	{FL_PG_POPULATED, "POPULATED"},
	{FL_PG_ZEROED, "ZEROED"},
	{FL_PG_MAPPED, "MAPPED"},
	{FL_PG_INACTIVE, "INACTIVE"},
	{FL_PG_ACTIVE, "ACTIVE"},
	{FL_PG_WRITEBACK, "WRITEBACK"},
	{FL_PG_READING, "READING"},
	{FL_PG_WANTED, "WANTED"},
	{FL_PG_ORPHAN, "ORPHAN"},
	{FL_PG_COW, "COW"},
	{FL_PG_DIRTY, "DIRTY"},
	{FL_PG_REFERENCED, "REFERENCED"},
	{FL_PG_UNEVICTABLE, "UNEVICTABLE"},
	{FL_PG_LOCAL_FREE, "LOCAL_FREE"},
	{FL_PG_READAHEAD, "READAHEAD"},
	{FL_PG_SHEDDING, "SHEDDING"},
	{0},
};

const char *pte_state_name(u64 pte)
{
	return states[pte & PTE_STATE].name;
}

const char *pte_meaning(u64 pte)
{
	return states[pte & PTE_STATE].meaning;
}

u32 page_lru(u32 page_flags)
{
	return page_flags & FL_PG_ACTIVE ? 1 : page_flags & FL_PG_INACTIVE ? 2 : 0;
}

void bits_print(u64 bits, const struct bit_name *names)
{
	const char *between = "";

	for (; names->bit; names++) {
		if (!(bits & names->bit))
			continue;
		printf("%s%s", between, names->name);
		between = "|";
		bits &= ~names->bit;
	}
	if (bits || !*between)
		printf("%s%#lx", between, bits);
}

void bits_print_json(u64 bits, const struct bit_name *names)
{
	const char *between = "";

	printf("[");
	for (; names->bit; names++) {
		if (!(bits & names->bit))
			continue;
		printf("%s\"%s\"", between, names->name);
		between = ", ";
		bits &= ~names->bit;
	}
	if (bits)
		printf("%s\"%#lx\"", between, bits);
	printf("]");
}
