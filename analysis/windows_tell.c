/* What is told of a window when it ends: its exposures, and flushes that were missing. */
#include <stdio.h>

#include "analysis/detect_private.h"

static const char *const causes[] = { "unmapped", "mapped over", "narrowed", "written over",
				      "changed by p2m" };

/* The one that address was a part of. */
static const struct part *part_of(const struct detector *detector, const struct window *window,
				  iova_t first)
{
	const struct part *best = &window->part;

	for (uint32_t i = window->parts; i != NO_WINDOW; i = part_at(detector, i)->next) {
		const struct part *part = part_at(detector, i);

		if (part->first <= first && part->first > best->first)
			best = part;
	}
	return best;
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
	const struct part *part = part_of(detector, window, run->first);

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

static __attribute__((noinline)) void exposure_story(struct detector *detector,
						     const struct window *window,
						     const struct closed_run *run, bool uncertain)
{
	struct story story;

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
	worst_put(detector, &story, run->end_ns - window->time_ns);
}

void window_tell_exposure(struct detector *detector, const struct window *window,
			  const struct closed_run *run)
{
	uint64_t lag = run->end_ns - window->time_ns, bytes = run->last - run->first + 1;
	bool uncertain = lost_since(detector, window->event);

	histogram_add(&detector->software, lag);
	histogram_add(&detector->hardware, window->hw_total);
	detector->byte_ns += (unsigned __int128)bytes * lag;
	detector->exposed_bytes += bytes;
	count_finding(detector, FINDING_EXPOSURE, run->how, uncertain);
	if (story_wanted(detector, FINDING_EXPOSURE, lag))
		exposure_story(detector, window, run, uncertain);
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

void window_tell_missing(struct detector *detector, const struct window *window,
			 const struct closed_run *run, enum missing_why why)
{
	struct story story;
	char scope[96];

	story_begin(&story, FINDING_FLUSH_MISSING, why, window->event, window->time_ns);
	tell_times(window, run, &story.finding);
	tell_origin(detector, window, run, &story);
	if (why == MISSING_WRONG_SCOPE || why == MISSING_NOT_COMPLETED) {
		describe_scope(&window->tried.scope, scope, sizeof scope);
		story_step(&story, why == MISSING_WRONG_SCOPE ? "flushed elsewhere" : "issued",
			   window->tried.event, FINDING_NONE, "%s", scope);
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
