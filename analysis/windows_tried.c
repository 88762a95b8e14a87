/*
 * Invalidations on their way, for windows that nothing closes, or too late: what was issued for them, or
 * instead.
 */
#include <stdlib.h>

#include "analysis/detect_private.h"

/* Beyond, something is missing, and what was issued lately is not its story. */
enum { FEW_WINDOWS = 64 };

/* Remembered until it completes: a window that nothing closes says what was issued for it. */
static void note_trying(struct detector *detector, const struct inval_op *op)
{
	detector->last_tried = (struct tried){ op->seq, op->event, op->scope };
	if (detector->n_trying == detector->max_trying) {
		uint32_t max = detector->max_trying ? detector->max_trying * 2 : 16;
		struct tried *trying = realloc(detector->trying, max * sizeof *trying);

		if (!trying) {
			detector_fails(detector, "invalidations on their way");
			return;
		}
		detector->trying = trying;
		detector->max_trying = max;
	}
	detector->trying[detector->n_trying++] = detector->last_tried;
}

void windows_issued(struct detector *detector, const struct inval_op *op)
{
	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_DEVICE_ATC)
		return;
	note_trying(detector, op);
	if (!detector->machine->run.flush_limit)
		return;
	/* for what closes late */
	for (uint32_t i = windows_open_domain(detector, 0); i != NAME_NONE;
	     i = windows_open_domain(detector, i + 1))
		if (detector->domains[i].open < FEW_WINDOWS)
			detector->domains[i].tried = detector->last_tried;
}

static bool covers(const struct detector *detector, const struct tried *tried,
		   const struct window *window)
{
	const struct domain *domain = replay_domain(detector->replay, window->domain);

	return tried->seq > window->seq &&
	       (tried->scope.what == INVAL_ALL ||
		(domain && tried->scope.tag == domain->tag && tried->scope.first <= window->first &&
		 tried->scope.last >= window->last));
}

/* It completed; or it failed, which windows that it was for remember. */
void tried_done(struct detector *detector, const struct inval_op *op)
{
	uint32_t at = 0;

	while (at < detector->n_trying && detector->trying[at].seq != op->seq)
		at++;
	if (at == detector->n_trying)
		return;
	for (uint32_t i = 0; i < detector->windows.n && op->failed; i++) {
		struct window *window = window_at(detector, i);

		if (window->used && window->open_bytes &&
		    covers(detector, &detector->trying[at], window)) {
			window->failed = true;
			window->tried = detector->trying[at];
		}
	}
	if (at != --detector->n_trying)
		detector->trying[at] = detector->trying[detector->n_trying];
}

/* Of a window that stays open: what was issued for it, or instead of it (window->tried). */
enum missing_why tried_why_missing(const struct detector *detector, struct window *window,
				   const struct closed_run *run_left, uint64_t now)
{
	const struct run_config *run = &detector->machine->run;

	if (run->flush_limit && now - window->time_ns < run->flush_limit)
		return MISSING_ENDED;
	if (!holders_units(run_left->left))
		return MISSING_NEVER_ISSUED;
	for (uint32_t i = 0; i < detector->n_trying && !window->failed; i++) {
		if (!covers(detector, &detector->trying[i], window))
			continue;
		window->failed = true;
		window->tried = detector->trying[i];
	}
	if (window->failed)
		return MISSING_NOT_COMPLETED;
	if (detector->last_tried.seq <= window->seq)
		return MISSING_NEVER_ISSUED;
	window->tried = detector->last_tried;
	return MISSING_WRONG_SCOPE;
}
