/*
 * Intrusive AVL tree: the shape, not the order.
 *
 * The tree knows nothing of keys. Its user walks down from the root comparing whatever it wants,
 * and hands the empty link it found to fl_tree_insert. Links are plain pointers: after fork(2) the
 * child's copy lies at the same addresses.
 *
 * Invariant: the heights of the two children of a node differ by at most one, so a tree of n nodes
 * is never higher than 1.45 * log2(n + 2).
 *
 * Context: any thread, under the lock that guards the tree. No call can fail.
 */
#ifndef FL_MM_TREE_H
#define FL_MM_TREE_H

#include "base/types.h"

struct fl_tree_node {
	struct fl_tree_node *left;
	struct fl_tree_node *right;
	struct fl_tree_node *parent; /* NULL for the root */
	u32 height;		     /* a leaf has 1 */
};

struct fl_tree {
	struct fl_tree_node *root; /* NULL: empty; an all-zero fl_tree is an empty tree */
	/*
	 * NULL, or the user's: a node holds something about its whole subtree (the largest gap, say),
	 * which this computes anew from the node itself and its two children, whose own is right.
	 * True if it has changed.
	 */
	bool (*update)(struct fl_tree_node *node);
};

/*
 * fl_tree_insert: hang @node at @link, which is &tree->root or the empty left or right link of
 * @parent, and rebalance.
 */
void fl_tree_insert(struct fl_tree *tree, struct fl_tree_node *node, struct fl_tree_node *parent,
	struct fl_tree_node **link);

/* fl_tree_remove: take @node out and rebalance. @node's own links are left undefined. */
void fl_tree_remove(struct fl_tree *tree, struct fl_tree_node *node);

/*
 * fl_tree_refresh: what @node itself adds to the value of its subtree has changed: bring the values
 * from there upwards in order.
 */
void fl_tree_refresh(struct fl_tree *tree, struct fl_tree_node *node);

/* In-order walk; NULL at the end. */
struct fl_tree_node *fl_tree_first(const struct fl_tree *tree);
struct fl_tree_node *fl_tree_next(const struct fl_tree_node *node);

/*
 * fl_tree_validate: parent links, heights and balance of every node. Returns 0, or -1 with the
 * reason in @why (may be NULL); the number of nodes goes to @ret_count (may be NULL).
 */
int fl_tree_validate(const struct fl_tree *tree, const char **why, u64 *ret_count);

#endif
