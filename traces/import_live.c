/*
 * Live mappings: an AVL tree by first address, so that depth stays small whatever the input.
 * Each node knows the highest last address below it, for overlap queries.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

static int tree_height(const struct live_tree *tree, uint32_t node)
{
	return node ? tree->live[node].height : 0;
}

static void tree_update(struct live_tree *tree, uint32_t node)
{
	struct live *live = &tree->live[node];
	int left = tree_height(tree, live->left), right = tree_height(tree, live->right);

	live->height = (left > right ? left : right) + 1;
	live->highest = live->last;
	if (live->left && tree->live[live->left].highest > live->highest)
		live->highest = tree->live[live->left].highest;
	if (live->right && tree->live[live->right].highest > live->highest)
		live->highest = tree->live[live->right].highest;
}

static uint32_t tree_rotate_right(struct live_tree *tree, uint32_t node)
{
	uint32_t top = tree->live[node].left;

	tree->live[node].left = tree->live[top].right;
	tree->live[top].right = node;
	tree_update(tree, node);
	tree_update(tree, top);
	return top;
}

static uint32_t tree_rotate_left(struct live_tree *tree, uint32_t node)
{
	uint32_t top = tree->live[node].right;

	tree->live[node].right = tree->live[top].left;
	tree->live[top].left = node;
	tree_update(tree, node);
	tree_update(tree, top);
	return top;
}

static int tree_lean(const struct live_tree *tree, uint32_t node)
{
	return tree_height(tree, tree->live[node].left) - tree_height(tree, tree->live[node].right);
}

static uint32_t tree_balance(struct live_tree *tree, uint32_t node)
{
	struct live *live = &tree->live[node];

	tree_update(tree, node);
	if (tree_lean(tree, node) > 1) {
		if (tree_lean(tree, live->left) < 0)
			live->left = tree_rotate_left(tree, live->left);
		return tree_rotate_right(tree, node);
	}
	if (tree_lean(tree, node) < -1) {
		if (tree_lean(tree, live->right) > 0)
			live->right = tree_rotate_right(tree, live->right);
		return tree_rotate_left(tree, node);
	}
	return node;
}

/* Order of nodes: first address, then number, so that equal addresses have a place too. */
static bool tree_before(const struct live_tree *tree, uint32_t a, uint32_t b)
{
	if (tree->live[a].first != tree->live[b].first)
		return tree->live[a].first < tree->live[b].first;
	return a < b;
}

static uint32_t tree_insert(struct live_tree *tree, uint32_t root, uint32_t node)
{
	if (!root) {
		tree->live[node].left = tree->live[node].right = 0;
		tree_update(tree, node);
		return node;
	}
	if (tree_before(tree, node, root))
		tree->live[root].left = tree_insert(tree, tree->live[root].left, node);
	else
		tree->live[root].right = tree_insert(tree, tree->live[root].right, node);
	return tree_balance(tree, root);
}

static uint32_t tree_take_least(struct live_tree *tree, uint32_t root, uint32_t *least)
{
	if (!tree->live[root].left) {
		*least = root;
		return tree->live[root].right;
	}
	tree->live[root].left = tree_take_least(tree, tree->live[root].left, least);
	return tree_balance(tree, root);
}

static uint32_t tree_remove(struct live_tree *tree, uint32_t root, uint32_t node)
{
	uint32_t least, right;

	if (root != node) {
		if (tree_before(tree, node, root))
			tree->live[root].left = tree_remove(tree, tree->live[root].left, node);
		else
			tree->live[root].right = tree_remove(tree, tree->live[root].right, node);
		return tree_balance(tree, root);
	}
	if (!tree->live[node].left || !tree->live[node].right)
		return tree->live[node].left | tree->live[node].right;
	right = tree_take_least(tree, tree->live[node].right, &least);
	tree->live[least].right = right;
	tree->live[least].left = tree->live[node].left;
	return tree_balance(tree, least);
}

/* The first node behind `after` (in order; 0: from the start) that overlaps [first, last]. */
static uint32_t overlap(const struct live_tree *tree, uint32_t root, uint64_t first, uint64_t last,
			uint32_t after)
{
	const struct live *live;
	uint32_t found;

	if (!root || tree->live[root].highest < first)
		return 0;
	live = &tree->live[root];
	if (!after || tree_before(tree, after, root)) {
		found = overlap(tree, live->left, first, last, after);
		if (found)
			return found;
		if (live->first > last)
			return 0;
		if (live->last >= first)
			return root;
	}
	return live->first > last ? 0 : overlap(tree, live->right, first, last, after);
}

/* A free node, 0 without memory. Node 0 is never handed out; lookups may touch it. */
static uint32_t take(struct live_tree *tree)
{
	uint32_t node = tree->free;

	if (node) {
		tree->free = tree->live[node].left;
		return node;
	}
	if (tree->n >= tree->room) {
		uint32_t room = tree->room ? tree->room * 2 : 1024;
		struct live *live = NULL;

		if (room > tree->room)
			live = realloc(tree->live, room * sizeof *live);
		if (!live)
			return 0;
		memset(live, 0, sizeof *live);
		tree->live = live;
		tree->room = room;
		if (tree->n == 0)
			tree->n = 1;
	}
	return tree->n++;
}

uint32_t live_tree_add(struct live_tree *tree, const struct live *live)
{
	uint32_t node = take(tree);

	if (node) {
		tree->live[node] = *live;
		tree->root = tree_insert(tree, tree->root, node);
	}
	return node;
}

void live_tree_remove(struct live_tree *tree, uint32_t node)
{
	tree->root = tree_remove(tree, tree->root, node);
	tree->live[node].left = tree->free;
	tree->free = node;
}

uint32_t live_tree_overlap(const struct live_tree *tree, uint64_t first, uint64_t last,
			   uint32_t after)
{
	return overlap(tree, tree->root, first, last, after);
}

void live_tree_free(struct live_tree *tree)
{
	free(tree->live);
}
