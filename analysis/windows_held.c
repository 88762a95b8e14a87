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

/* Whether the copy grants what the part lost, of which what begins at `first` is left. */
static bool grants(const struct holder *holder, const struct part *part, iova_t first)
{
	iova_t at = first > holder->first ? first : holder->first;

	return holder->pointer ||
	       (holder->pa + (at - holder->first) == part->pa + (at - part->first) &&
		(holder->perm & part->taken));
}

struct holding {
	struct detector *detector;
	struct holder *holder;
	uint32_t window; /* find_part: of this one only */
	bool found;
};

static void hold_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct part *part = part_at(holding->detector, key);

	(void)last;
	(void)data;
	if (STEP(copy_holds) && grants(holding->holder, part, first) &&
	    hold(holding->detector, holding->holder, part->window))
		detector_fails(holding->detector, "exposure windows");
}

void windows_copy_opens(struct detector *detector, const struct cached_copy *copy)
{
	const struct domain *domain = replay_domain_of_space(detector->replay, copy->space);
	struct holding holding = { .detector = detector };
	uint64_t id = copy_id(copy, replay_unit_at_hand(detector->replay));
	bool pointer = copy->structure == STRUCTURE_WALK_CACHE;
	struct domain_windows *windows;

	/* one whose tag stands for other tables too says what its own tables say */
	if (copy->structure == STRUCTURE_CONFIG || !domain ||
	    !(copy->reasons & (CHECK_UPDATE | CHECK_SOURCE)))
		return;
	windows = pointer				 ? windows_of(detector, domain->number)
		  : domain->number < detector->n_domains ? &detector->domains[domain->number]
							 : NULL;
	if (!windows || !windows->spans)
		return;
	if (grow_holders(detector)) {
		detector_fails(detector, "exposure windows");
		return;
	}
	holding.holder = holder_slot(detector, id);
	if (!holding.holder->id) {
		*holding.holder = (struct holder){ .id = id,
						   .holds = NO_WINDOW,
						   .domain = domain->number,
						   .pointer = pointer,
						   .perm = copy->perm,
						   .first = copy->first,
						   .last = copy->last,
						   .pa = copy->pa };
		detector->n_holders++;
		detector->n_pointers += pointer;
	}
	spans_each(windows->spans, copy->first, copy->last, hold_part, &holding);
}

void windows_held_by_pointers(struct detector *detector, const struct removal *removal,
			      uint32_t window)
{
	for (uint32_t i = 0; i < detector->max_holders; i++) {
		struct holder *holder = &detector->holders[i];

		if (holder->id && holder->pointer && holder->domain == removal->domain->number &&
		    holder->first <= removal->last && holder->last >= removal->first &&
		    hold(detector, holder, window))
			detector_fails(detector, "exposure windows");
	}
}

/* Removes an entry of the open-addressing table, moving up those behind it. */
static void forget_holder(struct detector *detector, struct holder *holder)
{
	uint32_t mask = detector->max_holders - 1, at = (uint32_t)(holder - detector->holders),
		 next = at;

	detector->n_holders--;
	detector->n_pointers -= holder->pointer;
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

/* One copy fewer holds the window open; copy: the one that is gone, NULL: it is right again. */
static void release(struct detector *detector, uint32_t number, const struct cached_copy *copy)
{
	struct window *window = window_at(detector, number);

	if (--window->copies)
		return;
	window->hw_last = replay_now_ns(detector->replay);
	window->hw_total += window->hw_last - window->hw_since;
	window->by_implementation = copy && flushed_unasked(detector, window, copy);
	if (!window->open_bytes)
		window_over(detector, number);
}

void windows_copy_closes(struct detector *detector, const struct cached_copy *copy)
{
	struct holder *holder;

	if (!detector->n_holders)
		return;
	holder = holder_slot(detector, copy_id(copy, replay_unit_at_hand(detector->replay)));
	if (!holder->id)
		return;
	for (uint32_t at = holder->holds, next; at != NO_WINDOW; at = next) {
		next = hold_at(detector, at)->next;
		if (STEP(copy_lets_go))
			release(detector, hold_at(detector, at)->window, copy);
		pool_give(&detector->holds, at);
	}
	forget_holder(detector, holder);
}

static void find_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct part *part = part_at(holding->detector, key);

	(void)last;
	(void)data;
	holding->found |= part->window == holding->window && grants(holding->holder, part, first);
}

/* Lets go of the windows of which nothing is left that the copy grants. */
static void reconsider(struct detector *detector, struct holder *holder)
{
	struct holding holding = { .detector = detector, .holder = holder };
	uint32_t before = NO_WINDOW;

	for (uint32_t at = holder->holds, next; at != NO_WINDOW; at = next) {
		next = hold_at(detector, at)->next;
		holding.window = hold_at(detector, at)->window;
		holding.found = false;
		spans_each(detector->domains[holder->domain].spans, holder->first, holder->last,
			   find_part, &holding);
		if (holding.found) {
			before = at;
			continue;
		}
		if (before == NO_WINDOW)
			holder->holds = next;
		else
			hold_at(detector, before)->next = next;
		pool_give(&detector->holds, at);
		release(detector, holding.window, NULL);
	}
}

void windows_restored(struct detector *detector, uint32_t domain, iova_t first, iova_t last)
{
	for (uint32_t i = 0; i < detector->max_holders; i++) {
		struct holder *holder = &detector->holders[i];

		if (holder->id && holder->domain == domain && holder->first <= last &&
		    holder->last >= first)
			reconsider(detector, holder);
	}
}

void windows_pointers_to(const struct detector *detector, pa_t page,
			 void (*visit)(void *ctx, uint64_t id), void *ctx)
{
	for (uint32_t i = 0; detector->n_pointers && i < detector->max_holders; i++)
		if (detector->holders[i].id && detector->holders[i].pointer &&
		    detector->holders[i].pa == page)
			visit(ctx, detector->holders[i].id);
}
