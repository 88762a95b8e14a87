/*
 * QEMU's log of an emulated IOMMU: trace events, one a line.
 *
 *     18758@1795219550.930155:vtd_dmar_translate dev 00:05.00 iova 0xffffd000 ...  (7.2 to 10.0)
 *     2026-11-21T00:49:51.139699Z vtd_dmar_translate dev 00:05.00 iova ...         (10.1 on)
 *
 * The event's name says whose it is.
 */
#include "traces/import_qemu.h"

#include <stdlib.h>

int qemu_open(struct lines *lines, const struct qemu_options *options, struct qemu **out,
	      struct err *err)
{
	struct qemu *qemu = calloc(1, sizeof *qemu);

	if (!qemu)
		return err_no_memory(err, "QEMU log reader");
	qemu->options = *options;
	qemu->lines = lines;
	qemu->spaces = malloc(65536 * sizeof *qemu->spaces);
	if (!qemu->spaces)
		err_no_memory(err, "QEMU log reader");
	if (!qemu->spaces || lines_rewind(lines, err)) {
		qemu_close(qemu);
		return -1;
	}
	for (unsigned sid = 0; sid <= 0xffff; sid++)
		qemu->spaces[sid] = SPACE_UNKNOWN;
	*out = qemu;
	return 0;
}

void qemu_close(struct qemu *qemu)
{
	if (qemu)
		free(qemu->spaces);
	free(qemu);
}

const struct import_arch *qemu_arch(const struct qemu *qemu)
{
	return qemu->arch;
}

bool qemu_scalable(const struct qemu *qemu)
{
	return qemu->scalable;
}

uint64_t qemu_pages(const struct qemu *qemu)
{
	return qemu->pages;
}

const struct import_side *qemu_side(struct qemu *qemu)
{
	qemu->side.lines = lines_total(qemu->lines);
	qemu->side.too_long = lines_too_long(qemu->lines);
	qemu->side.cut = lines_cut(qemu->lines);
	return &qemu->side;
}

/* ---- prefixes ------------------------------------------------------------------------ */

/* Up to nine digits behind a point, as nanoseconds. */
static bool scan_fraction(struct scan *scan, uint64_t *ns)
{
	uint64_t scale = 100000000;

	*ns = 0;
	if (scan->at == scan->end || (unsigned char)(*scan->at - '0') > 9)
		return false;
	for (; scan->at < scan->end && (unsigned char)(*scan->at - '0') < 10; scan->at++) {
		if (scale == 0)
			return false;
		*ns += (unsigned)(*scan->at - '0') * scale;
		scale /= 10;
	}
	return true;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static uint64_t days_of(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month <= 2 ? year - 1 : year;
	uint64_t of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	uint64_t era = y / 400, of_era = y % 400;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "2026-11-21T00:43:50Z " or with ".139699" (left out when it is 0). */
static bool scan_iso(struct scan *scan, uint64_t *ns)
{
	uint64_t year, month, day, hour, minute, second, fraction = 0;

	if (!scan_decimal(scan, &year) || !scan_literal_decimal(scan, "-", &month) ||
	    !scan_literal_decimal(scan, "-", &day) || !scan_literal_decimal(scan, "T", &hour) ||
	    !scan_literal_decimal(scan, ":", &minute) || !scan_literal_decimal(scan, ":", &second))
		return false;
	if (scan_literal(scan, ".") && !scan_fraction(scan, &fraction))
		return false;
	if (!scan_literal(scan, "Z ") || year < 1970 || year > 2500 || month < 1 || month > 12 ||
	    day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	*ns = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) *
		      1000000000u +
	      fraction;
	return true;
}

/* Six digits and a colon, which is what QEMU prints behind the seconds. */
static bool scan_micros(struct scan *scan, uint64_t *ns)
{
	unsigned micros = 0;

	if (scan_left(scan) < 7 || scan->at[6] != ':')
		return false;
	for (unsigned i = 0; i < 6; i++) {
		unsigned digit = (unsigned char)(scan->at[i] - '0');

		if (digit > 9)
			return false;
		micros = micros * 10 + digit;
	}
	*ns = micros * 1000ull;
	scan->at += 7;
	return true;
}

/* The prefix of the line before, but for the fraction: worth 15 % of an import. */
static bool scan_same_prefix(const struct qemu *qemu, struct scan *scan, uint64_t *tid,
			     uint64_t *ns)
{
	struct scan ahead = *scan;
	uint64_t fraction;

	if (!qemu->prefix_n || scan_left(scan) < qemu->prefix_n ||
	    memcmp(scan->at, qemu->prefix, qemu->prefix_n) != 0)
		return false;
	ahead.at += qemu->prefix_n;
	if (!scan_micros(&ahead, &fraction))
		return false;
	*tid = qemu->prefix_tid;
	*ns = qemu->prefix_ns + fraction;
	*scan = ahead;
	return true;
}

static void keep_prefix(struct qemu *qemu, const struct scan *scan, const char *end, uint64_t tid,
			uint64_t ns)
{
	qemu->prefix_n = (size_t)(end - scan->at);
	if (qemu->prefix_n > sizeof qemu->prefix)
		qemu->prefix_n = 0;
	memcpy(qemu->prefix, scan->at, qemu->prefix_n);
	qemu->prefix_tid = tid;
	qemu->prefix_ns = ns;
}

/* Thread and time; scan stands at the event's name behind. No thread: 0. */
static bool scan_prefix(struct qemu *qemu, struct scan *scan, uint64_t *tid, uint64_t *ns)
{
	struct scan ahead = *scan;
	uint64_t seconds, fraction;

	if (scan_same_prefix(qemu, scan, tid, ns))
		return true;
	if (scan_decimal(&ahead, tid) && scan_literal_decimal(&ahead, "@", &seconds) &&
	    seconds < 16000000000u && scan_literal(&ahead, ".")) {
		const char *point = ahead.at;

		if (!scan_fraction(&ahead, &fraction) || !scan_literal(&ahead, ":"))
			return false;
		*ns = seconds * 1000000000u + fraction;
		keep_prefix(qemu, scan, point, *tid, seconds * 1000000000u);
		*scan = ahead;
		return true;
	}
	*tid = 0;
	return scan_iso(scan, ns);
}

/* ---- lines --------------------------------------------------------------------------- */

struct qemu_thread *qemu_thread_of(struct qemu *qemu, uint64_t tid)
{
	if (qemu->threads[qemu->last_thread].tid == tid)
		return &qemu->threads[qemu->last_thread];
	for (unsigned i = 0; i < QEMU_THREADS; i++) {
		if (qemu->threads[i].tid == tid) {
			qemu->last_thread = i;
			return &qemu->threads[i];
		}
	}
	qemu->last_thread = qemu->victim;
	qemu->victim = (qemu->victim + 1) % QEMU_THREADS;
	qemu->threads[qemu->last_thread] = (struct qemu_thread){ .tid = tid };
	return &qemu->threads[qemu->last_thread];
}

/* Each name has one reader; a log that holds records of one IOMMU holds none of another. */
static enum parsed read_event(struct qemu *qemu, struct qemu_line *line, struct host_record *record)
{
	static const struct {
		const char *prefix;
		const struct import_arch *arch;
		enum parsed (*read)(struct qemu *qemu, struct qemu_line *line,
				    struct host_record *record);
	} readers[] = {
		{ "vtd_", &import_vtd, qemu_vtd_line },
		{ "smmu", &import_smmuv3, qemu_smmu_line },
	};

	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		enum parsed parsed;

		if (line->length < 4 || memcmp(line->name, readers[i].prefix, 4) != 0)
			continue;
		if (qemu->arch && qemu->arch != readers[i].arch)
			return PARSED_UNKNOWN;
		parsed = readers[i].read(qemu, line, record);
		if (parsed == PARSED_RECORD)
			qemu->arch = readers[i].arch;
		return parsed;
	}
	return PARSED_UNKNOWN;
}

static int bad_line(struct qemu *qemu, const struct line *line, const char *expected,
		    struct err *err)
{
	return side_bad(&qemu->side, qemu->options.strict, lines_path(qemu->lines), line, expected,
			err);
}

/* An event without its time is an error; other text is what QEMU logs for other reasons. */
static int untimed_line(struct qemu *qemu, const struct line *line, struct err *err)
{
	struct scan text = scan_of(line->text, line->length);

	if (scan_at_end(&text))
		return 0;
	if (!scan_literal(&text, "vtd_") && !scan_literal(&text, "smmu") &&
	    (unsigned char)(*text.at - '0') > 9) {
		side_skip(&qemu->side, "(other text)", strlen("(other text)"));
		return 0;
	}
	return bad_line(qemu, line,
			"TID@SECONDS.MICROSECONDS:EVENT or an ISO time before the event (start "
			"QEMU with -msg timestamp=on)",
			err);
}

/* False: the line has no such form. */
static bool split_line(struct qemu *qemu, const struct line *line, struct qemu_line *split)
{
	const char *blank;

	split->line = line;
	split->text = scan_of(line->text, line->length);
	if (!scan_prefix(qemu, &split->text, &split->tid, &split->time_ns))
		return false;
	scan_blanks(&split->text);
	split->name = split->text.at;
	blank = memchr(split->name, ' ', scan_left(&split->text));
	split->length = blank ? (size_t)(blank - split->name) : scan_left(&split->text);
	split->text.at = blank ? blank + 1 : split->text.end;
	return true;
}

static bool take_waiting(struct qemu *qemu, struct host_record *record)
{
	if (qemu->waits == 0)
		return false;
	*record = qemu->waiting[0];
	qemu->waiting[0] = qemu->waiting[1];
	qemu->waits--;
	return true;
}

int qemu_next(struct qemu *qemu, struct host_record *record, struct err *err)
{
	struct line line;
	int got;

	if (take_waiting(qemu, record))
		return 1;
	while ((got = lines_next(qemu->lines, &line, err)) == 1) {
		struct qemu_line split;

		if (!split_line(qemu, &line, &split)) {
			if (untimed_line(qemu, &line, err))
				return -1;
			continue;
		}
		switch (read_event(qemu, &split, record)) {
		case PARSED_RECORD:
			qemu->side.used++;
			return 1;
		case PARSED_NOTHING:
			qemu->side.used++;
			break;
		case PARSED_BAD:
			if (bad_line(qemu, &line,
				     "the fields of this event as QEMU 7.2 to 11.1 print them",
				     err))
				return -1;
			break;
		case PARSED_UNKNOWN:
			side_skip(&qemu->side, split.name, split.length);
			break;
		}
		if (take_waiting(qemu, record))
			return 1;
	}
	return got == 0 && qemu_smmu_end(qemu, record) ? 1 : got;
}
