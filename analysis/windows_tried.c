/*
 * For windows that nothing closes, or too late: what was issued for them, or instead. What is still on its
 * way is the replay's to say.
 */
#include "analysis/detect_private.h"

/* Beyond, something is missing, and what was issued lately is not its story. */
enum { FEW_WINDOWS = 64 };

static bool of_translations(const struct inval_op *op)
{
	return op->scope.what != INVAL_DEVICE_CONFIG && op->scope.what != INVAL_DEVICE_ATC;
}

static void set_tried(struct tried *tried, const struct inval_op *op)
{
	*tried = (struct tried){ op->seq, op->event, op->scope };
}

/* limits.flush: what closes late says what was issued last. */
void tried_late(struct detector *detector, const struct inval_op *op)
{
	if (!of_translations(op))
		return;
	for (uint32_t i = windows_open_domain(detector, 0); i != NAME_NONE;
	     i = windows_open_domain(detector, i + 1))
		if (detector->domains[i].open < FEW_WINDOWS)
			set_tried(&detector->domains[i].tried, op);
}

static bool covers(const struct detector *detector, const struct inval_op *op,
		   const struct window *window)
{
	const struct domain *domain = replay_domain(detector->replay, window->domain);

	return op->seq > window->seq &&
	       (op->scope.what == INVAL_ALL ||
		(domain && op->scope.tag == domain->tag && op->scope.first <= window->first &&
		 op->scope.last >= window->last));
}

static __attribute__((noinline)) void note_failed(struct detector *detector,
						  const struct inval_op *op)
{
	for (uint32_t i = 0; i < detector->windows.n; i++) {
		struct window *window = window_at(detector, i);

		if (window->used && window->open_bytes && covers(detector, op, window)) {
			window->failed = true;
			set_tried(&window->tried, op);
		}
	}
}

void tried_done(struct detector *detector, const struct inval_op *op)
{
	if (!of_translations(op))
		return;
	if (op->failed)
		note_failed(detector, op);
	if (op->seq > detector->last_tried.seq)
		set_tried(&detector->last_tried, op);
}

/* What is still on its way. */
struct under_way {
	const struct detector *detector;
	const struct window *window;
	const struct inval_op *first, *last; /* issued: of those that cover the window; of all */
};

static void look_at(void *ctx, const struct inval_op *op)
{
	struct under_way *under_way = ctx;

	if (!of_translations(op))
		return;
	if (!under_way->last || op->seq > under_way->last->seq)
		under_way->last = op;
	if (covers(under_way->detector, op, under_way->window) &&
	    (!under_way->first || op->seq < under_way->first->seq))
		under_way->first = op;
}

enum missing_why tried_why_missing(const struct detector *detector, struct window *window,
				   const struct closed_run *left, uint64_t now)
{
	const struct run_config *run = &detector->machine->run;
	struct under_way under_way = { .detector = detector, .window = window };

	if (run->flush_limit && now - window->time_ns < run->flush_limit)
		return MISSING_ENDED;
	if (!holders_units(left->left))
		return MISSING_NEVER_ISSUED;
	replay_each_pending(detector->replay, look_at, &under_way);
	if (under_way.first && !window->failed) {
		window->failed = true;
		set_tried(&window->tried, under_way.first);
	}
	if (window->failed)
		return MISSING_NOT_COMPLETED;
	window->tried = detector->last_tried;
	if (under_way.last && under_way.last->seq > window->tried.seq)
		set_tried(&window->tried, under_way.last);
	return window->tried.seq > window->seq ? MISSING_WRONG_SCOPE : MISSING_NEVER_ISSUED;
}
