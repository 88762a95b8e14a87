/*
 * Points behind one world find, to the byte, what replays of their own find: every finding with its evidence,
 * every counter, histogram and note, in the same order.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect.h"
#include "sim/points.h"
#include "traces/generate.h"
#include "traces/import.h"
#include "traces/text.h"

/* ---- results as text --------------------------------------------------------------------- */

struct printing {
	struct result_sink sink;
	FILE *out;
	char *text;
	size_t size;
};

static int print_finding(struct result_sink *sink, const struct finding *f, struct err *err)
{
	FILE *out = ((struct printing *)sink)->out;

	(void)err;
	fprintf(out,
		"%s %u %d%d%d event %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " hw %" PRIu64
		" %" PRIu64 " %" PRIu64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64
		" n %" PRIu64 " %s %s %s %s %s %s\n",
		finding_kinds[f->kind].name, f->subtype, f->uncertain, f->inferred, f->write,
		f->event, f->time_ns, f->end_ns, f->lag_ns, f->hw_ns, f->hw_first_ns, f->hw_last_ns,
		f->iova, f->bytes, f->pa, f->truth_pa, f->count, f->domain, f->device, f->owner,
		f->owner_now, f->structure, f->detail);
	for (uint32_t i = 0; i < f->n_evidence; i++)
		fprintf(out, "  %s %" PRIu64 " %" PRIu64 " %s\n", f->evidence[i].role,
			f->evidence[i].event, f->evidence[i].time_ns, f->evidence[i].note);
	return 0;
}

static int print_counter(struct result_sink *sink, const struct counter *counter, struct err *err)
{
	(void)err;
	fprintf(((struct printing *)sink)->out, "%s = %" PRIu64 "\n", counter->name,
		counter->value);
	return 0;
}

static int print_histogram(struct result_sink *sink, const struct result_histogram *result,
			   struct err *err)
{
	(void)err;
	fprintf(((struct printing *)sink)->out, "%s: %" PRIu64 " max %" PRIu64 " p50 %" PRIu64 "\n",
		result->name, result->histogram.count, result->histogram.max,
		histogram_percentile(&result->histogram, 50));
	return 0;
}

static int print_note(struct result_sink *sink, const struct run_note *note, struct err *err)
{
	(void)err;
	fprintf(((struct printing *)sink)->out, "%s\n", note->text);
	return 0;
}

static void printing_begin(struct printing *printing)
{
	printing->sink =
		(struct result_sink){ print_finding, print_counter, print_histogram, print_note };
	printing->out = open_memstream(&printing->text, &printing->size);
	cr_assert_not_null(printing->out);
}

/* ---- one recording, two machines ------------------------------------------------------------ */

enum { SETS = 8, VARIANTS = 2 };

struct points_case {
	char name[64];
	char pattern[16]; /* "chaos", "ring", ..., "import" or "faults" */
	uint64_t seed;
	char common[4][48];
	char own[VARIANTS][4][48];
};

/* Faults of two devices, more than there are records: handlers run in the middle of stretches of DMA, at times
 * when the driver's flushes complete too. */
static struct event_source *faults(void)
{
	struct event_source *source;
	FILE *file = tmpfile();

	fputs("# iommusim events 1\n0 domain d0 owner=host\n0 device a id=1\n0 device b id=2\n"
	      "0 attach a d0\n0 attach b d0\n"
	      "0 map d0 iova=0x100000 pa=0x50000000 size=256K perm=rw page=4K\n",
	      file);
	for (unsigned i = 0; i < 3000; i++) {
		unsigned page = i * 7 % 64;

		fprintf(file, "+500 dma %s write iova=0x%x len=64\n", i % 3 ? "a" : "b",
			0x100000 + page * 4096);
		if (i % 10 == 4)
			fprintf(file, "+0 unmap d0 iova=0x%x size=4K\n",
				0x100000 + i / 10 % 64 * 4096);
		if (i % 40 == 30)
			fprintf(file, "+0 map d0 iova=0x%x pa=0x%x size=4K perm=rw\n",
				0x100000 + i / 10 % 64 * 4096, 0x60000000 + i * 4096);
	}
	rewind(file);
	cr_assert_eq(text_source_open(file, "faults.events", &source, NULL), 0);
	return source;
}

static struct event_source *recording_of(const struct points_case *c)
{
	struct import_options import = { .guest = "tests/data/vtd-6.12-lazy-dma.ftrace.txt.zst",
					 .guest_from = IMPORT_FTRACE,
					 .host = "tests/data/vtd-6.12-lazy-dma.qemu.log.zst" };
	struct generate_options options;
	struct event_source *source;
	struct err err = { 0 };

	if (!strcmp(c->pattern, "faults"))
		return faults();
	if (!strcmp(c->pattern, "import")) {
		cr_assert_eq(import_open(&import, &source, &err), 0, "%s", err.text);
		return source;
	}
	generate_defaults(c->pattern, &options);
	options.seed = c->seed;
	options.events = strcmp(c->pattern, "chaos") == 0 ? 20000 : 3000;
	cr_assert_eq(generate_open(&options, &source, &err), 0, "%s", err.text);
	return source;
}

static struct machine *machine_of(const struct points_case *c, unsigned variant)
{
	const char *sets[SETS];
	struct machine *machine;
	struct err err = { 0 };
	size_t n = 0;

	for (unsigned i = 0; i < 4 && c->common[i][0]; i++)
		sets[n++] = c->common[i];
	for (unsigned i = 0; i < 4 && c->own[variant][i][0]; i++)
		sets[n++] = c->own[variant][i];
	cr_assert_eq(machine_load(NULL, sets, n, &machine, &err), 0, "%s", err.text);
	return machine;
}

static char *alone(const struct points_case *c, unsigned variant)
{
	struct machine *machine = machine_of(c, variant);
	struct printing printing;
	struct detector *detector;
	struct replay *replay;
	struct event_source *source = recording_of(c);
	struct event_batch batch;
	struct err err = { 0 };

	printing_begin(&printing);
	cr_assert_eq(detector_create(machine, &printing.sink, &detector, &err), 0);
	cr_assert_eq(replay_create(machine, detector_replay_observer(detector),
				   detector_iommu_observer(detector), &replay, &err),
		     0);
	detector_watch(detector, replay);
	while (source_next(source, &batch, &err) > 0)
		cr_assert_eq(replay_batch(replay, source, &batch, &err), 0, "%s", err.text);
	cr_assert_eq(replay_finish(replay, &err), 0, "%s", err.text);
	cr_assert_eq(detector_finish(detector, &err), 0, "%s", err.text);
	source_close(source);
	replay_destroy(replay);
	detector_destroy(detector);
	machine_destroy(machine);
	fclose(printing.out);
	return printing.text;
}

static void together(const struct points_case *c, char *texts[VARIANTS])
{
	struct machine *machines[VARIANTS];
	struct printing printing[VARIANTS];
	struct detector *detectors[VARIANTS];
	struct replay *world, *point;
	struct event_source *source = recording_of(c);
	struct event_batch batch;
	struct err err = { 0 };

	for (unsigned i = 0; i < VARIANTS; i++)
		machines[i] = machine_of(c, i);
	cr_assert_eq(replay_create_world(machines[0], &world, &err), 0, "%s", err.text);
	for (unsigned i = 0; i < VARIANTS; i++) {
		printing_begin(&printing[i]);
		cr_assert_eq(detector_create(machines[i], &printing[i].sink, &detectors[i], &err),
			     0);
		cr_assert_eq(replay_add_point(world, machines[i],
					      detector_replay_observer(detectors[i]),
					      detector_iommu_observer(detectors[i]), &point, &err),
			     0, "%s", err.text);
		detector_watch(detectors[i], point);
	}
	while (source_next(source, &batch, &err) > 0)
		cr_assert_eq(replay_batch(world, source, &batch, &err), 0, "%s", err.text);
	cr_assert_eq(replay_finish(world, &err), 0, "%s", err.text);
	for (unsigned i = 0; i < VARIANTS; i++)
		cr_assert_eq(detector_finish(detectors[i], &err), 0, "%s", err.text);
	source_close(source);
	replay_destroy(world);
	for (unsigned i = 0; i < VARIANTS; i++) {
		detector_destroy(detectors[i]);
		machine_destroy(machines[i]);
		fclose(printing[i].out);
		texts[i] = printing[i].text;
	}
}

/* The line in which two texts differ first, for the message. */
static void expect_same(const char *name, unsigned variant, const char *expected, const char *found)
{
	const char *a = expected, *b = found;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	while (a > expected && a[-1] != '\n') {
		a--;
		b--;
	}
	cr_expect_str_eq(expected, found, "%s, machine %u: alone '%.*s', behind one world '%.*s'",
			 name, variant, (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
}

#define SMALL                                                                                      \
	{                                                                                          \
		"vtd.iotlb.sets=2", "vtd.iotlb.ways=2", "vtd.context.entries=2",                   \
			"vtd.walk.entries=1"                                                       \
	}
#define LARGE                                                                                      \
	{                                                                                          \
		"vtd.iotlb.sets=64", "vtd.iotlb.replacement=random", "vtd.fault_records=2"         \
	}
#define SMALL_ARM                                                                                  \
	{                                                                                          \
		"smmuv3.tlb.sets=2", "smmuv3.tlb.ways=2", "smmuv3.config.entries=2"                \
	}
#define LARGE_ARM                                                                                  \
	{                                                                                          \
		"smmuv3.tlb.sets=64", "smmuv3.walk.entries=4", "smmuv3.tlb.ways=2"                 \
	}

ParameterizedTestParameters(points, find_what_replays_of_their_own_find)
{
	static struct points_case cases[] = {
		{ "chaos", "chaos", 1, { "policy=recorded" }, { SMALL, LARGE } },
		{ "chaos, strict",
		  "chaos",
		  2,
		  { "policy=linux-strict", "time.inval_latency=700ns" },
		  { SMALL, LARGE } },
		{ "chaos, lazy",
		  "chaos",
		  3,
		  { "policy=linux-lazy", "linux.fq_timeout=100us", "time.inval_latency=1us" },
		  { SMALL, LARGE } },
		{ "rings", "ring", 4, { "" }, { SMALL, LARGE } },
		{ "rounds", "strict", 5, { "" }, { SMALL, LARGE } },
		{ "faults, handlers and flushes at the same time",
		  "faults",
		  0,
		  { "policy=linux-strict", "time.inval_latency=5us", "time.irq_latency=5us" },
		  { SMALL, LARGE } },
		{ "faults, handlers slower than queues",
		  "faults",
		  0,
		  { "policy=linux-lazy", "time.irq_latency=3us", "time.handler_service=40us",
		    "linux.fq_timeout=50us" },
		  { SMALL, LARGE } },
		{ "recorded answers", "import", 0, { "" }, { SMALL, LARGE } },
		{ "SMMUv3, chaos", "chaos", 6, { "iommu=smmuv3" }, { SMALL_ARM, LARGE_ARM } },
		{ "SMMUv3, faults",
		  "faults",
		  0,
		  { "iommu=smmuv3", "policy=linux-strict", "time.inval_latency=5us" },
		  { SMALL_ARM, LARGE_ARM } },
	};

	return cr_make_param_array(struct points_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct points_case *c, points, find_what_replays_of_their_own_find)
{
	char *texts[VARIANTS], *own[VARIANTS];

	together(c, texts);
	for (unsigned i = 0; i < VARIANTS; i++) {
		own[i] = alone(c, i);
		expect_same(c->name, i, own[i], texts[i]);
	}
	cr_expect_str_neq(own[0], own[1], "%s: the two machines are not the same", c->name);
	for (unsigned i = 0; i < VARIANTS; i++) {
		free(texts[i]);
		free(own[i]);
	}
}

/* ---- what needs a world of its own ------------------------------------------------------------- */

static int drop_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	(void)sink;
	(void)finding;
	(void)err;
	return 0;
}

struct refused_case {
	char name[48];
	char common[2][48]; /* of both machines */
	char own[48];	    /* of the second */
	char event[384];    /* at the end of the recording; "": none */
	char message[96];
};

ParameterizedTestParameters(points, what_would_feed_back_is_refused)
{
	static struct refused_case cases[] = {
		{ "another policy", { "" }, "policy=linux-lazy", "", "one clock: policy needs" },
		{ "another latency", { "" }, "time.irq_latency=1ms", "", "time.irq_latency needs" },
		{ "DMA in flight",
		  { "time.flight=1us" },
		  "vtd.iotlb.ways=2",
		  "",
		  "time.flight needs" },
		{ "another model", { "" }, "iommu=smmuv3", "", "expected 'vtd', found 'smmuv3'" },
		{ "other page sizes", { "" }, "vtd.pages_2m=no", "", "differs in its page sizes" },
		{ "other tables", { "" }, "vtd.driver_tables=second-stage", "", "differs in its" },
		{ "fewer tags", { "" }, "vtd.domain_id_bits=8", "", "differs in its domain tags" },
		{ "other walks",
		  { "" },
		  "vtd.page_walk_coherency=no",
		  "",
		  "differs in its coherency of table walks" },
		{ "a mask that does not fit",
		  { "policy=linux-strict" },
		  "vtd.mamv=1",
		  "9us unmap d0 iova=0x100000 size=64K\n10us mark \"end\"",
		  "differs in its invalidation commands" },
		{ "page requests",
		  { "" },
		  "vtd.iotlb.ways=2",
		  "9us request nic0 read iova=0 group=1 last=yes",
		  "'request': page requests" },
		{ "dirty tracking", { "" }, "vtd.iotlb.ways=2", "9us dirty d0 on", "'dirty'" },
		{ "dirty bits by hardware",
		  { "vtd.driver_tables=first-stage" },
		  "vtd.iotlb.ways=2",
		  "9us domain r0 root=0x10000 levels=4\n9us device n1 id=2\n9us attach n1 r0\n"
		  "9us write pa=0x10000 value=0x11007\n9us write pa=0x11000 value=0x12007\n"
		  "9us write pa=0x12000 value=0x13007\n9us write pa=0x13000 value=0x50000007\n"
		  "9us dma n1 write iova=0 len=4",
		  "writes accessed or dirty bits" },
		{ "nothing of the kind",
		  { "policy=linux-strict" },
		  "vtd.iotlb.ways=2",
		  "9us dma nic0 write iova=0x100000 len=4",
		  "" },
	};

	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

static struct event_source *small_recording(const char *event)
{
	struct event_source *source;
	FILE *file = tmpfile();

	fprintf(file,
		"# iommusim events 1\n0 domain d0 owner=host\n0 device nic0 id=1\n0 attach nic0 "
		"d0\n"
		"1us map d0 iova=0x100000 pa=0x50000000 size=64K perm=rw\n%s\n",
		event);
	rewind(file);
	cr_assert_eq(text_source_open(file, "small.events", &source, NULL), 0);
	return source;
}

ParameterizedTest(struct refused_case *c, points, what_would_feed_back_is_refused)
{
	struct result_sink nowhere = { .finding = drop_finding };
	struct event_source *source = small_recording(c->event);
	struct machine *machines[VARIANTS];
	struct detector *detectors[VARIANTS];
	struct replay *world, *point;
	struct event_batch batch;
	struct err err = { 0 };
	int failed = 0;

	for (unsigned i = 0; i < VARIANTS; i++) {
		const char *sets[3];
		size_t n = 0;

		for (unsigned k = 0; k < 2 && c->common[k][0]; k++)
			sets[n++] = c->common[k];
		if (i)
			sets[n++] = c->own;
		cr_assert_eq(machine_load(NULL, sets, n, &machines[i], &err), 0, "%s", err.text);
	}
	cr_assert_eq(replay_create_world(machines[0], &world, &err), 0, "%s", err.text);
	for (unsigned i = 0; i < VARIANTS; i++) {
		cr_assert_eq(detector_create(machines[i], &nowhere, &detectors[i], &err), 0);
		failed =
			failed ||
			replay_add_point(world, machines[i], detector_replay_observer(detectors[i]),
					 detector_iommu_observer(detectors[i]), &point, &err);
		if (!failed)
			detector_watch(detectors[i], point);
	}
	while (!failed && source_next(source, &batch, &err) > 0)
		failed = replay_batch(world, source, &batch, &err);
	failed = failed || replay_finish(world, &err);
	cr_expect_eq(failed != 0, c->message[0] != 0, "%s: %s", c->name, err.text);
	cr_expect(!failed || strstr(err.text, c->message) != NULL, "%s: %s", c->name, err.text);
	source_close(source);
	replay_destroy(world);
	for (unsigned i = 0; i < VARIANTS; i++) {
		detector_destroy(detectors[i]);
		machine_destroy(machines[i]);
	}
}
