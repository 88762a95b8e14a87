/* iommusim import: what a system recorded becomes a recording of neutral events. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "traces/import.h"
#include "traces/open.h"

enum { SKIPS_SHOWN = 6 }; /* names of events of no use, in the summary for people */

static const char details[] =
	"The guest side is ftrace text (tracefs `trace`, `trace-cmd report`) or trace-cmd's "
	"trace.dat\n"
	"with iommu:map, iommu:unmap and intel_iommu:qi_submit; the host side is QEMU's log of\n"
	"vtd_* or smmu* trace events.\n"
	"One side is enough; with both, their clocks are put together by the invalidation "
	"commands\n"
	"that stand in both (VT-d) or by brackets of marks (SMMUv3). Files compressed with zstd "
	"are unpacked on the way.\n"
	"What was read, left out, derived and inferred is told on stderr. Lines that cannot be "
	"read\n"
	"and events that were lost are counted, and the status is 0; with --strict it is 2.\n";

static const char examples[] =
	"iommusim import trace.txt qemu.log -o run.imt\n"
	"iommusim import --guest trace.txt --host qemu.log -o run.imt\n"
	"iommusim import --guest trace.txt.zst --host qemu.log.zst -o run.imt --strict\n"
	"iommusim import --host qemu.log --json -o run.imt >summary.json\n"
	"iommusim import --guest trace.dat --host qemu.log -o run.imt\n"
	"iommusim import --guest trace.txt | less\n";

/* ---- summary as text -------------------------------------------------------------------- */

static void print_side(const char *name, const struct import_side *side)
{
	uint64_t others = side->skipped_other;

	fprintf(stderr, "%-8s %" PRIu64 " %s: %" PRIu64 " used, %" PRIu64 " unreadable", name,
		side->lines, side->records ? "records" : "lines", side->used, side->bad);
	if (side->too_long)
		fprintf(stderr, ", %" PRIu64 " too long", side->too_long);
	if (side->backward)
		fprintf(stderr, ", %" PRIu64 " stepping back in time", side->backward);
	if (side->cut)
		fputs(", the last one cut off", stderr);
	fputc('\n', stderr);
	if (side->bad)
		fprintf(stderr, "         first unreadable: %s\n", side->first_bad);
	if (side->skipped_names == 0)
		return;
	fputs("         of no use here:", stderr);
	for (unsigned i = 0; i < side->skipped_names; i++) {
		if (i < SKIPS_SHOWN)
			fprintf(stderr, "%s %s %" PRIu64, i ? "," : "", side->skipped[i].name,
				side->skipped[i].count);
		else
			others += side->skipped[i].count;
	}
	if (others)
		fprintf(stderr, ", others %" PRIu64 " (--json lists them)", others);
	fputc('\n', stderr);
}

static void print_clock(const struct import_info *info)
{
	fprintf(stderr, "clock    from %s", info->clock_from);
	if (info->paired)
		fprintf(stderr,
			": %" PRIu64 " of %" PRIu64
			" commands paired; executed after issue by p1 %" PRId64 ", p50 %" PRId64
			", p99 %" PRId64 ", at most %" PRId64 " ns",
			info->paired, info->guest_commands, info->residual_p1, info->residual_p50,
			info->residual_p99, info->residual_max);
	fprintf(stderr, "; uncertainty %" PRIu64 " ns\n", info->uncertainty_ns);
	if (info->clock_outliers)
		fprintf(stderr, "         %" PRIu64 " pairs left out of the fit\n",
			info->clock_outliers);
}

static void print_how(const char *what, const uint64_t counts[IMPORT_HOWS])
{
	bool first = true;

	fprintf(stderr, "%-8s", what);
	for (unsigned i = 0; i < IMPORT_HOWS; i++) {
		if (counts[i] == 0)
			continue;
		fprintf(stderr, "%s %" PRIu64 " by %s", first ? "" : ",", counts[i],
			import_how_names[i]);
		first = false;
	}
	fputs(first ? " none\n" : "\n", stderr);
}

static void print_summary(const struct import_options *options, const struct import_info *info,
			  const struct copied *copied)
{
	fprintf(stderr, "events   %" PRIu64 ", %" PRIu64 " domains, %" PRIu64 " devices\n",
		copied->events, info->domains, info->devices);
	if (options->guest)
		print_side("guest", &info->guest);
	if (options->host)
		print_side("host", &info->host);
	print_clock(info);
	if (options->guest) {
		print_how("maps", info->maps);
		print_how("unmaps", info->unmaps);
	}
	if (info->unmaps_without_map)
		fprintf(stderr,
			"         %" PRIu64 " unmaps of what was mapped before the recording\n",
			info->unmaps_without_map);
	if (options->host)
		fprintf(stderr,
			"answers  %" PRIu64 " (%" PRIu64 " by a table walk), %" PRIu64 " faults\n",
			info->answers, info->walks, info->faults);
	if (info->answers_before_start || info->commands_before_start)
		fprintf(stderr,
			"dropped  %" PRIu64 " answers and %" PRIu64
			" commands before the guest's first event\n",
			info->answers_before_start, info->commands_before_start);
	if (info->moved)
		fprintf(stderr,
			"moved    %" PRIu64
			" events, to put causes before effects, by at most %" PRIu64 " ns; %" PRIu64
			" beyond the uncertainty\n",
			info->moved, info->moved_max_ns, info->moved_far);
	if (copied->lost)
		fprintf(stderr, "lost     %" PRIu64 " gaps: the recorder dropped events there\n",
			copied->lost);
}

/* ---- summary as JSON ---------------------------------------------------------------------- */

static void json_side(struct json *json, const char *key, const struct import_side *side)
{
	json_object(json, key);
	json_number(json, "lines", side->lines);
	json_number(json, "used", side->used);
	json_number(json, "unreadable", side->bad);
	json_number(json, "too_long", side->too_long);
	json_number(json, "backward", side->backward);
	json_bool(json, "last_line_cut", side->cut);
	if (side->bad)
		json_text(json, "first_unreadable", side->first_bad);
	json_object(json, "of_no_use");
	for (unsigned i = 0; i < side->skipped_names; i++)
		json_number(json, side->skipped[i].name, side->skipped[i].count);
	json_end(json);
	json_number(json, "of_no_use_other", side->skipped_other);
	json_end(json);
}

static void json_how(struct json *json, const char *key, const uint64_t counts[IMPORT_HOWS])
{
	json_object(json, key);
	for (unsigned i = 0; i < IMPORT_HOWS; i++)
		json_number(json, import_how_names[i], counts[i]);
	json_end(json);
}

static void json_clock(struct json *json, const struct import_info *info)
{
	json_object(json, "clock");
	json_text(json, "from", info->clock_from);
	json_number(json, "guest_commands", info->guest_commands);
	json_number(json, "host_commands", info->host_commands);
	json_number(json, "paired", info->paired);
	json_integer(json, "residual_p1_ns", info->residual_p1);
	json_integer(json, "residual_p50_ns", info->residual_p50);
	json_integer(json, "residual_p99_ns", info->residual_p99);
	json_integer(json, "residual_max_ns", info->residual_max);
	json_number(json, "outliers", info->clock_outliers);
	json_number(json, "uncertainty_ns", info->uncertainty_ns);
	json_end(json);
}

static void print_json(const struct import_options *options, const struct import_info *info,
		       const struct copied *copied)
{
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL);
	json_number(&json, "events", copied->events);
	json_number(&json, "lost", copied->lost);
	json_number(&json, "domains", info->domains);
	json_number(&json, "devices", info->devices);
	if (options->guest)
		json_side(&json, "guest", &info->guest);
	if (options->host)
		json_side(&json, "host", &info->host);
	json_clock(&json, info);
	json_how(&json, "maps", info->maps);
	json_how(&json, "unmaps", info->unmaps);
	json_number(&json, "unmaps_without_map", info->unmaps_without_map);
	json_number(&json, "answers", info->answers);
	json_number(&json, "walks", info->walks);
	json_number(&json, "faults", info->faults);
	json_number(&json, "answers_before_start", info->answers_before_start);
	json_number(&json, "commands_before_start", info->commands_before_start);
	json_number(&json, "moved", info->moved);
	json_number(&json, "moved_max_ns", info->moved_max_ns);
	json_number(&json, "moved_beyond_uncertainty", info->moved_far);
	json_end(&json);
	json_finish(&json);
}

/* ---- the command ---------------------------------------------------------------------------- */

/* Lines that strict reading does not refuse by itself, and losses on the recorder's side. */
static uint64_t incomplete(const struct import_info *info, const struct copied *copied)
{
	return info->guest.too_long + info->host.too_long + info->guest.cut + info->host.cut +
	       copied->lost;
}

static int import(const struct import_options *options, const char *output, bool as_json,
		  struct err *err)
{
	const struct import_info *info;
	struct event_source *source;
	struct event_sink *sink;
	struct copied copied;
	uint64_t missing;

	if (import_open(options, &source, err))
		return -1;
	if (recording_create(output, import_meta(source), &sink, err) ||
	    copy_with_progress(source, sink, output, &copied, err)) {
		source_close(source);
		return -1;
	}
	info = import_info(source);
	if (as_json)
		print_json(options, info, &copied);
	else
		print_summary(options, info, &copied);
	missing = incomplete(info, &copied);
	source_close(source);
	if (options->strict && missing)
		return err_set(err, ERR_INPUT,
			       "--strict: %" PRIu64
			       " lost, cut or too long pieces; the recording is written",
			       missing);
	return 0;
}

/* Puts a file on the side that its form belongs to; -1: *err says why not. */
static int place(struct import_options *options, const char *path, enum import_from form,
		 struct err *err)
{
	const char **side;

	if (command_input(path, err) || (form == IMPORT_DETECT && import_detect(path, &form, err)))
		return -1;
	side = form == IMPORT_QEMU ? &options->host : &options->guest;
	if (*side)
		return err_set(err, ERR_USAGE,
			       "%s and %s are both of the %s; one file of each side is imported at "
			       "a time",
			       *side, path, form == IMPORT_QEMU ? "host" : "guest");
	*side = path;
	if (form != IMPORT_QEMU)
		options->guest_from = form;
	return 0;
}

int cmd_import(int argc, char **argv)
{
	struct import_options options = { 0 };
	const char *output = "-";
	unsigned from = IMPORT_DETECT;
	bool as_json = false;
	const struct option_row rows[] = {
		{ 'g', "guest", OPTION_TEXT, &options.guest, "FILE",
		  "ftrace text of the guest kernel, or a trace.dat of trace-cmd" },
		{ 'H', "host", OPTION_TEXT, &options.host, "FILE",
		  "QEMU's log of vtd_* or smmu* trace events" },
		{ 0, "from", OPTION_CHOICE, &from, "detect|ftrace|trace-dat|qemu",
		  "form of the first FILE, or of the guest's (default: detect)" },
		{ 'o', "output", OPTION_TEXT, &output, "FILE",
		  "write to FILE; *.imt is native, anything else text (default: standard output)" },
		{ 0, "guest-hz", OPTION_REAL, &options.guest_hz, "HZ",
		  "ticks per second of a guest clock that prints bare integers (x86-tsc); not "
		  "needed "
		  "with both sides" },
		{ 0, "strict", OPTION_FLAG, &options.strict, NULL,
		  "lines that cannot be read and lost events are errors" },
		{ 0, "json", OPTION_FLAG, &as_json, NULL,
		  "print the summary as JSON on standard output" },
		{ 0 },
	};
	const struct command_help help = {
		.name = "import",
		.operands = "[FILE...]",
		.max_operands = 2,
		.summary = "Turn what a system recorded into a recording",
		.details = details,
		.examples = examples,
		.options = rows,
	};
	struct operands operands;
	struct err err = { 0 };
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (options.guest)
		options.guest_from = (enum import_from)from;
	for (int i = 0; i < operands.n; i++)
		if (place(&options, operands.texts[i],
			  i || options.guest ? IMPORT_DETECT : (enum import_from)from, &err))
			return command_failed("import", &err);
	if (!options.guest && !options.host)
		return options_wrong(&help, "nothing to import: give a FILE or two");
	if (as_json && output[0] == '-' && output[1] == '\0')
		return options_wrong(&help,
				     "--json and the events cannot share standard output; give -o");
	if ((options.guest && command_input(options.guest, &err)) ||
	    (options.host && command_input(options.host, &err)) ||
	    import(&options, output, as_json, &err))
		return command_failed("import", &err);
	return STATUS_FINE;
}
