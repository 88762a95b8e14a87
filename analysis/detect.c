/* The detector: which part hears what, and what a run ends with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

static void on_removed(void *self, const struct removal *removal)
{
	struct detector *detector = self;

	if (removal->beyond || removal->cause != REMOVED_BY_UNMAP || detector->n_replaced)
		gaps_removed(detector, removal);
	windows_removed(detector, removal);
	if (detector->n_dirty_logs)
		dirty_removed(detector, removal);
}

static __attribute__((noinline)) void mapped_over(struct detector *detector,
						  const struct domain *domain, iova_t first,
						  iova_t last, pa_t pa, unsigned perm,
						  uint64_t event, uint64_t time_ns)
{
	if (windows_any(detector, domain->number))
		windows_restore(detector, domain, first, last, pa, perm, event, time_ns);
	if (detector->n_gaps || detector->n_replaced || detector->n_rests)
		gaps_mapped(detector, domain, first, last, perm, event, time_ns);
}

/* Matters only where something may have stood that is gone. */
static void on_mapped(void *self, const struct domain *domain, iova_t first, iova_t last, pa_t pa,
		      unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct detector *detector = self;

	if (windows_any(detector, domain->number) || detector->n_gaps || detector->n_replaced ||
	    detector->n_rests)
		mapped_over(detector, domain, first, last, pa, perm, event, time_ns);
}

static void on_issued(void *self, const struct inval_op *op)
{
	struct detector *detector = self;

	if (detector->machine->run.flush_limit)
		tried_late(detector, op);
	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_ALL)
		walks_config_flushed(self);
}

static __attribute__((noinline)) void
tell_excess(struct detector *detector, const struct inval_op *op, uint32_t removed, bool uncertain)
{
	struct story story;

	count_finding(detector, FINDING_FLUSH_EXCESS, 0, uncertain);
	if (!story_wanted(detector, FINDING_FLUSH_EXCESS, removed))
		return;
	story_begin(&story, FINDING_FLUSH_EXCESS, 0, op->event, op->time_ns);
	story.finding.uncertain = uncertain;
	story.finding.count = removed;
	if (op->scope.what == INVAL_RANGE) {
		story.finding.iova = op->scope.first;
		story.finding.bytes = op->scope.last - op->scope.first + 1;
	}
	name_domain(detector, story.finding.domain, op->domain);
	story_step(&story, "flushed", op->event, op->time_ns, "%u translations went", removed);
	worst_put(detector, &story, removed);
}

static void tell_collateral(struct detector *detector, const struct inval_op *op,
			    const struct inval_report *report, bool uncertain)
{
	struct story story;

	count_finding(detector, FINDING_COLLATERAL, 0, uncertain);
	histogram_add(&detector->collateral, report->agreed);
	if (!story_wanted(detector, FINDING_COLLATERAL, report->agreed))
		return;
	story_begin(&story, FINDING_COLLATERAL, 0, op->event, op->time_ns);
	story.finding.uncertain = uncertain;
	story.finding.count = report->agreed;
	name_domain(detector, story.finding.domain, op->domain);
	story_step(&story, "flushed", op->event, op->time_ns, "%u of %u translations still agreed",
		   report->agreed, report->removed);
	worst_put(detector, &story, report->agreed);
}

/* What the invalidation removed, against what was outstanding in its scope. */
static __attribute__((noinline)) void judge_flush(struct detector *detector,
						  const struct inval_op *op,
						  const struct inval_report *report, bool uncertain)
{
	if (!report->stale && !(STEP(outstanding) && windows_outstanding(detector, op)))
		tell_excess(detector, op, report->removed, uncertain);
	if (report->agreed && STEP(collateral))
		tell_collateral(detector, op, report, uncertain);
}

/* X */
static void on_executed(void *self, const struct inval_op *op, const struct inval_report *report)
{
	struct detector *detector = self;
	uint64_t before = detector->last_flush;

	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_DEVICE_ATC)
		return;
	detector->last_flush = op->event;
	/* what it was for may be among the events lost since the flush before */
	if (!report->stale || report->agreed)
		judge_flush(detector, op, report, lost_since(detector, before));
}

static void on_done(void *self, const struct inval_op *op)
{
	struct detector *detector = self;

	if (detector->n_flights)
		episodes_in_flight(detector, op);
	windows_done(detector, op);
}

static void on_lost(void *self, uint64_t event, uint64_t time_ns)
{
	struct detector *detector = self;

	(void)time_ns;
	detector->saw_lost = true;
	detector->last_lost = event;
}

/* R9: what a held DMA meets after its page changed is no finding. */
static void on_used(void *self, const struct checked_use *use)
{
	struct detector *detector = self;

	if (replay_artefact(detector->replay))
		detector->artefacts++;
	else
		uses_checked(self, use);
}

static void on_overlap(void *self, uint64_t event, const struct dma_request *request,
		       const struct cached_copy *filled, const struct cached_copy *valid)
{
	struct detector *detector = self;

	if (replay_artefact(detector->replay))
		detector->artefacts++;
	else
		uses_overlap(self, event, request, filled, valid);
}

static void on_copy_closes(void *self, uint64_t name)
{
	struct detector *detector = self;
	uint64_t id = name | replay_unit_at_hand(detector->replay);

	if (detector->n_holders)
		windows_copy_closes(detector, id);
	if (detector->freed_tables)
		freed_tables_pointer_closes(detector, id);
}

int detector_create(const struct machine *machine, struct result_sink *sink, struct detector **out,
		    struct err *err)
{
	struct detector *detector = calloc(1, sizeof *detector);

	if (!detector)
		return err_no_memory(err, "a detector");
	detector->machine = machine;
	detector->sink = sink;
	detector->windows = pool_of(sizeof(struct window));
	detector->parts = pool_of(sizeof(struct part));
	detector->holds = pool_of(sizeof(struct hold));
	detector->last_window = NO_WINDOW;
	detector->replay_observer = (struct replay_observer){
		.self = detector,
		.removed = on_removed,
		.mapped = on_mapped,
		.unmap_returned = gaps_unmap_returned,
		.inval_issued = on_issued,
		.inval_executed = on_executed,
		.inval_done = on_done,
		.owner_changed = episodes_owner,
		.table_freed = freed_tables_add,
		.dma_done = episodes_dma,
		.every_result = machine->run.flight != 0,
		.handler_ran = episodes_handler,
		.lost = on_lost,
		.answer_differs = disagreements_differ,
		.page_waited = pages_waited,
		.rights_exceed = episodes_rights,
		.dirty_step = dirty_step,
		.dirty_page = dirty_page,
		.word_written = walks_written,
	};
	detector->iommu_observer = (struct iommu_observer){
		.self = detector,
		.used = on_used,
		.copy_opens = windows_copy_opens,
		.copy_closes = on_copy_closes,
		.overlap = on_overlap,
		.fault = episodes_fault,
		.entry_read = walks_entry_read,
		.run_inconsistent = walks_run,
		.tag_reused = uses_tag_reused,
		.faults_acknowledged = episodes_acknowledged,
		.page_requested = pages_requested,
		.pages_acknowledged = pages_acknowledged,
	};
	*out = detector;
	return 0;
}

void detector_destroy(struct detector *detector)
{
	if (!detector)
		return;
	windows_destroy(detector);
	gaps_destroy(detector);
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		free(detector->worst[kind].items);
	for (uint32_t i = 0; i < detector->n_episodes; i++) {
		free(detector->episodes[i].by_device);
		free(detector->episodes[i].holders);
	}
	for (uint32_t i = 0; i < detector->n_page_episodes; i++) {
		free(detector->page_episodes[i].by_device);
		free(detector->page_episodes[i].holders);
	}
	free(detector->page_episodes);
	free(detector->delays);
	free(detector->episodes);
	free(detector->flights);
	freed_tables_destroy(detector);
	walks_destroy(detector);
	dirty_destroy(detector);
	free(detector);
}

const struct replay_observer *detector_replay_observer(struct detector *detector)
{
	return &detector->replay_observer;
}

const struct iommu_observer *detector_iommu_observer(struct detector *detector)
{
	return &detector->iommu_observer;
}

void detector_watch(struct detector *detector, struct replay *replay)
{
	detector->replay = replay;
}

int detector_error(const struct detector *detector, struct err *err)
{
	if (!detector->failed)
		return 0;
	if (err)
		*err = detector->why;
	return -1;
}

uint64_t detector_uncertain(const struct detector *detector, enum finding_kind kind)
{
	return detector->uncertain[kind];
}

uint64_t detector_count(const struct detector *detector, enum finding_kind kind)
{
	uint64_t n = 0;

	for (unsigned subtype = 0; subtype < 8; subtype++)
		n += detector->counts[kind][subtype];
	return n;
}

/* ---- what a run ends with --------------------------------------------------------------------------- */

static int put_counter(struct detector *detector, const char *name, uint64_t value,
		       const char *unit, struct err *err)
{
	struct counter counter = { .value = value };

	snprintf(counter.name, sizeof counter.name, "%s", name);
	snprintf(counter.unit, sizeof counter.unit, "%s", unit);
	return detector->sink->counter(detector->sink, &counter, err);
}

static int put_finding_counters(struct detector *detector, struct err *err)
{
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		const char *subtype = finding_kinds[kind].subtypes;
		char name[64];

		for (unsigned i = 0; i < 8 && (i == 0 || subtype); i++) {
			int length = subtype ? (int)strcspn(subtype, "|") : 0;

			snprintf(name, sizeof name, "findings.%s%s%.*s", finding_kinds[kind].name,
				 subtype ? "." : "", length, subtype ? subtype : "");
			if (put_counter(detector, name, detector->counts[kind][i], "", err))
				return -1;
			subtype = subtype && subtype[length] ? subtype + length + 1 : NULL;
		}
		snprintf(name, sizeof name, "uncertain.%s", finding_kinds[kind].name);
		if (detector->uncertain[kind] &&
		    put_counter(detector, name, detector->uncertain[kind], "", err))
			return -1;
	}
	return 0;
}

static int put_replay_counters(struct detector *detector, struct err *err)
{
	const struct replay_counters *count = replay_counters(detector->replay);
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "events", count->events },
		{ "dma", count->dma },
		{ "maps", count->maps },
		{ "unmaps", count->unmaps },
		{ "p2m", count->p2m },
		{ "maps.refused", count->refused_maps },
		{ "invalidations.recorded", count->invals },
		{ "invalidations.dropped", count->dropped_invals },
		{ "invalidations.policy", count->flushes },
		{ "tables.made", count->tables_made },
		{ "tables.freed", count->tables_freed },
		{ "tables.empty", count->tables_empty },
		{ "table.words", count->words },
		{ "answers.compared", count->answers },
		{ "answers.agree", count->agree },
		{ "answers.distinct", count->distinct },
		{ "answers.distinct.agree", count->distinct_agree },
		{ "answers.moved", count->moved },
		{ "answers.moved.agree", count->moved_agree },
		{ "answers.differ", count->differ },
		{ "answers.undecided", count->undecided },
		{ "answers.adopted", count->adopted },
		{ "invalidations.queued", count->queued },
		{ "invalidations.timed-out", count->timed_out },
		{ "invalidations.aborted", count->aborted },
		{ "pages.asked", count->pages_asked },
		{ "pages.answered", count->pages_answered },
		{ "pages.mapped", count->pages_mapped },
		{ "pages.unexpected-responses", count->pages_unexpected },
		{ "pages.beyond-credits", count->pages_beyond },
		{ "held.dma", count->held },
		{ "held.at-end", count->held_at_end },
		{ "held.dropped", count->held_dropped },
		{ "timing-artefacts", count->artefacts },
		{ "exposure.bytes", detector->exposed_bytes },
		{ "updates.without-device", detector->no_window },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (put_counter(detector, rows[i].name, rows[i].value, "", err))
			return -1;
	return 0;
}

static int put_unit_counters(struct detector *detector, struct err *err)
{
	for (uint32_t i = 0; i < replay_units(detector->replay); i++) {
		const struct iommu *iommu = replay_unit(detector->replay, i)->iommu;
		uint64_t value;
		const char *counter;

		for (unsigned k = 0; (counter = iommu->model->counter(iommu, k, &value)); k++) {
			char name[64];

			snprintf(name, sizeof name, "iommu%u.%s", i, counter);
			if (put_counter(detector, name, value, "", err))
				return -1;
		}
	}
	return 0;
}

static int put_histogram(struct detector *detector, const char *name, const char *unit,
			 const struct histogram *histogram, struct err *err)
{
	struct result_histogram *result;
	int answer;

	if (!histogram->count)
		return 0;
	result = calloc(1, sizeof *result);
	if (!result)
		return err_no_memory(err, "a histogram");
	snprintf(result->name, sizeof result->name, "%s", name);
	snprintf(result->unit, sizeof result->unit, "%s", unit);
	result->histogram = *histogram;
	answer = detector->sink->histogram(detector->sink, result, err);
	free(result);
	return answer;
}

static int put_note(struct detector *detector, struct err *err, const char *text)
{
	struct run_note note;

	snprintf(note.text, sizeof note.text, "%s", text);
	return detector->sink->note(detector->sink, &note, err);
}

/* R9: from the first delay on the recorded times of a device hold no more. */
static int put_delays(struct detector *detector, struct err *err)
{
	char text[240];

	for (uint32_t i = 0; i < names_count(replay_names(detector->replay), NAMES_DEVICES); i++) {
		const struct device *device = replay_device_numbered(detector->replay, i);

		if (!device || !device->delayed)
			continue;
		snprintf(text, sizeof text,
			 "%.60s: DMA was held; from event %llu on its recorded times hold "
			 "no more, by up to %llu ns",
			 names_of(replay_names(detector->replay), NAMES_DEVICES, i),
			 (unsigned long long)device->delayed_event,
			 (unsigned long long)device->delay_ns);
		if (put_note(detector, err, text))
			return -1;
	}
	return 0;
}

static int put_notes(struct detector *detector, struct err *err)
{
	const struct replay_counters *count = replay_counters(detector->replay);
	char text[240], digits[48] = "";
	unsigned __int128 sum = detector->byte_ns;
	size_t at = sizeof digits - 1;

	if (!detector->machine->run.flight &&
	    put_note(detector, err, "in-flight: not assessed (time.flight is 0)"))
		return -1;
	if (detector->saw_lost &&
	    put_note(
		    detector, err,
		    "the recording lost events; findings that rest on what stood before a loss are "
		    "uncertain and counted apart"))
		return -1;
	if (count->tables_freed && !detector->saw_walk_cache &&
	    put_note(detector, err,
		     "table-uaf: no walk cache held a pointer when table pages were freed "
		     "(vtd.walk.entries)"))
		return -1;
	if (replay_forced_strict(detector->replay) &&
	    put_note(detector, err,
		     "policy: linux-lazy flushed strictly, as Linux does where the unit is in "
		     "caching "
		     "mode (linux.force_strict_if_cm)"))
		return -1;
	if (count->no_dirty_bits &&
	    put_note(detector, err,
		     "lost-dirty: not assessed for domains whose tables have no dirty bits here "
		     "(vtd.driver_tables)"))
		return -1;
	if (count->adopted) {
		snprintf(text, sizeof text,
			 "%llu pages were taken from their first answer as start state (inferred)",
			 (unsigned long long)count->adopted);
		if (put_note(detector, err, text))
			return -1;
	}
	if (put_delays(detector, err))
		return -1;
	if (!detector->byte_ns)
		return 0;
	for (digits[at] = 0; sum; sum /= 10)
		digits[--at] = (char)('0' + (int)(sum % 10));
	snprintf(text, sizeof text, "exposure: %s byte-nanoseconds", digits + at);
	return put_note(detector, err, text);
}

void detector_note_records(struct detector *detector, struct queue_dumps *dumps)
{
	detector->dumps = dumps;
}

void detector_claims(struct detector *detector, struct claims *claims)
{
	detector->claims = claims;
}

int detector_finish(struct detector *detector, struct err *err)
{
	windows_finish(detector);
	freed_tables_finish(detector);
	dirty_finish(detector);
	gaps_finish(detector);
	episodes_finish(detector);
	pages_finish(detector);
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		worst_tell(detector, &detector->worst[kind]);
	if (detector_error(detector, err))
		return -1;
	return put_replay_counters(detector, err) || put_unit_counters(detector, err) ||
			       put_finding_counters(detector, err) ||
			       put_histogram(detector, "exposure.software", "ns",
					     &detector->software, err) ||
			       put_histogram(detector, "exposure.hardware", "ns",
					     &detector->hardware, err) ||
			       put_histogram(detector, "stale-use.lag", "ns", &detector->lag,
					     err) ||
			       put_histogram(detector, "page-request.wait", "ns",
					     &detector->page_wait, err) ||
			       put_histogram(detector, "collateral", "entries",
					     &detector->collateral, err) ||
			       put_notes(detector, err)
		       ? -1
		       : 0;
}
