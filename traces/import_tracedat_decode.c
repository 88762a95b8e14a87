/*
 * What is in a trace.dat, as guest records. Runs in a process of its own (import_tracedat.c), so
 * the library may break down; what it hands out is still held against the record's size.
 *
 * Damage inside compressed data ends the records of a CPU early and without an error. So what is
 * seen of each CPU is compared with the kernel's own count, which the file keeps.
 */
#include "traces/import_tracedat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <trace-cmd.h>
#include <unistd.h>

/*
 * Exported by the library for trace-cmd itself but declared in none of its headers. Where a
 * later version hides them, the counts cannot be compared and times are taken for ns.
 */
extern const char *tracecmd_get_cpustats(struct tracecmd_input *handle) __attribute__((weak));
extern const char *tracecmd_get_trace_clock(struct tracecmd_input *handle) __attribute__((weak));

enum {
	TYPES = 65536,	  /* common_type has 16 bits */
	CPUS_MAX = 65536, /* more are a damaged number */
	FIELDS = 4,	  /* that any event here needs */
	COMMON_BYTES = 8, /* type, flags, preempt count, pid: what every record begins with */
	ALARM_RECORDS = 65536,
};

/* How records of one event are read. */
struct layout {
	enum {
		LAYOUT_SKIP,
		LAYOUT_MAPPING,
		LAYOUT_COMMAND,
		LAYOUT_REQUEST,
		LAYOUT_MARK,
		LAYOUT_HINT,
		LAYOUT_PAGE
	} reading;
	enum guest_kind kind;
	const char *name;
	const struct hint_event *hint;
	const struct tep_format_field *fields[FIELDS];
	const struct tep_format_field *device; /* or the IOMMU's name */
};

/* The records of one CPU in one of the kernel's buffers. */
struct feed {
	struct tracecmd_input *buffer;
	const char *buffer_name; /* "" is the main one */
	int cpu;
	struct tep_record *next;
	uint64_t seen, missed; /* missed: reported as such between the records */
	/* The kernel's counts. */
	bool counted;
	uint64_t kept, overwritten, dropped;
};

struct decoder {
	const char *path;
	bool strict;
	FILE *records;
	struct tep_handle *tep;
	struct layout *layouts[TYPES]; /* NULL: not met yet */
	struct feed *feeds;
	size_t feeds_n;
	struct tracedat_outcome *outcome;
};

static int emit(struct decoder *decoder, const struct guest_record *record)
{
	if (stored_write(decoder->records, record) == 0)
		return 0;
	return err_set(&decoder->outcome->err, ERR_IO,
		       "%s: writing its decoded events to a temporary file: %s; TMPDIR names "
		       "another folder",
		       decoder->path, strerror(errno));
}

/* An event that is lost says so itself; it is used. */
static int emit_lost(struct decoder *decoder, const struct feed *feed, uint64_t count)
{
	struct guest_record record = { .kind = GUEST_LOST,
				       .line = decoder->outcome->side.lines,
				       .cpu = (uint32_t)feed->cpu,
				       .has_cpu = true,
				       .count = count,
				       .untimed = true };

	decoder->outcome->side.used++;
	return emit(decoder, &record);
}

static int bad(struct decoder *decoder, const char *name, const char *why)
{
	char text[200];

	snprintf(text, sizeof text, "record %" PRIu64 ": %s %s", decoder->outcome->side.lines, name,
		 why);
	return side_bad_record(&decoder->outcome->side, decoder->strict, decoder->path, text,
			       &decoder->outcome->err);
}

/* ---- fields: the library does not hold them against the record's size ------------------- */

static bool read_number(const struct tep_format_field *field, const struct tep_record *record,
			uint64_t *value)
{
	unsigned long long number;

	if (!field || field->offset < 0 || field->size <= 0 || record->size < field->size ||
	    field->offset > record->size - field->size ||
	    tep_read_number_field((struct tep_format_field *)field, record->data, &number) != 0)
		return false;
	*value = number;
	return true;
}

static bool read_bytes(const struct tep_format_field *field, const struct tep_record *record,
		       struct scan *bytes)
{
	uint64_t start, length, place;

	if (!field || field->offset < 0 || field->offset > record->size)
		return false;
	if (field->flags & TEP_FIELD_IS_DYNAMIC) {
		/* __data_loc: offset in the lower half, length in the upper. */
		if (!read_number(field, record, &place))
			return false;
		start = place & 0xffff;
		length = place >> 16 & 0xffff;
		if (field->flags & TEP_FIELD_IS_RELATIVE)
			start += (uint64_t)field->offset + (uint64_t)field->size;
	} else {
		/* An array without a size goes on to the record's end. */
		start = (uint64_t)field->offset;
		length = field->size > 0 ? (uint64_t)field->size : (uint64_t)record->size - start;
	}
	if (start + length > (uint64_t)record->size)
		return false;
	*bytes = scan_of((const char *)record->data + start, length);
	return true;
}

/* Bytes up to the first NUL. */
static bool read_string(const struct tep_format_field *field, const struct tep_record *record,
			struct scan *text)
{
	if (!read_bytes(field, record, text))
		return false;
	text->end = text->at + strnlen(text->at, scan_left(text));
	return true;
}

/* ---- events -------------------------------------------------------------------------- */

static void find_fields(struct layout *layout, struct tep_event *event, const char *const *names)
{
	for (unsigned i = 0; i < FIELDS && names[i]; i++)
		layout->fields[i] = tep_find_field(event, names[i]);
}

static bool event_is(const struct tep_event *event, const char *group, const char *name)
{
	return strcmp(event->system, group) == 0 && strcmp(event->name, name) == 0;
}

static void lay_out_hint(struct layout *layout, struct tep_event *event)
{
	static const char *const mapped[FIELDS] = { "dma_addr", "size" };
	static const char *const unmapped[FIELDS] = { "addr", "size" };
	static const char *const lists[FIELDS] = { "dma_addrs", "lengths" };

	layout->hint = guest_hint_event(event->name, strlen(event->name));
	if (!layout->hint)
		return;
	layout->reading = LAYOUT_HINT;
	layout->kind = GUEST_HINT;
	layout->device = tep_find_field(event, "device");
	if (layout->hint->ranges == HINT_RANGE_LIST)
		find_fields(layout, event, lists);
	else if (layout->hint->ranges == HINT_ONE_RANGE)
		find_fields(layout, event, layout->hint->hint == HINT_UNMAPPED ? unmapped : mapped);
}

static void lay_out(struct layout *layout, struct tep_event *event)
{
	static const char *const map[FIELDS] = { "iova", "size", "paddr" };
	static const char *const unmap[FIELDS] = { "iova", "size", "unmapped_size" };
	static const char *const words[FIELDS] = { "qw0", "qw1", "qw2", "qw3" };
	static const char *const request[FIELDS] = { "dw0", "dw1" };
	static const char *const text[FIELDS] = { "buf" };
	static const char *const page[FIELDS] = { "pfn", "order" };

	layout->name = event->name;
	if (event_is(event, "iommu", "map") || event_is(event, "iommu", "unmap")) {
		layout->reading = LAYOUT_MAPPING;
		layout->kind = event->name[0] == 'm' ? GUEST_MAP : GUEST_UNMAP;
		find_fields(layout, event, layout->kind == GUEST_MAP ? map : unmap);
	} else if (event_is(event, "intel_iommu", "qi_submit")) {
		layout->reading = LAYOUT_COMMAND;
		layout->kind = GUEST_COMMAND;
		layout->device = tep_find_field(event, "iommu");
		find_fields(layout, event, words);
	} else if (event_is(event, "intel_iommu", "prq_report")) {
		layout->reading = LAYOUT_REQUEST;
		layout->kind = GUEST_REQUEST;
		find_fields(layout, event, request);
	} else if (event_is(event, "ftrace", "print")) {
		layout->reading = LAYOUT_MARK;
		layout->kind = GUEST_MARK;
		find_fields(layout, event, text);
	} else if (event_is(event, "kmem", "mm_page_free") ||
		   event_is(event, "kmem", "mm_page_alloc")) {
		layout->reading = LAYOUT_PAGE;
		layout->kind = strcmp(event->name, "mm_page_free") == 0 ? GUEST_FREE : GUEST_ALLOC;
		find_fields(layout, event, page);
	} else if (strcmp(event->system, "dma") == 0) {
		lay_out_hint(layout, event);
	}
}

/* NULL: no event of this number, or no memory, which the error tells. */
static const struct layout *layout_of(struct decoder *decoder, struct tep_record *record)
{
	int type = record->size < COMMON_BYTES ? -1 : tep_data_type(decoder->tep, record);
	struct tep_event *event;

	if (type < 0 || type >= TYPES)
		return NULL;
	if (!decoder->layouts[type]) {
		event = tep_find_event(decoder->tep, type);
		if (!event || !event->name || !event->system)
			return NULL;
		decoder->layouts[type] = calloc(1, sizeof *decoder->layouts[type]);
		if (decoder->layouts[type])
			lay_out(decoder->layouts[type], event);
		else
			err_no_memory(&decoder->outcome->err, "event layout");
	}
	return decoder->layouts[type];
}

static bool read_mapping(const struct layout *layout, const struct tep_record *data,
			 struct guest_record *record)
{
	uint64_t size;

	if (!read_number(layout->fields[0], data, &record->iova) ||
	    !read_number(layout->fields[1], data, &size))
		return false;
	record->end = record->iova + size;
	record->done = size;
	if (layout->kind == GUEST_MAP && !read_number(layout->fields[2], data, &record->pa))
		return false;
	if (layout->kind == GUEST_UNMAP)
		read_number(layout->fields[2], data, &record->done);
	return guest_mapping_holds(record, size);
}

static bool read_command(const struct layout *layout, const struct tep_record *data,
			 struct guest_record *record)
{
	struct scan unit;

	for (unsigned i = 0; i < FIELDS; i++)
		if (!read_number(layout->fields[i], data, &record->words[i]))
			return false;
	return read_string(layout->device, data, &unit) && guest_scan_unit(&unit, record) &&
	       scan_at_end(&unit);
}

static bool read_request(const struct layout *layout, const struct tep_record *data,
			 struct guest_record *record)
{
	return read_number(layout->fields[0], data, &record->words[0]) &&
	       read_number(layout->fields[1], data, &record->words[1]);
}

static bool read_mark(const struct layout *layout, const struct tep_record *data,
		      struct guest_record *record)
{
	struct scan text;

	if (!read_string(layout->fields[0], data, &text))
		return false;
	while (text.end > text.at && (text.end[-1] == ' ' || text.end[-1] == '\n'))
		text.end--;
	record->text = text.at;
	record->length = scan_left(&text);
	return record->length <= MARK_MAX_BYTES;
}

/* Numbers of pages, of 4 KiB as everywhere here; a failed allocation is of no bytes. */
static bool read_page(const struct layout *layout, const struct tep_record *data,
		      struct guest_record *record)
{
	uint64_t pfn, order;

	if (!read_number(layout->fields[0], data, &pfn) ||
	    !read_number(layout->fields[1], data, &order) || order > 30)
		return false;
	if (layout->kind == GUEST_ALLOC && (pfn == 0 || pfn == UINT64_MAX))
		return true;
	record->pa = pfn << 12;
	record->done = 4096ull << order;
	return pfn >> 40 == 0;
}

/* One record for each range of a dma_map_sg event. */
static int emit_ranges(struct decoder *decoder, const struct layout *layout,
		       const struct tep_record *data, struct guest_record *record, bool *hint)
{
	struct scan starts, sizes;
	size_t n;

	*hint = read_bytes(layout->fields[0], data, &starts) &&
		read_bytes(layout->fields[1], data, &sizes) && scan_left(&starts) >= 8 &&
		scan_left(&starts) / 8 == scan_left(&sizes) / 4 &&
		scan_left(&starts) / 8 <= HINT_RANGES;
	if (!*hint)
		return 0;
	n = scan_left(&starts) / 8;
	for (size_t i = 0; i < n; i++) {
		guest_set_range(record, tep_read_number(decoder->tep, starts.at + 8 * i, 8),
				tep_read_number(decoder->tep, sizes.at + 4 * i, 4));
		if (emit(decoder, record))
			return -1;
	}
	return 0;
}

/* A dma:* event that does not fit is no hint and no error: it is counted by its name. */
static int decode_hint(struct decoder *decoder, const struct layout *layout,
		       const struct tep_record *data, struct guest_record *record)
{
	struct scan device;
	uint64_t start, bytes;
	bool hint =
		read_string(layout->device, data, &device) && guest_scan_device(&device, record);

	record->hint = layout->hint->hint;
	if (hint && layout->hint->ranges == HINT_RANGE_LIST) {
		if (emit_ranges(decoder, layout, data, record, &hint))
			return -1;
	} else if (hint) {
		if (layout->hint->ranges == HINT_ONE_RANGE)
			hint = read_number(layout->fields[0], data, &start) &&
			       read_number(layout->fields[1], data, &bytes) &&
			       guest_set_range(record, start, bytes);
		if (hint && emit(decoder, record))
			return -1;
	}
	if (hint)
		decoder->outcome->side.used++;
	else
		side_skip(&decoder->outcome->side, layout->name, strlen(layout->name));
	return 0;
}

static int decode_event(struct decoder *decoder, const struct layout *layout,
			const struct tep_record *data, struct guest_record *record)
{
	bool good = false;

	record->kind = layout->kind;
	switch (layout->reading) {
	case LAYOUT_SKIP:
		side_skip(&decoder->outcome->side, layout->name, strlen(layout->name));
		return 0;
	case LAYOUT_HINT:
		return decode_hint(decoder, layout, data, record);
	case LAYOUT_MAPPING:
		good = read_mapping(layout, data, record);
		break;
	case LAYOUT_COMMAND:
		good = read_command(layout, data, record);
		break;
	case LAYOUT_REQUEST:
		good = read_request(layout, data, record);
		break;
	case LAYOUT_MARK:
		good = read_mark(layout, data, record);
		break;
	case LAYOUT_PAGE:
		good = read_page(layout, data, record);
		if (good && record->done == 0)
			return 0; /* a page that could not be had */
		break;
	}
	if (!good)
		return bad(decoder, layout->name, "lacks a field, or holds no range or name");
	if (guest_is_wait(record))
		return 0;
	decoder->outcome->side.used++;
	return emit(decoder, record);
}

/* ---- the kernel's counts --------------------------------------------------------------- */

static struct feed *feed_of(struct decoder *decoder, const struct scan *buffer, uint64_t cpu)
{
	for (size_t i = 0; i < decoder->feeds_n; i++) {
		struct feed *feed = &decoder->feeds[i];
		struct scan name = *buffer;

		if ((uint64_t)feed->cpu == cpu && scan_literal(&name, feed->buffer_name) &&
		    scan_left(&name) == 0)
			return feed;
	}
	return NULL;
}

/*
 * "CPU: 0", "entries: 0", "overrun: 0", "dropped events: 0", "read events: 1487", each on its
 * line; CPUs of another buffer stand behind "Buffer: NAME".
 */
static void read_counts(struct decoder *decoder, const char *text)
{
	struct scan buffer = scan_of("", 0);
	struct feed ignored = { 0 }, *feed = &ignored;

	while (*text) {
		struct scan line = scan_of(text, strcspn(text, "\n"));
		uint64_t number;

		text = line.end + (*line.end == '\n');
		if (scan_literal(&line, "Buffer: "))
			buffer = line;
		else if (scan_literal_decimal(&line, "CPU: ", &number))
			feed = feed_of(decoder, &buffer, number);
		if (!feed)
			feed = &ignored; /* a CPU that the file has no records of */
		if (scan_literal_decimal(&line, "entries: ", &number)) {
			feed->counted = true;
			feed->kept = number;
		} else if (scan_literal_decimal(&line, "read events: ", &number)) {
			/* Taken out of the buffer, into the file. */
			feed->kept += number;
		} else if (scan_literal_decimal(&line, "overrun: ", &number)) {
			feed->overwritten = number;
		} else if (scan_literal_decimal(&line, "dropped events: ", &number)) {
			feed->dropped = number;
		}
	}
}

/* The CPU's records are over. */
static int close_feed(struct decoder *decoder, const struct feed *feed)
{
	char text[200];

	if (!feed->counted)
		return 0;
	if (feed->dropped > 0 && emit_lost(decoder, feed, feed->dropped))
		return -1;
	if (feed->seen >= feed->kept)
		return 0;
	snprintf(text, sizeof text,
		 "CPU %d: the file yields %" PRIu64 " of %" PRIu64
		 " records: it is damaged, or another program read that buffer too",
		 feed->cpu, feed->seen, feed->kept);
	if (side_bad_record(&decoder->outcome->side, decoder->strict, decoder->path, text,
			    &decoder->outcome->err))
		return -1;
	return emit_lost(decoder, feed, 0);
}

/* ---- records of all CPUs in time order --------------------------------------------------- */

static int load(struct decoder *decoder, struct feed *feed)
{
	feed->next = tracecmd_read_data(feed->buffer, feed->cpu);
	return feed->next ? 0 : close_feed(decoder, feed);
}

static int open_feeds(struct decoder *decoder, struct tracecmd_input *file)
{
	int cpus = tep_get_cpus(decoder->tep), buffers = tracecmd_buffer_instances(file);
	const char *counts = tracecmd_get_cpustats ? tracecmd_get_cpustats(file) : NULL;

	if (cpus < 0 || cpus > CPUS_MAX || buffers < 0 || buffers > CPUS_MAX)
		return err_set(&decoder->outcome->err, ERR_INPUT,
			       "%s: %d CPUs and %d buffers; at most %d are expected: the file is "
			       "damaged; fetch it again",
			       decoder->path, cpus, buffers, CPUS_MAX);
	decoder->feeds = calloc((size_t)cpus * ((size_t)buffers + 1) + 1, sizeof *decoder->feeds);
	if (!decoder->feeds)
		return err_no_memory(&decoder->outcome->err, "trace.dat reader");
	for (int buffer = -1; buffer < buffers; buffer++) {
		struct tracecmd_input *handle =
			buffer < 0 ? file : tracecmd_buffer_instance_handle(file, buffer);
		const char *name = buffer < 0 ? "" : tracecmd_buffer_instance_name(file, buffer);

		for (int cpu = 0; handle && cpu < cpus; cpu++)
			decoder->feeds[decoder->feeds_n++] = (struct feed){
				.buffer = handle, .buffer_name = name ? name : "", .cpu = cpu
			};
	}
	if (counts)
		read_counts(decoder, counts);
	for (size_t i = 0; i < decoder->feeds_n; i++)
		if (load(decoder, &decoder->feeds[i]))
			return -1;
	return 0;
}

/* The feed whose next record is the earliest; at equal times the first, as the kernel does. */
static struct feed *earliest(struct decoder *decoder)
{
	struct feed *found = NULL;

	for (size_t i = 0; i < decoder->feeds_n; i++) {
		struct feed *feed = &decoder->feeds[i];

		if (feed->next && (!found || feed->next->ts < found->next->ts))
			found = feed;
	}
	return found;
}

static int decode_record(struct decoder *decoder, struct feed *feed)
{
	struct tep_record *data = feed->next;
	const struct layout *layout;
	struct guest_record record = { .time = data->ts, .cpu = (uint32_t)feed->cpu };

	record.line = ++decoder->outcome->side.lines;
	feed->seen++;
	if (data->missed_events) {
		uint64_t missed = data->missed_events > 0 ? (uint64_t)data->missed_events : 0;

		/* An unknown number may be all that the kernel counted. */
		feed->missed = missed ? feed->missed + missed : UINT64_MAX / 2;
		if (emit_lost(decoder, feed, missed))
			return -1;
	}
	layout = layout_of(decoder, data);
	if (!layout)
		return decoder->outcome->err.code ? -1
						  : bad(decoder, "event", "of an unknown number");
	record.pid = (uint32_t)tep_data_pid(decoder->tep, data);
	return decode_event(decoder, layout, data, &record);
}

static int decode_all(struct decoder *decoder, struct tracecmd_input *file)
{
	struct feed *feed;

	if (open_feeds(decoder, file))
		return -1;
	while ((feed = earliest(decoder))) {
		int status = decode_record(decoder, feed);

		if (decoder->outcome->side.lines % ALARM_RECORDS == 0)
			alarm(TRACEDAT_STUCK_SECONDS);
		tracecmd_free_record(feed->next);
		feed->next = NULL;
		if (status || load(decoder, feed))
			return -1;
	}
	for (size_t i = 0; i < decoder->feeds_n; i++) {
		feed = &decoder->feeds[i];
		if (feed->counted && feed->overwritten > feed->missed)
			decoder->outcome->overwritten += feed->overwritten - feed->missed;
	}
	return 0;
}

/* Clocks whose unit is not the nanosecond. Of a list, "local [mono] boot", one is in brackets. */
static bool clock_ticks(const char *clock)
{
	static const char *const ticking[] = { "x86-tsc", "counter", "uptime" };
	const char *bracket = clock ? strchr(clock, '[') : NULL;

	if (bracket)
		clock = bracket + 1;
	for (size_t i = 0; clock && i < sizeof ticking / sizeof ticking[0]; i++)
		if (strncmp(clock, ticking[i], strlen(ticking[i])) == 0)
			return true;
	return false;
}

void tracedat_decode(const char *path, bool strict, int fd, FILE *records,
		     struct tracedat_outcome *outcome)
{
	struct tracecmd_input *file = tracecmd_open_fd(fd, TRACECMD_FL_LOAD_NO_PLUGINS);
	struct decoder *decoder = calloc(1, sizeof *decoder);

	if (!decoder) {
		err_no_memory(&outcome->err, "trace.dat reader");
		return;
	}
	if (!file) {
		err_set(&outcome->err, ERR_INPUT,
			"%s: libtracecmd cannot open it: the trace.dat is cut or damaged, and "
			"nothing of it can be read; fetch it again, or make it anew from the "
			"per-CPU files with `trace-cmd restore`",
			path);
		free(decoder);
		return;
	}
	decoder->path = path;
	decoder->strict = strict;
	decoder->records = records;
	decoder->tep = tracecmd_get_tep(file);
	decoder->outcome = outcome;
	outcome->ticks =
		clock_ticks(tracecmd_get_trace_clock ? tracecmd_get_trace_clock(file) : NULL);
	decode_all(decoder, file);
	for (size_t i = 0; i < TYPES; i++)
		free(decoder->layouts[i]);
	free(decoder->feeds);
	free(decoder);
	/* Also removes what the library unpacked into files of its own. */
	tracecmd_close(file);
}
