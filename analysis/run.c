#include "analysis/run.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/kept.h"
#include "analysis/verify.h"
#include "sim/points.h"
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

/* The recording through the replay; runs: n that are fed by it. */
static int feed(struct replay *replay, struct run *runs, size_t n, struct run_summary *summary,
		struct err *err)
{
	const struct run *run = runs;
	struct event_batch batch;
	int got;

	while ((got = source_next(run->source, &batch, err)) > 0) {
		if (replay_batch(replay, run->source, &batch, err))
			return -1;
		for (size_t i = 0; i < n; i++)
			if (detector_error(runs[i].detector, err))
				return -1;
		summary->events = batch.first + batch.n;
		summary->last_ns = batch.events[batch.n - 1].time_ns;
		if (run->options->progress)
			run->options->progress(run->options->progress_ctx, summary->events,
					       run->source->offset, run->source->bytes);
	}
	if (got < 0 || replay_finish(replay, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (detector_finish(runs[i].detector, err))
			return -1;
	return 0;
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

static void summarise(const struct run *run, struct run_summary *summary)
{
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		summary->findings[kind] = detector_count(run->detector, (enum finding_kind)kind);
		summary->uncertain[kind] =
			detector_uncertain(run->detector, (enum finding_kind)kind);
	}
	summary->replay = *replay_counters(run->replay);
}

static int commit(struct run *run, const struct run_summary *summary, struct err *err)
{
	return put_texts(run, err) || (run->store && store_commit(run->store, summary->events,
								  summary->last_ns, err))
		       ? -1
		       : 0;
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
	if (begin_store(&run, &summary->run, err) || build(&run, err) ||
	    feed(run.replay, &run, 1, summary, err))
		goto out;
	if (run.verifier && verifier_result(run.verifier, &run.claims, &summary->verified, err))
		goto out;
	summarise(&run, summary);
	answer = commit(&run, summary, err);
out:
	take_down(&run);
	return answer;
}

/* ---- several machines ----------------------------------------------------------------------------- */

/* A point for each, whose results wait for their turn at the store. */
static int build_points(struct run *runs, struct kept **kept, size_t n, struct replay **world,
			struct err *err)
{
	if (replay_create_world(runs[0].machine, world, err))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct run *run = &runs[i];

		if (kept_create(&kept[i], err) ||
		    detector_create(run->machine, kept_sink(kept[i]), &run->detector, err) ||
		    replay_add_point(*world, run->machine, detector_replay_observer(run->detector),
				     detector_iommu_observer(run->detector), &run->replay, err))
			return -1;
		detector_watch(run->detector, run->replay);
	}
	return 0;
}

static int store_run(struct run *run, const struct kept *kept, struct run_summary *summary,
		     struct err *err)
{
	int answer = begin_store(run, &summary->run, err) || kept_give(kept, run->sink, err) ||
		     commit(run, summary, err);

	store_close(run->store);
	run->store = NULL;
	return answer ? -1 : 0;
}

int run_machines(struct machine *const *machines, size_t n, const struct run_options *options,
		 struct run_summary *summaries, struct err *err)
{
	struct machine *clocks = calloc(n, sizeof *clocks);
	struct run *runs = calloc(n, sizeof *runs);
	struct kept **kept = calloc(n, sizeof(struct kept *));
	struct event_source *source = NULL;
	struct replay *world = NULL;
	int answer = -1;

	if (n == 1) {
		answer = run_recording(machines[0], options, summaries, err);
		goto out;
	}
	if (!clocks || !runs || !kept) {
		err_no_memory(err, "runs");
		goto out;
	}
	if (recording_open_with(options->recording, options->patch, options->salvage, &source, err))
		goto out;
	for (size_t i = 0; i < n; i++) {
		summaries[i] = (struct run_summary){ 0 };
		clocks[i] = *machines[i];
		if (!clocks[i].run.uncertainty)
			clocks[i].run.uncertainty = source->uncertainty_ns;
		runs[i] =
			(struct run){ .machine = &clocks[i], .options = options, .source = source };
	}
	if (build_points(runs, kept, n, &world, err) || feed(world, runs, n, &summaries[0], err))
		goto out;
	for (size_t i = 0; i < n; i++) {
		summaries[i].events = summaries[0].events;
		summaries[i].last_ns = summaries[0].last_ns;
		summarise(&runs[i], &summaries[i]);
		if (store_run(&runs[i], kept[i], &summaries[i], err))
			goto out;
	}
	answer = 0;
out:
	replay_destroy(world);
	for (size_t i = 0; runs && kept && i < n; i++) {
		detector_destroy(runs[i].detector);
		kept_destroy(kept[i]);
	}
	source_close(source);
	free(clocks);
	free(runs);
	free(kept);
	return answer;
}
