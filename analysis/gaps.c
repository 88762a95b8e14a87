/*
 * Faults in the gap of a replaced entry, and unmaps that took more than was asked.
 *
 * A gap follows from what an update other than an unmap took away, not from a window: whether the old
 * translation was flushed in between, as break-before-make does, makes no difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

/* ---- unmaps that took too much ---------------------------------------------------------------------- */

static struct rest *new_rest(struct detector *detector)
{
	if (detector->n_rests == detector->max_rests) {
		uint32_t max = detector->max_rests ? detector->max_rests * 2 : 8;
		struct rest *rests = realloc(detector->rests, max * sizeof *rests);

		if (!rests) {
			detector_fails(detector, "unmaps that took too much");
			return NULL;
		}
		detector->rests = rests;
		detector->max_rests = max;
	}
	return &detector->rests[detector->n_rests++];
}

static void took_beyond(struct detector *detector, const struct removal *removal)
{
	struct rest *rest = detector->n_rests ? &detector->rests[detector->n_rests - 1] : NULL;

	if (rest && rest->story.finding.event == removal->event) {
		rest->story.finding.bytes += removal->last - removal->first + 1;
		rest->last = removal->last > rest->last ? removal->last : rest->last;
		return;
	}
	rest = new_rest(detector);
	if (!rest)
		return;
	rest->domain = removal->domain->number;
	rest->first = removal->first;
	rest->last = removal->last;
	rest->asked_first = removal->asked_first;
	rest->asked_last = removal->asked_last;
	story_begin(&rest->story, FINDING_OVER_UNMAP, 0, removal->event, removal->time_ns);
	name_domain(detector, rest->story.finding.domain, rest->domain);
	rest->story.finding.iova = removal->first;
	rest->story.finding.bytes = removal->last - removal->first + 1;
	rest->story.finding.pa = removal->pa;
	if (removal->mapped != NO_EVENT)
		story_step(&rest->story, "mapped", removal->mapped, FINDING_NONE, "%s", "");
	story_step(&rest->story, "unmapped", removal->event, removal->time_ns,
		   "also 0x%llx..0x%llx", (unsigned long long)removal->first,
		   (unsigned long long)removal->last);
}

static bool in_rest(const struct rest *rest, uint32_t domain, iova_t first, iova_t last)
{
	return rest->domain == domain && first <= rest->last && last >= rest->first &&
	       (first < rest->asked_first || last > rest->asked_last);
}

static void rest_faults(struct detector *detector, uint32_t domain, uint64_t event,
			const struct dma_request *request, uint32_t device)
{
	for (uint32_t i = 0; i < detector->n_rests; i++) {
		struct rest *rest = &detector->rests[i];

		if (!in_rest(rest, domain, request->iova, request->iova))
			continue;
		if (STEP(rest_faults) && !rest->story.finding.count++) {
			name_device(detector, rest->story.finding.device, device);
			story_step(&rest->story, "faulted", event, request->time_ns, "%s",
				   "a DMA to what should still be mapped");
		}
	}
}

/* What is mapped again faults no more. */
static void rests_mapped(struct detector *detector, uint32_t domain, iova_t first, iova_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < detector->n_rests; i++) {
		struct rest *rest = &detector->rests[i];

		if (in_rest(rest, domain, first, last))
			story_tell(detector, &rest->story);
		else
			detector->rests[kept++] = *rest;
	}
	detector->n_rests = kept;
}

/* ---- what was replaced -------------------------------------------------------------------------------- */

enum { REPLACED_EVENT, REPLACED_LOST }; /* values of an entry */

static struct imap *replaced_of(struct detector *detector, uint32_t domain)
{
	if (domain >= detector->n_replaced) {
		uint32_t n = domain + 8;
		struct imap **replaced = realloc(detector->replaced, n * sizeof(struct imap *));

		if (!replaced)
			return NULL;
		for (uint32_t i = detector->n_replaced; i < n; i++)
			replaced[i] = NULL;
		detector->replaced = replaced;
		detector->n_replaced = n;
	}
	if (!detector->replaced[domain] && imap_create(NULL, &detector->replaced[domain]))
		return NULL;
	return detector->replaced[domain];
}

void gaps_removed(struct detector *detector, const struct removal *removal)
{
	uint32_t domain = removal->domain->number;
	struct imap *replaced = domain < detector->n_replaced ? detector->replaced[domain] : NULL;
	struct imap_entry *entry;

	if (removal->beyond && STEP(over_unmap))
		took_beyond(detector, removal);
	if (removal->cause != REMOVED_BY_UNMAP)
		replaced = replaced_of(detector, domain);
	else if (!replaced)
		return;
	if (!replaced || imap_cut(replaced, removal->first, removal->last, NULL, NULL)) {
		detector_fails(detector, "replaced translations");
		return;
	}
	if (removal->cause == REMOVED_BY_UNMAP)
		return;
	entry = imap_insert(replaced, removal->first, removal->last);
	if (!entry) {
		detector_fails(detector, "replaced translations");
		return;
	}
	entry->value[REPLACED_EVENT] = removal->event;
	entry->value[REPLACED_LOST] = removal->lost;
}

/* Replaced no more where all rights that went are there again. */
static void served_again(struct detector *detector, struct imap *replaced, iova_t first,
			 iova_t last, unsigned perm)
{
	for (;;) {
		const struct imap_entry *entry = imap_first_in(replaced, first, last);
		iova_t from, to;

		if (!entry)
			return;
		from = entry->first > first ? entry->first : first;
		to = entry->last < last ? entry->last : last;
		if ((perm & entry->value[REPLACED_LOST]) == entry->value[REPLACED_LOST] &&
		    imap_cut(replaced, from, to, NULL, NULL)) {
			detector_fails(detector, "replaced translations");
			return;
		}
		if (to == last)
			return;
		first = to + 1;
	}
}

/* ---- gap faults ------------------------------------------------------------------------------------------ */

static void keep_gap(struct detector *detector, uint32_t domain, uint64_t event,
		     const struct dma_request *request, const struct dma_result *result,
		     uint32_t device)
{
	const struct imap *replaced =
		domain < detector->n_replaced ? detector->replaced[domain] : NULL;
	const struct imap_entry *entry = replaced ? imap_at(replaced, request->iova) : NULL;
	uint64_t limit = detector->machine->run.gap_limit;
	uint32_t old = 0;

	if (!entry)
		return;
	while (old < detector->n_gaps && request->time_ns - detector->gaps[old].time_ns > limit)
		old++;
	detector->n_gaps -= old;
	if (old && detector->n_gaps)
		memmove(detector->gaps, detector->gaps + old,
			detector->n_gaps * sizeof *detector->gaps);
	if (detector->n_gaps == detector->max_gaps) {
		uint32_t max = detector->max_gaps ? detector->max_gaps * 2 : 16;
		struct gap *gaps = realloc(detector->gaps, max * sizeof *gaps);

		if (!gaps) {
			detector_fails(detector, "gaps");
			return;
		}
		detector->gaps = gaps;
		detector->max_gaps = max;
	}
	detector->gaps[detector->n_gaps++] = (struct gap){
		.domain = domain,
		.device = device,
		.iova = request->iova,
		.event = event,
		.time_ns = request->time_ns,
		.removed_event = entry->value[REPLACED_EVENT],
		.code = result->fault,
	};
}

/* A request faulted for want of a translation or a right. */
void gaps_refused(struct detector *detector, uint32_t domain, uint64_t event,
		  const struct dma_request *request, const struct dma_result *result,
		  uint32_t device)
{
	rest_faults(detector, domain, event, request, device);
	keep_gap(detector, domain, event, request, result, device);
}

static void tell_gap(struct detector *detector, const struct gap *gap, uint64_t event,
		     uint64_t time_ns)
{
	const char *name = iommu_fault_name(detector->machine->model, gap->code);
	struct story story;

	story_begin(&story, FINDING_GAP_FAULT, 0, gap->event, gap->time_ns);
	name_device(detector, story.finding.device, gap->device);
	name_domain(detector, story.finding.domain, gap->domain);
	story.finding.iova = gap->iova;
	story.finding.lag_ns = time_ns - gap->time_ns;
	snprintf(story.finding.detail, sizeof story.finding.detail, "%s", name ? name : "");
	story_since(&story, gap->removed_event);
	story_step(&story, "removed", gap->removed_event, FINDING_NONE, "%s", "being replaced");
	story_step(&story, "faulted", gap->event, gap->time_ns, "%s", "");
	story_step(&story, "mapped", event, time_ns, "%s", "would have served it");
	story_tell(detector, &story);
}

void gaps_mapped(struct detector *detector, const struct domain *domain, iova_t first, iova_t last,
		 unsigned perm, uint64_t event, uint64_t time_ns)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < detector->n_gaps; i++) {
		struct gap gap = detector->gaps[i];

		if (time_ns - gap.time_ns > detector->machine->run.gap_limit && STEP(gap_limit))
			continue;
		if (gap.domain == domain->number && gap.iova >= first && gap.iova <= last)
			tell_gap(detector, &gap, event, time_ns);
		else
			detector->gaps[kept++] = gap;
	}
	detector->n_gaps = kept;
	if (domain->number < detector->n_replaced && detector->replaced[domain->number])
		served_again(detector, detector->replaced[domain->number], first, last, perm);
	if (detector->n_rests)
		rests_mapped(detector, domain->number, first, last);
}

/* A completed unmap call: the page is meant to be gone. */
void gaps_unmap_returned(void *self, const struct domain *domain, iova_t first, iova_t last,
			 uint64_t time_ns)
{
	struct detector *detector = self;
	uint32_t kept = 0;

	(void)time_ns;
	for (uint32_t i = 0; i < detector->n_gaps; i++)
		if (detector->gaps[i].domain != domain->number || detector->gaps[i].iova < first ||
		    detector->gaps[i].iova > last)
			detector->gaps[kept++] = detector->gaps[i];
	detector->n_gaps = kept;
}

void gaps_finish(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_rests; i++)
		story_tell(detector, &detector->rests[i].story);
	detector->n_rests = 0;
}

void gaps_destroy(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_replaced; i++)
		imap_destroy(detector->replaced[i]);
	free(detector->replaced);
	free(detector->gaps);
	free(detector->rests);
}
