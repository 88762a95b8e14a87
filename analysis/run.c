#include "analysis/run.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/verify.h"
#include "traces/imt.h"
#include "traces/open.h"
#include "traces/text.h"

/* Everything that one run holds. */
struct run {
	struct machine *machine;
	const struct run_options *options;
	struct event_source *source;
	struct store *store;
	struct result_sink *sink;
	struct detector *detector;
	struct verifier *verifier;
	struct claims claims; /* of the detector, when verifying */
	struct replay *replay;
};

/* ---- a sink for runs without a store ------------------------------------------------------------ */

static int drop_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	(void)sink;
	(void)finding;
	(void)err;
	return 0;
}

static int drop_counter(struct result_sink *sink, const struct counter *counter, struct err *err)
{
	(void)sink;
	(void)counter;
	(void)err;
	return 0;
}

static int drop_histogram(struct result_sink *sink, const struct result_histogram *histogram,
			  struct err *err)
{
	(void)sink;
	(void)histogram;
	(void)err;
	return 0;
}

static int drop_note(struct result_sink *sink, const struct run_note *note, struct err *err)
{
	(void)sink;
	(void)note;
	(void)err;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int begin_store(struct run *run, uint64_t *number, struct err *err)
{
	static const char *const policies[] = { "recorded", "linux-strict", "linux-lazy" };
	static struct result_sink nowhere = { drop_finding, drop_counter, drop_histogram,
					      drop_note };
	struct run_info info = { .recording = base_name(run->options->recording),
				 .recording_id = "",
				 .model = run->machine->model->name,
				 .policy = policies[run->machine->run.policy],
				 .version = run->options->version,
				 .seed = run->machine->run.seed };
	char *config;
	int answer;

	run->sink = &nowhere;
	if (!run->options->store)
		return 0;
	config = machine_canonical(run->machine);
	if (!config)
		return err_no_memory(err, "the configuration's text");
	info.config = config;
	answer = store_open(run->options->store, true, &run->store, err) ||
		 store_begin(run->store, &info, &run->sink, number, err);
	free(config);
	return answer ? -1 : 0;
}

static int build(struct run *run, struct err *err)
{
	const struct replay_observer *observer;
	const struct iommu_observer *caches;

	if (detector_create(run->machine, run->sink, &run->detector, err))
		return -1;
	detector_note_records(run->detector, run->options->dumps);
	observer = detector_replay_observer(run->detector);
	caches = detector_iommu_observer(run->detector);
	if (run->options->verify) {
		if (verifier_create(observer, caches, &run->verifier, err))
			return -1;
		detector_claims(run->detector, &run->claims);
		observer = verifier_replay_observer(run->verifier);
		caches = verifier_iommu_observer(run->verifier);
	}
	if (replay_create(run->machine, observer, caches, &run->replay, err))
		return -1;
	detector_watch(run->detector, run->replay);
	if (run->verifier)
		verifier_watch(run->verifier, run->replay);
	return 0;
}

static int feed(struct run *run, struct run_summary *summary, struct err *err)
{
	struct event_batch batch;
	int got;

	while ((got = source_next(run->source, &batch, err)) > 0) {
		if (replay_batch(run->replay, run->source, &batch, err) ||
		    detector_error(run->detector, err))
			return -1;
		summary->events = batch.first + batch.n;
		summary->last_ns = batch.events[batch.n - 1].time_ns;
		if (run->options->progress)
			run->options->progress(run->options->progress_ctx, summary->events,
					       run->source->offset, run->source->bytes);
	}
	if (got < 0)
		return -1;
	return replay_finish(run->replay, err) || detector_finish(run->detector, err) ? -1 : 0;
}

/* The text of every event that evidence names: a second pass, so that explain needs the store only. */
static int put_texts(struct run *run, struct err *err)
{
	struct event_source *source;
	struct event_batch batch = { 0 };
	uint64_t event;
	char text[4096];
	int got = 1, more;

	if (!run->store || !strcmp(run->options->recording, "-"))
		return 0;
	more = store_evidence_next(run->store, &event, err);
	if (more <= 0)
		return more;
	if (recording_open_with(run->options->recording, run->options->patch, run->options->salvage,
				&source, err))
		return -1;
	while (more > 0 && (got = source_next(source, &batch, err)) > 0) {
		while (more > 0 && event < batch.first + batch.n) {
			text_format(source->names, &batch, &batch.events[event - batch.first], text,
				    sizeof text);
			if (store_evidence_text(run->store, event, text, err)) {
				source_close(source);
				return -1;
			}
			more = store_evidence_next(run->store, &event, err);
		}
	}
	source_close(source);
	return more < 0 || got < 0 ? -1 : 0;
}

static void take_down(struct run *run)
{
	replay_destroy(run->replay);
	verifier_destroy(run->verifier);
	claims_free(&run->claims);
	detector_destroy(run->detector);
	store_close(run->store);
	source_close(run->source);
}

int run_recording(struct machine *machine, const struct run_options *options,
		  struct run_summary *summary, struct err *err)
{
	struct machine clocks = *machine;
	struct run run = { .machine = &clocks, .options = options };
	int answer = -1;

	*summary = (struct run_summary){ 0 };
	if (recording_open_with(options->recording, options->patch, options->salvage, &run.source,
				err))
		return -1;
	if (!clocks.run
		     .uncertainty) /* a description that says nothing leaves it to the recording */
		clocks.run.uncertainty = run.source->uncertainty_ns;
	if (begin_store(&run, &summary->run, err) || build(&run, err) || feed(&run, summary, err))
		goto out;
	if (run.verifier && verifier_result(run.verifier, &run.claims, &summary->verified, err))
		goto out;
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		summary->findings[kind] = detector_count(run.detector, (enum finding_kind)kind);
		summary->uncertain[kind] =
			detector_uncertain(run.detector, (enum finding_kind)kind);
	}
	summary->replay = *replay_counters(run.replay);
	if (put_texts(&run, err) ||
	    (run.store && store_commit(run.store, summary->events, summary->last_ns, err)))
		goto out;
	answer = 0;
out:
	take_down(&run);
	return answer;
}
