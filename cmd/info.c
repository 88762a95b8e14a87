/* iommusim info: what a recording holds, counted by reading it once. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analysis/answerable.h"
#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "traces/imt.h"
#include "traces/open.h"

enum { NAMES_SHOWN = 16, CLASSES = 4 };

static const char *const class_names[CLASSES] = { "recorded", "derived", "inferred", "reader" };

static const struct {
	enum name_table table;
	const char *name;
} name_tables[] = {
	{ NAMES_DEVICES, "devices" },
	{ NAMES_DOMAINS, "domains" },
	{ NAMES_IOMMUS, "iommus" },
};
enum { TABLES = sizeof name_tables / sizeof name_tables[0] };

/* What one pass over the events counts. */
struct totals {
	uint64_t events, first_ns, last_ns;
	struct recording_facts facts;
	uint64_t classes[CLASSES];
	uint64_t dma_bytes[4]; /* by enum dma_verb */
	uint64_t lost_events;  /* known number of events lost */
	uint64_t lost_unknown; /* gaps that do not say how many */
	uint64_t clamped;      /* times moved by the importer */
};

static const char details[] =
	"Reads the recording once and prints its form, time span, number of events of each kind,\n"
	"what was lost, the devices, domains and IOMMUs it names, and which findings it can show:\n"
	"fully, as a lower bound, or not at all, with what is missing and how to record it. Of a\n"
	"native recording also the description stored in it.\n";

static const char examples[] = "iommusim info run.imt\n"
			       "iommusim info --json run.imt\n"
			       "iommusim info --salvage damaged.imt\n";

static void count_event(struct totals *totals, const struct event_batch *batch,
			const struct event *event)
{
	facts_count(&totals->facts, batch, event);
	totals->classes[event_class(event)]++;
	totals->clamped += (event->flags & EVENT_FLAG_CLAMPED) != 0;
	if (event->kind == EVENT_DMA)
		totals->dma_bytes[event_verb(event) & 3] += event->len;
	if (event->kind != EVENT_LOST)
		return;
	if (!event_has(event, LOST_COUNT))
		totals->lost_unknown++;
	else if (__builtin_add_overflow(totals->lost_events, event_value(batch, event, LOST_COUNT),
					&totals->lost_events))
		totals->lost_events = UINT64_MAX;
}

static int count_events(struct event_source *source, struct totals *totals, struct err *err)
{
	struct progress progress;
	struct event_batch batch;
	int got;

	progress_start(&progress, "events");
	while ((got = source_next(source, &batch, err)) > 0) {
		if (totals->events == 0)
			totals->first_ns = batch.events[0].time_ns;
		totals->last_ns = batch.events[batch.n - 1].time_ns;
		totals->events += batch.n;
		for (size_t i = 0; i < batch.n; i++)
			count_event(totals, &batch, &batch.events[i]);
		progress_update(&progress, totals->events, source->offset, source->bytes);
	}
	progress_clear(&progress);
	return got;
}

/* ---- as text ------------------------------------------------------------------------------ */

static void print_meta(const char *meta)
{
	while (*meta) {
		size_t n = strcspn(meta, "\n");

		printf("  %.*s\n", (int)n, meta);
		meta += n + (meta[n] == '\n');
	}
}

static void print_names(const struct names *names, bool all)
{
	for (size_t i = 0; i < TABLES; i++) {
		uint32_t n = names_count(names, name_tables[i].table);
		uint32_t shown = all || n < NAMES_SHOWN ? n : NAMES_SHOWN;

		printf("%-12s %" PRIu32 "%s", name_tables[i].name, n, n ? ":" : "");
		for (uint32_t number = 0; number < shown; number++)
			printf(" %s", names_of(names, name_tables[i].table, number));
		puts(shown < n ? " ... (--names shows all)" : "");
	}
}

static void print_losses(const struct totals *totals)
{
	if (totals->facts.kinds[EVENT_LOST] == 0) {
		puts("losses       none noted");
		return;
	}
	printf("losses       %" PRIu64 " gaps", totals->facts.kinds[EVENT_LOST]);
	if (totals->lost_unknown)
		printf(" (%" PRIu64 " of unknown size)", totals->lost_unknown);
	printf(", %s%" PRIu64 " events\n", totals->lost_unknown ? "at least " : "",
	       totals->lost_events);
}

/* Findings in groups of the same answer and reason, in the order of their first. */
static void print_answerable(const struct recording_facts *facts)
{
	bool told[FINDING_KINDS] = { false };

	puts("\nwhat it can show");
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		enum recording_fact missing, other;
		enum answerable answer = answerable(facts, (enum finding_kind)kind, &missing);

		if (told[kind])
			continue;
		printf("  %-12s", answerable_names[answer]);
		for (unsigned k = kind; k < FINDING_KINDS; k++) {
			if (answerable(facts, (enum finding_kind)k, &other) != answer ||
			    other != missing)
				continue;
			told[k] = true;
			printf(" %s", finding_kinds[k].name);
		}
		putchar('\n');
		if (missing != FACTS)
			printf("               %s\n               to record it: %s\n",
			       fact_missing(missing), fact_recorded_by(missing));
	}
}

static void print_text(const struct event_source *source, const struct totals *totals,
		       const struct imt_info *native, bool all_names)
{
	uint64_t span_ns = totals->last_ns - totals->first_ns;

	printf("form         %s\n", source->kind);
	printf("events       %" PRIu64 "\n", totals->events);
	printf("time         %" PRIu64 " ns to %" PRIu64 " ns (%" PRIu64 ".%09" PRIu64 " s)\n",
	       totals->first_ns, totals->last_ns, span_ns / 1000000000, span_ns % 1000000000);
	print_losses(totals);
	if (native) {
		printf("blocks       %" PRIu64 ", %" PRIu64 " damaged, %s\n", native->blocks,
		       native->damaged_blocks,
		       native->closed ? "closed properly"
				      : "not closed: its writer was interrupted");
	}
	print_names(source->names, all_names);
	printf("DMA bytes    %" PRIu64 " read, %" PRIu64 " written, %" PRIu64 " atomic, %" PRIu64
	       " of unknown direction\n",
	       totals->dma_bytes[DMA_VERB_READ], totals->dma_bytes[DMA_VERB_WRITE],
	       totals->dma_bytes[DMA_VERB_ATOMIC], totals->dma_bytes[DMA_VERB_ANY]);
	printf("came to be  ");
	for (unsigned i = 0; i < CLASSES; i++)
		printf(" %" PRIu64 " %s%s", totals->classes[i], class_names[i],
		       i + 1 < CLASSES ? "," : "\n");
	if (totals->clamped)
		printf("moved times  %" PRIu64 "\n", totals->clamped);
	puts("\nkind              events  meaning");
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		if (totals->facts.kinds[kind])
			printf("%-12s %11" PRIu64 "  %s\n", event_kinds[kind].word,
			       totals->facts.kinds[kind], event_kinds[kind].meaning);
	print_answerable(&totals->facts);
	if (native && native->meta && *native->meta) {
		puts("\ndescription");
		print_meta(native->meta);
	}
}

/* ---- as JSON ------------------------------------------------------------------------------ */

static void json_meta(struct json *json, const char *meta)
{
	json_array(json, "meta");
	while (meta && *meta) {
		size_t n = strcspn(meta, "\n");

		json_text_n(json, NULL, meta, n);
		meta += n + (meta[n] == '\n');
	}
	json_end(json);
}

static void json_names(struct json *json, const struct names *names)
{
	for (size_t i = 0; i < TABLES; i++) {
		uint32_t n = names_count(names, name_tables[i].table);

		json_array(json, name_tables[i].name);
		for (uint32_t number = 0; number < n; number++)
			json_text(json, NULL, names_of(names, name_tables[i].table, number));
		json_end(json);
	}
}

static void json_native(struct json *json, const struct imt_info *native)
{
	json_object(json, "native");
	json_number(json, "blocks", native->blocks);
	json_number(json, "damaged_blocks", native->damaged_blocks);
	json_bool(json, "closed", native->closed);
	json_meta(json, native->meta);
	json_end(json);
}

static void json_answerable(struct json *json, const struct recording_facts *facts)
{
	json_object(json, "findings");
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		enum recording_fact missing;
		enum answerable answer = answerable(facts, (enum finding_kind)kind, &missing);

		json_object(json, finding_kinds[kind].name);
		json_text(json, "answer", answerable_names[answer]);
		if (missing != FACTS) {
			json_text(json, "missing", fact_missing(missing));
			json_text(json, "recorded_by", fact_recorded_by(missing));
		}
		json_end(json);
	}
	json_end(json);
}

static void print_json(const struct event_source *source, const struct totals *totals,
		       const struct imt_info *native)
{
	static const char *const verbs[] = { "read", "write", "atomic", "any" };
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_text(&json, "form", source->kind);
	json_number(&json, "events", totals->events);
	json_number(&json, "first_ns", totals->first_ns);
	json_number(&json, "last_ns", totals->last_ns);
	json_object(&json, "lost");
	json_number(&json, "gaps", totals->facts.kinds[EVENT_LOST]);
	json_number(&json, "events", totals->lost_events);
	json_number(&json, "gaps_of_unknown_size", totals->lost_unknown);
	json_end(&json);
	json_number(&json, "moved_times", totals->clamped);
	json_object(&json, "kinds");
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		if (totals->facts.kinds[kind])
			json_number(&json, event_kinds[kind].word, totals->facts.kinds[kind]);
	json_end(&json);
	json_object(&json, "classes");
	for (unsigned i = 0; i < CLASSES; i++)
		json_number(&json, class_names[i], totals->classes[i]);
	json_end(&json);
	json_object(&json, "dma_bytes");
	for (unsigned i = 0; i < 4; i++)
		json_number(&json, verbs[i], totals->dma_bytes[i]);
	json_end(&json);
	json_names(&json, source->names);
	json_answerable(&json, &totals->facts);
	if (native)
		json_native(&json, native);
	json_end(&json);
	json_finish(&json);
}

int cmd_info(int argc, char **argv)
{
	bool as_json = false, all_names = false, salvage = false;
	const struct option_row rows[] = {
		{ 0, "json", OPTION_FLAG, &as_json, NULL, "print JSON, with all names" },
		{ 0, "names", OPTION_FLAG, &all_names, NULL, "print all names, not the first few" },
		{ 0, "salvage", OPTION_FLAG, &salvage, NULL,
		  "go on after damage in a native recording; ends with status 2 if there was any" },
		{ 0 },
	};
	const struct command_help help = {
		.name = "info",
		.operands = "RECORDING",
		.summary = "Print what a recording holds",
		.details = details,
		.examples = examples,
		.options = rows,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct totals totals = { 0 };
	struct imt_info native = { 0 };
	struct event_source *source;
	struct operands operands;
	struct err err = { 0 };
	bool is_native;
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (command_input(operands.texts[0], &err) ||
	    recording_open(operands.texts[0], salvage, &source, &err))
		return command_failed("info", &err);
	if (count_events(source, &totals, &err)) {
		source_close(source);
		return command_failed("info", &err);
	}
	is_native = strcmp(source->kind, "native") == 0;
	if (is_native)
		imt_source_info(source, &native);
	if (as_json)
		print_json(source, &totals, is_native ? &native : NULL);
	else
		print_text(source, &totals, is_native ? &native : NULL, all_names);
	status = native.damaged_blocks ? STATUS_WRONG : STATUS_FINE;
	source_close(source);
	return status;
}
