#include "traces/import.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "traces/import_parts.h"

enum { META_BYTES = 16384, STEP_EVENTS = 64 /* more than most steps make */ };

struct import_source {
	struct event_source source; /* first: what callers hold */
	char *guest, *host;	    /* own copies of the paths */
	struct import_options options;
	struct import_info info;
	struct guest *guest_reader;
	struct lines *host_lines;
	struct scan_result *scan;
	struct merge *merge;
	struct emitter *emitter;
	char meta[META_BYTES];
	size_t meta_n;
	uint64_t where_line;
	bool where_host, ended;
};

/* ---- clock --------------------------------------------------------------------------- */

static int too_few(const struct import_options *options, const struct scan_result *scan,
		   struct err *err)
{
	return err_set(
		err, ERR_INPUT,
		"%s and %s: nothing to put their clocks together by: %zu invalidation commands, "
		"%zu SYNC marks and %zu clksync brackets in the guest, %zu commands and %zu reads "
		"of the marks' register in the log; record intel_iommu:qi_submit (VT-d) or write "
		"brackets (SMMUv3) in the guest, as the documentation of importing tells",
		options->guest, options->host, scan->guest_commands.n, scan->guest_marks.n,
		scan->guest_brackets.n, scan->host_commands.n, scan->host_reads.n);
}

static int tie_clocks(const struct import_options *options, const struct scan_result *scan,
		      struct import_info *info, size_t *first_pair, struct err *err)
{
	size_t least = scan->ticks ? 2 : 1, marks = scan->guest_marks.n;
	size_t brackets = scan->guest_brackets.n;

	if (scan->guest_commands.n > 0) {
		if (commands_pair(&scan->guest_commands, options->guest, &scan->host_commands,
				  options->host, scan->ticks, first_pair, err))
			return -1;
		info->paired = scan->guest_commands.n;
		info->host_commands_before = *first_pair;
		info->host_commands_after = scan->host_commands.n - *first_pair - info->paired;
	}
	if (scan->guest_commands.n >= least) {
		info->clock_from = "commands";
		return clock_fit_lists(&scan->guest_commands, &scan->host_commands, *first_pair,
				       scan->ticks, info, err);
	}
	/* The kernel reads these registers while booting; the marks' reads are the last. */
	if (brackets > 0 && scan->host_reads.n >= brackets && !scan->ticks) {
		info->clock_from = "brackets";
		return clock_enclose(scan->guest_brackets.items,
				     scan->host_reads.items + scan->host_reads.n - brackets,
				     brackets, info, err);
	}
	if (marks < least || scan->host_reads.n < marks) {
		info->clock_from = "flushes";
		return flushes_tie(scan, info) ? 0 : too_few(options, scan, err);
	}
	info->clock_from = "marks";
	return clock_fit_lists(&scan->guest_marks, &scan->host_reads, scan->host_reads.n - marks,
			       scan->ticks, info, err);
}

/* Without pairs: those that are executed when the guest's recording has ended for certain. */
static void count_commands_after(const struct scan_result *scan, struct import_info *info)
{
	uint64_t end = clock_map(&info->clock, scan->guest_latest) + info->uncertainty_ns;

	for (size_t i = scan->host_commands.n; i > 0; i--) {
		if (scan->host_commands.items[i - 1].time <= end)
			break;
		info->host_commands_after++;
	}
}

static int find_clock(const struct import_options *options, const struct scan_result *scan,
		      struct import_info *info, size_t *first_pair, struct err *err)
{
	double ns_per_unit = 1;

	if (options->guest && options->host) {
		if (tie_clocks(options, scan, info, first_pair, err))
			return -1;
		if (scan->arch->host_tells)
			count_commands_after(scan, info);
		info->start_ns = clock_map(&info->clock, scan->guest_first);
		return 0;
	}
	info->clock_from = "one side";
	if (scan->ticks) {
		if (!(options->guest_hz >= 1000) || options->guest_hz > 1e12)
			return err_set(
				err, ERR_INPUT,
				"%s: times are ticks of a clock (x86-tsc?) of unknown rate; give "
				"its ticks per second (1000 to 1e12), or the host's log",
				options->guest);
		ns_per_unit = 1e9 / options->guest_hz;
	}
	info->clock.n = 1;
	info->clock.pieces[0].slope_q40 = (uint64_t)(ns_per_unit * (double)(1ull << 40) + 0.5);
	info->start_ns =
		options->guest ? clock_map(&info->clock, scan->guest_first) : scan->host_first;
	return 0;
}

/* ---- second reading ------------------------------------------------------------------ */

static int see_step(struct import_source *import, struct domains *domains,
		    const struct merge_step *step, struct err *err)
{
	const struct guest_record *guest = step->guest;
	const struct host_record *host = step->host;

	if (guest && guest->kind == GUEST_MAP)
		return domains_map(domains, step->ordinal, guest, step->time_ns, err);
	if (guest && guest->kind == GUEST_UNMAP)
		return domains_unmap(domains, step->ordinal, guest, step->time_ns, err);
	if (!host)
		return 0;
	if (step->time_ns < import->info.start_ns)
		return 0;
	if (host->kind == HOST_ANSWER && host->walk)
		domains_answer(domains, host->space, host->iova, host->pa, host->perm);
	return 0;
}

/* Which decision belongs to a map and which to an unmap is known while reading only. */
static void count_decision(struct import_info *info, const struct decision *decision, bool map)
{
	if (map) {
		info->maps[decision->how]++;
		info->maps_perm_seen += decision->perm != 0;
	} else {
		info->unmaps[decision->how]++;
	}
}

static int sort_domains(struct import_source *import, const struct merge_plan *plan,
			struct err *err)
{
	struct scan_result *scan = import->scan;
	int32_t *spaces = malloc(SPACES * sizeof *spaces);
	unsigned char *is_map = calloc(scan->decisions.n / 8 + 1, 1);
	struct domains *domains = NULL;
	struct merge *merge = NULL;
	struct merge_step step;
	size_t n = 0;
	int got = -1;

	if (!spaces || !is_map) {
		err_no_memory(err, "domains");
		goto out;
	}
	/* Nothing is mapped in what is passed through. */
	for (int32_t space = 0; space < SPACE_BYPASS; space++)
		if (scan->space_seen[space])
			spaces[n++] = space;
	if (domains_create(&scan->decisions, spaces, n, &domains, err) ||
	    merge_open(plan, &merge, err))
		goto out;
	while ((got = merge_next(merge, &step, err)) == 1) {
		if (step.guest && step.guest->kind == GUEST_MAP)
			is_map[step.ordinal / 8] |= (unsigned char)(1u << step.ordinal % 8);
		if (see_step(import, domains, &step, err)) {
			got = -1;
			goto out;
		}
	}
	if (got == 0) {
		domains_finish(domains, &import->info.unmaps_without_map);
		merge_counts(merge, &import->info);
		for (size_t i = 0; i < scan->decisions.n; i++)
			count_decision(&import->info, &scan->decisions.items[i],
				       is_map[i / 8] >> i % 8 & 1);
	}
out:
	merge_close(merge);
	domains_destroy(domains);
	free(is_map);
	free(spaces);
	return got;
}

/* ---- META ---------------------------------------------------------------------------- */

static void meta(struct import_source *import, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A line that does not fit whole is left out whole. */
static void meta(struct import_source *import, const char *format, ...)
{
	size_t room = sizeof import->meta - import->meta_n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(import->meta + import->meta_n, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		import->meta_n += (size_t)n;
	else
		import->meta[import->meta_n] = '\0';
}

static void meta_side(struct import_source *import, const char *name,
		      const struct import_side *side)
{
	meta(import, "import.%s.lines = %" PRIu64 "\n", name, side->lines);
	meta(import, "import.%s.used = %" PRIu64 "\n", name, side->used);
	meta(import, "import.%s.bad = %" PRIu64 "\n", name, side->bad);
	if (side->bad)
		meta(import, "import.%s.first_bad = %s\n", name, side->first_bad);
	meta(import, "import.%s.too_long = %" PRIu64 "\n", name, side->too_long);
	meta(import, "import.%s.cut_last_line = %s\n", name, side->cut ? "yes" : "no");
	meta(import, "import.%s.backward = %" PRIu64 "\n", name, side->backward);
	for (unsigned i = 0; i < side->skipped_names; i++)
		meta(import, "import.%s.skipped.%s = %" PRIu64 "\n", name, side->skipped[i].name,
		     side->skipped[i].count);
	if (side->skipped_other)
		meta(import, "import.%s.skipped_other = %" PRIu64 "\n", name, side->skipped_other);
}

static void meta_clock(struct import_source *import)
{
	const struct import_info *info = &import->info;

	meta(import, "clock.from = %s\n", info->clock_from);
	meta(import, "clock.start_ns = %" PRIu64 "\n", info->start_ns);
	meta(import, "clock.uncertainty_ns = %" PRIu64 "\n", info->uncertainty_ns);
	if (!import->options.guest || !import->options.host)
		return;
	for (unsigned i = 0; i < info->clock.n; i++) {
		const struct clock_piece *piece = &info->clock.pieces[i];

		if (i > 0)
			meta(import, "clock.from_guest = %" PRIu64 "\n", piece->guest_from);
		meta(import, "clock.guest_base = %" PRIu64 "\n", piece->guest_base);
		meta(import, "clock.host_base_ns = %" PRIu64 "\n", piece->host_base);
		meta(import, "clock.slope_q40 = %" PRIu64 "\n", piece->slope_q40);
	}
	meta(import, "clock.paired = %" PRIu64 "\n", info->paired);
	meta(import, "clock.residual_p1_ns = %" PRId64 "\n", info->residual_p1);
	meta(import, "clock.residual_p50_ns = %" PRId64 "\n", info->residual_p50);
	meta(import, "clock.residual_p99_ns = %" PRId64 "\n", info->residual_p99);
	meta(import, "clock.residual_max_ns = %" PRId64 "\n", info->residual_max);
	meta(import, "clock.outliers = %" PRIu64 "\n", info->clock_outliers);
	meta(import, "import.moved = %" PRIu64 "\n", info->moved);
	meta(import, "import.moved_max_ns = %" PRIu64 "\n", info->moved_max_ns);
	meta(import, "import.moved_far = %" PRIu64 "\n", info->moved_far);
}

static void meta_domains(struct import_source *import)
{
	const struct scan_result *scan = import->scan;
	const struct import_info *info = &import->info;

	for (unsigned how = 0; how < IMPORT_HOWS; how++) {
		meta(import, "import.maps.%s = %" PRIu64 "\n", import_how_names[how],
		     info->maps[how]);
		meta(import, "import.unmaps.%s = %" PRIu64 "\n", import_how_names[how],
		     info->unmaps[how]);
	}
	meta(import, "import.maps.permission_seen = %" PRIu64 "\n", info->maps_perm_seen);
	meta(import, "import.unmaps.without_map = %" PRIu64 "\n", info->unmaps_without_map);
	meta(import, "import.answers = %" PRIu64 "\n", info->answers);
	meta(import, "import.answers.by_walk = %" PRIu64 "\n", info->walks);
	meta(import, "import.faults = %" PRIu64 "\n", info->faults);
	meta(import, "import.commands.before_start = %" PRIu64 "\n", info->commands_before_start);
	for (size_t i = 0; i < scan->contexts_n && i < 64; i++) {
		const struct context_change *context = &scan->contexts[i];

		if (context->entry)
			meta(import, "import.context.%02x:%02x.%x = did%d width %u type %u\n",
			     context->sid >> 8u, context->sid >> 3u & 0x1fu, context->sid & 7u,
			     (int)context->space, 30u + 9u * context->width, context->type);
	}
}

static void make_meta(struct import_source *import)
{
	meta(import, "source.kind = import\n");
	if (import->options.guest)
		meta(import, "source.0 = %s of a Linux guest\n", guest_form(import->guest_reader));
	if (import->options.host)
		meta(import, "source.1 = %s\n", import->scan->arch->log);
	meta(import, "source.iommu = %s\n", import->scan->arch->model);
	if (import->scan->scalable)
		meta(import, "source.tables = %s\n",
		     import->scan->first_stage ? "first-stage" : "second-stage");
	meta_clock(import);
	meta_domains(import);
	if (import->options.guest)
		meta_side(import, "guest", &import->info.guest);
	if (import->options.host)
		meta_side(import, "host", &import->info.host);
}

/* ---- the source ---------------------------------------------------------------------- */

static struct import_source *import_of(struct event_source *source)
{
	return (struct import_source *)source;
}

static int import_next(struct event_source *source, struct event_batch *batch, struct err *err)
{
	struct import_source *import = import_of(source);
	struct merge_step step;

	if (emitter_waiting(import->emitter) == 0) {
		while (!import->ended &&
		       emitter_waiting(import->emitter) < EVENT_BATCH - STEP_EVENTS) {
			int got = merge_next(import->merge, &step, err);

			if (got < 0)
				return -1;
			import->ended = got == 0;
			if (import->ended)
				break;
			import->where_host = step.host;
			import->where_line = step.host ? step.host->line : step.guest->line;
			if (step.host && step.time_ns < import->info.start_ns)
				import->info.answers_before_start +=
					step.host->kind == HOST_ANSWER ||
					step.host->kind == HOST_FAULT;
			if (emit_step(import->emitter, &step, err))
				return -1;
		}
	}
	source->offset = (import->guest ? guest_offset(import->guest_reader) : 0) +
			 (import->host ? lines_offset(import->host_lines) : 0);
	if (emitter_waiting(import->emitter) == 0) {
		merge_counts(import->merge, &import->info);
		return 0;
	}
	emitter_take(import->emitter, batch);
	import->info.events += batch->n;
	return 1;
}

static void import_where(const struct event_source *source, uint64_t number, char *text,
			 size_t size)
{
	const struct import_source *import = (const struct import_source *)source;

	(void)number; /* the position is that of the batch's end */
	snprintf(text, size, "%s:%" PRIu64,
		 import->where_host ? import->options.host : import->options.guest,
		 import->where_line);
}

static void import_close(struct event_source *source)
{
	struct import_source *import = import_of(source);

	emitter_destroy(import->emitter);
	merge_close(import->merge);
	if (import->scan)
		scan_free(import->scan);
	free(import->scan);
	guest_close(import->guest_reader);
	lines_close(import->host_lines);
	names_destroy(source->names);
	free(import->guest);
	free(import->host);
	free(import);
}

static const struct event_source_ops import_ops = { import_next, import_where, import_close };

static int copy_path(const char *path, char **out, struct err *err)
{
	if (!path)
		return 0;
	*out = strdup(path);
	return *out ? 0 : err_no_memory(err, "path");
}

static int prepare(struct import_source *import, struct err *err)
{
	struct import_info *info = &import->info;
	struct merge_plan plan = { .options = &import->options };
	struct merge_plan walks;
	struct emit_plan emit = { .scan = import->scan, .info = info };

	if ((import->guest && guest_open(import->guest, import->options.guest_from,
					 import->options.strict, &import->guest_reader, err)) ||
	    (import->host && lines_open(import->host, &import->host_lines, err)) ||
	    scan_files(&import->options, import->guest_reader, import->host_lines, import->scan,
		       info, err) ||
	    find_clock(&import->options, import->scan, info, &plan.first_pair, err))
		return -1;
	plan.guest = import->guest_reader;
	plan.host = import->host_lines;
	plan.clock = info->clock;
	plan.uncertainty_ns = info->uncertainty_ns;
	plan.pairs = info->paired;
	plan.answers_by_page = import->scan->answers_by_page;
	plan.silent = import->scan->silent;
	for (unsigned i = 0; i < SPACES; i++)
		info->domains += import->scan->space_seen[i];
	for (unsigned i = 0; i <= 0xffff; i++)
		info->devices += import->scan->sid_seen[i];
	if (flushes_pair(import->scan, info, err))
		return -1;
	plan.flushed = import->scan->flushed;
	walks = plan;
	walks.walks_only = true;
	if (sort_domains(import, &walks, err))
		return -1;
	for (size_t i = 0; i < import->scan->host_commands.n; i++)
		info->commands_before_start +=
			import->scan->host_commands.items[i].time < info->start_ns;
	emit.first_pair = plan.first_pair;
	emit.pairs = plan.pairs;
	emit.has_host = import->options.host;
	emit.unknown_domain = info->maps[HOW_NONE] + info->unmaps[HOW_NONE] > 0;
	make_meta(import);
	import->source.meta = import->meta;
	import->source.uncertainty_ns = info->uncertainty_ns;
	import->source.bytes = (import->guest ? guest_bytes(import->guest_reader) : 0) +
			       (import->host ? lines_bytes(import->host_lines) : 0);
	if (names_create(&import->source.names))
		return err_no_memory(err, "names");
	if (emitter_create(&emit, import->source.names, &import->emitter, err) ||
	    emit_start(import->emitter, err))
		return -1;
	return merge_open(&plan, &import->merge, err);
}

int import_open(const struct import_options *options, struct event_source **out, struct err *err)
{
	struct import_source *import;

	if (!options->guest && !options->host)
		return err_set(err, ERR_USAGE,
			       "nothing to import: give a guest trace, a host log, or both");
	import = calloc(1, sizeof *import);
	if (!import)
		return err_no_memory(err, "import");
	import->source.ops = &import_ops;
	import->source.kind = "import";
	import->options = *options;
	import->scan = calloc(1, sizeof *import->scan);
	if (!import->scan) {
		err_no_memory(err, "import");
		goto fail;
	}
	if (copy_path(options->guest, &import->guest, err) ||
	    copy_path(options->host, &import->host, err))
		goto fail;
	import->options.guest = import->guest;
	import->options.host = import->host;
	if (prepare(import, err))
		goto fail;
	*out = &import->source;
	return 0;

fail:
	import_close(&import->source);
	return -1;
}

const struct import_info *import_info(const struct event_source *source)
{
	return &((const struct import_source *)source)->info;
}

const char *import_meta(const struct event_source *source)
{
	return ((const struct import_source *)source)->meta;
}
