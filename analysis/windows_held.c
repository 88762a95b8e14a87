/*
 * The hardware side of windows: the copies in the model's caches that grant what is gone. A window is held
 * from the first such copy to the last.
 */
#include <stdlib.h>

#include "analysis/detect_private.h"

static struct hold *hold_at(const struct detector *detector, uint32_t number)
{
	return pool_at(&detector->holds, number);
}

static uint64_t copy_id(const struct detector *detector, const struct cached_copy *copy)
{
	return (copy->serial + 1) << 16 | (uint64_t)copy->structure << 13 |
	       (uint64_t)copy->level << 8 | replay_unit_at_hand(detector->replay);
}

static struct holder *holder_slot(const struct detector *detector, uint64_t id)
{
	uint32_t at = (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (detector->max_holders - 1);

	while (detector->holders[at].id && detector->holders[at].id != id)
		at = (at + 1) & (detector->max_holders - 1);
	return &detector->holders[at];
}

static int grow_holders(struct detector *detector)
{
	struct holder *old = detector->holders;
	uint32_t n = detector->max_holders;

	if (detector->n_holders * 2 < n)
		return 0;
	detector->max_holders = n ? n * 2 : 256;
	detector->holders = calloc(detector->max_holders, sizeof *detector->holders);
	if (!detector->holders) {
		detector->holders = old;
		detector->max_holders = n;
		return -1;
	}
	for (uint32_t i = 0; i < n; i++)
		if (old[i].id)
			*holder_slot(detector, old[i].id) = old[i];
	free(old);
	return 0;
}

/* The copy holds the window open, once; -1: no memory. */
static int hold(struct detector *detector, struct holder *holder, uint32_t number)
{
	struct window *window = window_at(detector, number);
	uint32_t last = NO_WINDOW, at;

	for (at = holder->holds; at != NO_WINDOW; at = hold_at(detector, at)->next) {
		if (hold_at(detector, at)->window == number)
			return 0;
		last = at;
	}
	at = pool_take(&detector->holds);
	if (at == NO_WINDOW)
		return -1;
	*hold_at(detector, at) = (struct hold){ NO_WINDOW, number };
	if (last == NO_WINDOW)
		holder->holds = at;
	else
		hold_at(detector, last)->next = at;
	if (window->copies++ == 0) {
		window->hw_since = replay_now_ns(detector->replay);
		if (!window->ever_held)
			window->hw_first = window->hw_since;
		window->ever_held = true;
	}
	return 0;
}

struct holding {
	struct detector *detector;
	const struct cached_copy *copy;
	struct holder *holder;
};

static void hold_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct cached_copy *copy = holding->copy;
	const struct part *part = part_at(holding->detector, key);
	iova_t at = first > copy->first ? first : copy->first;

	(void)last;
	(void)data;
	if (copy->structure != STRUCTURE_WALK_CACHE &&
	    (copy->pa + (at - copy->first) != part->pa + (at - part->first) ||
	     !(copy->perm & part->lost)))
		return;
	if (hold(holding->detector, holding->holder, part->window))
		detector_fails(holding->detector, "exposure windows");
}

void windows_copy_opens(struct detector *detector, const struct cached_copy *copy)
{
	const struct domain *domain = replay_domain_of_space(detector->replay, copy->space);
	struct holding holding = { .detector = detector, .copy = copy };
	uint64_t id = copy_id(detector, copy);

	if (copy->structure == STRUCTURE_CONFIG || !domain ||
	    domain->number >= detector->n_domains || !detector->domains[domain->number].spans)
		return;
	if (grow_holders(detector)) {
		detector_fails(detector, "exposure windows");
		return;
	}
	holding.holder = holder_slot(detector, id);
	if (!holding.holder->id) {
		*holding.holder = (struct holder){ id, NO_WINDOW };
		detector->n_holders++;
	}
	spans_each(detector->domains[domain->number].spans, copy->first, copy->last, hold_part,
		   &holding);
}

/* Removes an entry of the open-addressing table, moving up those behind it. */
static void forget_holder(struct detector *detector, struct holder *holder)
{
	uint32_t mask = detector->max_holders - 1, at = (uint32_t)(holder - detector->holders),
		 next = at;

	detector->n_holders--;
	for (;;) {
		uint32_t home;

		next = (next + 1) & mask;
		if (!detector->holders[next].id)
			break;
		home = (uint32_t)(detector->holders[next].id * 0x9e3779b97f4a7c15ull >> 32) & mask;
		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		detector->holders[at] = detector->holders[next];
		at = next;
	}
	detector->holders[at] = (struct holder){ 0 };
}

/* Rules, "Scope of the software window": the model flushed more of the window than it was told. */
static bool flushed_unasked(const struct detector *detector, const struct window *window,
			    const struct cached_copy *copy)
{
	const struct inval_op *op = replay_executing(detector->replay);
	const struct domain *domain = replay_domain(detector->replay, window->domain);
	iova_t first = copy->first > window->first ? copy->first : window->first;
	iova_t last = copy->last < window->last ? copy->last : window->last;

	return op && !(windows_concern(detector, op, domain) && op->scope.first <= first &&
		       op->scope.last >= last);
}

static void release(struct detector *detector, uint32_t number, const struct cached_copy *copy)
{
	struct window *window = window_at(detector, number);

	if (--window->copies)
		return;
	window->hw_last = replay_now_ns(detector->replay);
	window->hw_total += window->hw_last - window->hw_since;
	window->by_implementation = flushed_unasked(detector, window, copy);
	if (!window->open_bytes)
		window_over(detector, number);
}

void windows_copy_closes(struct detector *detector, const struct cached_copy *copy)
{
	struct holder *holder;

	if (!detector->n_holders)
		return;
	holder = holder_slot(detector, copy_id(detector, copy));
	if (!holder->id)
		return;
	for (uint32_t at = holder->holds, next; at != NO_WINDOW; at = next) {
		next = hold_at(detector, at)->next;
		release(detector, hold_at(detector, at)->window, copy);
		pool_give(&detector->holds, at);
	}
	forget_holder(detector, holder);
}
