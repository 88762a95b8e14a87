/*
 * make bench: decoding, the bare lookup loop, simulation of decoded batches and the whole replay,
 * in one run and in CPU time, for each model that is listed below on the same streams. The machine
 * is pinned: TLB 128 x 8, 32 cached configurations, walk caches of 16 entries a level, 8 devices in 2
 * domains, every detector on.
 *
 * usage: bench [EVENTS [zipf|ring|hits|strict [MODEL]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "analysis/run.h"
#include "traces/generate.h"
#include "traces/open.h"

enum { SETS = 128, WAYS = 8, HELD_MAX = 4 << 20, ROUNDS = 3, HIT_PAGES = 256 };

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static _Noreturn void die(const struct err *err)
{
	fprintf(stderr, "bench: %s\n", err->text);
	exit(3);
}

enum { SETTINGS = 6 };
static const struct pinned_model {
	const char *name, *sets[SETTINGS], *hits, *misses;
} models[] = {
	{ "vtd",
	  { "iommu=vtd", "vtd.iotlb.sets=128", "vtd.iotlb.ways=8", "vtd.context.entries=32",
	    "vtd.walk.entries=16" },
	  "iotlb.hits",
	  "iotlb.misses" },
	{ "smmuv3",
	  { "iommu=smmuv3", "smmuv3.tlb.sets=128", "smmuv3.tlb.ways=8", "smmuv3.config.entries=32",
	    "smmuv3.walk.entries=16", "smmuv3.walk.ways=0" },
	  "tlb.hits",
	  "tlb.misses" },
};

static struct machine *pinned(const struct pinned_model *model)
{
	struct machine *machine;
	struct err err;
	size_t n = 0;

	while (n < SETTINGS && model->sets[n])
		n++;
	if (machine_load(NULL, model->sets, n, &machine, &err))
		die(&err);
	return machine;
}

static uint64_t generate(const char *pattern, uint64_t events, const char *path)
{
	struct generate_options options;
	struct event_source *source;
	struct event_sink *sink;
	struct err err;
	uint64_t n;

	/* hits: so few pages that the TLB holds them all */
	generate_defaults(!strcmp(pattern, "hits") ? "zipf" : pattern, &options);
	if (!strcmp(pattern, "hits"))
		options.pages = HIT_PAGES;
	options.events = events;
	if (generate_open(&options, &source, &err) || recording_create(path, NULL, &sink, &err) ||
	    recording_copy(source, sink, &n, &err))
		die(&err);
	source_close(source);
	return n;
}

/* Million records a second, nothing but reading. */
static double decoding(const char *path, uint64_t *records)
{
	struct event_source *source;
	struct event_batch batch;
	struct err err;
	uint64_t sum = 0;
	double start, seconds;

	*records = 0;
	if (recording_open(path, false, &source, &err))
		die(&err);
	start = cpu_seconds();
	while (source_next(source, &batch, &err) > 0) {
		*records += batch.n;
		for (size_t i = 0; i < batch.n; i++)
			sum += batch.events[i].addr + batch.events[i].time_ns + batch.events[i].len;
	}
	seconds = cpu_seconds() - start;
	source_close(source);
	return (double)*records / seconds / 1e6 + (sum == 42);
}

/* DMAs held in memory, as a stream that comes without decoding. */
struct held {
	struct event_source head;
	struct event *events;
	size_t n;
};

static int no_next(struct event_source *source, struct event_batch *batch, struct err *err)
{
	(void)source;
	(void)batch;
	return err_set(err, ERR_INPUT, "held events are fed by the bench itself");
}

static void no_close(struct event_source *source)
{
	(void)source;
}

/* Nothing but the loop, over records of 16 bytes: what any set-associative simulator must do. */
static double bare_loop(const struct held *held, const struct names *names, double *misses)
{
	struct record {
		uint64_t time_ns, address;
	};
	uint64_t *lines = aligned_alloc(64, SETS * WAYS * 8), missed = 0;
	struct record *records = malloc(held->n * sizeof *records);
	double start, seconds;

	if (!lines || !records)
		exit(3);
	memset(lines, 0xff, SETS * WAYS * 8);
	for (size_t i = 0; i < held->n; i++) /* devices alternate over two domains */
		records[i] = (struct record){
			held->events[i].time_ns,
			held->events[i].addr |
				(uint64_t)(names_agent_of(names, held->events[i].agent).device & 1)
					<< 58
		};
	start = cpu_seconds();
	for (size_t i = 0; i < held->n; i++) {
		uint64_t key = records[i].address >> 12, *set = lines + (key & (SETS - 1)) * WAYS;
		uint32_t way;

		for (way = 0; way < WAYS - 1; way++)
			if (set[way] == key)
				break;
		missed += set[way] != key;
		for (; way; way--)
			set[way] = set[way - 1];
		set[0] = key;
	}
	seconds = cpu_seconds() - start;
	free(lines);
	free(records);
	*misses = (double)missed / (double)held->n;
	return (double)held->n / seconds / 1e6;
}

static double best_bare_loop(const struct held *held, const struct names *names, double *misses)
{
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double rate = bare_loop(held, names, misses);

		best = rate > best ? rate : best;
	}
	return best;
}

/* The bare loop over the DMAs of a recording that holds other events too. */
static double bare_loop_of(const char *path)
{
	struct held held = { .events = malloc(HELD_MAX * sizeof(struct event)) };
	struct event_source *source;
	struct event_batch batch;
	struct err err;
	double rate, misses;

	if (!held.events || recording_open(path, false, &source, &err))
		die(&err);
	while (held.n < HELD_MAX - EVENT_BATCH && source_next(source, &batch, &err) > 0)
		for (size_t i = 0; i < batch.n; i++)
			if (batch.events[i].kind == EVENT_DMA)
				held.events[held.n++] = batch.events[i];
	rate = best_bare_loop(&held, source->names, &misses);
	source_close(source);
	free(held.events);
	return rate;
}

static int drop_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	(void)sink;
	(void)finding;
	(void)err;
	return 0;
}

/* Simulation of decoded batches; the file's set-up goes in first, outside of the clock. */
static double simulation(const struct pinned_model *model, const char *path, double *bare,
			 double *bare_misses, double *misses)
{
	static struct result_sink nowhere = { .finding = drop_finding };
	static const struct event_source_ops ops = { no_next, NULL, no_close };
	struct machine *machine = pinned(model);
	struct held held = { .head = { .ops = &ops },
			     .events = malloc(HELD_MAX * sizeof(struct event)) };
	struct event_source *source;
	struct event_batch batch;
	struct detector *detector;
	struct replay *replay;
	struct err err;
	uint64_t hits = 0, missed = 0;
	double start, seconds, best = 0;

	if (!held.events || recording_open(path, false, &source, &err) ||
	    detector_create(machine, &nowhere, &detector, &err) ||
	    replay_create(machine, detector_replay_observer(detector),
			  detector_iommu_observer(detector), &replay, &err))
		die(&err);
	detector_watch(detector, replay);
	while (held.n < HELD_MAX - EVENT_BATCH && source_next(source, &batch, &err) > 0) {
		if (batch.events[0].kind != EVENT_DMA ||
		    batch.events[batch.n - 1].kind != EVENT_DMA) {
			if (replay_batch(replay, source, &batch, &err))
				die(&err);
			continue;
		}
		memcpy(held.events + held.n, batch.events, batch.n * sizeof *held.events);
		held.n += batch.n;
	}
	held.head.names = source->names;
	for (int round = 0; round < ROUNDS; round++) {
		start = cpu_seconds();
		for (size_t at = 0; at < held.n; at += EVENT_BATCH) {
			batch = (struct event_batch){ .events = held.events + at,
						      .n = held.n - at < EVENT_BATCH ? held.n - at
										     : EVENT_BATCH,
						      .first = at };
			if (replay_batch(replay, &held.head, &batch, &err))
				die(&err);
		}
		seconds = cpu_seconds() - start;
		if (!round || seconds < best)
			best = seconds;
	}
	{
		const struct iommu *iommu = replay_unit(replay, 0)->iommu;
		uint64_t value;
		const char *name;

		for (unsigned i = 0; (name = iommu->model->counter(iommu, i, &value)); i++) {
			if (!strcmp(name, model->hits))
				hits = value;
			if (!strcmp(name, model->misses))
				missed = value;
		}
	}
	*misses = (double)missed / (double)(hits + missed);
	*bare = best_bare_loop(&held, source->names, bare_misses);
	replay_destroy(replay);
	detector_destroy(detector);
	machine_destroy(machine);
	source_close(source);
	free(held.events);
	return (double)held.n / best / 1e6;
}

/* From the native file through everything, counted in `units` (DMAs or rounds). */
static double whole(const struct pinned_model *model, const char *path, uint64_t units)
{
	struct machine *machine = pinned(model);
	struct run_options options = { .recording = path, .version = "bench" };
	struct run_summary summary;
	struct err err;
	double best = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_seconds(), seconds;

		if (run_recording(machine, &options, &summary, &err))
			die(&err);
		seconds = cpu_seconds() - start;
		if (!round || seconds < best)
			best = seconds;
	}
	machine_destroy(machine);
	return (double)units / best / 1e6;
}

static void one_model(const struct pinned_model *model, const char *pattern, uint64_t events,
		      const char *path, double decode)
{
	double bare, bare_misses, misses, simulated, replayed = whole(model, path, events);

	printf("%-8s %-8s %10.1f", pattern, model->name, decode);
	if (!strcmp(pattern, "strict")) {
		bare = bare_loop_of(path);
		printf(" %10.1f %10s %8.4f %10.2f   rounds of map, DMA, unmap, invalidate, %.0f ns "
		       "each; ratio: replay to bare loop\n",
		       bare, "", replayed / bare, replayed, 1e3 / replayed);
		return;
	}
	simulated = simulation(model, path, &bare, &bare_misses, &misses);
	printf(" %10.1f %10.1f %8.3f %10.1f   misses %.4f, bare loop %.4f\n", bare, simulated,
	       simulated / bare, replayed, misses, bare_misses);
}

static void one_stream(const char *pattern, uint64_t events, const char *path, const char *only)
{
	uint64_t records;
	double best = 0;

	generate(pattern, events, path);
	for (int round = 0; round < ROUNDS; round++) {
		double decode = decoding(path, &records);

		best = decode > best ? decode : best;
	}
	for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
		if (!only || !strcmp(only, models[i].name))
			one_model(&models[i], pattern, events, path, best);
	remove(path);
}

int main(int argc, char **argv)
{
	static const char *const streams[] = { "zipf", "ring", "hits", "strict" };
	uint64_t events = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	const char *only = argc > 2 ? argv[2] : NULL, *model = argc > 3 ? argv[3] : NULL;
	const char *folder = getenv("TMPDIR");
	struct rusage usage;
	char path[512];

	/* One of its own, so that two benches at once do not write the same file. */
	snprintf(path, sizeof path, "%s/iommusim-bench-%ld.imt", folder ? folder : "/tmp",
		 (long)getpid());
	printf("machine: TLB 128 x 8 LRU, walk caches 16 entries a level, 32 configurations, "
	       "4K+2M+1G, 8 devices in "
	       "2 domains, all detectors on\ncompiler: %s; CPU time, best of %d; million a "
	       "second\n\n",
	       __VERSION__, ROUNDS);
	printf("%-8s %-8s %10s %10s %10s %8s %10s\n", "stream", "model", "decode", "bare loop",
	       "simulate", "ratio", "replay");
	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
		if (!only || !strcmp(only, streams[i]))
			one_stream(streams[i], strcmp(streams[i], "strict") ? events : events / 5,
				   path, model);
	getrusage(RUSAGE_SELF, &usage);
	printf("\npeak resident memory %ld MiB, the bench's own %d MiB of held events included\n",
	       usage.ru_maxrss / 1024, (int)(HELD_MAX * sizeof(struct event) >> 20));
	return 0;
}
