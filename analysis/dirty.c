/*
 * lost-dirty: writes that no read of the dirty log reports.
 *
 * A write through a copy that takes the dirty bit for set, while the tables have it cleared, leaves no
 * trace in the log. It is safe all the same when the page is copied after it, or when a later read
 * reports the page because of another write. A page whose bit is set goes unreported when its entry is
 * taken away before a read.
 *
 * Where a recording does not say when pages are copied, a write to a page that the last read
 * reported may be in the copy or not: such a finding is uncertain.
 */
#include <stdio.h>
#include <stdlib.h>

#include "analysis/detect_private.h"

/* Values of `silent`: page range -> writes that the log does not know. */
enum { SILENT_EVENT, SILENT_TIME, SILENT_DEVICE };
enum {
	IN_COPY = 1u << 31
}; /* beside the device: the page was reported and not known to be copied */

struct dirty_log {
	bool on, says_copied;
	struct imap *silent;
	struct imap *reported; /* by a read, and not copied since: value is its event */
	struct imap *counts;   /* beside silent: how many writes */
};

static struct dirty_log *log_of(struct detector *detector, uint32_t domain)
{
	return domain < detector->n_dirty_logs ? detector->dirty_logs[domain] : NULL;
}

static struct dirty_log *make_log(struct detector *detector, uint32_t domain)
{
	struct dirty_log *log = log_of(detector, domain);

	if (log)
		return log;
	if (domain >= detector->n_dirty_logs) {
		uint32_t n = domain + 1;
		struct dirty_log **logs =
			realloc(detector->dirty_logs, n * sizeof(struct dirty_log *));

		if (!logs)
			return NULL;
		while (detector->n_dirty_logs < n)
			logs[detector->n_dirty_logs++] = NULL;
		detector->dirty_logs = logs;
	}
	log = calloc(1, sizeof *log);
	if (!log || imap_create(NULL, &log->silent) || imap_create(NULL, &log->reported) ||
	    imap_create(NULL, &log->counts)) {
		if (log) {
			imap_destroy(log->silent);
			imap_destroy(log->reported);
		}
		free(log);
		return NULL;
	}
	detector->dirty_logs[domain] = log;
	return log;
}

static void no_memory(struct detector *detector)
{
	detector_fails(detector, "the dirty log");
}

/* ---- silent writes --------------------------------------------------------------------------- */

struct telling {
	struct detector *detector;
	struct dirty_log *log;
	uint32_t domain;
};

static int tell_silent(void *ctx, const struct imap_entry *pages)
{
	const struct telling *telling = ctx;
	struct detector *detector = telling->detector;
	const struct imap_entry *count = imap_at(telling->log->counts, pages->first);
	uint32_t device = (uint32_t)pages->value[SILENT_DEVICE] & ~(uint32_t)IN_COPY;
	struct story story;

	story_begin(&story, FINDING_LOST_DIRTY, LOST_DIRTY_CACHED, pages->value[SILENT_EVENT],
		    pages->value[SILENT_TIME]);
	name_domain(detector, story.finding.domain, telling->domain);
	name_device(detector, story.finding.device, device);
	story.finding.write = true;
	story.finding.iova = pages->first;
	story.finding.bytes = pages->last - pages->first + 1;
	story.finding.count = count ? count->value[0] : 1;
	story.finding.uncertain =
		(pages->value[SILENT_DEVICE] & IN_COPY) && !telling->log->says_copied;
	snprintf(story.finding.detail, sizeof story.finding.detail, "%s",
		 story.finding.uncertain
			 ? "the page was reported before, and nothing says when it was copied"
			 : "the copy that served it takes the dirty bit for set");
	story_step(&story, "written", pages->value[SILENT_EVENT], pages->value[SILENT_TIME],
		   "the dirty bit in memory stays clear");
	story_tell(detector, &story);
	return 0;
}

/* Those of [first, last] are known after all. */
static void forget_silent(struct detector *detector, struct dirty_log *log, iova_t first,
			  iova_t last)
{
	if (imap_cut(log->silent, first, last, NULL, NULL) ||
	    imap_cut(log->counts, first, last, NULL, NULL))
		no_memory(detector);
}

void dirty_written(struct detector *detector, const struct checked_use *use, uint32_t domain,
		   uint32_t device)
{
	struct dirty_log *log = log_of(detector, domain);
	iova_t first = use->request->iova & ~0xfffull;
	struct imap_entry *pages, *count;

	if (!log || !log->on)
		return;
	count = imap_at(log->counts, first);
	if (count) {
		count->value[0]++;
		return;
	}
	pages = imap_insert(log->silent, first, first + 0xfff);
	count = imap_insert(log->counts, first, first + 0xfff);
	if (!pages || !count) {
		no_memory(detector);
		return;
	}
	count->value[0] = 1;
	pages->value[SILENT_EVENT] = use->event;
	pages->value[SILENT_TIME] = use->request->time_ns;
	pages->value[SILENT_DEVICE] = device | (imap_at(log->reported, first) ? IN_COPY : 0);
}

/* ---- steps of the tracking ---------------------------------------------------------------------- */

static void tell_all(struct detector *detector, struct dirty_log *log, uint32_t domain)
{
	struct telling telling = { detector, log, domain };

	if (imap_cut(log->silent, 0, UINT64_MAX, tell_silent, &telling) ||
	    imap_cut(log->counts, 0, UINT64_MAX, NULL, NULL) ||
	    imap_cut(log->reported, 0, UINT64_MAX, NULL, NULL))
		no_memory(detector);
}

void dirty_step(void *self, const struct dirty_step *step)
{
	struct detector *detector = self;
	struct dirty_log *log = make_log(detector, step->domain->number);

	if (!log) {
		no_memory(detector);
		return;
	}
	switch (step->verb) {
	case DIRTY_VERB_ON:
	case DIRTY_VERB_OFF:
		tell_all(detector, log, step->domain->number);
		log->on = step->domain->tracked;
		break;
	case DIRTY_VERB_READ: /* what it does not report again must have been copied before */
		if (imap_cut(log->reported, step->first, step->last, NULL, NULL))
			no_memory(detector);
		break;
	case DIRTY_VERB_COPIED:
		log->says_copied = true;
		forget_silent(detector, log, step->first, step->last);
		if (imap_cut(log->reported, step->first, step->last, NULL, NULL))
			no_memory(detector);
		break;
	case DIRTY_VERB_SPLIT:
	case DIRTY_VERB_MERGE:
		break;
	}
}

void dirty_page(void *self, const struct domain *domain, iova_t first, iova_t last)
{
	struct detector *detector = self;
	struct dirty_log *log = log_of(detector, domain->number);
	struct imap_entry *pages = NULL;

	if (!log)
		return;
	forget_silent(detector, log, first, last);
	if (!imap_cut(log->reported, first, last, NULL, NULL))
		pages = imap_insert(log->reported, first, last);
	if (pages)
		pages->value[0] = replay_event(detector->replay);
	else
		no_memory(detector);
}

/* ---- bits that go with their entry ------------------------------------------------------------- */

struct discarding {
	struct detector *detector;
	struct dirty_log *log;
	const struct removal *removal;
	struct story story;
	bool any;
};

static void discard(void *ctx, iova_t first, iova_t last)
{
	struct discarding *discarding = ctx;
	const struct removal *removal = discarding->removal;
	struct finding *finding = &discarding->story.finding;

	first = first > removal->first ? first : removal->first;
	last = last < removal->last ? last : removal->last;
	/* a read without clearing has reported it already */
	if (imap_at(discarding->log->reported, first))
		return;
	if (!discarding->any) {
		story_begin(&discarding->story, FINDING_LOST_DIRTY, LOST_DIRTY_DISCARDED,
			    removal->event, removal->time_ns);
		name_domain(discarding->detector, finding->domain, removal->domain->number);
		finding->write = true;
		finding->iova = first;
		finding->pa = removal->pa + (first - removal->first);
		if (removal->mapped != NO_EVENT)
			story_step(&discarding->story, "mapped", removal->mapped, FINDING_NONE,
				   "%s", "");
		story_step(&discarding->story, "taken away", removal->event, removal->time_ns,
			   "0x%llx..0x%llx", (unsigned long long)removal->first,
			   (unsigned long long)removal->last);
	}
	discarding->any = true;
	finding->bytes += last - first + 1;
	finding->count++;
}

void dirty_removed(struct detector *detector, const struct removal *removal)
{
	struct discarding discarding = { .detector = detector,
					 .log = log_of(detector, removal->domain->number),
					 .removal = removal };

	/* a leaf that only loses rights keeps its dirty bit */
	if (!discarding.log || !discarding.log->on || removal->cause == REMOVED_BY_PROTECT)
		return;
	replay_dirty_pages(detector->replay, removal->domain, removal->first, removal->last,
			   discard, &discarding);
	if (!discarding.any)
		return;
	snprintf(discarding.story.finding.detail, sizeof discarding.story.finding.detail,
		 "dirty bits went with %llu entries before a read of the log",
		 (unsigned long long)discarding.story.finding.count);
	story_tell(detector, &discarding.story);
}

void dirty_finish(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_dirty_logs; i++)
		if (detector->dirty_logs[i])
			tell_all(detector, detector->dirty_logs[i], i);
}

void dirty_destroy(struct detector *detector)
{
	for (uint32_t i = 0; i < detector->n_dirty_logs; i++) {
		struct dirty_log *log = detector->dirty_logs[i];

		if (!log)
			continue;
		imap_destroy(log->silent);
		imap_destroy(log->reported);
		imap_destroy(log->counts);
		free(log);
	}
	free(detector->dirty_logs);
}
