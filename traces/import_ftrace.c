/*
 * ftrace text of a Linux guest: tracefs `trace`, `trace-cmd report`, `perf script`.
 *
 *     TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
 *     kworker/u4:1-25      [000] ..s1.    10.038323: unmap: IOMMU: iova=0x... - 0x... size=4096 ...
 *
 * The task's name is free text of up to 15 bytes, so a line is recognised by its middle: pid,
 * [cpu], optional flags, time and colon.
 */
#include "traces/import_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { TASK_COLUMNS = 16 /* the name's field, unless somebody trimmed the lines */ };

struct ftrace {
	struct lines *lines;
	bool strict;
	bool clock_known, ticks;
	struct import_side side;
	/* dma_map_sg names several ranges: they come out as one record each. */
	struct guest_record ranged;
	struct payload_ranges ranges;
	unsigned range_next;
};

int ftrace_open(struct lines *lines, bool strict, struct ftrace **out, struct err *err)
{
	struct ftrace *ftrace = calloc(1, sizeof *ftrace);

	if (!ftrace)
		return err_no_memory(err, "ftrace reader");
	ftrace->strict = strict;
	ftrace->lines = lines;
	if (lines_rewind(lines, err)) {
		ftrace_close(ftrace);
		return -1;
	}
	*out = ftrace;
	return 0;
}

void ftrace_close(struct ftrace *ftrace)
{
	free(ftrace);
}

bool ftrace_ticks(const struct ftrace *ftrace)
{
	return ftrace->ticks;
}

const struct import_side *ftrace_side(struct ftrace *ftrace)
{
	ftrace->side.lines = lines_total(ftrace->lines);
	ftrace->side.too_long = lines_too_long(ftrace->lines);
	ftrace->side.cut = lines_cut(ftrace->lines);
	return &ftrace->side;
}

/* ---- the line's grammar -------------------------------------------------------------- */

/* What stands before the payload. */
struct prefix {
	uint64_t time;
	uint32_t cpu, pid;
	bool ticks;
	struct scan event, payload;
};

/* The pid that ends right before `at`: "-25 ", "19124 " (perf), "-25  ( 17) " (with tgid). */
static bool parse_pid(const char *start, const char *at, uint32_t *pid)
{
	uint64_t number = 0, scale = 1;
	const char *digits;

	while (at > start && at[-1] == ' ')
		at--;
	if (at > start && at[-1] == ')') {
		while (at > start && at[-1] != '(')
			at--;
		if (at == start)
			return false;
		at--;
		while (at > start && at[-1] == ' ')
			at--;
	}
	for (digits = at; digits > start && (unsigned char)(digits[-1] - '0') < 10; digits--) {
		if (at - digits >= 10)
			return false;
		number += (unsigned)(digits[-1] - '0') * scale;
		scale *= 10;
	}
	if (digits == at || digits == start ||
	    (digits[-1] != '-' && digits[-1] != ' ' && digits[-1] != '/'))
		return false;
	*pid = (uint32_t)number;
	return number <= UINT32_MAX;
}

/* "10.038323: " in ns, or "26145310338: " in ticks. */
static bool parse_time(struct scan *scan, struct prefix *prefix)
{
	uint64_t whole, fraction = 0;
	unsigned digits = 0;

	if (!scan_decimal(scan, &whole))
		return false;
	prefix->ticks = !scan_literal(scan, ".");
	if (prefix->ticks) {
		prefix->time = whole;
		return scan_literal(scan, ":");
	}
	for (; scan->at < scan->end && (unsigned char)(*scan->at - '0') < 10; scan->at++) {
		if (++digits > 9)
			return false;
		fraction = fraction * 10 + (unsigned)(*scan->at - '0');
	}
	if (digits == 0 || whole >= UINT64_MAX / 1000000000u)
		return false;
	for (; digits < 9; digits++)
		fraction *= 10;
	prefix->time = whole * 1000000000u + fraction;
	return scan_literal(scan, ":");
}

/* "iommu:map: text" of perf, "map:   text" of trace-cmd: the name without system and colon. */
static bool parse_event(struct scan *scan, struct prefix *prefix)
{
	const char *name, *at;

	scan_blanks(scan);
	name = scan->at;
	for (at = name; at < scan->end && *at != ' '; at++)
		if (*at == ':' && at + 1 < scan->end && at[1] != ' ')
			name = at + 1;
	if (at == name || at[-1] != ':')
		return false;
	prefix->event = (struct scan){ name, at - 1 };
	scan->at = at;
	scan_blanks(scan);
	prefix->payload = *scan;
	return prefix->event.at < prefix->event.end;
}

/* Everything from the '[' of "[000]" on. */
static bool parse_anchor(const char *start, const char *bracket, const char *end,
			 struct prefix *prefix)
{
	struct scan scan = { bracket + 1, end };
	uint64_t cpu;

	if (!scan_decimal(&scan, &cpu) || cpu > UINT32_MAX || !scan_literal(&scan, "]"))
		return false;
	prefix->cpu = (uint32_t)cpu;
	if (!parse_pid(start, bracket, &prefix->pid))
		return false;
	scan_blanks(&scan);
	for (int words = 0; words < 2; words++) {
		struct scan ahead = scan;
		const char *word = scan.at;

		if (parse_time(&ahead, prefix) && parse_event(&ahead, prefix))
			return true;
		/* Four to six columns of flags stand before the time in most formats. */
		while (scan.at < end && *scan.at != ' ')
			scan.at++;
		if (scan.at - word < 4 || scan.at - word > 6)
			return false;
		scan_blanks(&scan);
	}
	return false;
}

/* `trace-cmd report -l`: "bash-19722   0.....  1145.233875: ", the CPU glued to its flags. */
static bool parse_glued(const struct line *line, struct prefix *prefix)
{
	const char *end = line->text + line->length;

	for (const char *at = line->text; (at = memchr(at, '-', (size_t)(end - at))); at++) {
		struct scan scan = { at + 1, end };
		uint64_t pid, cpu;
		const char *flags;

		if (!scan_decimal(&scan, &pid) || pid > UINT32_MAX || !scan_literal(&scan, " "))
			continue;
		scan_blanks(&scan);
		if (!scan_decimal(&scan, &cpu) || cpu > UINT32_MAX)
			continue;
		flags = scan.at;
		while (scan.at < end && *scan.at != ' ')
			scan.at++;
		if (scan.at - flags < 4 || scan.at - flags > 6)
			continue;
		scan_blanks(&scan);
		if (!parse_time(&scan, prefix) || !parse_event(&scan, prefix))
			continue;
		prefix->cpu = (uint32_t)cpu;
		prefix->pid = (uint32_t)pid;
		return true;
	}
	return false;
}

/*
 * A name may hold anything, even "[1] 2: b", so a bracket behind the name's columns is tried
 * first; lines whose blanks were trimmed have it further left.
 */
static bool parse_prefix(const struct line *line, struct prefix *prefix)
{
	const char *end = line->text + line->length;
	const char *from[2] = { line->text, line->text };

	if (line->length > TASK_COLUMNS)
		from[0] += TASK_COLUMNS;
	for (int i = 0; i < 2; i++) {
		const char *at = from[i];

		while ((at = memchr(at, '[', (size_t)(end - at)))) {
			if (parse_anchor(line->text, at, end, prefix))
				return true;
			at++;
		}
	}
	return parse_glued(line, prefix);
}

/* ---- payloads ------------------------------------------------------------------------ */

/* 1: the record is filled; 0: the line was counted; -1: error. */
static int parse_payload(struct ftrace *ftrace, const struct line *line,
			 const struct prefix *prefix, struct guest_record *record, struct err *err)
{
	const char *expected = NULL;
	enum payload payload =
		payload_parse(&prefix->event, &prefix->payload, record, &ftrace->ranges, &expected);

	if (payload == PAYLOAD_BAD)
		return side_bad(&ftrace->side, ftrace->strict, lines_path(ftrace->lines), line,
				expected, err);
	if (payload == PAYLOAD_UNUSED) {
		side_skip(&ftrace->side, prefix->event.at,
			  (size_t)(prefix->event.end - prefix->event.at));
		return 0;
	}
	if (ftrace->ranges.n > 1 && record->kind == GUEST_HINT) {
		ftrace->ranged = *record;
		ftrace->range_next = 1;
	}
	return 1;
}

/* ---- lines that are no events -------------------------------------------------------- */

/* "# entries-in-buffer/entries-written: A/B": B - A events were overwritten before the start. */
static int parse_header(const struct ftrace *ftrace, const struct line *line,
			struct guest_record *record, struct err *err)
{
	struct scan scan = scan_of(line->text, line->length);
	uint64_t kept, written;

	if (scan_seek(&scan, " latency trace v"))
		return err_set(err, ERR_INPUT,
			       "%s:%llu: ftrace's latency format, whose times are relative; record "
			       "again with `echo nolatency-format > trace_options`",
			       lines_path(ftrace->lines), (unsigned long long)line->number);
	scan = scan_of(line->text, line->length);
	if (!scan_literal(&scan, "# entries-in-buffer/entries-written: ") ||
	    !scan_decimal(&scan, &kept) || !scan_literal_decimal(&scan, "/", &written) ||
	    written <= kept)
		return 0;
	record->kind = GUEST_LOST;
	record->count = written - kept;
	record->untimed = true;
	return 1;
}

/* perf script --show-lost-events: "perf 19124 [001] 1077.821490: PERF_RECORD_LOST lost 206" */
static bool parse_perf_lost(const struct line *line, struct guest_record *record)
{
	struct scan scan = scan_of(line->text, line->length);
	uint64_t cpu;

	if (scan_literal(&scan, "Processed ") && scan_seek(&scan, " samples and lost ")) {
		/* What perf says at its end without --show-lost-events: nowhere and everywhere. */
		record->kind = GUEST_LOST;
		record->untimed = true;
		return true;
	}
	scan = scan_of(line->text, line->length);
	if (!scan_seek(&scan, " PERF_RECORD_LOST lost ") || !scan_decimal(&scan, &record->count) ||
	    !scan_at_end(&scan))
		return false;
	record->kind = GUEST_LOST;
	record->untimed = true;
	scan = scan_of(line->text, line->length);
	record->has_cpu = scan_seek(&scan, " [") && scan_decimal(&scan, &cpu) &&
			  cpu <= UINT32_MAX && scan_literal(&scan, "]");
	if (record->has_cpu)
		record->cpu = (uint32_t)cpu;
	return true;
}

/* "CPU:1 [LOST 12 EVENTS]", "CPU:1 [12 EVENTS DROPPED]", without a number: unknown. */
static bool parse_lost(const struct line *line, struct guest_record *record)
{
	struct scan scan = scan_of(line->text, line->length);
	uint64_t cpu;

	if (!scan_literal_decimal(&scan, "CPU:", &cpu) || cpu > UINT32_MAX ||
	    !scan_literal(&scan, " ["))
		return false;
	record->kind = GUEST_LOST;
	record->cpu = (uint32_t)cpu;
	record->has_cpu = true;
	record->untimed = true;
	if (scan_literal(&scan, "LOST EVENTS]") || scan_literal(&scan, "EVENTS DROPPED]"))
		return true;
	if (scan_literal_decimal(&scan, "LOST ", &record->count))
		return scan_literal(&scan, " EVENTS]");
	return scan_decimal(&scan, &record->count) && scan_literal(&scan, " EVENTS DROPPED]");
}

static bool is_furniture(const struct line *line)
{
	struct scan scan = scan_of(line->text, line->length);
	uint64_t number;

	if (scan_at_end(&scan) || scan_literal(&scan, "##### CPU ") ||
	    scan_literal_decimal(&scan, "cpus=", &number))
		return true;
	/* A call chain of perf script: a long address, then a symbol. */
	return line->text[0] <= ' ' && scan_hex(&scan, &number) && number >= 1 << 20 &&
	       scan_literal(&scan, " ");
}

/* 1: record, 0: nothing to use, -1: error. */
static int parse_line(struct ftrace *ftrace, const struct line *line, struct guest_record *record,
		      struct err *err)
{
	struct prefix prefix;
	int got;

	memset(record, 0, sizeof *record);
	record->line = line->number;
	if (line->length > 0 && line->text[0] == '#' && (line->length < 2 || line->text[1] != '#'))
		return parse_header(ftrace, line, record, err);
	if (!parse_prefix(line, &prefix)) {
		if (parse_lost(line, record) || parse_perf_lost(line, record))
			return 1;
		if (is_furniture(line))
			return 0;
		return side_bad(&ftrace->side, ftrace->strict, lines_path(ftrace->lines), line,
				"TASK-PID [CPU] FLAGS SECONDS.MICROSECONDS: EVENT: TEXT", err);
	}
	if (ftrace->clock_known && ftrace->ticks != prefix.ticks)
		return side_bad(&ftrace->side, ftrace->strict, lines_path(ftrace->lines), line,
				"a time of the same form as in the lines above", err);
	ftrace->clock_known = true;
	ftrace->ticks = prefix.ticks;
	record->time = prefix.time;
	record->cpu = prefix.cpu;
	record->pid = prefix.pid;
	got = parse_payload(ftrace, line, &prefix, record, err);
	/* The driver's own wait descriptor: the host's wait says when it was done. */
	return got == 1 && guest_is_wait(record) ? 0 : got;
}

int ftrace_next(struct ftrace *ftrace, struct guest_record *record, struct err *err)
{
	struct line line;
	int got;

	if (ftrace->range_next > 0 && ftrace->range_next < ftrace->ranges.n) {
		*record = ftrace->ranged;
		guest_set_range(record, ftrace->ranges.start[ftrace->range_next],
				ftrace->ranges.bytes[ftrace->range_next]);
		ftrace->range_next++;
		return 1;
	}
	ftrace->range_next = 0;
	while ((got = lines_next(ftrace->lines, &line, err)) == 1) {
		got = parse_line(ftrace, &line, record, err);
		if (got < 0)
			return -1;
		if (got == 1) {
			ftrace->side.used++;
			return 1;
		}
	}
	return got;
}
