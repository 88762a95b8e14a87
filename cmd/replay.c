/* iommusim replay: a recording through a machine; findings into a store and a summary out. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/queue_dumps.h"
#include "analysis/run.h"
#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/progress.h"

static const char details[] =
	"Replays the recording against the machine's IOMMU and counts what it finds. With --store "
	"the\n"
	"findings, their evidence, counters and histograms are kept in an SQLite file, one run "
	"more\n"
	"each time; 'iommusim report' and 'iommusim explain' read it.\n"
	"The machine is the default one unless --machine names a description; --set changes "
	"single\n"
	"keys of either, and --print-config shows the result with what each key means.\n"
	"Each --also adds a machine: the first one with other sizes, replacement or latencies "
	"inside of\n"
	"its IOMMU. The recording is read and its tables are written once for all of them; each is "
	"a "
	"run of\n"
	"its own, with the results that it has alone. What would make the driver or the clock "
	"differ "
	"is\n"
	"refused.\n";

static const char examples[] =
	"iommusim replay --store results.db run.imt\n"
	"iommusim replay --set policy=linux-lazy --set time.inval_latency=2us run.events\n"
	"iommusim replay --machine server.yaml --set vtd.iotlb.ways=4 --verify run.imt\n"
	"iommusim replay --with patch.events run.imt\n"
	"iommusim replay --iommu smmuv3 run.imt\n"
	"iommusim replay -m machines/qemu-7.2-smmuv3.yaml --eventq evtq-end.bin run.imt\n"
	"iommusim replay --also vtd.iotlb.ways=4 --also vtd.iotlb.sets=64,vtd.walk.entries=0 "
	"run.imt\n"
	"iommusim replay --print-config >server.yaml\n";

static void show_progress(void *ctx, uint64_t events, uint64_t offset, uint64_t bytes)
{
	progress_update(ctx, events, offset, bytes);
}

static void print_answers(const struct replay_counters *count)
{
	if (!count->answers)
		return;
	printf("\nrecorded answers compared %" PRIu64 ": %" PRIu64 " agree (%.4f %%), %" PRIu64
	       " differ, %" PRIu64 " undecided (clocks or losses), %" PRIu64
	       " more taken as start state\n",
	       count->answers, count->agree, 100.0 * (double)count->agree / (double)count->answers,
	       count->differ, count->undecided, count->adopted);
	printf("by device, page and mapping: %" PRIu64 ", %" PRIu64 " agree (%.4f %%)\n",
	       count->distinct, count->distinct_agree,
	       count->distinct ? 100.0 * (double)count->distinct_agree / (double)count->distinct
			       : 100.0);
	if (count->moved) {
		uint64_t others = count->answers - count->undecided - count->moved;

		printf("without %" PRIu64 " that rest on moved updates: %" PRIu64 ", %" PRIu64
		       " agree\n",
		       count->moved, others, count->agree - count->moved_agree);
	}
	if (count->n_first_differ) {
		printf("first events that differ:");
		for (uint64_t i = 0; i < count->n_first_differ; i++)
			printf(" %" PRIu64, count->first_differ[i]);
		puts("; with --store, iommusim explain tells each one's walk");
	}
}

static void print_record(const char *what, const uint64_t words[DUMP_WORDS])
{
	printf("    %-8s", what);
	for (unsigned i = 0; i < DUMP_WORDS; i++)
		printf(" %016" PRIx64, words[i]);
	putchar('\n');
}

static void print_dump(const struct dump_outcome *dump)
{
	printf("\n%s: %" PRIu64 " records, %" PRIu64 " equal to the model's queue", dump->path,
	       dump->used, dump->equal);
	if (dump->records)
		printf(" as of its record %" PRIu64 " of %" PRIu64 " (event %" PRIu64 ")",
		       dump->records, dump->written, dump->event);
	putchar('\n');
	if (dump->loose)
		printf("  in %" PRIu64 " of them without what the recording does not tell: the "
		       "direction, or the place within the page\n",
		       dump->loose);
	if (dump->differ)
		printf("  %" PRIu64 " of %" PRIu64 " slots differ\n", dump->differ, dump->slots);
	for (unsigned i = 0; i < dump->n_first; i++) {
		printf("  slot %" PRIu64 "\n", dump->first[i].slot);
		print_record("dumped", dump->first[i].dumped);
		print_record("model", dump->first[i].model);
	}
}

static void print_dumps(const struct queue_dumps *dumps)
{
	for (size_t i = 0; i < queue_dumps_count(dumps); i++) {
		struct dump_outcome dump = queue_dumps_outcome(dumps, i);

		print_dump(&dump);
	}
}

static void json_dumps(struct json *json, const struct queue_dumps *dumps)
{
	json_array(json, "event_queues");
	for (size_t i = 0; i < queue_dumps_count(dumps); i++) {
		struct dump_outcome dump = queue_dumps_outcome(dumps, i);

		json_object(json, NULL);
		json_text(json, "dump", dump.path);
		json_number(json, "records", dump.used);
		json_number(json, "equal", dump.equal);
		json_number(json, "slots_that_differ", dump.differ);
		json_number(json, "compared_in_part", dump.loose);
		json_number(json, "model_records", dump.records);
		json_number(json, "event", dump.event);
		json_end(json);
	}
	json_end(json);
}

static void print_text(const struct run_options *options, const struct run_summary *summary)
{
	printf("%" PRIu64 " events, %" PRIu64 " DMAs, %.6f s of recording\n\n", summary->events,
	       summary->replay.dma, (double)summary->last_ns / 1e9);
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
		if (summary->findings[kind] || summary->uncertain[kind])
			printf("%12" PRIu64 "  %-14s %s\n", summary->findings[kind],
			       finding_kinds[kind].name, finding_kinds[kind].condition);
		if (summary->uncertain[kind])
			printf("%12" PRIu64 "  %-14s uncertain: lost events, or closer than the "
			       "clocks can tell\n",
			       summary->uncertain[kind], "");
	}
	print_answers(&summary->replay);
	print_dumps(options->dumps);
	if (options->verify)
		printf("\nverified: %" PRIu64 " requests compared with truth, no difference\n",
		       summary->verified);
	if (summary->run)
		printf("\nrun %" PRIu64 " in %s; next: iommusim report %s\n", summary->run,
		       options->store, options->store);
}

/* One run as an object; also: what its machine has otherwise, NULL for the first. */
static void put_json(struct json *out, const struct run_options *options,
		     const struct run_summary *summary, const char *also)
{
	struct json json = *out;

	json_object(&json, NULL);
	json_text(&json, "recording", options->recording);
	if (also)
		json_text(&json, "also", also);
	json_number(&json, "run", summary->run);
	json_number(&json, "events", summary->events);
	json_number(&json, "dma", summary->replay.dma);
	json_number(&json, "duration_ns", summary->last_ns);
	json_object(&json, "findings");
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		json_number(&json, finding_kinds[kind].name, summary->findings[kind]);
	json_end(&json);
	json_object(&json, "uncertain");
	for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
		json_number(&json, finding_kinds[kind].name, summary->uncertain[kind]);
	json_end(&json);
	json_object(&json, "answers");
	json_number(&json, "compared", summary->replay.answers);
	json_number(&json, "agree", summary->replay.agree);
	json_number(&json, "differ", summary->replay.differ);
	json_number(&json, "distinct", summary->replay.distinct);
	json_number(&json, "distinct_agree", summary->replay.distinct_agree);
	json_number(&json, "undecided", summary->replay.undecided);
	json_number(&json, "adopted", summary->replay.adopted);
	json_end(&json);
	if (queue_dumps_count(options->dumps))
		json_dumps(&json, options->dumps);
	if (options->verify)
		json_number(&json, "verified", summary->verified);
	json_end(&json);
	*out = json;
}

/* The machines of a replay: the first, and those of --also. */
struct machines {
	struct machine **items;
	const char **also; /* NULL for the first */
	size_t n;
};

/* One run is one object, several are an array of them. */
static void print_json(const struct run_options *options, const struct machines *machines,
		       const struct run_summary *summaries)
{
	struct json json;

	json_begin(&json, stdout);
	if (machines->n > 1)
		json_array(&json, NULL);
	for (size_t i = 0; i < machines->n; i++)
		put_json(&json, options, &summaries[i], machines->also[i]);
	if (machines->n > 1)
		json_end(&json);
	json_finish(&json);
}

static void print_runs(const struct run_options *options, const struct machines *machines,
		       const struct run_summary *summaries)
{
	for (size_t i = 0; i < machines->n; i++) {
		if (machines->also[i])
			printf("\n== also %s\n", machines->also[i]);
		print_text(options, &summaries[i]);
	}
}

static int replay(const struct machines *machines, const struct run_options *asked, bool json)
{
	struct run_options options = *asked;
	struct progress progress = { 0 };
	struct run_summary *summaries = calloc(machines->n, sizeof *summaries);
	struct err err = { 0 };
	int failed;

	if (!summaries)
		return command_failed("replay", (err_no_memory(&err, "summaries"), &err));
	if (command_input(options.recording, &err)) {
		free(summaries);
		return command_failed("replay", &err);
	}
	progress_start(&progress, "events");
	options.progress = show_progress;
	options.progress_ctx = &progress;
	failed = run_machines(machines->items, machines->n, &options, summaries, &err);
	progress_clear(&progress);
	if (!failed && json)
		print_json(&options, machines, summaries);
	else if (!failed)
		print_runs(&options, machines, summaries);
	free(summaries);
	return failed ? command_failed("replay", &err) : command_done("replay", STATUS_FINE);
}

/* The first machine's keys, then those of "KEY=VALUE,KEY=VALUE". */
static int load_also(const char *path, const struct option_list *sets, const char *also,
		     struct machine **out, struct err *err)
{
	size_t most = sets->n + strlen(also) + 1, n = sets->n;
	const char **texts = calloc(most, sizeof *texts);
	char *keys = strdup(also), *rest = NULL;
	int failed;

	if (!texts || !keys) {
		free(texts);
		free(keys);
		return err_no_memory(err, "options");
	}
	for (size_t i = 0; i < sets->n; i++)
		texts[i] = sets->texts[i];
	for (char *key = strtok_r(keys, ",", &rest); key; key = strtok_r(NULL, ",", &rest))
		texts[n++] = key;
	failed = machine_load(path, texts, n, out, err);
	free(texts);
	free(keys);
	return failed;
}

static int load_machines(const char *path, const struct option_list *sets,
			 const struct option_list *also, struct machines *machines, struct err *err)
{
	size_t n = also->n + 1;

	machines->items = calloc(n, sizeof(struct machine *));
	machines->also = calloc(n, sizeof(char *));
	if (!machines->items || !machines->also)
		return err_no_memory(err, "machines");
	if (machine_load(path, sets->texts, sets->n, &machines->items[0], err))
		return -1;
	for (machines->n = 1; machines->n < n; machines->n++) {
		machines->also[machines->n] = also->texts[machines->n - 1];
		if (load_also(path, sets, machines->also[machines->n],
			      &machines->items[machines->n], err))
			return -1;
	}
	return 0;
}

static void unload_machines(struct machines *machines)
{
	for (size_t i = 0; i < machines->n; i++)
		machine_destroy(machines->items[i]);
	free(machines->items);
	free(machines->also);
}

/* --iommu NAME as the first of the keys, so that keys of that IOMMU may follow. */
static int put_first(struct option_list *sets, const char *iommu, char *key, size_t size,
		     struct err *err)
{
	const char **texts;

	if (!iommu)
		return 0;
	texts = realloc(sets->texts, (sets->n + 1) * sizeof *texts);
	if (!texts)
		return err_no_memory(err, "options");
	snprintf(key, size, "iommu=%s", iommu);
	memmove(texts + 1, texts, sets->n * sizeof *texts);
	texts[0] = key;
	sets->texts = texts;
	sets->n++;
	return 0;
}

int cmd_replay(int argc, char **argv)
{
	struct run_options options = { .version = IOMMUSIM_VERSION };
	struct option_list sets = { 0 }, dumps = { 0 }, also = { 0 };
	const char *machine_path = NULL, *iommu = NULL;
	bool json = false, print_config = false;
	char key[64];
	const struct option_row rows[] = {
		{ 'm', "machine", OPTION_TEXT, &machine_path, "FILE.yaml", "machine description" },
		{ 0, "set", OPTION_LIST, &sets, "KEY=VALUE",
		  "one key of it; may be given more than once" },
		{ 0, "iommu", OPTION_TEXT, &iommu, "NAME",
		  "the kind of IOMMU, as --set iommu=NAME; 'iommusim models' lists them" },
		{ 0, "also", OPTION_LIST, &also, "KEY=VALUE,...",
		  "replay on a machine with these keys too, at the same time; may be given more "
		  "than "
		  "once" },
		{ 's', "store", OPTION_TEXT, &options.store, "FILE",
		  "SQLite store to add this run to" },
		{ 0, "with", OPTION_TEXT, &options.patch, "FILE",
		  "put the events of this recording in at their times: tables written from "
		  "outside, older mappings" },
		{ 0, "eventq", OPTION_LIST, &dumps, "FILE",
		  "compare the fault records that the model writes with a raw dump of the "
		  "recorder's event queue; may be given more than once" },
		{ 0, "verify", OPTION_FLAG, &options.verify, NULL,
		  "compare every request with truth; a difference is an error" },
		{ 0, "salvage", OPTION_FLAG, &options.salvage, NULL,
		  "go on after damage in a native recording" },
		{ 0, "print-config", OPTION_FLAG, &print_config, NULL,
		  "print the machine description and stop" },
		{ 0, "json", OPTION_FLAG, &json, NULL, "print the summary as JSON" },
		{ 0 },
	};
	const struct command_help help = { .name = "replay",
					   .operands = "[RECORDING]",
					   .summary = "Replay a recording and report what it shows",
					   .details = details,
					   .examples = examples,
					   .options = rows,
					   .min_operands = 0,
					   .max_operands = 1 };
	struct operands operands;
	struct machines machines = { 0 };
	struct err err = { 0 };
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (!print_config && !operands.n)
		return options_wrong(&help, "expected a recording");
	if (also.n && (options.verify || dumps.n || print_config)) {
		status = options_wrong(&help, "--also goes without --verify, --eventq and "
					      "--print-config");
	} else if (put_first(&sets, iommu, key, sizeof key, &err) ||
		   queue_dumps_open(dumps.texts, dumps.n, &options.dumps, &err) ||
		   load_machines(machine_path, &sets, &also, &machines, &err)) {
		status = command_failed("replay", &err);
	} else if (print_config) {
		machine_print(machines.items[0], stdout);
		status = command_done("replay", STATUS_FINE);
	} else {
		options.recording = operands.texts[0];
		status = replay(&machines, &options, json);
	}
	unload_machines(&machines);
	queue_dumps_close(options.dumps);
	free(sets.texts);
	free(dumps.texts);
	free(also.texts);
	return status;
}
