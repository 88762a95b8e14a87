/* iommusim generate: synthetic recordings, the same for the same options everywhere. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "traces/generate.h"
#include "traces/open.h"

static const char details[] =
	"PATTERN is one of\n"
	"  zipf     Zipf over the pages, order shuffled: a hot set with a long tail\n"
	"  ring     NIC rings: descriptor read, payload write, completion write\n"
	"  nvme     drives with queues, transfers of 4 to 128 KiB\n"
	"  strict   rounds of map, DMA, unmap, invalidate\n"
	"  seq      pages in order, none twice\n"
	"  uniform  uniform over the pages\n"
	"  chaos    random maps, splits, partial and missing invalidations, frees, DMA of every\n"
	"           kind: food for `replay --verify`\n"
	"The same pattern, options and seed give the same recording on every machine.\n"
	"Defaults depend on the pattern where none is given.\n";

static const char examples[] = "iommusim generate zipf --events=1M -o zipf.imt\n"
			       "iommusim generate chaos --seed=7 --events=10k | less\n"
			       "iommusim generate ring --devices=4 --domains=2 -o ring.imt\n"
			       "iommusim generate strict --json -o strict.imt >made.json\n";

/* What the native file says of itself, so that the recording can be made again. */
static void describe(const struct generate_options *options, char *meta, size_t size)
{
	snprintf(meta, size,
		 "generator = iommusim generate %s --events=%llu --seed=%llu --pages=%llu "
		 "--skew=%.17g "
		 "--devices=%llu --domains=%llu --gap=%llu\n",
		 options->pattern, (unsigned long long)options->events,
		 (unsigned long long)options->seed, (unsigned long long)options->pages,
		 options->skew, (unsigned long long)options->devices,
		 (unsigned long long)options->domains, (unsigned long long)options->gap_ns);
}

/* The options with their defaults, and what came of them. */
static void print_json(const struct generate_options *options, const struct copied *copied)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_text(&json, "pattern", options->pattern);
	json_number(&json, "events", copied->events);
	json_number(&json, "asked", options->events);
	json_number(&json, "seed", options->seed);
	json_number(&json, "pages", options->pages);
	json_real(&json, "skew", options->skew);
	json_number(&json, "devices", options->devices);
	json_number(&json, "domains", options->domains);
	json_number(&json, "ats", options->ats);
	json_number(&json, "pasids", options->pasids);
	json_number(&json, "gap_ns", options->gap_ns);
	json_end(&json);
	json_finish(&json);
}

static int generate(const struct generate_options *options, const char *output, bool as_json,
		    struct err *err)
{
	struct event_source *source;
	struct event_sink *sink;
	struct copied copied;
	char meta[512];
	int failed;

	describe(options, meta, sizeof meta);
	if (generate_open(options, &source, err))
		return -1;
	failed = recording_create(output, meta, &sink, err) ||
		 copy_with_progress(source, sink, output, &copied, err);
	source_close(source);
	if (!failed && as_json)
		print_json(options, &copied);
	return failed ? -1 : 0;
}

int cmd_generate(int argc, char **argv)
{
	struct generate_options options = { 0 };
	const char *output = "-";
	bool as_json = false;
	const struct option_row rows[] = {
		{ 'o', "output", OPTION_TEXT, &output, "FILE",
		  "write to FILE; *.imt is native, anything else text (default: standard output)" },
		{ 'n', "events", OPTION_COUNT, &options.events, "N",
		  "DMAs to make (strict: rounds, chaos: events)" },
		{ 0, "seed", OPTION_COUNT, &options.seed, "N", "all randomness follows from it" },
		{ 0, "pages", OPTION_COUNT, &options.pages, "N", "pages of 4 KiB in use" },
		{ 0, "skew", OPTION_REAL, &options.skew, "S", "exponent of the Zipf law" },
		{ 0, "devices", OPTION_COUNT, &options.devices, "N", "devices, 1 to 64" },
		{ 0, "domains", OPTION_COUNT, &options.domains, "N", "domains, 1 to the devices" },
		{ 0, "ats", OPTION_COUNT, &options.ats, "N",
		  "devices with ATS, from the first on" },
		{ 0, "pasids", OPTION_COUNT, &options.pasids, "0|1",
		  "chaos: devices with ATS use a PASID too" },
		{ 0, "gap", OPTION_TIME, &options.gap_ns, "TIME", "time between events" },
		{ 0, "json", OPTION_FLAG, &as_json, NULL,
		  "print what was made as JSON on standard output; needs -o" },
		{ 0 },
	};
	const struct command_help help = {
		.name = "generate",
		.operands = "PATTERN",
		.summary = "Make a synthetic recording",
		.details = details,
		.examples = examples,
		.options = rows,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct operands operands;
	struct err err = { 0 };
	int status;

	/* Twice: the pattern decides the defaults, and what was given then replaces them. */
	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	generate_defaults(operands.texts[0], &options);
	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	options.pattern = operands.texts[0];
	if (as_json && strcmp(output, "-") == 0)
		return options_wrong(&help,
				     "--json and the events cannot share standard output; give -o");
	if (generate(&options, output, as_json, &err))
		return command_failed("generate", &err);
	return STATUS_FINE;
}
