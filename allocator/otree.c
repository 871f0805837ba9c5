/* Ordered tree: a treap whose priorities come from its own sequence, so that nobody who chooses addresses can
 * choose its shape. Run by the allocator; may not touch the world. */
#include "allocator/otree.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/must.h"

struct ipnum ipnum_of(addr_t a)
{
	struct ipnum n = { 0, 0 };
	if (a.family == FAMILY_V4)
		return (struct ipnum){ 0, addr_v4_value(a) };
	for (size_t i = 0; i < 8; i++) {
		n.hi = n.hi << 8 | a.bytes[i];
		n.lo = n.lo << 8 | a.bytes[8 + i];
	}
	return n;
}

addr_t ipnum_addr(enum family f, struct ipnum n)
{
	if (f == FAMILY_V4)
		return addr_v4((uint32_t)n.lo);
	addr_t a = { .family = FAMILY_V6 };
	for (size_t i = 0; i < 8; i++) {
		a.bytes[i] = (uint8_t)(n.hi >> (56 - 8 * i));
		a.bytes[8 + i] = (uint8_t)(n.lo >> (56 - 8 * i));
	}
	return a;
}

int ipnum_cmp(struct ipnum a, struct ipnum b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

struct ipnum ipnum_next(struct ipnum n)
{
	return (struct ipnum){ n.hi + (n.lo == UINT64_MAX), n.lo + 1 };
}

struct ipnum ipnum_prev(struct ipnum n)
{
	return (struct ipnum){ n.hi - (n.lo == 0), n.lo - 1 };
}

int okey_cmp(struct okey a, struct okey b)
{
	if (a.space != b.space)
		return a.space < b.space ? -1 : 1;
	return ipnum_cmp(a.at, b.at);
}

static void free_nodes(struct onode *n)
{
	while (n) {
		struct onode *right = n->right;
		free_nodes(n->left);
		free(n);
		n = right;
	}
}

void otree_fini(struct otree *t)
{
	free_nodes(t->root);
	t->root = NULL;
}

static uint32_t count_of(const struct onode *n)
{
	return n ? n->count : 0;
}

static void recount(struct onode *n)
{
	n->count = 1 + count_of(n->left) + count_of(n->right);
}

size_t otree_count(const struct otree *t)
{
	return count_of(t->root);
}

struct onode *otree_at_or_below(const struct otree *t, struct okey key)
{
	struct onode *best = NULL;
	for (struct onode *n = t->root; n;) {
		if (okey_cmp(n->key, key) <= 0) {
			best = n;
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return best;
}

struct onode *otree_at_or_above(const struct otree *t, struct okey key)
{
	struct onode *best = NULL;
	for (struct onode *n = t->root; n;) {
		if (okey_cmp(n->key, key) >= 0) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct onode *otree_find(const struct otree *t, struct okey key)
{
	struct onode *n = otree_at_or_above(t, key);
	return n && okey_cmp(n->key, key) == 0 ? n : NULL;
}

size_t otree_rank(const struct otree *t, struct okey key)
{
	size_t rank = 0;
	for (const struct onode *n = t->root; n;) {
		if (okey_cmp(n->key, key) < 0) {
			rank += 1 + (size_t)count_of(n->left);
			n = n->right;
		} else {
			n = n->left;
		}
	}
	return rank;
}

struct onode *otree_nth(const struct otree *t, size_t i)
{
	for (struct onode *n = t->root; n;) {
		size_t left = count_of(n->left);
		if (i == left)
			return n;
		if (i < left) {
			n = n->left;
		} else {
			i -= left + 1;
			n = n->right;
		}
	}
	return NULL;
}

/* Expected depth is 2 log2 n, so recursion is shallow. */
static void split(struct onode *n, struct okey key, struct onode **below, struct onode **above)
{
	if (!n) {
		*below = *above = NULL;
	} else if (okey_cmp(n->key, key) < 0) {
		split(n->right, key, &n->right, above);
		*below = n;
		recount(n);
	} else {
		split(n->left, key, below, &n->left);
		*above = n;
		recount(n);
	}
}

static struct onode *join(struct onode *below, struct onode *above)
{
	if (!below || !above)
		return below ? below : above;
	if (below->priority >= above->priority) {
		below->right = join(below->right, above);
		recount(below);
		return below;
	}
	above->left = join(below, above->left);
	recount(above);
	return above;
}

/* splitmix64 */
static uint32_t next_priority(struct otree *t)
{
	uint64_t z = t->seed += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

struct onode *otree_add(struct otree *t, struct okey key)
{
	struct onode *fresh = malloc(sizeof *fresh);
	if (!fresh)
		return NULL;
	*fresh = (struct onode){ .key = key, .last = key.at, .priority = next_priority(t), .count = 1 };
	struct onode **at = &t->root;
	while (*at && (*at)->priority >= fresh->priority) {
		(*at)->count++;
		at = okey_cmp((*at)->key, key) < 0 ? &(*at)->right : &(*at)->left;
	}
	split(*at, key, &fresh->left, &fresh->right);
	recount(fresh);
	*at = fresh;
	return fresh;
}

void otree_remove(struct otree *t, struct okey key)
{
	if (!otree_find(t, key))
		return;
	struct onode **at = &t->root;
	for (int c; *at && (c = okey_cmp((*at)->key, key)) != 0;) {
		(*at)->count--;
		at = c < 0 ? &(*at)->right : &(*at)->left;
	}
	struct onode *gone = *at;
	must(gone);
	*at = join(gone->left, gone->right);
	free(gone);
}
