/* Writing the native container: a block of events at a time, in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "hw/base/version.h"
#include "traces/imt_format.h"
#include "traces/meta.h"
#include "traces/output.h"

enum { SLOTS_PER_BLOCK = 1 << 18 };

struct bytes {
	unsigned char *data;
	size_t n, max;
};

struct index_entry {
	uint64_t offset, first, time_ns, span_ns;
	uint32_t type, records;
};

struct shape_map {
	uint64_t keys[8192]; /* shape + 1; open addressing */
	uint16_t index[8192];
};

struct imt_sink {
	struct event_sink head;
	struct output output;
	int level;
	uint32_t block_records;
	uint64_t offset, sequence, records, blocks;
	uint32_t crc_of_crcs;
	uint32_t written[NAME_TABLES]; /* dictionary entries that are in the file */
	struct event *events;
	uint64_t *slots;
	uint32_t n, n_slots;
	uint32_t *local; /* block's agent number + 1 by global number; the last: no agent */
	uint32_t max_local;
	uint32_t *agents; /* global by local */
	uint32_t n_agents;
	struct shape_map shapes;
	uint64_t shape_list[IMT_SHAPES_MAX];
	uint32_t n_shapes;
	uint64_t *predicted;
	uint64_t last_values[EVENT_KINDS][EVENT_FIELDS];
	struct bytes columns[COLUMN_IDS], payload;
	unsigned time_width, shape_width, agent_width;
	uint32_t kinds; /* of the block's events, a bit each */
	struct index_entry *index;
	uint32_t n_index;
	uint64_t last_index;
	ZSTD_CCtx *zstd;
};

static int reserve(struct bytes *bytes, size_t more)
{
	size_t max = bytes->max ? bytes->max : 4096;
	unsigned char *data;

	if (bytes->n + more <= bytes->max)
		return 0;
	while (max < bytes->n + more)
		max *= 2;
	data = realloc(bytes->data, max);
	if (!data)
		return -1;
	bytes->data = data;
	bytes->max = max;
	return 0;
}

static void append(struct bytes *bytes, const void *data, size_t n)
{
	if (bytes->data)
		memcpy(bytes->data + bytes->n, data, n);
	bytes->n += n;
}

static void append_number(struct bytes *bytes, uint64_t value, size_t width)
{
	unsigned char raw[8];

	put64(raw, value);
	append(bytes, raw, width);
}

static int write_bytes(struct imt_sink *sink, const void *data, size_t n, struct err *err)
{
	if (fwrite(data, 1, n, sink->output.file) != n)
		return err_set(err, ERR_IO, "%s: %s", output_name(&sink->output), strerror(errno));
	sink->offset += n;
	return 0;
}

/* ---- blocks ---------------------------------------------------------------------------------------- */

static int write_index(struct imt_sink *sink, struct err *err);

static int write_block(struct imt_sink *sink, enum imt_type type, unsigned flags,
		       const struct bytes *payload, uint32_t records, uint64_t time_ns,
		       uint64_t span_ns, struct err *err)
{
	static const unsigned char zeros[8];
	unsigned char header[IMT_BLOCK_HEADER] = { 0 };
	uint32_t crc = crc32c(0, payload->data, payload->n);

	if (type != IMT_INDEX && type != IMT_END)
		sink->index[sink->n_index++] =
			(struct index_entry){ sink->offset, sink->records,  time_ns,
					      span_ns,	    (uint32_t)type, records };
	put64(header, IMT_BLOCK_MARK);
	put16(header + 8, (uint16_t)type);
	put16(header + 10, (uint16_t)flags);
	put32(header + 12, (uint32_t)payload->n);
	put64(header + 16, sink->sequence++);
	put64(header + 24, sink->records);
	put32(header + 32, records);
	put32(header + 36, crc);
	put64(header + 40, time_ns);
	put64(header + 48, span_ns);
	put32(header + 56, type == IMT_DATA ? sink->kinds : 0);
	put32(header + 60, crc32c(0, header, 60));
	sink->crc_of_crcs = crc32c(sink->crc_of_crcs, header + 36, 4);
	sink->blocks++;
	if (write_bytes(sink, header, sizeof header, err) ||
	    write_bytes(sink, payload->data, payload->n, err) ||
	    write_bytes(sink, zeros, (8 - payload->n % 8) % 8, err))
		return -1;
	return sink->n_index == IMT_INDEX_MAX ? write_index(sink, err) : 0;
}

/* The offset of the segment before, then an entry for every block since. */
static int write_index(struct imt_sink *sink, struct err *err)
{
	struct bytes payload = { 0 };
	uint64_t at = sink->offset;
	int answer;

	if (reserve(&payload, 8 + (size_t)sink->n_index * IMT_INDEX_ENTRY))
		return err_no_memory(err, "an index");
	append_number(&payload, sink->last_index, 8);
	for (uint32_t i = 0; i < sink->n_index; i++) {
		const struct index_entry *entry = &sink->index[i];

		append_number(&payload, entry->offset, 8);
		append_number(&payload, entry->type, 4);
		append_number(&payload, entry->records, 4);
		append_number(&payload, entry->first, 8);
		append_number(&payload, entry->time_ns, 8);
		append_number(&payload, entry->span_ns, 8);
	}
	answer = write_block(sink, IMT_INDEX, 0, &payload, 0, 0, 0, err);
	free(payload.data);
	sink->n_index = 0;
	sink->last_index = at;
	return answer;
}

/* ---- dictionaries ---------------------------------------------------------------------------------- */

static int put_entry(struct bytes *payload, const struct names *names, enum name_table table,
		     uint32_t number)
{
	const char *text;
	struct agent agent;
	size_t length;

	switch (table) {
	case NAMES_STRINGS:
		text = names_text(names, number);
		length = strlen(text);
		if (reserve(payload, 2 + length))
			return -1;
		append_number(payload, length, 2);
		append(payload, text, length);
		return 0;
	case NAMES_AGENTS:
		agent = names_agent_of(names, number);
		if (reserve(payload, 12))
			return -1;
		append_number(payload, agent.device, 4);
		append_number(payload, agent.domain, 4);
		append_number(payload, agent.pasid, 4);
		return 0;
	default:
		if (reserve(payload, 4))
			return -1;
		append_number(payload, names_string_of(names, table, number), 4);
		return 0;
	}
}

/* Entries [from, all) of every table, in blocks of bounded size. */
static int write_dictionary(struct imt_sink *sink, const struct names *names, bool complete,
			    struct err *err)
{
	for (int table = 0; table < NAME_TABLES; table++) {
		uint32_t n = names_count(names, (enum name_table)table);
		uint32_t at = complete ? 0 : sink->written[table];

		while (at < n) {
			struct bytes payload = { 0 };
			uint32_t first = at, count = 0;
			int answer = reserve(&payload, 12);

			payload.n = 12;
			while (!answer && at < n && payload.n < IMT_PAYLOAD_MAX / 4) {
				answer = put_entry(&payload, names, (enum name_table)table, at++);
				count++;
			}
			if (!answer) {
				put32(payload.data, (uint32_t)table);
				put32(payload.data + 4, first);
				put32(payload.data + 8, count);
				answer = write_block(sink, IMT_DICT,
						     IMT_BLOCK_MUST |
							     (complete ? IMT_BLOCK_COMPLETE : 0),
						     &payload, 0, 0, 0, err);
			} else {
				err_no_memory(err, "a dictionary block");
			}
			free(payload.data);
			if (answer)
				return -1;
		}
		sink->written[table] = n;
	}
	return 0;
}

/* ---- data ------------------------------------------------------------------------------------------ */

static uint64_t shape_of(const struct event *event)
{
	return (uint64_t)event->kind | (uint64_t)event->flags << 8 |
	       (uint64_t)event->present << 16 | (uint64_t)event->len << 32;
}

/* The shape's number in this block, or IMT_SHAPES_MAX when the table is full. */
static uint32_t shape_number(struct imt_sink *sink, uint64_t shape)
{
	uint32_t at = (uint32_t)((shape + 1) * 0x9e3779b97f4a7c15ull >> 51);

	while (sink->shapes.keys[at] && sink->shapes.keys[at] != shape + 1)
		at = (at + 1) & 8191;
	if (sink->shapes.keys[at])
		return sink->shapes.index[at];
	if (sink->n_shapes == IMT_SHAPES_MAX)
		return IMT_SHAPES_MAX;
	sink->shapes.keys[at] = shape + 1;
	sink->shapes.index[at] = (uint16_t)sink->n_shapes;
	sink->shape_list[sink->n_shapes] = shape;
	return sink->n_shapes++;
}

static uint32_t *local_slot(struct imt_sink *sink, uint32_t agent)
{
	uint32_t at = agent == EVENT_NO_AGENT ? 0 : agent + 1;

	if (at >= sink->max_local) {
		uint32_t max = at * 2 + 64;
		uint32_t *local = realloc(sink->local, max * sizeof *local);

		if (!local)
			return NULL;
		memset(local + sink->max_local, 0, (max - sink->max_local) * sizeof *local);
		sink->local = local;
		sink->max_local = max;
	}
	return &sink->local[at];
}

static int agent_number(struct imt_sink *sink, uint32_t agent, uint32_t *number)
{
	uint32_t *slot = local_slot(sink, agent);

	if (!slot)
		return -1;
	if (!*slot) {
		sink->agents[sink->n_agents] = agent;
		sink->predicted[sink->n_agents] = 0;
		*slot = ++sink->n_agents;
	}
	*number = *slot - 1;
	return 0;
}

/* 2 bits that say how many bytes the zigzag value takes. */
static void append_coded(struct bytes *codes, struct bytes *values, uint64_t count, uint64_t value)
{
	static const size_t widths[] = { 0, 2, 4, 8 };
	unsigned code = value == 0 ? 0 : value < 1u << 16 ? 1 : value < 1ull << 32 ? 2 : 3;

	if (count % 4 == 0)
		codes->data[codes->n++] = 0;
	codes->data[codes->n - 1] |= (unsigned char)(code << count % 4 * 2);
	append_number(values, value, widths[code]);
}

static void choose_widths(struct imt_sink *sink)
{
	uint32_t wide = 0;
	uint64_t last = sink->events[0].time_ns;

	for (uint32_t i = 0; i < sink->n; i++) {
		wide += sink->events[i].time_ns - last >= 255;
		last = sink->events[i].time_ns;
	}
	sink->time_width = wide > sink->n / 6 ? 2 : 1;
}

static int encode_columns(struct imt_sink *sink)
{
	struct bytes *c = sink->columns;
	uint64_t last = sink->events[0].time_ns, slot_count = 0;

	choose_widths(sink);
	sink->kinds = 0;
	for (int id = 0; id < COLUMN_IDS; id++) {
		c[id].n = 0;
		if (reserve(&c[id], (size_t)sink->n * 12 + (size_t)sink->n_slots * 8 + 64))
			return -1;
	}
	for (uint32_t i = 0; i < sink->n; i++) {
		const struct event *event = &sink->events[i];
		uint64_t step = event->time_ns - last, top = sink->time_width == 1 ? 255 : 65535;
		uint32_t agent, shape = shape_number(sink, shape_of(event));

		if (agent_number(sink, event->agent, &agent))
			return -1;
		sink->kinds |= imt_kind_bit(event->kind);
		append_number(&c[COLUMN_SHAPE], shape == IMT_SHAPES_MAX ? 65535 : shape, 2);
		if (shape == IMT_SHAPES_MAX) {
			append_number(&c[COLUMN_SHAPE_EXCEPTION], i, 4);
			append_number(&c[COLUMN_SHAPE_EXCEPTION], shape_of(event), 8);
		}
		append_number(&c[COLUMN_AGENT], agent, 2);
		append_number(&c[COLUMN_TIME], step < top ? step : top, sink->time_width);
		if (step >= top) {
			append_number(&c[COLUMN_TIME_EXCEPTION], i, 4);
			append_number(&c[COLUMN_TIME_EXCEPTION], step, 8);
		}
		last = event->time_ns;
		append_coded(&c[COLUMN_ADDR_CODE], &c[COLUMN_ADDR], i,
			     zigzag(event->addr - sink->predicted[agent]));
		sink->predicted[agent] = event->addr + event->len;
		for (unsigned f = 0, k = 0; f < EVENT_FIELDS; f++) {
			uint64_t value;

			if (!(event->present >> f & 1))
				continue;
			value = sink->slots[event->slot + k++];
			append_coded(&c[COLUMN_SLOT_CODE], &c[COLUMN_SLOT], slot_count++,
				     zigzag(value - sink->last_values[event->kind][f]));
			sink->last_values[event->kind][f] = value;
		}
	}
	return 0;
}

/* Halves a column of 2-byte numbers whose values fit one byte. */
static void narrow(struct bytes *column)
{
	for (size_t i = 0; i < column->n / 2; i++)
		column->data[i] = column->data[2 * i];
	column->n /= 2;
}

/* Shape numbers keep 255 for exceptions in the narrow form. */
static void narrow_columns(struct imt_sink *sink)
{
	sink->shape_width = sink->agent_width = 2;
	if (sink->n_shapes <= 255 && !sink->columns[COLUMN_SHAPE_EXCEPTION].n) {
		narrow(&sink->columns[COLUMN_SHAPE]);
		sink->shape_width = 1;
	}
	if (sink->n_agents <= 256) {
		narrow(&sink->columns[COLUMN_AGENT]);
		sink->agent_width = 1;
	}
}

/* Shorter matches among numbers cost a reader more than they save: from these on, decoding is 6 % faster, and
 * streams are as large or smaller (all but NIC rings: a tenth more). */
enum { MATCH_BYTES = 7 };

/* One column: compressed if that saves at least 15 %. */
static int add_column(struct imt_sink *sink, unsigned id, unsigned width, size_t directory)
{
	struct bytes *column = &sink->columns[id], *payload = &sink->payload;
	size_t bound = ZSTD_compressBound(column->n), stored = column->n;
	unsigned char *entry;
	bool packed = false;

	if (reserve(payload, bound + IMT_PAD))
		return -1;
	if (sink->level && column->n > 64) {
		size_t n = ZSTD_compress2(sink->zstd, payload->data + payload->n, bound,
					  column->data, column->n);

		packed = !ZSTD_isError(n) && n < column->n - column->n * 15 / 100;
		if (packed)
			stored = n;
	}
	if (packed)
		payload->n += stored;
	else
		append(payload, column->data, column->n);
	entry = payload->data + directory;
	entry[0] = (unsigned char)id;
	entry[1] = packed;
	entry[2] = (unsigned char)width;
	entry[3] = 0;
	put32(entry + 4, (uint32_t)column->n);
	put32(entry + 8, (uint32_t)stored);
	return 0;
}

static int build_payload(struct imt_sink *sink)
{
	struct bytes *payload = &sink->payload;
	unsigned widths[COLUMN_IDS] = { 0,
					sink->shape_width,
					IMT_SHAPE_EXCEPTION,
					sink->agent_width,
					sink->time_width,
					IMT_TIME_EXCEPTION,
					1,
					1,
					1,
					1 };
	size_t directory;
	unsigned n = 0;

	payload->n = 0;
	for (unsigned id = 1; id < COLUMN_IDS; id++)
		n += sink->columns[id].n != 0;
	if (reserve(payload, IMT_DATA_HEADER + (size_t)n * IMT_COLUMN_ENTRY + sink->n_shapes * 8ul +
				     sink->n_agents * 4ul))
		return -1;
	append_number(payload, n, 2);
	append_number(payload, sink->n_shapes, 2);
	append_number(payload, sink->n_agents, 4);
	append_number(payload, sink->n_slots, 4);
	append_number(payload, 0, 4);
	directory = payload->n;
	payload->n += (size_t)n * IMT_COLUMN_ENTRY;
	for (uint32_t i = 0; i < sink->n_shapes; i++)
		append_number(payload, sink->shape_list[i], 8);
	for (uint32_t i = 0; i < sink->n_agents; i++)
		append_number(payload, sink->agents[i], 4);
	for (unsigned id = 1; id < COLUMN_IDS; id++) {
		if (!sink->columns[id].n)
			continue;
		if (add_column(sink, id, widths[id], directory))
			return -1;
		directory += IMT_COLUMN_ENTRY;
	}
	return 0;
}

static void begin_block(struct imt_sink *sink)
{
	for (uint32_t i = 0; i < sink->n_agents; i++)
		*local_slot(sink, sink->agents[i]) = 0;
	memset(&sink->shapes, 0, sizeof sink->shapes);
	memset(sink->last_values, 0, sizeof sink->last_values);
	sink->n_shapes = sink->n_agents = sink->n = sink->n_slots = 0;
}

static int write_data(struct imt_sink *sink, const struct names *names, struct err *err)
{
	uint64_t first, span;

	if (!sink->n)
		return 0;
	if (write_dictionary(sink, names, false, err))
		return -1;
	if (encode_columns(sink))
		return err_no_memory(err, "a block");
	narrow_columns(sink);
	if (build_payload(sink))
		return err_no_memory(err, "a block");
	first = sink->events[0].time_ns;
	span = sink->events[sink->n - 1].time_ns - first;
	if (write_block(sink, IMT_DATA, IMT_BLOCK_MUST, &sink->payload, sink->n, first, span, err))
		return -1;
	sink->records += sink->n;
	begin_block(sink);
	return 0;
}

/* What a reader could not save: LOSS stands where the block was, before the `lost` record. */
static int write_loss(struct imt_sink *sink, const struct event *event, const uint64_t *slots,
		      struct err *err)
{
	unsigned char loss[IMT_LOSS_BYTES];
	struct bytes payload = { loss, sizeof loss, sizeof loss };

	put64(loss, sink->records);
	put64(loss + 8, event_has(event, LOST_COUNT) ? slots[event->slot] : UINT64_MAX);
	put64(loss + 16, event->time_ns);
	return write_block(sink, IMT_LOSS, 0, &payload, 0, event->time_ns, 0, err);
}

static int imt_put(struct event_sink *head, const struct names *names,
		   const struct event_batch *batch, struct err *err)
{
	struct imt_sink *sink = (struct imt_sink *)head;

	for (size_t i = 0; i < batch->n; i++) {
		struct event event = batch->events[i];
		uint32_t slots = event_slots(&event);

		if ((sink->n == sink->block_records || sink->n_slots + slots > SLOTS_PER_BLOCK) &&
		    write_data(sink, names, err))
			return -1;
		if (event.kind == EVENT_LOST && event_class(&event) == CLASS_READER &&
		    (write_data(sink, names, err) || write_loss(sink, &event, batch->slots, err)))
			return -1;
		memcpy(sink->slots + sink->n_slots, batch->slots + event.slot,
		       slots * sizeof *sink->slots);
		event.slot = sink->n_slots;
		sink->n_slots += slots;
		sink->events[sink->n++] = event;
	}
	return 0;
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

static void destroy(struct imt_sink *sink)
{
	for (int id = 0; id < COLUMN_IDS; id++)
		free(sink->columns[id].data);
	free(sink->payload.data);
	free(sink->events);
	free(sink->slots);
	free(sink->local);
	free(sink->agents);
	free(sink->predicted);
	free(sink->index);
	ZSTD_freeCCtx(sink->zstd);
	free(sink);
}

static void imt_abandon(struct event_sink *head)
{
	struct imt_sink *sink = (struct imt_sink *)head;

	output_discard(&sink->output);
	destroy(sink);
}

static int write_end(struct imt_sink *sink, struct err *err)
{
	unsigned char end[24], trailer[IMT_TRAILER];
	struct bytes payload = { end, sizeof end, sizeof end };
	uint64_t index;

	if (write_index(sink, err))
		return -1;
	index = sink->last_index;
	put64(end, sink->records);
	put64(end + 8, sink->blocks);
	put32(end + 16, sink->crc_of_crcs);
	put32(end + 20, 0);
	if (write_block(sink, IMT_END, 0, &payload, 0, 0, 0, err))
		return -1;
	put64(trailer, index);
	put64(trailer + 8, sink->records);
	put64(trailer + 16, sink->blocks);
	put32(trailer + 24, IMT_TRAILER_MARK);
	put32(trailer + 28, crc32c(0, trailer, 28));
	return write_bytes(sink, trailer, sizeof trailer, err);
}

static int imt_finish(struct event_sink *head, const struct names *names, struct err *err)
{
	struct imt_sink *sink = (struct imt_sink *)head;
	int answer = write_data(sink, names, err) || write_dictionary(sink, names, true, err) ||
		     write_end(sink, err);

	if (answer) {
		imt_abandon(head);
		return -1;
	}
	answer = output_commit(&sink->output, err);
	destroy(sink);
	return answer;
}

static void append_meta(struct bytes *payload, const char *meta)
{
	while (meta && *meta) {
		size_t n = strcspn(meta, "\n");

		if (!meta_is_writers(meta)) {
			append(payload, meta, n);
			append(payload, "\n", 1);
		}
		meta += n + (meta[n] == '\n');
	}
}

/* META is text; its hash names the file, so that the same input gives the same bytes. */
static int write_start(struct imt_sink *sink, const char *meta, struct err *err)
{
	unsigned char header[IMT_HEADER] = { 0 };
	struct bytes payload = { 0 };
	char text[256];
	int answer;

	snprintf(text, sizeof text, "format = imt %d.%d\nwriter = iommusim %s\nlibzstd = %s\n",
		 IMT_MAJOR, IMT_MINOR, IOMMUSIM_VERSION, ZSTD_versionString());
	if (reserve(&payload, strlen(text) + (meta ? strlen(meta) + 1 : 0)))
		return err_no_memory(err, "META");
	append(&payload, text, strlen(text));
	append_meta(&payload, meta);
	if (payload.n > IMT_META_MAX) {
		free(payload.data);
		return err_set(err, ERR_LIMIT, "META of %zu bytes; at most 1 MiB", payload.n);
	}
	memcpy(header, imt_magic, sizeof imt_magic);
	put16(header + 8, IMT_MAJOR);
	put16(header + 10, IMT_MINOR);
	put32(header + 12, IMT_HEADER);
	put64(header + 16, output_is_stream(&sink->output) ? IMT_FLAG_STREAM : 0);
	put32(header + 32, 1);
	put32(header + 36, sink->block_records);
	for (uint32_t i = 0; i < 4; i++)
		put32(header + 40 + 4ul * i, crc32c(i, payload.data, payload.n));
	put32(header + 60, crc32c(0, header, 60));
	answer = write_bytes(sink, header, sizeof header, err) ||
		 write_block(sink, IMT_META, 0, &payload, 0, 0, 0, err);
	free(payload.data);
	return answer ? -1 : 0;
}

int imt_sink_open(const char *path, const struct imt_options *options, struct event_sink **out,
		  struct err *err)
{
	struct imt_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return err_no_memory(err, "a native writer");
	sink->head = (struct event_sink){ imt_put, imt_finish, imt_abandon };
	sink->level = options->level;
	sink->block_records = options->block_records && options->block_records <= IMT_BLOCK_RECORDS
				      ? options->block_records
				      : IMT_BLOCK_RECORDS;
	sink->events = malloc(sink->block_records * sizeof *sink->events);
	sink->slots = malloc((SLOTS_PER_BLOCK + EVENT_FIELDS) * sizeof *sink->slots);
	sink->agents = malloc((sink->block_records + 1ul) * sizeof *sink->agents);
	sink->predicted = malloc((sink->block_records + 1ul) * sizeof *sink->predicted);
	sink->index = malloc(IMT_INDEX_MAX * sizeof *sink->index);
	sink->zstd = ZSTD_createCCtx();
	if (!sink->events || !sink->slots || !sink->agents || !sink->predicted || !sink->index ||
	    !sink->zstd) {
		destroy(sink);
		return err_no_memory(err, "a native writer");
	}
	ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_compressionLevel, sink->level);
	ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_minMatch, MATCH_BYTES);
	if (output_open(&sink->output, path, err)) {
		destroy(sink);
		return -1;
	}
	if (write_start(sink, options->meta, err)) {
		imt_abandon(&sink->head);
		return -1;
	}
	*out = &sink->head;
	return 0;
}
