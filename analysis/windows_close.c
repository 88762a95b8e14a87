/*
 * How windows end: invalidations that cover parts of their software side, a translation that is there again, the
 * end of the recording. A window is told and forgotten when both of its sides are closed.
 */
#include <stdlib.h>

#include "analysis/detect_private.h"

static inline void count_closed(struct detector *detector, struct domain_windows *windows,
				uint32_t domain)
{
	if (!--windows->open)
		detector->open_domains[domain / 64] &= ~(1ull << domain % 64);
}

/* Bytes [first, last] of the window end as `run` says, whose own range is not looked at. */
static int add_run(struct window *window, iova_t first, iova_t last, const struct closed_run *run)
{
	struct closed_run *prior =
		window->n_runs > 1 ? &window->runs[window->n_runs - 1] : &window->run;

	window->open_bytes -= last - first + 1;
	if (!window->n_runs) {
		window->run = *run;
		window->run.first = first;
		window->run.last = last;
		window->n_runs = 1;
		return 0;
	}
	if (prior->op == run->op && prior->how == run->how && prior->left == run->left &&
	    prior->last + 1 == first) {
		prior->last = last;
		return 0;
	}
	if (window->n_runs >= window->max_runs) {
		uint32_t max = window->max_runs ? window->max_runs * 2 : 4;
		struct closed_run *runs = realloc(window->runs, max * sizeof *runs);

		if (!runs)
			return -1;
		if (window->n_runs == 1)
			runs[0] = window->run;
		window->runs = runs;
		window->max_runs = max;
	}
	prior = &window->runs[window->n_runs++];
	*prior = *run;
	prior->first = first;
	prior->last = last;
	return 0;
}

/* A part of a window of a domain: its note in the domain's spans is the part's number. */
struct dropping {
	struct detector *detector;
	uint32_t window;
};

static bool keep_others(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	const struct dropping *dropping = ctx;

	(void)first;
	(void)last;
	(void)data;
	return part_at(dropping->detector, key)->window != dropping->window;
}

static inline void tell_run(struct detector *detector, const struct window *window,
			    const struct closed_run *run)
{
	uint64_t limit = detector->machine->run.flush_limit;

	window_tell_exposure(detector, window, run);
	/* Closed after all, but not within the limit: issued too late, or in time and late to complete. */
	if (limit && run->how == EXPOSURE_CLOSED && run->end_ns - window->time_ns > limit)
		window_tell_missing(detector, window, run,
				    run->issued_ns - window->time_ns > limit
					    ? MISSING_NEVER_ISSUED
					    : MISSING_NOT_COMPLETED);
}

static __attribute__((noinline)) void drop_notes(struct detector *detector, uint32_t number,
						 const struct window *window)
{
	struct dropping dropping = { detector, number };

	spans_update(detector->domains[window->domain].spans, window->first, window->last,
		     keep_others, &dropping);
}

static inline void forget(struct detector *detector, uint32_t number, struct window *window)
{
	if (window->noted)
		drop_notes(detector, number, window);
	for (uint32_t part = window->parts, next; part != NO_WINDOW; part = next) {
		next = part_at(detector, part)->next;
		pool_give(&detector->parts, part & ~(uint32_t)PART_MORE);
	}
	if (window->max_runs)
		free(window->runs);
	window->used = false;
	pool_give(&detector->windows, number);
	if (detector->last_window == number)
		detector->last_window = NO_WINDOW;
}

void window_over(struct detector *detector, uint32_t number)
{
	struct window *window = window_at(detector, number);
	const struct closed_run *runs = window->n_runs > 1 ? window->runs : &window->run;

	for (uint32_t i = 0; i < window->n_runs; i++)
		tell_run(detector, window, &runs[i]);
	forget(detector, number, window);
}

/* It has no more bytes to be flushed. */
static inline void software_closed(struct detector *detector, struct window *window)
{
	struct domain_windows *windows = &detector->domains[window->domain];

	if (detector->machine->run.flush_limit)
		window->tried = windows->tried;
	count_closed(detector, windows, window->domain);
}

/* A translation that is there again. */
struct restored {
	iova_t iova;
	pa_t pa;
	unsigned perm;
};

/* What an invalidation or a restoring map does to the parts in a range. */
struct closing {
	struct detector *detector;
	const struct restored *restored; /* NULL: an invalidation */
	bool any_restored;
	bool atc;      /* of a device TLB */
	bool inferred; /* the window takes the weakest provenance of its ends (R7) */
	uint64_t seq;  /* later windows are not closed */
	uint32_t first_done, last_done; /* windows whose software side closed with this */
	uint64_t units;			/* no longer needed */
	struct closed_run run;		/* how, when, by whom */
};

static bool restores(const struct restored *restored, const struct part *part)
{
	return (restored->perm & part->lost) == part->lost &&
	       part->pa - part->first == restored->pa - restored->iova;
}

static void note_done(struct closing *closing, uint32_t number)
{
	window_at(closing->detector, number)->next = NO_WINDOW;
	if (closing->first_done == NO_WINDOW)
		closing->first_done = number;
	else
		window_at(closing->detector, closing->last_done)->next = number;
	closing->last_done = number;
}

static bool close_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct closing *closing = ctx;
	struct part *part = part_at(closing->detector, key);
	struct window *window = window_at(closing->detector, part->window);
	bool unflushed;

	if ((!*data && !closing->restored) ||
	    (window->seq > closing->seq && STEP(issued_after_update)))
		return true;
	/* An ATC refills from a stale IOTLB: its flush counts only if issued after that one's end. */
	if (closing->atc && STEP(atc_after_iotlb) &&
	    (holders_units(*data) || closing->seq <= part->flushed))
		return true;
	if (closing->restored && !restores(closing->restored, part))
		return true;
	if (closing->restored) { /* over on both sides, the flushed one too */
		closing->any_restored = true;
		if (!*data)
			return false;
	}
	unflushed = holders_units(*data);
	*data &= ~closing->units;
	window->inferred |= closing->inferred;
	if (!closing->atc && unflushed && !holders_units(*data))
		part->flushed = replay_seq(closing->detector->replay);
	if (*data)
		return true;
	if (add_run(window, first, last, &closing->run))
		detector_fails(closing->detector, "exposure windows");
	if (window->open_bytes)
		return !closing->restored;
	note_done(closing, part->window);
	/* the usual end, of a window of one stretch that no copy holds any more */
	window->noted = window->copies || first != window->first || last != window->last;
	return window->noted && !closing->restored;
}

/* Stretches of parts of which another stretch was flushed from all IOMMUs before. */
struct stretches {
	const struct closing *closing;
	struct stretch {
		iova_t first, last;
		uint64_t data;
		uint32_t part;
	} * all;
	size_t n, max;
	bool failed;
};

static bool take_later(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct stretches *stretches = ctx;
	const struct closing *closing = stretches->closing;
	const struct part *part = part_at(closing->detector, key);
	uint64_t left = *data & ~closing->units;

	if (!part->flushed || !holders_units(*data) || holders_units(left) || !left ||
	    window_at(closing->detector, part->window)->seq > closing->seq)
		return true;
	if (stretches->n == stretches->max) {
		size_t max = stretches->max ? stretches->max * 2 : 16;
		struct stretch *all = realloc(stretches->all, max * sizeof *all);

		stretches->failed |= !all;
		if (!all)
			return true;
		stretches->all = all;
		stretches->max = max;
	}
	stretches->all[stretches->n++] = (struct stretch){ first, last, *data, key };
	return false;
}

/* Device TLBs count from when the IOMMUs were flushed, for each stretch: one of its own is a part. */
static void part_later(struct closing *closing, uint32_t domain, iova_t first, iova_t last)
{
	struct detector *detector = closing->detector;
	struct spans *spans = detector->domains[domain].spans;
	struct stretches stretches = { .closing = closing };

	if (spans_update(spans, first, last, take_later, &stretches) || stretches.failed)
		detector_fails(detector, "exposure windows");
	for (size_t i = 0; i < stretches.n; i++) {
		const struct stretch *stretch = &stretches.all[i];
		uint32_t window = part_at(detector, stretch->part)->window;
		uint32_t at = window_more_part(detector, window), next;

		if (at == NO_WINDOW ||
		    spans_add(spans, stretch->first, stretch->last, at, stretch->data)) {
			detector_fails(detector, "exposure windows");
			break;
		}
		next = part_at(detector, at)->next;
		*part_at(detector, at) = *part_at(detector, stretch->part);
		part_at(detector, at)->next = next;
	}
	free(stretches.all);
}

static void close_range(struct closing *closing, uint32_t domain, iova_t first, iova_t last)
{
	struct detector *detector = closing->detector;

	if (!closing->atc && !closing->restored && replay_domain(detector->replay, domain)->n_atcs)
		part_later(closing, domain, first, last);
	closing->first_done = NO_WINDOW;
	if (spans_update(detector->domains[domain].spans, first, last, close_part, closing))
		detector_fails(detector, "exposure windows");
	for (uint32_t done = closing->first_done, next; done != NO_WINDOW; done = next) {
		struct window *window = window_at(detector, done);

		next = window->next;
		software_closed(detector, window);
		if (!window->copies)
			window_over(detector, done);
	}
}

void windows_restore(struct detector *detector, const struct domain *domain, iova_t first,
		     iova_t last, pa_t pa, unsigned perm, uint64_t event, uint64_t time_ns)
{
	const struct restored restored = { first, pa, perm };
	struct closing closing;

	if (!detector->domains[domain->number].spans)
		return;
	closing = (struct closing){ .detector = detector,
				    .restored = &restored,
				    .seq = UINT64_MAX,
				    .units = UINT64_MAX,
				    .run = { .end_ns = time_ns,
					     .by = event,
					     .op = replay_seq(detector->replay),
					     .how = EXPOSURE_RESTORED } };
	close_range(&closing, domain->number, first, last);
	if (closing.any_restored && detector->n_holders && STEP(restored_hardware))
		windows_restored(detector, domain->number, first, last);
}

/* The event that the end of a window names. */
static uint64_t closing_event(const struct inval_op *op)
{
	if (op->done_event != NO_EVENT)
		return op->done_event;
	return op->policy ? NO_EVENT : op->event;
}

/*
 * The usual end: an invalidation of all that a window of one stretch still needs, when no copy holds it any
 * more. False: it is another, and nothing was done.
 */
static bool close_whole(struct detector *detector, struct spans *spans, const struct inval_op *op,
			uint64_t holders)
{
	struct imap_entry *only;
	struct window *window;
	uint32_t number;

	if (op->scope.what == INVAL_DEVICE_ATC)
		return false;
	only = spans_only(spans, op->scope.first, op->scope.last);
	if (!only || (only->value[SPANS_DATA] & ~holders))
		return false;
	number = part_at(detector, (uint32_t)only->value[SPANS_KEY])->window;
	window = window_at(detector, number);
	if (window->seq > op->seq || window->copies || window->first != only->first ||
	    window->last != only->last)
		return false;
	spans_drop(spans, only);
	window->inferred |= op->inferred;
	window->noted = false;
	window->open_bytes = 0;
	window->run.first = window->first;
	window->run.last = window->last;
	window->run.end_ns = op->done_ns;
	window->run.by = closing_event(op);
	window->run.issued_ns = op->time_ns;
	window->run.how = EXPOSURE_CLOSED;
	software_closed(detector, window);
	tell_run(detector, window, &window->run);
	forget(detector, number, window);
	return true;
}

static __attribute__((noinline)) void close_covered(struct detector *detector, uint32_t domain,
						    const struct inval_op *op, uint64_t holders)
{
	struct closing closing = {
		.detector = detector,
		.atc = op->scope.what == INVAL_DEVICE_ATC,
		.inferred = op->inferred,
		.seq = op->seq,
		.units = holders,
		.run = { .end_ns = op->done_ns,
			 .issued_ns = op->time_ns,
			 .by = closing_event(op),
			 .op = op->seq,
			 .how = EXPOSURE_CLOSED },
	};

	close_range(&closing, domain, op->scope.first, op->scope.last);
}

static inline void close_domain(struct detector *detector, uint32_t number,
				const struct inval_op *op)
{
	uint64_t holders = windows_holders(detector, replay_domain(detector->replay, number), op);

	if (holders && !close_whole(detector, detector->domains[number].spans, op, holders))
		close_covered(detector, number, op, holders);
}

void windows_done(struct detector *detector, const struct inval_op *op)
{
	tried_done(detector, op);
	if (op->failed && STEP(failed_covers_nothing))
		return;
	for (uint32_t word = 0; word < detector->n_domains / 64; word++)
		for (uint64_t open = detector->open_domains[word]; open; open &= open - 1)
			close_domain(detector, word * 64 + (uint32_t)__builtin_ctzll(open), op);
}

/* ---- the end -------------------------------------------------------------------------------------- */

struct ending {
	struct detector *detector;
	uint64_t now;
};

static bool end_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct ending *ending = ctx;
	struct window *window = window_at(ending->detector, part_at(ending->detector, key)->window);
	struct closed_run run = { .end_ns = ending->now,
				  .by = NO_EVENT,
				  .op = UINT64_MAX,
				  .left = *data,
				  .how = EXPOSURE_OPEN };

	if (!*data)
		return true;
	*data = 0;
	if (add_run(window, first, last, &run))
		detector_fails(ending->detector, "exposure windows");
	return true;
}

static void end_window(struct detector *detector, uint32_t number, uint64_t now)
{
	struct window *window = window_at(detector, number);

	if (window->copies) {
		window->hw_total += now - window->hw_since;
		window->hw_last = FINDING_NONE;
	}
	for (uint32_t i = 0; i < window->n_runs; i++) {
		const struct closed_run *run = window->n_runs > 1 ? &window->runs[i] : &window->run;

		if (run->how == EXPOSURE_OPEN)
			window_tell_missing(detector, window, run,
					    tried_why_missing(detector, window, run, now));
	}
	window->copies = 0;
	window_over(detector, number);
}

/* Windows still open: an open exposure, and flush-missing for what no invalidation covered. */
void windows_finish(struct detector *detector)
{
	struct ending ending = { detector, replay_now_ns(detector->replay) };

	for (uint32_t i = 0; i < detector->n_domains; i++)
		if (detector->domains[i].spans)
			spans_update(detector->domains[i].spans, 0, UINT64_MAX, end_part, &ending);
	for (uint32_t i = 0; i < detector->windows.n; i++)
		if (window_at(detector, i)->used)
			end_window(detector, i, ending.now);
}
