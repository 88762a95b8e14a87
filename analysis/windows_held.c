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

/* Where the search for a copy begins. */
static inline uint32_t home_of(const struct detector *detector, uint64_t id)
{
	return (uint32_t)(id * 0x9e3779b97f4a7c15ull >> 32) & (detector->max_holders - 1);
}

/* Its place: its own, or the empty one that it would have. */
static inline uint32_t place_of(const struct detector *detector, uint64_t id)
{
	uint32_t at = home_of(detector, id);

	while (detector->holders[at].id && detector->holders[at].id != id)
		at = (at + 1) & (detector->max_holders - 1);
	return at;
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
			detector->holders[place_of(detector, old[i].id)] = old[i];
	free(old);
	return 0;
}

/* Notes one more window, at the end; false: it is there already. */
static bool hold_more(struct detector *detector, struct holder *holder, uint32_t number)
{
	uint32_t last = NO_WINDOW, at;

	for (at = holder->more; at != NO_WINDOW; at = hold_at(detector, at)->next) {
		if (hold_at(detector, at)->window == number)
			return false;
		last = at;
	}
	at = pool_take(&detector->holds);
	if (at == NO_WINDOW) {
		detector_fails(detector, "exposure windows");
		return false;
	}
	*hold_at(detector, at) = (struct hold){ NO_WINDOW, number };
	if (last == NO_WINDOW)
		holder->more = at;
	else
		hold_at(detector, last)->next = at;
	return true;
}

/* The next of the windows that a copy holds takes the place of the first. */
static void first_goes(struct detector *detector, struct holder *holder)
{
	uint32_t at = holder->more;

	holder->window = NO_WINDOW;
	if (at == NO_WINDOW)
		return;
	holder->window = hold_at(detector, at)->window;
	holder->more = hold_at(detector, at)->next;
	pool_give(&detector->holds, at);
}

/* The copy holds the window open, once. */
static inline void hold(struct detector *detector, struct holder *holder, uint32_t number)
{
	struct window *window = window_at(detector, number);

	if (holder->window == NO_WINDOW)
		holder->window = number;
	else if (holder->window == number || !hold_more(detector, holder, number))
		return;
	if (window->copies++ == 0) {
		window->hw_since = replay_now_ns(detector->replay);
		if (!window->ever_held)
			window->hw_first = window->hw_since;
		window->ever_held = true;
	}
}

/* Whether the copy grants what the part lost: it leads to the same pages, or to all tables below. */
static bool grants(const struct holder *holder, const struct part *part)
{
	return holder->pointer || (holder->pa - holder->first == part->pa - part->first &&
				   (holder->perm & part->taken));
}

struct holding {
	struct detector *detector;
	struct holder *holder;
	uint32_t window; /* find_part: of this one only */
	bool found;
};

/* The copy holds the window of a part if it grants what that lost. */
static inline void hold_by(struct detector *detector, struct holder *holder, uint32_t key)
{
	const struct part *part = part_at(detector, key);

	if (STEP(copy_holds) && grants(holder, part))
		hold(detector, holder, part->window);
}

static void hold_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	const struct holding *holding = ctx;

	(void)first;
	(void)last;
	(void)data;
	hold_by(holding->detector, holding->holder, key);
}

/* The place of a copy, new or not. NULL: no memory. */
static struct holder *holder_of(struct detector *detector, const struct doubted_copy *copy,
				uint32_t domain, bool pointer)
{
	uint64_t id = copy->name | replay_unit_at_hand(detector->replay);
	struct holder *holder;

	if (grow_holders(detector))
		return NULL;
	holder = &detector->holders[place_of(detector, id)];
	if (holder->id)
		return holder;
	holder->id = id;
	holder->window = holder->more = NO_WINDOW;
	holder->domain = domain;
	holder->pointer = pointer;
	holder->perm = copy->perm;
	holder->first = copy->first;
	holder->last = copy->last;
	holder->pa = copy->pa;
	detector->n_holders++;
	detector->n_pointers += pointer;
	return holder;
}

void windows_copy_opens(void *self, const struct doubted_copy *copy)
{
	struct detector *detector = self;
	uint32_t domain = replay_number_of_space(detector->replay, copy->space);
	bool pointer = copy_name_structure(copy->name) == STRUCTURE_WALK_CACHE;
	struct domain_windows *windows = NULL;
	struct imap_entry *only;
	struct holder *holder;

	/* one whose tag stands for other tables too says what its own tables say */
	if (copy_name_structure(copy->name) == STRUCTURE_CONFIG || domain == NAME_NONE ||
	    !(copy->reasons & (CHECK_UPDATE | CHECK_SOURCE)))
		return;
	if (pointer)
		windows = windows_of(detector, domain);
	else if (domain < detector->n_domains)
		windows = &detector->domains[domain];
	if (!windows || !windows->spans)
		return;
	holder = holder_of(detector, copy, domain, pointer);
	if (!holder) {
		detector_fails(detector, "exposure windows");
		return;
	}
	only = spans_only(windows->spans, copy->first, copy->last);
	if (only)
		hold_by(detector, holder, (uint32_t)only->value[SPANS_KEY]);
	else
		spans_each(windows->spans, copy->first, copy->last, hold_part,
			   &(struct holding){ .detector = detector, .holder = holder });
}

void windows_held_by_pointers(struct detector *detector, const struct removal *removal,
			      uint32_t window)
{
	for (uint32_t i = 0; i < detector->max_holders; i++) {
		struct holder *holder = &detector->holders[i];

		if (holder->id && holder->pointer && holder->domain == removal->domain->number &&
		    holder->first <= removal->last && holder->last >= removal->first)
			hold(detector, holder, window);
	}
}

/* Removes an entry of the open-addressing table, moving up those behind it. */
static void forget_holder(struct detector *detector, uint32_t at)
{
	uint32_t mask = detector->max_holders - 1, next = at;

	detector->n_holders--;
	detector->n_pointers -= detector->holders[at].pointer;
	for (;;) {
		next = (next + 1) & mask;
		if (!detector->holders[next].id)
			break;
		if (((next - home_of(detector, detector->holders[next].id)) & mask) <
		    ((next - at) & mask))
			continue;
		detector->holders[at] = detector->holders[next];
		at = next;
	}
	detector->holders[at].id = 0;
}

/* Rules, "Scope of the software window": the model flushed more of the window than it was told. */
static bool flushed_unasked(const struct detector *detector, const struct window *window,
			    const struct holder *copy)
{
	const struct inval_op *op = replay_executing(detector->replay);

	if (!op)
		return false;
	/* told of less than what both the window and the copy cover, or of other holders */
	return (op->scope.first > window->first && op->scope.first > copy->first) ||
	       (op->scope.last < window->last && op->scope.last < copy->last) ||
	       (op->scope.what != INVAL_ALL &&
		!windows_holders(detector, replay_domain(detector->replay, window->domain), op));
}

/* One copy fewer holds the window open; copy: the one that is gone, NULL: it is right again. */
static inline void release(struct detector *detector, uint32_t number, const struct holder *copy)
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

void windows_copy_closes(struct detector *detector, uint64_t id)
{
	uint32_t at = place_of(detector, id);
	struct holder *holder = &detector->holders[at];

	if (!holder->id)
		return;
	for (; holder->window != NO_WINDOW; first_goes(detector, holder))
		if (STEP(copy_lets_go))
			release(detector, holder->window, holder);
	forget_holder(detector, at);
}

static void find_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct part *part = part_at(holding->detector, key);

	(void)first;
	(void)last;
	(void)data;
	holding->found |= part->window == holding->window && grants(holding->holder, part);
}

/* Whether something of the window is left that the copy grants. */
static bool still_holds(struct detector *detector, struct holder *holder, uint32_t window)
{
	struct holding holding = { detector, holder, window, false };

	spans_each(detector->domains[holder->domain].spans, holder->first, holder->last, find_part,
		   &holding);
	return holding.found;
}

/* Lets go of the windows of which nothing is left that the copy grants. */
static void reconsider(struct detector *detector, struct holder *holder)
{
	uint32_t *link = &holder->more, window;

	while (holder->window != NO_WINDOW && !still_holds(detector, holder, holder->window)) {
		window = holder->window;
		first_goes(detector, holder);
		release(detector, window, NULL);
	}
	while (*link != NO_WINDOW) {
		struct hold held = *hold_at(detector, *link);
		uint32_t at = *link;

		if (still_holds(detector, holder, held.window)) {
			link = &hold_at(detector, at)->next;
			continue;
		}
		*link = held.next;
		pool_give(&detector->holds, at);
		release(detector, held.window, NULL);
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
