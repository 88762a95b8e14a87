/*
 * One DATA block: decompressed, validated as a whole, then decoded without further checks.
 * Blocks need no state from earlier blocks.
 */
#include <stdlib.h>

#include "traces/event_check.h"
#include "traces/imt_columns.h"

/* The numbers of one field of one shape, in order: base + (what is stored << shift). */
struct series {
	const unsigned char *at;
	uint64_t base, mask, scale; /* 1 << shift: to multiply is one instruction */
	uint32_t width;
};

static inline uint64_t next_above_base(struct series *series)
{
	uint64_t stored = load64(series->at) & series->mask;

	series->at += series->width;
	return stored * series->scale;
}

static inline uint64_t next_of(struct series *series)
{
	return series->base + next_above_base(series);
}

/* A value that is not the same in all events of a shape. */
struct varying {
	struct series series;
	uint64_t last;
	uint32_t slot; /* of the event's */
};

/* What events have in common that differ in agent, time, address and values. */
struct shape {
	struct series len, addr;
	struct varying *varying, *varying_end;
	uint32_t n_slots, records;
	bool own;		       /* each of its events has slots of its own, else */
	uint32_t slot;		       /* all share those from here on */
	uint32_t head;		       /* kind, flags, present */
	uint64_t values[EVENT_FIELDS]; /* those that do not vary */
};

/* Events of one shape and one agent: each is expected a stride behind the one before. */
struct stream {
	uint64_t expected, stride;
	struct shape *shape;
	uint64_t rest
		[REST_WORDS]; /* of its events, but for slots of their own and a length that varies */
};

struct imt_decoder {
	struct imt_columns columns;
	struct shape *shapes;
	struct stream *streams;
	struct varying *varying;
	uint32_t n_shapes, n_streams, n_slots, records;
	uint32_t max_shapes, max_streams;
	uint64_t shared
		[IMT_SHARED_SLOTS]; /* values that all events of a shape share, at the begin of a batch's */
	uint32_t n_shared;
	bool lengths; /* vary within shapes */
	bool own;     /* some shape's events have slots of their own */
	bool sure;    /* of all events but DMAs the values are what event_surely_means() asks for */
	struct event_plan plans[EVENT_KINDS];
	/* where decoding stands */
	uint32_t at;
	uint64_t time_ns;
	uint64_t addresses; /* of the last batch, joined by `or` */
	const unsigned char *time_exception;
	struct imt_decoder_1_0 *old; /* for blocks of version 1.0 */
	bool is_old;
};

int imt_decoder_create(struct imt_decoder **out)
{
	struct imt_decoder *decoder = calloc(1, sizeof *decoder);

	if (!decoder)
		return -1;
	if (imt_columns_init(&decoder->columns) ||
	    imt_decoder_1_0_create(&decoder->columns, &decoder->old)) {
		imt_decoder_destroy(decoder);
		return -1;
	}
	event_plans_make(decoder->plans);
	*out = decoder;
	return 0;
}

void imt_decoder_destroy(struct imt_decoder *decoder)
{
	if (!decoder)
		return;
	imt_decoder_1_0_destroy(decoder->old);
	imt_columns_free(&decoder->columns);
	free(decoder->shapes);
	free(decoder->streams);
	free(decoder->varying);
	free(decoder);
}

/* ---- loading ----------------------------------------------------------------------------------------- */

/* A length, in the first word of the rest of an event. */
static inline uint64_t len_bits(uint64_t len)
{
	uint64_t rest[REST_WORDS];

	put_rest(&(struct event){ .len = (uint32_t)len }, rest);
	return rest[0];
}

/* The slot of an event, in the last word of its rest. */
static inline uint64_t slot_bits(uint32_t slot)
{
	uint64_t rest[REST_WORDS];

	put_rest(&(struct event){ .slot = slot }, rest);
	return rest[REST_WORDS - 1];
}

static int read_shape(const struct imt_decoder *decoder, struct shape *shape,
		      const unsigned char *entry, uint32_t kinds, char what[160])
{
	unsigned kind = entry[0], flags = entry[1], present = get16(entry + 2);

	if (!imt_shape_fits(&decoder->columns, kind, flags, present))
		return imt_wrong(what, "a shape that no event has");
	if (kinds && !(kinds & imt_kind_bit(kind)))
		return imt_wrong(what, "a kind that is not among the header's");
	shape->head = get32(entry);
	shape->n_slots = (uint32_t)__builtin_popcount(present);
	shape->records = 0;
	return 0;
}

static int read_stream(const struct imt_decoder *decoder, struct stream *stream,
		       const unsigned char *entry, const struct names *names, char what[160])
{
	uint32_t agent = get32(entry), number = get32(entry + 4);
	struct event event = { .agent = agent };

	if (agent != EVENT_NO_AGENT && agent >= names_count(names, NAMES_AGENTS))
		return imt_wrong(what, "an agent that no dictionary names");
	if (number >= decoder->n_shapes)
		return imt_wrong(what, "a shape beyond its table");
	stream->shape = &decoder->shapes[number];
	stream->expected = get64(entry + 8);
	event.kind = (uint8_t)stream->shape->head;
	event.flags = (uint8_t)(stream->shape->head >> 8);
	event.present = (uint16_t)(stream->shape->head >> 16);
	put_rest(&event, stream->rest);
	return 0;
}

/* How many events each shape has, by their streams. */
static int count_records(struct imt_decoder *decoder, char what[160])
{
	enum { LANES = 4 }; /* so that equal neighbours need not wait for each other */
	const struct column *numbers = &decoder->columns.of[COLUMN_STREAM];
	uint32_t counts[LANES][256] = { 0 }, known = 0;
	size_t records = decoder->records, i = 0;

	if ((numbers->width != 1 && numbers->width != 2) ||
	    numbers->bytes != records * numbers->width)
		return imt_wrong(what, "streams that do not match its records");
	if (numbers->width == 2) {
		for (; i < records; i++) {
			uint32_t number = get16(numbers->data + 2 * i);

			if (number >= decoder->n_streams)
				return imt_wrong(what, "a stream beyond its table");
			decoder->streams[number].shape->records++;
		}
		return 0;
	}
	for (; i + LANES <= records; i += LANES)
		for (unsigned lane = 0; lane < LANES; lane++)
			counts[lane][numbers->data[i + lane]]++;
	for (; i < records; i++)
		counts[0][numbers->data[i]]++;
	for (uint32_t number = 0; number < 256 && number < decoder->n_streams; number++) {
		uint32_t n = counts[0][number] + counts[1][number] + counts[2][number] +
			     counts[3][number];

		decoder->streams[number].shape->records += n;
		known += n;
	}
	return known == records ? 0 : imt_wrong(what, "a stream beyond its table");
}

static int read_series(struct series *series, const unsigned char *entry, char what[160])
{
	unsigned width = entry[16], shift = entry[17];

	if (width > 8 || shift > 63)
		return imt_wrong(what, "a series wider than 64 bits");
	*series = (struct series){ .base = get64(entry + 8),
				   .mask = width ? UINT64_MAX >> (64 - 8 * width) : 0,
				   .scale = 1ull << shift,
				   .width = width };
	return 0;
}

/* What is left of a column whose series are being found. */
struct part {
	const unsigned char *at;
	uint64_t left;
};

static struct part whole(const struct imt_decoder *decoder, enum imt_column id)
{
	const struct column *column = &decoder->columns.of[id];

	return (struct part){ column->data, column->bytes };
}

/* The next series in the column, one number for each record of the shape. */
static int take_series(struct series *series, const unsigned char *entry, uint32_t records,
		       struct part *part, char what[160])
{
	uint64_t bytes;

	if (read_series(series, entry, what))
		return -1;
	bytes = (uint64_t)records * series->width;
	if (bytes > part->left)
		return imt_wrong(what, "series that go beyond their column");
	series->at = part->at;
	part->at += bytes;
	part->left -= bytes;
	return 0;
}

/* A series that never moves is a value of the shape. */
static int take_values(struct shape *shape, const unsigned char *entry, struct part *part,
		       char what[160])
{
	struct varying *varying = shape->varying;

	for (uint32_t k = 0; k < shape->n_slots; k++, entry += IMT_SERIES_ENTRY) {
		if (take_series(&varying->series, entry, shape->records, part, what))
			return -1;
		varying->slot = k;
		varying->last = shape->values[k] = get64(entry);
		varying += varying->series.width || varying->series.base;
	}
	shape->varying_end = varying;
	return 0;
}

/* Two series of every shape, its lengths and addresses, and one for each of its values. */
static int read_all_series(struct imt_decoder *decoder, char what[160])
{
	struct part lens = whole(decoder, COLUMN_LEN), addrs = whole(decoder, COLUMN_ADDR),
		    values = whole(decoder, COLUMN_SLOT), table = whole(decoder, COLUMN_SERIES);
	struct varying *varying = decoder->varying;
	uint64_t n_values = 0;

	decoder->lengths = false;
	for (uint32_t i = 0; i < decoder->n_shapes; i++) {
		struct shape *shape = &decoder->shapes[i];
		const unsigned char *entry = table.at;
		uint64_t bytes = (2ull + shape->n_slots) * IMT_SERIES_ENTRY;

		if (bytes > table.left)
			return imt_wrong(what, "fewer series than its shapes have");
		table.at += bytes;
		table.left -= bytes;
		shape->varying = varying;
		if (take_series(&shape->len, entry, shape->records, &lens, what) ||
		    take_series(&shape->addr, entry + IMT_SERIES_ENTRY, shape->records, &addrs,
				what) ||
		    take_values(shape, entry + 2ul * IMT_SERIES_ENTRY, &values, what))
			return -1;
		decoder->lengths |= shape->len.width != 0;
		varying = shape->varying_end;
		n_values += (uint64_t)shape->records * shape->n_slots;
	}
	if (lens.left || addrs.left || values.left || table.left)
		return imt_wrong(what, "a column with more than its series");
	if (n_values != decoder->n_slots)
		return imt_wrong(what, "a number of values that its records do not need");
	return 0;
}

/* The value with that number is 1 to most in all events of the shape. */
static bool stays_within(const struct shape *shape, uint32_t slot, uint64_t most)
{
	const struct varying *varying = shape->varying;
	struct series series;
	uint64_t value;

	while (varying < shape->varying_end && varying->slot != slot)
		varying++;
	if (varying == shape->varying_end)
		return shape->values[slot] - 1 < most;
	series = varying->series;
	value = varying->last;
	for (uint32_t i = 0; i < shape->records; i++) {
		value += next_of(&series);
		if (value - 1 >= most)
			return false;
	}
	return true;
}

/* What event_surely_means() asks of the values, established once; what it asks of addresses is left to decode(). */
static bool values_surely_mean(const struct imt_decoder *decoder, const struct shape *shape)
{
	const struct event_plan *plan = &decoder->plans[shape->head & 0xff];

	if ((shape->head & 0xff) == EVENT_DMA || !shape->records)
		return true;
	return (shape->head >> 16 & plan->settled_by) == plan->usual &&
	       stays_within(shape, plan->size_at, INT64_MAX) &&
	       (!plan->nonzero || stays_within(shape, plan->perm_at, EVENT_PERMS - 1));
}

static bool all_surely_mean(const struct imt_decoder *decoder)
{
	for (uint32_t i = 0; i < decoder->n_shapes; i++)
		if (!values_surely_mean(decoder, &decoder->shapes[i]))
			return false;
	return true;
}

/* Events whose values never vary share slots, as far as there is room for these. */
static void share_values(struct imt_decoder *decoder)
{
	decoder->n_shared = 0;
	decoder->own = false;
	for (uint32_t i = 0; i < decoder->n_shapes; i++) {
		struct shape *shape = &decoder->shapes[i];

		shape->own = shape->varying != shape->varying_end ||
			     shape->n_slots > IMT_SHARED_SLOTS - decoder->n_shared;
		decoder->own |= shape->own;
		shape->slot = 0;
		if (shape->own)
			continue;
		memcpy(decoder->shared + decoder->n_shared, shape->values,
		       shape->n_slots * sizeof *shape->values);
		shape->slot = decoder->n_shared;
		decoder->n_shared += shape->n_slots;
	}
}

/* Lengths that do not vary are a part of the streams, and what every step of an address has of its stride. */
static void settle_streams(struct imt_decoder *decoder)
{
	for (uint32_t i = 0; i < decoder->n_streams; i++) {
		struct stream *stream = &decoder->streams[i];
		const struct shape *shape = stream->shape;
		uint32_t len = shape->len.width ? 0 : (uint32_t)shape->len.base;

		stream->rest[0] |= len_bits(len);
		stream->rest[REST_WORDS - 1] |= slot_bits(shape->slot);
		stream->stride = shape->addr.base + len;
		stream->expected += shape->addr.base;
	}
}

/* A column that is a table: how many entries it has, at most that many. */
static int count_entries(const struct column *column, uint32_t entry_bytes, uint32_t most,
			 uint32_t *n, char what[160])
{
	*n = column->bytes / entry_bytes;
	if (column->bytes % entry_bytes || *n > most)
		return imt_wrong(what, "a table of another size than it may have");
	return 0;
}

/* Room for the tables of this block; shapes have EVENT_FIELDS values at most. */
static int make_room(struct imt_decoder *decoder, char what[160])
{
	uint32_t shapes = decoder->n_shapes, streams = decoder->n_streams;

	if (shapes > decoder->max_shapes) {
		free(decoder->shapes);
		free(decoder->varying);
		decoder->shapes = malloc(shapes * sizeof *decoder->shapes);
		decoder->varying = malloc((size_t)shapes * EVENT_FIELDS * sizeof *decoder->varying);
		decoder->max_shapes = decoder->shapes && decoder->varying ? shapes : 0;
	}
	if (streams > decoder->max_streams) {
		free(decoder->streams);
		decoder->streams = malloc(streams * sizeof *decoder->streams);
		decoder->max_streams = decoder->streams ? streams : 0;
	}
	return shapes <= decoder->max_shapes && streams <= decoder->max_streams
		       ? 0
		       : imt_wrong(what, "no memory for its tables");
}

/* Shapes, then the streams that refer to them. kinds: as the header has them; 0: it does not say. */
static int read_tables(struct imt_decoder *decoder, uint32_t kinds, const struct names *names,
		       char what[160])
{
	const struct column *shapes = &decoder->columns.of[COLUMN_SHAPES],
			    *streams = &decoder->columns.of[COLUMN_STREAMS];

	if (count_entries(shapes, IMT_SHAPE_ENTRY, IMT_SHAPES_MAX, &decoder->n_shapes, what) ||
	    count_entries(streams, IMT_STREAM_ENTRY, IMT_STREAMS_MAX, &decoder->n_streams, what) ||
	    make_room(decoder, what))
		return -1;
	for (uint32_t i = 0; i < decoder->n_shapes; i++)
		if (read_shape(decoder, &decoder->shapes[i],
			       shapes->data + (size_t)i * IMT_SHAPE_ENTRY, kinds, what))
			return -1;
	for (uint32_t i = 0; i < decoder->n_streams; i++)
		if (read_stream(decoder, &decoder->streams[i],
				streams->data + (size_t)i * IMT_STREAM_ENTRY, names, what))
			return -1;
	return 0;
}

static int read_columns(struct imt_decoder *decoder, const struct imt_block *block,
			const unsigned char *payload, char what[160])
{
	struct imt_directory directory = { .entries = payload + IMT_DATA_HEADER,
					   .end = payload + block->bytes };

	if (block->bytes < IMT_DATA_HEADER)
		return imt_wrong(what, "a payload shorter than its header");
	directory.n = get16(payload);
	decoder->n_slots = get32(payload + 8);
	if (directory.n > IMT_COLUMNS_MAX || decoder->n_slots > IMT_SLOTS_MAX || !block->records ||
	    block->records > IMT_RECORDS_MAX)
		return imt_wrong(what, "counts beyond the format's limits");
	/* series are the largest table: each shape has two besides those of its values */
	directory.limit = IMT_SERIES_ENTRY * (2ull * block->records + decoder->n_slots);
	if (directory.n * IMT_COLUMN_ENTRY > block->bytes - IMT_DATA_HEADER)
		return imt_wrong(what, "its directory does not fit the payload");
	directory.stored = directory.entries + (size_t)directory.n * IMT_COLUMN_ENTRY;
	return imt_columns_read(&decoder->columns, &directory, what);
}

int imt_decoder_load(struct imt_decoder *decoder, const struct imt_block *block,
		     const unsigned char *payload, const struct names *names, char what[160])
{
	decoder->is_old = block->type == IMT_DATA_1_0;
	if (decoder->is_old)
		return imt_decoder_1_0_load(decoder->old, block, payload, names, what);
	decoder->at = 0;
	decoder->records = block->records;
	if (read_columns(decoder, block, payload, what) ||
	    read_tables(decoder, block->kinds, names, what) || count_records(decoder, what) ||
	    read_all_series(decoder, what) || imt_times_fit(&decoder->columns, block, what)) {
		decoder->records = 0;
		return -1;
	}
	share_values(decoder);
	settle_streams(decoder);
	decoder->sure = all_surely_mean(decoder);
	decoder->time_ns = block->time_ns;
	decoder->time_exception = decoder->columns.of[COLUMN_TIME_EXCEPTION].data;
	return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

/*
 * The values of the shape's next event, to slots that have room for EVENT_FIELDS more. What varies is put in last:
 * read back from the shape in pairs it would have to wait for its own store.
 */
static inline uint64_t *put_values(const struct shape *shape, uint64_t *slots)
{
	memcpy(slots, shape->values,
	       4 * sizeof *slots); /* most have no more: cheaper than to count */
	for (uint32_t k = 4; k < shape->n_slots; k++)
		slots[k] = shape->values[k];
	for (struct varying *varying = shape->varying; varying < shape->varying_end; varying++)
		slots[varying->slot] = varying->last += next_of(&varying->series);
	return slots + shape->n_slots;
}

/*
 * Inlined with constants; the checks were made when the block was loaded. lengths: some vary within a shape. own:
 * some events have slots of their own.
 */
static inline __attribute__((always_inline)) size_t
decode(struct imt_decoder *decoder, struct event *events, uint64_t *slots, size_t max,
       unsigned stream_width, unsigned time_width, bool lengths, bool own)
{
	size_t at = decoder->at, left = decoder->records - at, n = left < max ? left : max;
	const unsigned char *numbers = decoder->columns.of[COLUMN_STREAM].data + at * stream_width;
	const unsigned char *steps = decoder->columns.of[COLUMN_TIME].data + at * time_width;
	struct stream *streams = decoder->streams;
	uint64_t time_ns = decoder->time_ns, addresses = 0;
	uint32_t slot = decoder->n_shared;

	memcpy(slots, decoder->shared, slot * sizeof *slots);
	slots += slot;
	for (size_t i = 0; i < n; i++) {
		struct event *event = &events[i];
		struct stream *stream = &streams[number_at(numbers, i, stream_width)];
		struct shape *shape = stream->shape;
		uint32_t step = number_at(steps, i, time_width);

		if (__builtin_expect(step == marker(time_width), 0)) {
			time_ns += get64(decoder->time_exception + 4);
			decoder->time_exception += IMT_TIME_EXCEPTION;
		} else {
			time_ns += step;
		}
		event->time_ns = time_ns;
		event->addr = stream->expected + next_above_base(&shape->addr);
		stream->expected = event->addr + stream->stride;
		addresses |= event->addr;
		memcpy(&event->len, stream->rest, sizeof stream->rest);
		if (lengths && shape->len.width) {
			uint32_t len = (uint32_t)next_of(&shape->len);

			event->len = len;
			stream->expected += len;
		}
		if (!own || !shape->own)
			continue;
		event->slot = slot;
		slot += shape->n_slots;
		slots = put_values(shape, slots);
	}
	decoder->at += (uint32_t)n;
	decoder->time_ns = time_ns;
	decoder->addresses = addresses;
	return n;
}

size_t imt_decoder_next(struct imt_decoder *decoder, struct event *events, uint64_t *slots,
			size_t max)
{
	unsigned s = decoder->columns.of[COLUMN_STREAM].width,
		 t = decoder->columns.of[COLUMN_TIME].width;

	if (max > EVENT_BATCH)
		max = EVENT_BATCH;
	if (decoder->is_old)
		return imt_decoder_1_0_next(decoder->old, events, slots, max);
	if (s == 1 && t == 1 && !decoder->lengths)
		return decoder->own ? decode(decoder, events, slots, max, 1, 1, false, true)
				    : decode(decoder, events, slots, max, 1, 1, false, false);
	return decode(decoder, events, slots, max, s, t, true, true);
}

/* A range that begins below 2^63 and is no longer than that ends below 2^64. */
bool imt_decoder_sure(const struct imt_decoder *decoder)
{
	return !decoder->is_old && decoder->sure && decoder->addresses <= INT64_MAX;
}
