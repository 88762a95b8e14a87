/*
 * The hardware side of windows (rules R6): which copies of the model's caches grant what is gone. A
 * copy is held against windows when its check bit is set, and lets go of them when it is gone, or
 * when what it grants is there again.
 */
#include <stdlib.h>

#include "analysis/detect_private.h"

uint64_t windows_copy_id(const struct detector *detector, const struct cached_copy *copy)
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

static int hold(struct detector *detector, struct holder *holder, uint32_t window)
{
	struct window *held = &detector->windows[window];

	for (uint32_t i = 0; i < holder->n; i++)
		if (holder->windows[i] == window)
			return 0;
	if (holder->n == holder->max) {
		uint32_t max = holder->max ? holder->max * 2 : 2;
		uint32_t *windows = realloc(holder->windows, max * sizeof *windows);

		if (!windows)
			return -1;
		holder->windows = windows;
		holder->max = max;
	}
	holder->windows[holder->n++] = window;
	if (held->copies++ == 0) {
		held->hw_since = replay_now_ns(detector->replay);
		if (!held->ever_held)
			held->hw_first = held->hw_since;
		held->ever_held = true;
	}
	return 0;
}

/* One copy fewer holds the window open. */
static void let_go(struct detector *detector, uint32_t at)
{
	struct window *window = &detector->windows[at];
	uint64_t now = replay_now_ns(detector->replay);

	if (--window->copies)
		return;
	window->hw_total += now - window->hw_since;
	window->hw_last = now;
	if (!window->open_bytes)
		windows_over(detector, at);
}

/* Whether the copy grants what the part lost, of which [first, last] is left. */
static bool grants(const struct holder *holder, const struct part *part, iova_t first)
{
	iova_t at = first > holder->first ? first : holder->first;

	return holder->pointer ||
	       (holder->pa + (at - holder->first) == part->pa + (at - part->first) &&
		(holder->perm & part->lost));
}

struct holding {
	struct detector *detector;
	struct holder *holder;
	uint32_t window; /* only of this one: */
	bool found;
};

static void hold_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct part *part = &holding->detector->parts[key];

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
	uint64_t id = windows_copy_id(detector, copy);
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

/* A stale pointer counts for every window in its range, one that opens later too (rules R6). */
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

	free(holder->windows);
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

void windows_copy_closes(struct detector *detector, const struct cached_copy *copy)
{
	struct holder *holder;

	if (!detector->max_holders)
		return;
	holder = holder_slot(detector, windows_copy_id(detector, copy));
	if (!holder->id)
		return;
	for (uint32_t i = 0; i < holder->n; i++) {
		struct window *window = &detector->windows[holder->windows[i]];

		if (window->copies == 1)
			window->by_implementation = flushed_unasked(detector, window, copy);
		if (STEP(copy_lets_go))
			let_go(detector, holder->windows[i]);
	}
	forget_holder(detector, holder);
}

static void find_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct part *part = &holding->detector->parts[key];

	(void)last;
	(void)data;
	holding->found |= part->window == holding->window && grants(holding->holder, part, first);
}

/* A translation is there again, and its parts of windows are over: copies hold what is left. */
void windows_restored(struct detector *detector, uint32_t domain, iova_t first, iova_t last)
{
	struct holding holding = { .detector = detector };

	for (uint32_t i = 0; i < detector->max_holders; i++) {
		struct holder *holder = &detector->holders[i];

		if (!holder->id || holder->domain != domain || holder->first > last ||
		    holder->last < first)
			continue;
		holding.holder = holder;
		for (uint32_t k = 0; k < holder->n;) {
			holding.window = holder->windows[k];
			holding.found = false;
			spans_each(detector->domains[domain].spans, holder->first, holder->last,
				   find_part, &holding);
			if (holding.found) {
				k++;
				continue;
			}
			holder->windows[k] = holder->windows[--holder->n];
			let_go(detector, holding.window);
		}
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

void windows_let_go_all(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->max_holders; i++)
		free(detector->holders[i].windows);
	free(detector->holders);
}
