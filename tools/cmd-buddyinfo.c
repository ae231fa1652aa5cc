/*
 * faultline buddyinfo: the free blocks of each tree's memory by order, as /proc/buddyinfo.
 *
 * Nothing is asked of the processes, so it does not matter whether they are stopped.
 */
#include "base/log.h"
#include "command.h"
#include "on-trees.h"

#include <stdio.h>

static const char doc[] = "Show the free memory of each tree of processes as /proc/buddyinfo does: "
			  "how many free blocks "
			  "of 1, 2, 4 ... 1024 pages there are. The trees are those of the "
			  "processes named, or all that "
			  "the user may see.";

static void print_line(const struct tree *t)
{
	u64 blocks[FL_NR_ORDERS];

	tree_free_blocks(t, blocks);
	printf("Tree %d, zone Normal", tree_pid(t));
	for (u32 i = 0; i < FL_NR_ORDERS; i++)
		printf(" %4lu", blocks[i]);
	printf("\n");
}

static void print_json(const struct tree *t)
{
	u64 blocks[FL_NR_ORDERS];

	tree_free_blocks(t, blocks);
	printf("{\"pid\": %d, \"zone\": \"Normal\", \"page_bytes\": %lu, \"free_pages\": %u, "
	       "\"free_blocks\": [",
		tree_pid(t), FL_PAGE_SIZE, t->machine.zone.nr_free);
	for (u32 i = 0; i < FL_NR_ORDERS; i++)
		printf("%s%lu", i ? ", " : "", blocks[i]);
	printf("]}");
}

static bool show(struct trees *ts, bool json)
{
	bool ok = true;
	size_t shown = 0;

	if (json)
		printf("{\"trees\": [");
	for (size_t i = 0; i < ts->n; i++) {
		struct tree *t = &ts->tree[i];

		if (tree_refresh_zone(t)) {
			fl_warn("buddyinfo: tree of %d: its lists did not add up at any moment: "
				"try "
				"again, or see check --tree",
				tree_pid(t));
			ok = false;
			continue;
		}
		if (!json) {
			print_line(t);
			continue;
		}
		printf("%s\n  ", shown++ ? "," : "");
		print_json(t);
	}
	if (json)
		printf("\n]}\n");
	return ok;
}

int cmd_buddyinfo(int argc, char **argv)
{
	return on_trees(argc, argv, doc, show);
}
