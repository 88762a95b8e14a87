/* Building findings, keeping the worst, handing them to the sink. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

#ifdef MARK_OMIT
bool detector_step(const char *name)
{
	const char *omit = getenv("IOMMUSIM_STEP_OMIT");

	return !omit || strcmp(omit, name) != 0;
}
#endif

void detector_fails(struct detector *detector, const char *what)
{
	if (detector->failed)
		return;
	detector->failed = true;
	err_no_memory(&detector->why, what);
}

void story_begin(struct story *story, enum finding_kind kind, uint32_t subtype, uint64_t event,
		 uint64_t time_ns)
{
	memset(story, 0, sizeof *story);
	story->since = event;
	story->finding = finding_at(kind, subtype, event, time_ns);
}

void story_step(struct story *story, const char *role, uint64_t event, uint64_t time_ns,
		const char *format, ...)
{
	struct evidence *step = &story->steps[story->n];
	va_list args;

	if (story->n == STORY)
		return;
	story->n++;
	*step = (struct evidence){ .role = role, .event = event, .time_ns = time_ns };
	va_start(args, format);
	vsnprintf(step->note, sizeof step->note, format, args);
	va_end(args);
}

static void hand_over(struct detector *detector, struct story *story)
{
	story->finding.evidence = story->steps;
	story->finding.n_evidence = story->n;
	if (!detector->failed &&
	    detector->sink->finding(detector->sink, &story->finding, &detector->why))
		detector->failed = true;
}

void story_since(struct story *story, uint64_t event)
{
	if (event < story->since)
		story->since = event;
}

void story_tell(struct detector *detector, struct story *story)
{
	story->finding.uncertain |= lost_since(detector, story->since);
	count_finding(detector, story->finding.kind, story->finding.subtype,
		      story->finding.uncertain);
	if (detector->claims)
		claims_put(detector->claims, &story->finding);
	hand_over(detector, story);
}

/* Smallest value; among equals the latest, so that the first ones stay. */
static uint32_t least_of(const struct worst *worst)
{
	uint32_t least = 0;

	for (uint32_t i = 1; i < worst->n; i++)
		if (worst->values[i] < worst->values[least] ||
		    (worst->values[i] == worst->values[least] &&
		     worst->items[i].finding.event > worst->items[least].finding.event))
			least = i;
	return least;
}

void worst_put(struct detector *detector, const struct story *story, uint64_t value)
{
	struct worst *worst = &detector->worst[story->finding.kind];
	uint32_t at = worst->n < WORST ? worst->n : worst->least;

	if (detector->claims)
		claims_put(detector->claims, &story->finding);
	if (!worst_takes(worst, value))
		return;
	if (!worst->items)
		worst->items = calloc(WORST, sizeof *worst->items);
	if (!worst->items) {
		detector_fails(detector, "the worst findings");
		return;
	}
	worst->items[at] = *story;
	worst->values[at] = value;
	if (worst->n < WORST)
		worst->n++;
	worst->least = least_of(worst);
}

static int by_event(const void *a, const void *b)
{
	const struct finding *x = &((const struct story *)a)->finding,
			     *y = &((const struct story *)b)->finding;

	if (x->event != y->event)
		return x->event < y->event ? -1 : 1;
	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* The kept ones, in order of the recording. */
void worst_tell(struct detector *detector, struct worst *worst)
{
	if (worst->n)
		qsort(worst->items, worst->n, sizeof *worst->items, by_event);
	for (uint32_t i = 0; i < worst->n; i++)
		hand_over(detector, &worst->items[i]);
	free(worst->items);
	*worst = (struct worst){ 0 };
}

const char *owner_name(const struct detector *detector, uint32_t owner)
{
	return owner == NAME_NONE ? "" : names_text(replay_names(detector->replay), owner);
}

void name_domain(const struct detector *detector, char text[64], uint32_t domain)
{
	if (domain != NAME_NONE)
		snprintf(text, 64, "%.63s",
			 names_of(replay_names(detector->replay), NAMES_DOMAINS, domain));
}

void name_device(const struct detector *detector, char text[64], uint32_t device)
{
	if (device != NAME_NONE)
		snprintf(text, 64, "%.63s",
			 names_of(replay_names(detector->replay), NAMES_DEVICES, device));
}
