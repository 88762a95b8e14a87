/*
 * Exposure windows (rules R6 and R7): one contiguous input range removed or narrowed by one
 * update. How they open, and what is asked of them. The software side splits where invalidations cover
 * parts (windows_close.c); the hardware side (windows_held.c) counts the copies in the model's caches that
 * grant what is gone.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

/* ---- domains --------------------------------------------------------------------------------- */

static int more_domains(struct detector *detector, uint32_t domain)
{
	uint32_t had = detector->n_domains, n = (domain / 64 + 1) * 64;
	struct domain_windows *domains = realloc(detector->domains, n * sizeof *domains);
	uint64_t *open;

	if (!domains)
		return -1;
	detector->domains = domains;
	open = realloc(detector->open_domains, n / 64 * sizeof *open);
	if (!open)
		return -1;
	detector->open_domains = open;
	memset(domains + had, 0, (n - had) * sizeof *domains);
	memset(open + had / 64, 0, (n - had) / 64 * sizeof *open);
	detector->n_domains = n;
	return 0;
}

struct domain_windows *windows_of_new(struct detector *detector, uint32_t domain)
{
	if (domain >= detector->n_domains && more_domains(detector, domain))
		return NULL;
	if (!detector->domains[domain].spans && spans_create(&detector->domains[domain].spans))
		return NULL;
	return &detector->domains[domain];
}

uint32_t windows_open_domain(const struct detector *detector, uint32_t from)
{
	uint64_t not_below = UINT64_MAX << from % 64;

	for (uint32_t word = from / 64; word < detector->n_domains / 64; word++) {
		uint64_t open = detector->open_domains[word] & not_below;

		if (open)
			return word * 64 + (uint32_t)__builtin_ctzll(open);
		not_below = UINT64_MAX;
	}
	return NAME_NONE;
}

static inline void count_open(struct detector *detector, struct domain_windows *windows,
			      uint32_t domain)
{
	if (!windows->open++)
		detector->open_domains[domain / 64] |= 1ull << domain % 64;
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool extends(const struct detector *detector, const struct removal *removal)
{
	const struct window *window;

	if (detector->last_window == NO_WINDOW)
		return false;
	window = window_at(detector, detector->last_window);
	return window->used && window->domain == removal->domain->number &&
	       window->seq == removal->seq && window->event == removal->event &&
	       window->last + 1 == removal->first;
}

static inline struct window *open_window(struct detector *detector, struct domain_windows *windows,
					 const struct removal *removal)
{
	uint32_t at = pool_take(&detector->windows), domain = removal->domain->number;
	struct window *window;

	if (at == NO_WINDOW)
		return NULL;
	window = window_at(detector, at);
	/* field by field: tried and run say nothing yet, and they are most of its bytes */
	window->part.window = at;
	window->used = window->noted = true;
	window->ever_held = window->by_implementation = window->failed = false;
	window->copies = 0;
	window->uses = window->hw_since = window->hw_total = 0;
	window->hw_first = window->hw_last = window->use_event = FINDING_NONE;
	window->inferred = removal->inferred;
	window->cause = (uint8_t)removal->cause;
	window->domain = domain;
	window->parts = NO_WINDOW;
	window->event = removal->event;
	window->time_ns = removal->time_ns;
	window->seq = removal->seq;
	window->first = removal->first;
	window->open_bytes = 0;
	window->runs = NULL;
	window->n_runs = window->max_runs = 0;
	count_open(detector, windows, domain);
	detector->last_window = at;
	return window;
}

uint32_t window_more_part(struct detector *detector, uint32_t number)
{
	uint32_t at = pool_take(&detector->parts);
	struct window *window = window_at(detector, number);

	if (at == NO_WINDOW)
		return at;
	at |= PART_MORE;
	part_at(detector, at)->window = number;
	part_at(detector, at)->next = window->parts;
	return window->parts = at;
}

/* The part of the window, known by `at`, that the removal is; noted in the spans of its domain. */
static inline int note_part(struct window *window, struct part *part, uint32_t at,
			    struct spans *spans, const struct removal *removal, uint64_t holders)
{
	part->owner = removal->owner;
	part->lost = removal->lost;
	part->taken = removal->taken;
	part->first = removal->first;
	part->pa = removal->pa;
	part->mapped = removal->mapped;
	part->flushed = 0;
	window->last = removal->last;
	window->open_bytes += removal->last - removal->first + 1;
	return spans_add(spans, removal->first, removal->last, at, holders);
}

static __attribute__((noinline)) int extend_window(struct detector *detector, struct spans *spans,
						   const struct removal *removal, uint64_t holders)
{
	uint32_t at = window_more_part(detector, detector->last_window);

	return at == NO_WINDOW ? -1
			       : note_part(window_at(detector, detector->last_window),
					   part_at(detector, at), at, spans, removal, holders);
}

static inline int remove_in(struct detector *detector, struct domain_windows *windows,
			    const struct removal *removal, uint64_t holders)
{
	struct window *window;

	if (extends(detector, removal))
		return extend_window(detector, windows->spans, removal, holders);
	window = open_window(detector, windows, removal);
	return !window ? -1
		       : note_part(window, &window->part, window->part.window, windows->spans,
				   removal, holders);
}

void windows_removed(struct detector *detector, const struct removal *removal)
{
	uint64_t holders = domain_holders(removal->domain);
	struct domain_windows *windows;

	if (!holders) { /* no device, or none since its last full flush */
		detector->no_window++;
		return;
	}
	windows = windows_of(detector, removal->domain->number);
	if (!windows || remove_in(detector, windows, removal, holders)) {
		detector_fails(detector, "exposure windows");
		return;
	}
	if (detector->n_pointers && STEP(pointer_holds_later))
		windows_held_by_pointers(detector, removal, detector->last_window);
}

/* ---- asking ---------------------------------------------------------------------------------- */

uint64_t windows_atc_holders(const struct detector *detector, const struct domain *domain,
			     const struct inval_op *op)
{
	uint32_t device = replay_device(detector->replay, op->unit, op->scope.device)->number;
	uint64_t bits = 0;

	for (uint32_t i = 0; i < domain->n_atcs; i++)
		if (domain_atc_is(domain, i, device, &op->scope))
			bits |= 1ull << (WORLD_UNITS + i);
	return bits;
}

struct looking {
	struct detector *detector;
	uint64_t holders; /* that the invalidation is about, of the domain at hand */
	const struct inval_op *op;
	bool found;
};

static void look(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct looking *looking = ctx;
	const struct part *part = part_at(looking->detector, key);

	(void)first;
	(void)last;
	if ((data & looking->holders) &&
	    window_at(looking->detector, part->window)->seq < looking->op->seq)
		looking->found = true;
}

/* Whether an update in the scope of the invalidation is outstanding. */
bool windows_outstanding(struct detector *detector, const struct inval_op *op)
{
	struct looking looking = { .detector = detector, .op = op };

	for (uint32_t i = windows_open_domain(detector, 0); i != NAME_NONE && !looking.found;
	     i = windows_open_domain(detector, i + 1)) {
		looking.holders = windows_holders(detector, replay_domain(detector->replay, i), op);
		if (!looking.holders)
			continue;
		spans_each(detector->domains[i].spans, op->scope.first, op->scope.last, look,
			   &looking);
	}
	return looking.found;
}

struct search {
	struct detector *detector;
	uint32_t best;
	iova_t iova;
	pa_t pa;
};

static void match_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct search *search = ctx;
	const struct part *part = part_at(search->detector, key), *best;

	(void)first;
	(void)last;
	(void)data;
	if (search->pa != NO_PA &&
	    (part->pa + (search->iova - part->first)) >> 12 != search->pa >> 12)
		return;
	best = search->best == NO_WINDOW ? NULL : part_at(search->detector, search->best);
	if (!best || window_at(search->detector, part->window)->seq >
			     window_at(search->detector, best->window)->seq)
		search->best = key;
}

uint32_t windows_find(struct detector *detector, uint32_t domain, iova_t iova, pa_t pa)
{
	struct search search = { detector, NO_WINDOW, iova, pa };

	if (domain < detector->n_domains && detector->domains[domain].spans)
		spans_each(detector->domains[domain].spans, iova, iova, match_part, &search);
	return search.best;
}

void windows_destroy(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_domains; i++)
		spans_destroy(detector->domains[i].spans);
	for (uint32_t i = 0; i < detector->windows.n; i++)
		if (window_at(detector, i)->used)
			free(window_at(detector, i)->runs);
	free(detector->domains);
	free(detector->open_domains);
	free(detector->holders);
	pool_free(&detector->windows);
	pool_free(&detector->parts);
	pool_free(&detector->holds);
}
