/*
 * The AVL tree: shape after every insertion and removal, in orders that need every rotation.
 */
#include "mm/tree.h"

#include "check-main.h"
#include "mm-test.h"

#define MAX_KEYS 1000

struct item {
	struct fl_tree_node node;
	u32 key;
	u32 most; /* the largest key of its subtree */
};

static struct item items[MAX_KEYS];

static struct item *item_of(struct fl_tree_node *node)
{
	return fl_container_of(node, struct item, node);
}

static u32 most_of(struct fl_tree_node *node)
{
	return node ? item_of(node)->most : 0;
}

static bool update(struct fl_tree_node *node)
{
	struct item *item = item_of(node);
	u32 before = item->most;

	item->most = fl_max(item->key, fl_max(most_of(node->left), most_of(node->right)));
	return item->most != before;
}

static void insert(struct fl_tree *tree, struct item *item)
{
	struct fl_tree_node **link = &tree->root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = item->key < item_of(parent)->key ? &parent->left : &parent->right;
	}
	fl_tree_insert(tree, &item->node, parent, link);
}

static void check_tree(const struct fl_tree *tree, u64 expect_count)
{
	struct fl_tree_node *node;
	u64 count, walked = 0;
	const char *why = "?";
	s64 last = -1;

	ck_assert_msg(fl_tree_validate(tree, &why, &count) == 0, "%s", why);
	ck_assert_uint_eq(count, expect_count);
	for (node = fl_tree_first(tree); node; node = fl_tree_next(node)) {
		if (last >= item_of(node)->key) /* ck_assert is slow, and this runs often */
			ck_abort_msg("key %u is out of order", item_of(node)->key);
		last = item_of(node)->key;
		if (item_of(node)->most !=
			fl_max(last, fl_max(most_of(node->left), most_of(node->right))))
			ck_abort_msg("key %ld does not know its subtree", last);
		walked++;
	}
	ck_assert_uint_eq(walked, expect_count);
}

/* How the i-th of n keys is chosen. */
static u32 ascending(u32 i, u32 n)
{
	return i;
}

static u32 descending(u32 i, u32 n)
{
	return n - 1 - i;
}

static u32 zigzag(u32 i, u32 n)
{
	return i & 1 ? n - 1 - i / 2 : i / 2;
}

static u32 scattered(u32 i, u32 n)
{
	return (u32)((u64)i * 7919 % n); /* a prime that does not divide n */
}

static u32 (*const orders[])(u32, u32) = {ascending, descending, zigzag, scattered};

/* Row: the order of insertion and the order of removal. */
START_TEST(test_orders)
{
	u32 (*in)(u32, u32) = orders[_i / 4], (*out)(u32, u32) = orders[_i % 4];
	struct fl_tree tree = {.update = update};

	for (u32 i = 0; i < MAX_KEYS; i++) {
		struct item *item = &items[in(i, MAX_KEYS)];

		item->key = in(i, MAX_KEYS);
		insert(&tree, item);
		check_tree(&tree, i + 1);
	}
	ck_assert_uint_le(tree.root->height, 14); /* 1.45 * log2(1002) */
	for (u32 i = 0; i < MAX_KEYS; i++) {
		fl_tree_remove(&tree, &items[out(i, MAX_KEYS)].node);
		check_tree(&tree, MAX_KEYS - i - 1);
	}
	ck_assert_ptr_null(tree.root);
}
END_TEST

START_TEST(test_refresh)
{
	struct fl_tree tree = {.update = update};

	for (u32 i = 0; i < 100; i++) {
		items[i].key = i;
		insert(&tree, &items[i]);
	}
	items[7].key = 5000; /* out of order, which the tree does not mind */
	fl_tree_refresh(&tree, &items[7].node);
	ck_assert_uint_eq(most_of(tree.root), 5000);
	items[7].key = 7;
	fl_tree_refresh(&tree, &items[7].node);
	ck_assert_uint_eq(most_of(tree.root), 99);
	check_tree(&tree, 100);
}
END_TEST

START_TEST(test_validator_sees)
{
	struct fl_tree tree = {0};
	u64 count;

	for (u32 i = 0; i < 7; i++) {
		items[i].key = i;
		insert(&tree, &items[i]);
	}
	tree.root->height++;
	ck_assert_int_eq(fl_tree_validate(&tree, NULL, NULL), -1);
	tree.root->height--;
	items[0].node.parent = NULL;
	ck_assert_int_eq(fl_tree_validate(&tree, NULL, &count), -1);
	items[0].node.parent = &items[1].node;
	ck_assert_int_eq(fl_tree_validate(&tree, NULL, &count), 0);
	ck_assert_uint_eq(count, 7);
}
END_TEST

static const struct test_case tests[] = {
	{&test_orders, 0, 16},
	{&test_refresh, 0, 0},
	{&test_validator_sees, 0, 0},
};

int main(void)
{
	return run_tests("mm/tree", tests, fl_array_size(tests));
}
