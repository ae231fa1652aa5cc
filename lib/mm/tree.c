/*
 * Intrusive AVL tree.
 *
 * Both insertion and removal change one leaf position and then repair upwards: at each ancestor the
 * height is recomputed and, where the children differ by two, one or two rotations restore the
 * balance. The climb stops at the first ancestor for which nothing has changed: neither its height
 * nor what the user keeps about its subtree, nor the node at its place.
 */
#include "mm/tree.h"

#include "mm/debug.h"

static u32 height(const struct fl_tree_node *node)
{
	return node ? node->height : 0;
}

/* What a node says of its subtree. True if it has changed. */
static bool update(const struct fl_tree *tree, struct fl_tree_node *node)
{
	u32 before = node->height;
	bool changed = tree->update && tree->update(node);

	node->height = fl_max(height(node->left), height(node->right)) + 1;
	return changed || node->height != before;
}

/* Put @new where @old hangs below @parent. */
static void replace_child(struct fl_tree *tree, struct fl_tree_node *parent,
	struct fl_tree_node *old, struct fl_tree_node *new)
{
	if (!parent)
		tree->root = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
	if (new)
		new->parent = parent;
}

/* The right child of @node takes its place; returns it. */
static struct fl_tree_node *rotate_left(struct fl_tree *tree, struct fl_tree_node *node)
{
	struct fl_tree_node *up = node->right;

	replace_child(tree, node->parent, node, up);
	node->right = up->left;
	if (node->right)
		node->right->parent = node;
	up->left = node;
	node->parent = up;
	update(tree, node);
	update(tree, up);
	return up;
}

/* The left child of @node takes its place; returns it. */
static struct fl_tree_node *rotate_right(struct fl_tree *tree, struct fl_tree_node *node)
{
	struct fl_tree_node *up = node->left;

	replace_child(tree, node->parent, node, up);
	node->left = up->right;
	if (node->left)
		node->left->parent = node;
	up->right = node;
	node->parent = up;
	update(tree, node);
	update(tree, up);
	return up;
}

/* Restore the balance at @node; returns whether anything has changed, and the root of what was its
 * subtree. */
static bool balance(
	struct fl_tree *tree, struct fl_tree_node *node, struct fl_tree_node **ret_top)
{
	u32 left = height(node->left), right = height(node->right);

	if (left > right + 1) {
		if (height(node->left->left) < height(node->left->right))
			rotate_left(tree, node->left);
		*ret_top = rotate_right(tree, node);
		return true;
	}
	if (right > left + 1) {
		if (height(node->right->right) < height(node->right->left))
			rotate_right(tree, node->right);
		*ret_top = rotate_left(tree, node);
		return true;
	}
	*ret_top = node;
	return update(tree, node);
}

/*
 * Repair from @node, below which something changed, up to where nothing changes any more. @stale
 * (or NULL) is a node that has taken another's place: what it says has changed, whatever it said
 * before.
 */
static void repair(
	struct fl_tree *tree, struct fl_tree_node *node, const struct fl_tree_node *stale)
{
	while (node) {
		bool here = node == stale, changed = balance(tree, node, &node);

		if (here)
			stale = NULL;
		else if (!changed && !stale)
			return;
		node = node->parent;
	}
}

void fl_tree_refresh(struct fl_tree *tree, struct fl_tree_node *node)
{
	while (node && update(tree, node))
		node = node->parent;
}

void fl_tree_insert(struct fl_tree *tree, struct fl_tree_node *node, struct fl_tree_node *parent,
	struct fl_tree_node **link)
{
	fl_bug_on(*link);
	node->left = NULL;
	node->right = NULL;
	node->parent = parent;
	node->height = 1;
	*link = node;
	update(tree, node);
	repair(tree, parent, NULL);
}

void fl_tree_remove(struct fl_tree *tree, struct fl_tree_node *node)
{
	struct fl_tree_node *heir, *from, *stale = NULL;

	if (node->left && node->right) {
		/* The successor, which has no left child, takes over position and height. */
		heir = node->right;
		while (heir->left)
			heir = heir->left;
		from = heir->parent == node ? heir : heir->parent;
		if (heir->parent != node) {
			replace_child(tree, heir->parent, heir, heir->right);
			heir->right = node->right;
			heir->right->parent = heir;
		}
		heir->left = node->left;
		heir->left->parent = heir;
		heir->height = node->height;
		stale = heir;
	} else {
		heir = node->left ? node->left : node->right;
		from = node->parent;
	}
	replace_child(tree, node->parent, node, heir);
	repair(tree, from, stale);
}

struct fl_tree_node *fl_tree_first(const struct fl_tree *tree)
{
	struct fl_tree_node *node = tree->root;

	while (node && node->left)
		node = node->left;
	return node;
}

struct fl_tree_node *fl_tree_next(const struct fl_tree_node *node)
{
	if (node->right) {
		struct fl_tree_node *next = node->right;

		while (next->left)
			next = next->left;
		return next;
	}
	while (node->parent && node == node->parent->right)
		node = node->parent;
	return node->parent;
}

static int validate_below(const struct fl_tree_node *node, const struct fl_tree_node *parent,
	const char **why, u64 *count)
{
	u32 left, right;

	if (!node)
		return 0;
	fl_check_or_fail(node->parent == parent, why, "tree: parent link is wrong");
	left = height(node->left);
	right = height(node->right);
	fl_check_or_fail(node->height == fl_max(left, right) + 1, why, "tree: height is wrong");
	fl_check_or_fail(left <= right + 1 && right <= left + 1, why, "tree: out of balance");
	(*count)++;
	/* Recursion is bounded: heights were just seen to decrease. */
	if (validate_below(node->left, node, why, count))
		return -1;
	return validate_below(node->right, node, why, count);
}

int fl_tree_validate(const struct fl_tree *tree, const char **why, u64 *ret_count)
{
	u64 count = 0;
	int r = validate_below(tree->root, NULL, why, &count);

	if (ret_count)
		*ret_count = count;
	return r;
}
