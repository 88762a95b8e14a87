/* Every copy of every cache, looked at after every step; what is known of one stays with it. */
#include <stdlib.h>
#include <string.h>

#include "analysis/verify_private.h"

void *list_add(struct list *list, size_t bytes)
{
	if (list->n == list->max) {
		size_t max = list->max ? list->max * 2 : 64;
		void *items = realloc(list->items, max * bytes);

		if (!items)
			return NULL;
		list->items = items;
		list->max = max;
	}
	return memset((char *)list->items + bytes * list->n++, 0, bytes);
}

static bool same_place(const struct watched *a, const struct watched *b)
{
	return a->copy.serial == b->copy.serial && a->copy.structure == b->copy.structure &&
	       a->copy.level == b->copy.level && a->unit == b->unit &&
	       a->copy.space == b->copy.space && a->copy.first == b->copy.first &&
	       a->copy.filled == b->copy.filled;
}

static uint32_t hash_of(const struct watched *watched)
{
	uint64_t key = watched->copy.serial * 64 + watched->copy.level * 4ull +
		       watched->copy.structure + watched->unit * 977ull;

	return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32);
}

static bool build_index(struct copies *copies)
{
	uint32_t n = 64;

	while (n < copies->before.n * 2)
		n *= 2;
	free(copies->index);
	copies->index = calloc(n, sizeof *copies->index);
	copies->n_index = copies->index ? n : 0;
	for (size_t i = 0; i < copies->before.n && copies->index; i++) {
		uint32_t at = hash_of(LIST_AT(&copies->before, struct watched, i)) & (n - 1);

		while (copies->index[at])
			at = (at + 1) & (n - 1);
		copies->index[at] = (uint32_t)i + 1;
	}
	return copies->index;
}

struct look {
	struct copies *copies;
	uint32_t unit;
	size_t next; /* of before: copies mostly come in the order of the last look */
	bool indexed, failed;
};

static struct watched *seen_before(struct look *look, const struct watched *watched)
{
	struct list *before = &look->copies->before;

	if (look->next < before->n &&
	    same_place(LIST_AT(before, struct watched, look->next), watched))
		return LIST_AT(before, struct watched, look->next++);
	if (!look->indexed && !build_index(look->copies)) {
		look->failed = true;
		return NULL;
	}
	look->indexed = true;
	for (uint32_t at = hash_of(watched) & (look->copies->n_index - 1); look->copies->index[at];
	     at = (at + 1) & (look->copies->n_index - 1)) {
		size_t i = look->copies->index[at] - 1;

		if (!same_place(LIST_AT(before, struct watched, i), watched))
			continue;
		look->next = i + 1;
		return LIST_AT(before, struct watched, i);
	}
	return NULL;
}

static void look_at(void *ctx, const struct cached_copy *copy)
{
	struct look *look = ctx;
	struct watched *watched = list_add(&look->copies->now, sizeof *watched), *old;

	if (!watched) {
		look->failed = true;
		return;
	}
	watched->copy = *copy;
	watched->copy.reasons = 0; /* check bits are what must not be believed */
	watched->unit = look->unit;
	watched->changed = NO_EVENT;
	old = seen_before(look, watched);
	watched->fresh = !old;
	if (!old) {
		look->copies->differ = true;
		return;
	}
	old->gone = false;
	old->now = (uint32_t)look->copies->now.n - 1;
	watched->doubt = old->doubt;
	watched->changed = old->changed;
}

bool copies_look(struct copies *copies, const struct replay *replay)
{
	struct list swap = copies->before;
	struct look look = { .copies = copies };

	copies->before = copies->now;
	copies->now = swap;
	copies->now.n = 0;
	copies->differ = false;
	for (size_t i = 0; i < copies->before.n; i++)
		LIST_AT(&copies->before, struct watched, i)->gone = true;
	for (look.unit = 0; look.unit < replay_units(replay); look.unit++) {
		const struct iommu *iommu = replay_unit(replay, look.unit)->iommu;

		iommu->model->each_copy(iommu, look_at, &look);
	}
	copies->differ |= copies->now.n != copies->before.n;
	return !look.failed;
}

void copies_free(struct copies *copies)
{
	free(copies->now.items);
	free(copies->before.items);
	free(copies->index);
}
