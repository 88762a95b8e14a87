/*
 * Exposure windows (rules R6 and R7): one contiguous input range removed or narrowed by one
 * update. The software side splits where invalidations cover parts; the hardware side counts
 * the copies in the model's caches that grant what is gone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

/* ---- pools --------------------------------------------------------------------------------- */

static uint32_t new_window(struct detector *detector)
{
	uint32_t at = detector->spare_window;

	if (at != NO_WINDOW) {
		detector->spare_window = detector->windows[at].parts;
		return at;
	}
	if (!(detector->n_windows & (detector->n_windows - 1))) { /* grows at powers of two */
		uint32_t max = detector->n_windows ? detector->n_windows * 2 : 1;
		struct window *windows = realloc(detector->windows, max * sizeof *windows);

		if (!windows)
			return NO_WINDOW;
		detector->windows = windows;
	}
	return detector->n_windows++;
}

static uint32_t new_part(struct detector *detector)
{
	uint32_t at = detector->spare_part;

	if (at != NO_WINDOW) {
		detector->spare_part = detector->parts[at].next;
		return at;
	}
	if (detector->n_parts == detector->max_parts) {
		uint32_t max = detector->max_parts ? detector->max_parts * 2 : 64;
		struct part *parts = realloc(detector->parts, max * sizeof *parts);

		if (!parts)
			return NO_WINDOW;
		detector->parts = parts;
		detector->max_parts = max;
	}
	return detector->n_parts++;
}

static struct domain_windows *domain_of(struct detector *detector, uint32_t domain)
{
	if (domain >= detector->n_domains) {
		uint32_t n = domain + 16;
		struct domain_windows *domains = realloc(detector->domains, n * sizeof *domains);

		if (!domains)
			return NULL;
		memset(domains + detector->n_domains, 0,
		       (n - detector->n_domains) * sizeof *domains);
		detector->domains = domains;
		detector->n_domains = n;
	}
	if (!detector->domains[domain].spans && spans_create(&detector->domains[domain].spans))
		return NULL;
	return &detector->domains[domain];
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool extends(const struct detector *detector, const struct removal *removal)
{
	const struct window *window;

	if (detector->last_window == NO_WINDOW)
		return false;
	window = &detector->windows[detector->last_window];
	return window->used && window->domain == removal->domain->number &&
	       window->seq == removal->seq && window->event == removal->event &&
	       window->last + 1 == removal->first;
}

static uint32_t open_window(struct detector *detector, const struct removal *removal)
{
	uint32_t at = new_window(detector);

	if (at == NO_WINDOW)
		return at;
	detector->windows[at] = (struct window){
		.used = true,
		.inferred = removal->inferred,
		.cause = (uint8_t)removal->cause,
		.domain = removal->domain->number,
		.parts = NO_WINDOW,
		.event = removal->event,
		.time_ns = removal->time_ns,
		.seq = removal->seq,
		.first = removal->first,
		.last = removal->first - 1,
		.hw_first = FINDING_NONE,
		.hw_last = FINDING_NONE,
		.use_event = FINDING_NONE,
	};
	detector->domains[removal->domain->number].open++;
	detector->open_windows++;
	return detector->last_window = at;
}

void windows_removed(void *self, const struct removal *removal)
{
	struct detector *detector = self;
	struct domain_windows *windows = domain_of(detector, removal->domain->number);
	struct window *window;
	uint32_t at, part;

	if (removal->beyond)
		episodes_beyond(detector, removal);
	if (!removal->domain->holders) { /* no device since ever: nothing can hold it */
		detector->no_window++;
		return;
	}
	at = !windows			  ? NO_WINDOW
	     : extends(detector, removal) ? detector->last_window
					  : open_window(detector, removal);
	part = at == NO_WINDOW ? NO_WINDOW : new_part(detector);
	if (part == NO_WINDOW || spans_add(windows->spans, removal->first, removal->last, part,
					   removal->domain->holders)) {
		detector_fails(detector, "exposure windows");
		return;
	}
	window = &detector->windows[at];
	detector->parts[part] = (struct part){ .first = removal->first,
					       .pa = removal->pa,
					       .mapped = removal->mapped,
					       .owner = removal->owner,
					       .window = at,
					       .next = window->parts,
					       .lost = removal->lost,
					       .used = true };
	window->parts = part;
	window->last = removal->last;
	window->open_bytes += removal->last - removal->first + 1;
}

/* ---- telling ---------------------------------------------------------------------------------- */

static const char *const causes[] = { "unmapped", "mapped over", "narrowed", "written over" };

static const struct part *part_at(const struct detector *detector, const struct window *window,
				  iova_t first)
{
	const struct part *best = NULL;

	for (uint32_t i = window->parts; i != NO_WINDOW; i = detector->parts[i].next)
		if (detector->parts[i].first <= first &&
		    (!best || detector->parts[i].first > best->first))
			best = &detector->parts[i];
	return best ? best : &detector->parts[window->parts];
}

static void tell_times(const struct window *window, const struct closed_run *run,
		       struct finding *finding)
{
	finding->iova = run->first;
	finding->bytes = run->last - run->first + 1;
	finding->end_ns = run->how == EXPOSURE_OPEN ? FINDING_NONE : run->end_ns;
	finding->lag_ns = run->end_ns - window->time_ns;
	finding->hw_ns = window->hw_total;
	finding->hw_first_ns = window->hw_first;
	finding->hw_last_ns = window->hw_last;
	finding->count = window->uses;
	finding->inferred = window->inferred;
}

static void tell_origin(struct detector *detector, const struct window *window,
			const struct closed_run *run, struct story *story)
{
	const struct part *part = part_at(detector, window, run->first);

	story->finding.pa = part->pa + (run->first - part->first);
	name_domain(detector, story->finding.domain, window->domain);
	snprintf(story->finding.owner, sizeof story->finding.owner, "%.63s",
		 owner_name(detector, part->owner));
	if (part->mapped != NO_EVENT)
		story_step(story, "mapped", part->mapped, FINDING_NONE, "0x%llx to 0x%llx",
			   (unsigned long long)part->first, (unsigned long long)part->pa);
	story_step(story, causes[window->cause], window->event, window->time_ns, "0x%llx to 0x%llx",
		   (unsigned long long)window->first, (unsigned long long)window->last);
}

static void tell_exposure(struct detector *detector, const struct window *window,
			  const struct closed_run *run)
{
	uint64_t lag = run->end_ns - window->time_ns, bytes = run->last - run->first + 1;
	bool uncertain = lost_since(detector, window->event);
	struct story story;

	histogram_add(&detector->software, lag, 1);
	histogram_add(&detector->hardware, window->hw_total, 1);
	detector->byte_ns += (unsigned __int128)bytes * lag;
	detector->exposed_bytes += bytes;
	count_finding(detector, FINDING_EXPOSURE, run->how, uncertain);
	if (!worst_takes(&detector->worst[FINDING_EXPOSURE], lag))
		return;
	story_begin(&story, FINDING_EXPOSURE, run->how, window->event, window->time_ns);
	story.finding.uncertain = uncertain;
	tell_times(window, run, &story.finding);
	tell_origin(detector, window, run, &story);
	if (window->by_implementation)
		snprintf(story.finding.detail, sizeof story.finding.detail,
			 "the hardware side was closed only by the implementation: the flush did "
			 "not "
			 "cover the window");
	if (window->uses)
		story_step(&story, "used", window->use_event, FINDING_NONE,
			   "%llu uses, this is the first", (unsigned long long)window->uses);
	if (run->how != EXPOSURE_OPEN)
		story_step(&story, run->how == EXPOSURE_RESTORED ? "restored" : "flushed", run->by,
			   run->end_ns, "%s", "");
	worst_put(detector, &detector->worst[FINDING_EXPOSURE], &story, lag);
}

static void describe_scope(const struct invalidation *scope, char *text, size_t size)
{
	if (scope->what == INVAL_RANGE)
		snprintf(text, size, "page-selective 0x%llx..0x%llx of domain id %llu%s",
			 (unsigned long long)scope->first, (unsigned long long)scope->last,
			 (unsigned long long)scope->tag, scope->leaf ? ", leaves only" : "");
	else if (scope->what == INVAL_DOMAIN)
		snprintf(text, size, "domain id %llu", (unsigned long long)scope->tag);
	else
		snprintf(text, size, "all domains");
}

static void tell_missing(struct detector *detector, const struct window *window,
			 const struct closed_run *run, enum missing_why why)
{
	struct story story;
	char scope[96];

	story_begin(&story, FINDING_FLUSH_MISSING, why, window->event, window->time_ns);
	tell_times(window, run, &story.finding);
	tell_origin(detector, window, run, &story);
	if (why == MISSING_WRONG_SCOPE || why == MISSING_NOT_COMPLETED) {
		describe_scope(&window->tried_scope, scope, sizeof scope);
		story_step(&story, why == MISSING_WRONG_SCOPE ? "flushed elsewhere" : "issued",
			   window->tried_event, FINDING_NONE, "%s", scope);
		snprintf(story.finding.detail, sizeof story.finding.detail,
			 why == MISSING_WRONG_SCOPE ? "issued instead: %s"
						    : "issued and never completed: %s",
			 scope);
	} else if (run->left && !holders_units(run->left)) {
		snprintf(story.finding.detail, sizeof story.finding.detail,
			 "IOTLBs were flushed, a device TLB was not after them");
	}
	story_tell(detector, &story);
}

/* ---- closing ----------------------------------------------------------------------------------- */

static int add_run(struct window *window, struct closed_run run)
{
	struct closed_run *last =
		window->n_runs > 1 ? &window->runs[window->n_runs - 1] : &window->run;

	if (window->n_runs && last->op == run.op && last->how == run.how &&
	    last->left == run.left && last->last + 1 == run.first) {
		last->last = run.last;
		return 0;
	}
	if (!window->n_runs) {
		window->run = run;
		window->n_runs = 1;
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
	window->runs[window->n_runs++] = run;
	return 0;
}

struct drop_parts {
	struct detector *detector;
	uint32_t window;
};

static bool keep_others(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct drop_parts *drop = ctx;

	(void)first;
	(void)last;
	(void)data;
	return drop->detector->parts[key].window != drop->window;
}

/* Both sides are closed: tell and forget. */
static void finish_window(struct detector *detector, uint32_t at)
{
	struct window *window = &detector->windows[at];
	const struct closed_run *runs = window->n_runs > 1 ? window->runs : &window->run;
	struct drop_parts drop = { detector, at };
	uint64_t limit = detector->machine->run.flush_limit;

	for (uint32_t i = 0; i < window->n_runs; i++) {
		tell_exposure(detector, window, &runs[i]);
		/* Closed after all, but not within the limit: issued too late, or in time and late to
		 * complete. */
		if (limit && runs[i].how == EXPOSURE_CLOSED &&
		    runs[i].end_ns - window->time_ns > limit)
			tell_missing(detector, window, &runs[i],
				     runs[i].issued_ns - window->time_ns > limit
					     ? MISSING_NEVER_ISSUED
					     : MISSING_NOT_COMPLETED);
	}
	spans_update(detector->domains[window->domain].spans, window->first, window->last,
		     keep_others, &drop);
	while (window->parts != NO_WINDOW) {
		uint32_t part = window->parts;

		window->parts = detector->parts[part].next;
		detector->parts[part].used = false;
		detector->parts[part].next = detector->spare_part;
		detector->spare_part = part;
	}
	free(window->runs);
	window->used = false;
	window->runs = NULL;
	window->parts = detector->spare_window;
	detector->spare_window = at;
	if (detector->last_window == at)
		detector->last_window = NO_WINDOW;
}

static void software_closed(struct detector *detector, uint32_t at)
{
	detector->domains[detector->windows[at].domain].open--;
	detector->open_windows--;
	if (!detector->windows[at].copies)
		finish_window(detector, at);
}

/* Bits of struct domain.holders that an invalidation is about. */
static uint64_t holders_of(const struct detector *detector, const struct domain *domain,
			   const struct inval_op *op)
{
	uint64_t bits = 0;
	uint32_t device;

	if (op->scope.what != INVAL_DEVICE_ATC)
		return 1ull << op->unit;
	device = replay_device(detector->replay, op->unit, op->scope.device)->number;
	for (uint32_t i = 0; i < domain->n_atcs; i++)
		if (domain_atc_is(domain, i, device, &op->scope))
			bits |= 1ull << (WORLD_UNITS + i);
	return bits;
}

/* What an invalidation, a restoring map or the end does to the parts in a range. */
struct closing {
	struct detector *detector;
	const struct inval_op *op; /* or NULL */
	uint64_t units;		   /* no longer needed */
	struct closed_run run;	   /* how, when, by whom */
	bool restore;
	iova_t iova;
	pa_t pa;
	unsigned perm;
	uint32_t done[256]; /* windows whose software side closed with this */
	uint32_t n_done;
};

static bool close_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct closing *closing = ctx;
	struct part *part = &closing->detector->parts[key];
	struct window *window = &closing->detector->windows[part->window];
	bool atc = closing->op && closing->op->scope.what == INVAL_DEVICE_ATC;

	if (!*data || (closing->op && window->seq > closing->op->seq))
		return true;
	/* An ATC refills from a stale IOTLB: its flush counts only if issued after that one's end. */
	if (atc && (holders_units(*data) || closing->op->seq <= part->flushed))
		return true;
	if (closing->restore &&
	    ((closing->perm & part->lost) != part->lost ||
	     part->pa + (first - part->first) != closing->pa + (first - closing->iova)))
		return true;
	*data &= ~closing->units;
	if (!atc && !holders_units(*data))
		part->flushed = replay_seq(closing->detector->replay);
	if (*data)
		return true;
	closing->run.first = first;
	closing->run.last = last;
	if (add_run(window, closing->run))
		detector_fails(closing->detector, "exposure windows");
	window->open_bytes -= last - first + 1;
	if (!window->open_bytes && closing->n_done < 256)
		closing->done[closing->n_done++] = part->window;
	return true;
}

static void close_range(struct closing *closing, uint32_t domain, iova_t first, iova_t last)
{
	struct detector *detector = closing->detector;

	if (domain >= detector->n_domains || !detector->domains[domain].open)
		return;
	do { /* the list of done windows is bounded: as often as it fills */
		closing->n_done = 0;
		if (spans_update(detector->domains[domain].spans, first, last, close_part, closing))
			detector_fails(detector, "exposure windows");
		for (uint32_t i = 0; i < closing->n_done; i++)
			software_closed(detector, closing->done[i]);
	} while (closing->n_done == 256);
}

void windows_mapped(struct detector *detector, const struct domain *domain, iova_t first,
		    iova_t last, pa_t pa, unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct closing closing = { .detector = detector,
				   .units = UINT64_MAX,
				   .run = { .end_ns = time_ns,
					    .by = event,
					    .op = replay_seq(detector->replay),
					    .how = EXPOSURE_RESTORED },
				   .restore = true,
				   .iova = first,
				   .pa = pa,
				   .perm = perm };

	close_range(&closing, domain->number, first, last);
}

/* The domains that an invalidation of translations is about. */
static bool concerns(const struct detector *detector, const struct inval_op *op,
		     const struct domain *domain)
{
	switch (op->scope.what) {
	case INVAL_ALL:
		return true;
	case INVAL_DEVICE_CONFIG:
		return false;
	case INVAL_DEVICE_ATC:
		return holders_of(detector, domain, op) != 0;
	case INVAL_DOMAIN:
	case INVAL_RANGE:
		break;
	}
	return domain_in_scope(domain, &op->scope);
}

struct trying {
	struct detector *detector;
	const struct inval_op *op;
};

/* Remembers what was issued while a window is open, for flush-missing. */
static bool try_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct trying *trying = ctx;
	struct window *window = &trying->detector->windows[trying->detector->parts[key].window];

	(void)first;
	(void)last;
	if (*data && window->tried < trying->op->seq) {
		window->tried = trying->op->seq;
		window->tried_event = trying->op->event;
		window->tried_scope = trying->op->scope;
	}
	return true;
}

void windows_issued(struct detector *detector, const struct inval_op *op)
{
	struct trying trying = { detector, op };

	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_DEVICE_ATC ||
	    !detector->open_windows)
		return;
	/* Few windows are open at a time; where many are, something is missing and worth its cost. */
	for (uint32_t i = 0; i < detector->n_domains; i++)
		if (detector->domains[i].open && detector->domains[i].open < 64)
			spans_update(detector->domains[i].spans, 0, UINT64_MAX, try_part, &trying);
}

struct looking {
	struct detector *detector;
	const struct inval_op *op;
	bool found;
};

static void look(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct looking *looking = ctx;

	(void)first;
	(void)last;
	if ((data >> looking->op->unit & 1) &&
	    looking->detector->windows[looking->detector->parts[key].window].seq < looking->op->seq)
		looking->found = true;
}

/* Whether an update in the scope of the invalidation is outstanding. */
bool windows_outstanding(struct detector *detector, const struct inval_op *op)
{
	struct looking looking = { detector, op, false };

	for (uint32_t i = 0; i < detector->n_domains && !looking.found; i++) {
		const struct domain *domain =
			detector->domains[i].open ? replay_domain(detector->replay, i) : NULL;

		if (domain && concerns(detector, op, domain))
			spans_each(detector->domains[i].spans, op->scope.first, op->scope.last,
				   look, &looking);
	}
	return looking.found;
}

void windows_done(struct detector *detector, const struct inval_op *op)
{
	struct closing closing = {
		.detector = detector,
		.op = op,
		.run = { .end_ns = op->done_ns,
			 .issued_ns = op->time_ns,
			 .by = op->done_event != NO_EVENT ? op->done_event
			       : op->policy		  ? NO_EVENT
							  : op->event,
			 .op = op->seq,
			 .how = EXPOSURE_CLOSED },
	};

	if (op->failed)
		return;
	for (uint32_t i = 0; i < detector->n_domains && detector->open_windows; i++) {
		const struct domain *domain =
			detector->domains[i].open ? replay_domain(detector->replay, i) : NULL;

		if (!domain || !concerns(detector, op, domain))
			continue;
		closing.units = holders_of(detector, domain, op);
		close_range(&closing, i, op->scope.first, op->scope.last);
	}
}

/* ---- the hardware side --------------------------------------------------------------------------- */

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

struct holding {
	struct detector *detector;
	const struct cached_copy *copy;
	struct holder *holder;
};

static void hold_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct holding *holding = ctx;
	const struct cached_copy *copy = holding->copy;
	const struct part *part = &holding->detector->parts[key];
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
		*holding.holder = (struct holder){ .id = id };
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

	free(holder->windows);
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

	return op && !(concerns(detector, op, domain) && op->scope.first <= first &&
		       op->scope.last >= last);
}

void windows_copy_closes(struct detector *detector, const struct cached_copy *copy)
{
	struct holder *holder;
	uint64_t now = replay_now_ns(detector->replay);

	if (!detector->max_holders)
		return;
	holder = holder_slot(detector, copy_id(detector, copy));
	if (!holder->id)
		return;
	for (uint32_t i = 0; i < holder->n; i++) {
		struct window *window = &detector->windows[holder->windows[i]];

		if (--window->copies)
			continue;
		window->hw_total += now - window->hw_since;
		window->hw_last = now;
		window->by_implementation = flushed_unasked(detector, window, copy);
		if (!window->open_bytes)
			finish_window(detector, holder->windows[i]);
	}
	forget_holder(detector, holder);
}

/* ---- the end -------------------------------------------------------------------------------------- */

static enum missing_why why_missing(const struct detector *detector, const struct window *window,
				    const struct closed_run *run_left, uint64_t now)
{
	const struct run_config *run = &detector->machine->run;
	const struct domain *domain = replay_domain(detector->replay, window->domain);

	if (run->flush_limit && now - window->time_ns < run->flush_limit)
		return MISSING_ENDED;
	if (window->tried <= window->seq || !holders_units(run_left->left))
		return MISSING_NEVER_ISSUED;
	if ((window->tried_scope.what == INVAL_ALL ||
	     (domain && window->tried_scope.tag == domain->tag &&
	      window->tried_scope.first <= window->first &&
	      window->tried_scope.last >= window->last)))
		return MISSING_NOT_COMPLETED;
	return MISSING_WRONG_SCOPE;
}

struct last_runs {
	struct detector *detector;
	uint64_t now;
};

static bool end_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct last_runs *ending = ctx;
	struct window *window = &ending->detector->windows[ending->detector->parts[key].window];
	struct closed_run run = { .first = first,
				  .last = last,
				  .end_ns = ending->now,
				  .by = NO_EVENT,
				  .op = UINT64_MAX,
				  .left = *data,
				  .how = EXPOSURE_OPEN };

	if (!*data)
		return true;
	*data = 0;
	if (add_run(window, run))
		detector_fails(ending->detector, "exposure windows");
	window->open_bytes -= last - first + 1;
	return true;
}

/* Windows still open: an open exposure, and flush-missing for what no invalidation covered. */
void windows_finish(struct detector *detector)
{
	struct last_runs ending = { detector, replay_now_ns(detector->replay) };

	for (uint32_t i = 0; i < detector->n_domains; i++)
		if (detector->domains[i].spans)
			spans_update(detector->domains[i].spans, 0, UINT64_MAX, end_part, &ending);
	for (uint32_t i = 0; i < detector->n_windows; i++) {
		struct window *window = &detector->windows[i];

		if (!window->used)
			continue;
		if (window->copies) {
			window->hw_total += ending.now - window->hw_since;
			window->hw_last = FINDING_NONE;
		}
		for (uint32_t r = 0; r < window->n_runs; r++) {
			const struct closed_run *run =
				window->n_runs > 1 ? &window->runs[r] : &window->run;

			if (run->how == EXPOSURE_OPEN)
				tell_missing(detector, window, run,
					     why_missing(detector, window, run, ending.now));
		}
		window->copies = 0;
		finish_window(detector, i);
	}
}

struct finding_part {
	struct detector *detector;
	uint32_t best;
	iova_t iova;
	pa_t pa;
};

static void match_part(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct finding_part *search = ctx;
	const struct part *part = &search->detector->parts[key];

	(void)first;
	(void)last;
	(void)data;
	if (search->pa != NO_PA &&
	    (part->pa + (search->iova - part->first)) >> 12 != search->pa >> 12)
		return;
	if (search->best == NO_WINDOW ||
	    search->detector->windows[part->window].seq >
		    search->detector->windows[search->detector->parts[search->best].window].seq)
		search->best = key;
}

uint32_t windows_find(struct detector *detector, uint32_t domain, iova_t iova, pa_t pa)
{
	struct finding_part search = { detector, NO_WINDOW, iova, pa };

	if (domain < detector->n_domains && detector->domains[domain].spans)
		spans_each(detector->domains[domain].spans, iova, iova, match_part, &search);
	return search.best;
}

void windows_destroy(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_domains; i++)
		spans_destroy(detector->domains[i].spans);
	for (uint32_t i = 0; i < detector->n_windows; i++)
		if (detector->windows[i].used)
			free(detector->windows[i].runs);
	for (uint32_t i = 0; i < detector->max_holders; i++)
		free(detector->holders[i].windows);
	free(detector->domains);
	free(detector->windows);
	free(detector->parts);
	free(detector->holders);
}
