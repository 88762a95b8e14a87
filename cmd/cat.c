/* iommusim cat: a recording, or a stretch of it, in text form or converted to the native form. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/event_json.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "traces/imt.h"
#include "traces/open.h"

struct cat_options {
	const char *output;
	uint64_t from_ns, to_ns; /* to_ns is not included */
	uint64_t first, limit;	 /* event numbers */
	bool salvage, json;
};

static const char details[] =
	"Prints one event a line, in the text form that replay reads too. With -o the copy goes "
	"to\n"
	"a file; a name that ends in .imt makes it native, which is how text becomes native.\n"
	"--json prints an object a line instead, with the event's number and the keys of the text "
	"form.\n"
	"A stretch cut out of a recording may use names that were declared before it: it is for\n"
	"reading, and replay may refuse it.\n"
	"Damage in a native recording ends the output with status 2; --salvage prints what is "
	"left,\n"
	"with a `lost` event for every gap.\n";

static const char examples[] = "iommusim cat run.imt | less\n"
			       "iommusim cat --from=1.5ms --to=2ms run.imt\n"
			       "iommusim cat --event=81200 --limit=20 run.imt\n"
			       "iommusim cat -o run.imt scenario.events\n"
			       "iommusim cat --json run.imt | jq 'select(.kind == \"unmap\")'\n";

/* The events of the batch within the options; false when all that follows lies outside. */
static bool cut(const struct cat_options *options, uint64_t copied, struct event_batch *batch)
{
	size_t skip = 0, n = batch->n;
	bool more = true;

	while (skip < n && (batch->first + skip < options->first ||
			    batch->events[skip].time_ns < options->from_ns))
		skip++;
	/* Times never go back, so the first event past the end is the end. */
	while (n > skip && batch->events[n - 1].time_ns >= options->to_ns) {
		n--;
		more = false;
	}
	if (n - skip >= options->limit - copied) {
		n = skip + (size_t)(options->limit - copied);
		more = false;
	}
	batch->events += skip;
	batch->first += skip;
	batch->n = n - skip;
	return more;
}

/* Copies until the end or the limit; 0 or -1. The sink is neither finished nor abandoned. */
static int copy(const struct cat_options *options, struct event_source *source,
		struct event_sink *sink, struct progress *progress, struct err *err)
{
	struct event_batch batch;
	uint64_t copied = 0;
	bool more = options->limit > 0;

	while (more) {
		int got = source_next(source, &batch, err);

		if (got <= 0)
			return got;
		progress_update(progress, batch.first + batch.n, source->offset, source->bytes);
		more = cut(options, copied, &batch);
		if (batch.n > 0 && sink->put(sink, source->names, &batch, err))
			return -1;
		copied += batch.n;
	}
	return 0;
}

static int cat(const struct cat_options *options, const char *path, struct event_source *source,
	       struct err *err)
{
	bool native = strcmp(source->kind, "native") == 0;
	struct progress progress = { 0 };
	struct event_sink *sink;
	struct imt_info info = { 0 };
	int failed;

	if (native)
		imt_source_info(source, &info);
	/* Past the end there is nothing to seek to; reading on finds that out in the same way. */
	if (native && options->first > 0 && options->first < info.records &&
	    imt_source_seek(source, options->first, err))
		return -1;
	if (options->json ? event_json_open(stdout, &sink, err)
			  : recording_create(options->output, source->meta, &sink, err))
		return -1;
	if (!progress_would_mix(options->output))
		progress_start(&progress, "events");
	failed = copy(options, source, sink, &progress, err);
	progress_clear(&progress);
	if (failed) {
		sink->abandon(sink);
		return -1;
	}
	if (sink->finish(sink, source->names, err))
		return -1;
	if (native && options->salvage) {
		imt_source_info(source, &info);
		if (info.damaged_blocks > 0)
			return err_set(err, ERR_DAMAGED,
				       "%s: %llu damaged blocks; all that could be read is printed",
				       path, (unsigned long long)info.damaged_blocks);
	}
	return 0;
}

int cmd_cat(int argc, char **argv)
{
	struct cat_options options = { .output = "-", .to_ns = UINT64_MAX, .limit = UINT64_MAX };
	const struct option_row rows[] = {
		{ 'o', "output", OPTION_TEXT, &options.output, "FILE",
		  "write to FILE; *.imt is native, anything else text (default: standard output)" },
		{ 0, "from", OPTION_TIME, &options.from_ns, "TIME",
		  "only events at TIME or later" },
		{ 0, "to", OPTION_TIME, &options.to_ns, "TIME", "only events before TIME" },
		{ 0, "event", OPTION_COUNT, &options.first, "N",
		  "begin with event number N, counted from 0 as reports do" },
		{ 'n', "limit", OPTION_COUNT, &options.limit, "N", "print at most N events" },
		{ 0, "salvage", OPTION_FLAG, &options.salvage, NULL,
		  "go on after damage in a native recording; ends with status 2 if there was any" },
		{ 0, "json", OPTION_FLAG, &options.json, NULL,
		  "print JSON on standard output, an event a line" },
		{ 0 },
	};
	const struct command_help help = {
		.name = "cat",
		.operands = "RECORDING",
		.summary = "Print a recording as text, one event a line",
		.details = details,
		.examples = examples,
		.options = rows,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct operands operands;
	struct event_source *source;
	struct err err = { 0 };
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (options.from_ns >= options.to_ns)
		return options_wrong(&help, "--from is not before --to");
	if (options.json && strcmp(options.output, "-") != 0)
		return options_wrong(&help, "--json is for standard output; give no -o");
	if (command_input(operands.texts[0], &err) ||
	    recording_open(operands.texts[0], options.salvage, &source, &err))
		return command_failed("cat", &err);
	status = cat(&options, operands.texts[0], source, &err) ? command_failed("cat", &err)
								: STATUS_FINE;
	source_close(source);
	return status;
}
