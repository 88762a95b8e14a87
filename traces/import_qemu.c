/*
 * QEMU's log of its emulated VT-d unit: vtd_* trace events, one a line.
 *
 *     18758@1795219550.930155:vtd_dmar_translate dev 00:05.00 iova 0xffffd000 ...  (7.2 to 10.0)
 *     2026-11-21T00:49:51.139699Z vtd_dmar_translate dev 00:05.00 iova ...         (10.1 on)
 *
 * A translation is told in two lines of one thread: first whether QEMU's own IOTLB had it
 * (vtd_iotlb_page_hit) or the tables were walked (vtd_iotlb_page_update), with the requester,
 * the exact address and the domain; then the answer (vtd_dmar_translate).
 */
#include "traces/import_parts.h"

#include <stdlib.h>

enum {
	THREADS = 64,
	/* Registers of interest, specification 11.4 */
	FSTS_REG = 0x34,
	FECTL_REG = 0x38,
	FRCD_REG = 0x220,
	FRCD_LAST = 0x22f,
};

/* The hit or update line that a thread wrote last. */
struct page_line {
	uint64_t tid, line;
	uint64_t iova, leaf;
	uint16_t sid, did;
	bool walk, pending;
};

struct qemu {
	struct lines *lines;
	struct qemu_options options;
	struct import_side side;
	struct page_line threads[THREADS];
	unsigned last_thread, victim;
	uint64_t pages;
};

int qemu_open(struct lines *lines, const struct qemu_options *options, struct qemu **out,
	      struct err *err)
{
	struct qemu *qemu = calloc(1, sizeof *qemu);

	if (!qemu)
		return err_no_memory(err, "QEMU log reader");
	qemu->options = *options;
	qemu->lines = lines;
	if (lines_rewind(lines, err)) {
		qemu_close(qemu);
		return -1;
	}
	*out = qemu;
	return 0;
}

void qemu_close(struct qemu *qemu)
{
	free(qemu);
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

/* Thread and time; scan stands at the event's name behind. No thread: 0. */
static bool scan_prefix(struct scan *scan, uint64_t *tid, uint64_t *ns)
{
	struct scan ahead = *scan;
	uint64_t seconds, fraction;

	if (scan_decimal(&ahead, tid) && scan_literal_decimal(&ahead, "@", &seconds) &&
	    seconds < 16000000000u && scan_literal(&ahead, ".") &&
	    scan_fraction(&ahead, &fraction) && scan_literal(&ahead, ":")) {
		*ns = seconds * 1000000000u + fraction;
		*scan = ahead;
		return true;
	}
	*tid = 0;
	return scan_iso(scan, ns);
}

/* ---- events -------------------------------------------------------------------------- */

static struct page_line *thread_of(struct qemu *qemu, uint64_t tid)
{
	if (qemu->threads[qemu->last_thread].tid == tid)
		return &qemu->threads[qemu->last_thread];
	for (unsigned i = 0; i < THREADS; i++) {
		if (qemu->threads[i].tid == tid) {
			qemu->last_thread = i;
			return &qemu->threads[i];
		}
	}
	qemu->last_thread = qemu->victim;
	qemu->victim = (qemu->victim + 1) % THREADS;
	qemu->threads[qemu->last_thread] = (struct page_line){ .tid = tid };
	return &qemu->threads[qemu->last_thread];
}

/* What a line is and how it goes on. */
struct event_line {
	const struct line *line;
	uint64_t tid, time_ns;
	struct scan text;
};

enum parsed { PARSED_RECORD, PARSED_NOTHING, PARSED_BAD };

static void fill_answer(struct host_record *record, const struct page_line *page)
{
	record->sid = page->sid;
	record->did = page->did;
	record->did_known = true;
	record->walk = page->walk;
	record->perm = (uint8_t)(page->leaf & 3);
	record->line = page->line;
	record->iova = page->iova;
}

/* "IOTLB page hit sid 0x200 iova 0xfffff9d0 slpte 0x118d11003 domain 0x7" */
static enum parsed parse_page(struct qemu *qemu, struct event_line *event, bool walk,
			      struct host_record *record)
{
	struct page_line *page = thread_of(qemu, event->tid);
	struct scan *text = &event->text;
	uint64_t sid, did;

	page->pending = false;
	if (qemu->options.walks_only && !walk)
		return PARSED_NOTHING;
	if (!scan_literal(text, walk ? "IOTLB page update" : "IOTLB page hit") ||
	    !scan_literal_hex(text, " sid 0x", &sid) || sid > 0xffff ||
	    !scan_literal_hex(text, " iova 0x", &page->iova) ||
	    !scan_literal_hex(text, " slpte 0x", &page->leaf) ||
	    !scan_literal_hex(text, " domain 0x", &did) || did > 0xffff || !scan_at_end(text))
		return PARSED_BAD;
	page->line = event->line->number;
	page->sid = (uint16_t)sid;
	page->did = (uint16_t)did;
	page->walk = walk;
	page->pending = true;
	qemu->pages++;
	if (!qemu->options.answers_by_page)
		return PARSED_NOTHING;
	record->kind = HOST_ANSWER;
	fill_answer(record, page);
	/* The leaf's level is not told: a 4 KiB page is the least it can be. */
	record->pa = (page->leaf & 0x000ffffffffff000ull) | (page->iova & 0xfff);
	return PARSED_RECORD;
}

/* "dev 02:00.00 iova 0xfffff000 -> gpa 0x118d11000 mask 0xfff", functions as two hex digits */
static enum parsed parse_translate(struct qemu *qemu, struct event_line *event,
				   struct host_record *record)
{
	struct page_line *page = thread_of(qemu, event->tid);
	struct scan *text = &event->text;
	uint64_t bus, slot, function, iova, gpa, mask, sid;

	if (qemu->options.walks_only && !page->pending)
		return PARSED_NOTHING;
	if (!scan_literal_hex(text, "dev ", &bus) || bus > 0xff ||
	    !scan_literal_hex(text, ":", &slot) || slot > 0x1f ||
	    !scan_literal_hex(text, ".", &function) || function > 7 ||
	    !scan_literal_hex(text, " iova 0x", &iova) ||
	    !scan_literal_hex(text, " -> gpa 0x", &gpa) ||
	    !scan_literal_hex(text, " mask 0x", &mask) || !scan_at_end(text))
		return PARSED_BAD;
	sid = bus << 8 | slot << 3 | function;
	record->kind = HOST_ANSWER;
	record->sid = (uint16_t)sid;
	record->iova = iova;
	record->line = event->line->number;
	/* The requester here is the device, in the line before it may be a bridge's alias. */
	if (page->pending && ((page->iova ^ iova) & ~(mask | 0xfff)) == 0)
		fill_answer(record, page);
	page->pending = false;
	record->pa = (gpa & ~mask) | (record->iova & mask);
	return PARSED_RECORD;
}

/* "sid 0x50 fault 6 addr 0x10000000 write 0" */
static enum parsed parse_fault(struct scan *text, struct host_record *record)
{
	uint64_t sid, code, write;

	if (!scan_literal_hex(text, "sid 0x", &sid) || sid > 0xffff ||
	    !scan_literal_decimal(text, " fault ", &code) || code > 0xffff ||
	    !scan_literal_hex(text, " addr 0x", &record->iova) ||
	    !scan_literal_decimal(text, " write ", &write) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_FAULT;
	record->sid = (uint16_t)sid;
	record->code = (uint32_t)code;
	record->write = write != 0;
	return PARSED_RECORD;
}

/* "IOTLB context hit bus 0x2 devfn 0x0 high 0x701 low 0x101b1e001 gen 1" */
static enum parsed parse_context(struct scan *text, bool update, struct host_record *record)
{
	uint64_t bus, devfn;

	if (!scan_literal(text, update ? "IOTLB context update" : "IOTLB context hit") ||
	    !scan_literal_hex(text, " bus 0x", &bus) || bus > 0xff ||
	    !scan_literal_hex(text, " devfn 0x", &devfn) || devfn > 0xff ||
	    !scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low))
		return PARSED_BAD;
	record->kind = HOST_CONTEXT;
	record->sid = (uint16_t)(bus << 8 | devfn);
	record->did = (uint16_t)(record->high >> 8); /* context entry bits 87:72 */
	record->walk = update;
	return PARSED_RECORD;
}

/* "invalidate desc type iotlb high 0xffff8000 low 0x900f2" */
static enum parsed parse_command(struct scan *text, struct host_record *record)
{
	if (!scan_literal(text, "invalidate desc type "))
		return PARSED_BAD;
	/* The type's name, of one word or two, says less than the low quadword. */
	while (text->at < text->end && *text->at != ' ')
		text->at++;
	while (scan_left(text) > 7 && memcmp(text->at, " high 0x", 8) != 0)
		text->at++;
	if (!scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_COMMAND;
	return (record->low & 0xf) == 5 ? PARSED_NOTHING
					: PARSED_RECORD; /* a wait tells of itself */
}

/* "addr 0x34 size 0x4 value 0x83" */
static enum parsed parse_register(struct scan *text, struct host_record *record)
{
	uint64_t size;

	if (!scan_literal_hex(text, "addr 0x", &record->offset) ||
	    !scan_literal_hex(text, " size 0x", &size) || (size != 4 && size != 8) ||
	    !scan_literal_hex(text, " value 0x", &record->value) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_REGISTER;
	record->size = (uint8_t)size;
	if (record->offset == FSTS_REG || record->offset == FECTL_REG ||
	    (record->offset >= FRCD_REG && record->offset <= FRCD_LAST))
		return PARSED_RECORD;
	return PARSED_NOTHING;
}

/* "addr 0x0 size 0x4": what follows a SYNC mark. */
static enum parsed parse_read(struct scan *text, struct host_record *record)
{
	uint64_t size;

	if (!scan_literal_hex(text, "addr 0x", &record->offset) ||
	    !scan_literal_hex(text, " size 0x", &size) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_VERSION;
	return record->offset == 0 && size == 4 ? PARSED_RECORD : PARSED_NOTHING;
}

/* "index 0 high 0x40ffff0600000050 low 0x10000000": fault record, specification 11.4.7.6 */
static enum parsed parse_frr(struct scan *text, struct host_record *record)
{
	uint64_t index;

	if (!scan_literal_decimal(text, "index ", &index) ||
	    !scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_FRR;
	record->sid = (uint16_t)record->high;
	record->code = (uint32_t)(record->high >> 32 & 0xff);
	record->write = !(record->high >> 62 & 1);
	record->iova = record->low & ~0xfffull;
	return PARSED_RECORD;
}

static bool name_is(const char *name, size_t length, const char *want)
{
	return length == strlen(want) && memcmp(name, want, length) == 0;
}

/* By frequency. *known: the name has a meaning here. */
static enum parsed parse_event_line(struct qemu *qemu, const char *name, size_t length,
				    struct event_line *event, struct host_record *record,
				    const char **expected)
{
	struct scan *text = &event->text;

	*expected = "the fields of this event as QEMU 7.2 to 11.1 print them";
	if (name_is(name, length, "vtd_iotlb_page_hit"))
		return parse_page(qemu, event, false, record);
	if (name_is(name, length, "vtd_dmar_translate"))
		return parse_translate(qemu, event, record);
	if (name_is(name, length, "vtd_iotlb_page_update"))
		return parse_page(qemu, event, true, record);
	if (name_is(name, length, "vtd_iotlb_cc_hit"))
		return parse_context(text, false, record);
	if (name_is(name, length, "vtd_dmar_fault"))
		return parse_fault(text, record);
	if (name_is(name, length, "vtd_inv_desc"))
		return parse_command(text, record);
	if (name_is(name, length, "vtd_inv_desc_wait_sw") ||
	    name_is(name, length, "vtd_inv_desc_wait_irq")) {
		record->kind = HOST_WAIT;
		return PARSED_RECORD;
	}
	if (name_is(name, length, "vtd_reg_write"))
		return parse_register(text, record);
	if (name_is(name, length, "vtd_reg_read"))
		return parse_read(text, record);
	if (name_is(name, length, "vtd_frr_new"))
		return parse_frr(text, record);
	if (name_is(name, length, "vtd_iotlb_cc_update"))
		return parse_context(text, true, record);
	*expected = NULL;
	return PARSED_NOTHING;
}

int qemu_next(struct qemu *qemu, struct host_record *record, struct err *err)
{
	struct line line;
	int got;

	while ((got = lines_next(qemu->lines, &line, err)) == 1) {
		struct event_line event = { .line = &line };
		const char *name, *space, *expected;
		size_t length;
		enum parsed parsed;

		event.text = scan_of(line.text, line.length);
		if (!scan_prefix(&event.text, &event.tid, &event.time_ns)) {
			if (!scan_at_end(&event.text) &&
			    side_bad(&qemu->side, qemu->options.strict, lines_path(qemu->lines),
				     &line,
				     "TID@SECONDS.MICROSECONDS:EVENT or an ISO time before the "
				     "event "
				     "(start QEMU with -msg timestamp=on)",
				     err))
				return -1;
			continue;
		}
		scan_blanks(&event.text);
		name = event.text.at;
		space = memchr(name, ' ', scan_left(&event.text));
		length = space ? (size_t)(space - name) : scan_left(&event.text);
		event.text.at = space ? space + 1 : event.text.end;
		memset(record, 0, sizeof *record);
		record->time_ns = event.time_ns;
		record->line = line.number;
		parsed = parse_event_line(qemu, name, length, &event, record, &expected);
		if (!expected) {
			side_skip(&qemu->side, name, length);
		} else if (parsed == PARSED_BAD) {
			if (side_bad(&qemu->side, qemu->options.strict, lines_path(qemu->lines),
				     &line, expected, err))
				return -1;
		} else {
			qemu->side.used++;
			if (parsed == PARSED_RECORD)
				return 1;
		}
	}
	return got;
}
