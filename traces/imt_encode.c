/*
 * Gathering events for one DATA block of the native container, and its payload. A block is written in two passes:
 * the first finds shapes, streams, differences and how wide each series must be, the second puts them down.
 */
#include <zstd.h>

#include "traces/imt_bytes.h"

enum {
	SLOTS_PER_BLOCK = 1 << 18,
	SPLIT_MAX =
		64, /* shapes of one length each, at most; with more of them lengths vary within shapes */
	SHAPES_LG2 = 13,
	STREAMS_LG2 = 17,
	SERIES_OF_SHAPE = 2 /* length and address come before values */
};

/* Numbers from 0 for keys in order of first use. Open addressing, at most half full. */
struct numbering {
	uint64_t *keys;	   /* + 1; 0: free */
	uint32_t *numbers; /* by place in keys */
	uint32_t *places;  /* by number */
	uint32_t n;
	unsigned lg2;
};

/* One field of one shape: its numbers are base + (what is stored << shift). */
struct series {
	uint64_t start, last;	 /* of values: before the first; the one before */
	uint64_t first, differs; /* first number; bits in which others differ */
	int64_t min, max;
	bool any;
	uint64_t base;
	unsigned width, shift;
	unsigned char *to;
};

struct shape {
	uint32_t head; /* as event_head() */
	uint32_t n_slots, records, first;
	struct series *series; /* length, address, values */
};

struct stream {
	uint64_t start, end; /* where its first address is expected; where the next one is */
	uint32_t first;
};

struct imt_encoder {
	int level;
	uint32_t block_records;
	struct event *events;
	uint64_t *slots;
	uint32_t n, n_slots;
	uint16_t *shape_of, *stream_of; /* by event */
	struct numbering heads, lengths, pairs;
	struct shape *shapes;
	uint32_t n_shapes;
	struct series *series;
	size_t n_series, max_series;
	struct stream *streams;
	struct bytes columns[COLUMN_IDS], payload;
	ZSTD_CCtx *zstd;
};

/* ---- numbers for keys --------------------------------------------------------------------------------- */

static int numbering_create(struct numbering *numbering, unsigned lg2)
{
	size_t places = (size_t)1 << lg2;

	numbering->lg2 = lg2;
	numbering->keys = calloc(places, sizeof *numbering->keys);
	numbering->numbers = malloc(places * sizeof *numbering->numbers);
	numbering->places = malloc(places / 2 * sizeof *numbering->places);
	return numbering->keys && numbering->numbers && numbering->places ? 0 : -1;
}

static void numbering_destroy(struct numbering *numbering)
{
	free(numbering->keys);
	free(numbering->numbers);
	free(numbering->places);
}

static void numbering_clear(struct numbering *numbering)
{
	while (numbering->n)
		numbering->keys[numbering->places[--numbering->n]] = 0;
}

static uint32_t number_of(struct numbering *numbering, uint64_t key)
{
	uint32_t mask = (1u << numbering->lg2) - 1;
	uint32_t at = (uint32_t)((key + 1) * 0x9e3779b97f4a7c15ull >> (64 - numbering->lg2));

	while (numbering->keys[at] && numbering->keys[at] != key + 1)
		at = (at + 1) & mask;
	if (!numbering->keys[at]) {
		numbering->keys[at] = key + 1;
		numbering->places[numbering->n] = at;
		numbering->numbers[at] = numbering->n++;
	}
	return numbering->numbers[at];
}

static uint64_t key_of(const struct numbering *numbering, uint32_t number)
{
	return numbering->keys[numbering->places[number]] - 1;
}

/* ---- gathering ---------------------------------------------------------------------------------------- */

static uint32_t event_head(const struct event *event)
{
	return (uint32_t)event->kind | (uint32_t)event->flags << 8 | (uint32_t)event->present << 16;
}

int imt_encoder_create(int level, uint32_t block_records, struct imt_encoder **out)
{
	struct imt_encoder *encoder = calloc(1, sizeof *encoder);

	if (!encoder)
		return -1;
	encoder->level = level;
	encoder->block_records = block_records;
	encoder->events = malloc(block_records * sizeof *encoder->events);
	encoder->slots = malloc((SLOTS_PER_BLOCK + EVENT_FIELDS) * sizeof *encoder->slots);
	encoder->shape_of = malloc(block_records * sizeof *encoder->shape_of);
	encoder->stream_of = malloc(block_records * sizeof *encoder->stream_of);
	encoder->shapes = malloc(IMT_SHAPES_MAX * sizeof *encoder->shapes);
	encoder->streams = malloc(IMT_STREAMS_MAX * sizeof *encoder->streams);
	encoder->zstd = ZSTD_createCCtx();
	if (!encoder->events || !encoder->slots || !encoder->shape_of || !encoder->stream_of ||
	    !encoder->shapes || !encoder->streams || !encoder->zstd ||
	    numbering_create(&encoder->heads, SHAPES_LG2) ||
	    numbering_create(&encoder->lengths, SHAPES_LG2) ||
	    numbering_create(&encoder->pairs, STREAMS_LG2)) {
		imt_encoder_destroy(encoder);
		return -1;
	}
	ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_compressionLevel, level);
	/* shorter matches among numbers cost a reader more than they save */
	ZSTD_CCtx_setParameter(encoder->zstd, ZSTD_c_minMatch, 7);
	*out = encoder;
	return 0;
}

void imt_encoder_destroy(struct imt_encoder *encoder)
{
	if (!encoder)
		return;
	for (int id = 0; id < COLUMN_IDS; id++)
		free(encoder->columns[id].data);
	free(encoder->payload.data);
	free(encoder->events);
	free(encoder->slots);
	free(encoder->shape_of);
	free(encoder->stream_of);
	free(encoder->shapes);
	free(encoder->series);
	free(encoder->streams);
	numbering_destroy(&encoder->heads);
	numbering_destroy(&encoder->lengths);
	numbering_destroy(&encoder->pairs);
	ZSTD_freeCCtx(encoder->zstd);
	free(encoder);
}

bool imt_encoder_has_room(const struct imt_encoder *encoder, const struct event *event)
{
	return encoder->n < encoder->block_records && encoder->heads.n < IMT_SHAPES_MAX &&
	       encoder->n_slots + event_slots(event) <= SLOTS_PER_BLOCK;
}

uint32_t imt_encoder_records(const struct imt_encoder *encoder)
{
	return encoder->n;
}

void imt_encoder_add(struct imt_encoder *encoder, const struct event *event, const uint64_t *slots)
{
	uint32_t n = event_slots(event), i = encoder->n++;

	memcpy(encoder->slots + encoder->n_slots, slots + event->slot, n * sizeof *slots);
	encoder->events[i] = *event;
	encoder->events[i].slot = encoder->n_slots;
	encoder->n_slots += n;
	encoder->shape_of[i] = (uint16_t)number_of(&encoder->heads, event_head(event));
}

/* ---- first pass ----------------------------------------------------------------------------------------- */

/* A shape for each length, if these are few: then most lengths and steps of addresses are constants. */
static bool split_by_length(struct imt_encoder *encoder)
{
	for (uint32_t i = 0; i < encoder->n; i++) {
		number_of(&encoder->lengths,
			  (uint64_t)encoder->shape_of[i] << 32 | encoder->events[i].len);
		if (encoder->lengths.n > SPLIT_MAX)
			return false;
	}
	for (uint32_t i = 0; i < encoder->n; i++)
		encoder->shape_of[i] = (uint16_t)number_of(&encoder->lengths,
							   (uint64_t)encoder->shape_of[i] << 32 |
								   encoder->events[i].len);
	return true;
}

static int find_shapes(struct imt_encoder *encoder)
{
	bool split = split_by_length(encoder);
	size_t n_series = 0;

	encoder->n_shapes = split ? encoder->lengths.n : encoder->heads.n;
	for (uint32_t i = 0; i < encoder->n_shapes; i++) {
		uint32_t number = split ? (uint32_t)(key_of(&encoder->lengths, i) >> 32) : i;
		uint32_t head = (uint32_t)key_of(&encoder->heads, number);

		encoder->shapes[i] =
			(struct shape){ .head = head,
					.n_slots = (uint32_t)__builtin_popcount(head >> 16) };
		n_series += SERIES_OF_SHAPE + encoder->shapes[i].n_slots;
	}
	if (n_series > encoder->max_series) {
		free(encoder->series);
		encoder->series = malloc(n_series * sizeof *encoder->series);
		encoder->max_series = encoder->series ? n_series : 0;
		if (!encoder->series)
			return -1;
	}
	memset(encoder->series, 0, n_series * sizeof *encoder->series);
	encoder->n_series = 0;
	for (uint32_t i = 0; i < encoder->n_shapes; i++) {
		encoder->shapes[i].series = encoder->series + encoder->n_series;
		encoder->n_series += SERIES_OF_SHAPE + encoder->shapes[i].n_slots;
	}
	return 0;
}

static void note(struct series *series, uint64_t number)
{
	int64_t n = (int64_t)number;

	if (!series->any) {
		series->any = true;
		series->first = number;
		series->min = series->max = n;
		return;
	}
	series->differs |= number ^ series->first;
	series->min = n < series->min ? n : series->min;
	series->max = n > series->max ? n : series->max;
}

/* Addresses and values become differences. What has none before it becomes, in the second pass, whatever is
 * cheapest. */
static void find_differences(struct imt_encoder *encoder)
{
	for (uint32_t i = 0; i < encoder->n; i++) {
		struct event *event = &encoder->events[i];
		struct shape *shape = &encoder->shapes[encoder->shape_of[i]];
		uint64_t *slot = encoder->slots + event->slot, addr = event->addr;
		uint32_t n_streams = encoder->pairs.n;
		uint32_t number = number_of(&encoder->pairs,
					    (uint64_t)encoder->shape_of[i] << 32 | event->agent);
		struct stream *stream = &encoder->streams[number];

		encoder->stream_of[i] = (uint16_t)number;
		note(&shape->series[0], event->len);
		if (number == n_streams) {
			*stream = (struct stream){ .start = addr, .first = i };
		} else {
			event->addr -= stream->end;
			note(&shape->series[1], event->addr);
		}
		stream->end = addr + event->len;
		if (!shape->records++)
			shape->first = i;
		for (uint32_t k = 0; k < shape->n_slots; k++, slot++) {
			struct series *series = &shape->series[SERIES_OF_SHAPE + k];
			uint64_t value = *slot;

			if (shape->first == i) {
				series->start = value;
			} else {
				*slot = value - series->last;
				note(series, *slot);
			}
			series->last = value;
		}
	}
}

static void settle(struct series *series)
{
	uint64_t most;

	series->base = (uint64_t)series->min;
	series->shift = series->differs ? (unsigned)__builtin_ctzll(series->differs) : 0;
	most = ((uint64_t)series->max - series->base) >> series->shift;
	series->width = most ? (71 - (unsigned)__builtin_clzll(most)) / 8 : 0;
}

/* ---- second pass ---------------------------------------------------------------------------------------- */

/* The series number `which` of every shape, or the values of all, one behind the other. */
static int lay_out(struct imt_encoder *encoder, enum imt_column id, uint32_t from, bool values)
{
	struct bytes *column = &encoder->columns[id];
	size_t at = 0;

	for (int pass = 0; pass < 2; pass++) {
		if (pass && bytes_reserve(column, at))
			return -1;
		at = 0;
		for (uint32_t i = 0; i < encoder->n_shapes; i++) {
			struct shape *shape = &encoder->shapes[i];
			uint32_t end = values ? SERIES_OF_SHAPE + shape->n_slots : from + 1;

			for (uint32_t k = from; k < end; k++) {
				if (pass)
					shape->series[k].to = column->data + at;
				at += (size_t)shape->records * shape->series[k].width;
			}
		}
	}
	column->n = at;
	return 0;
}

static void put(struct series *series, uint64_t number)
{
	unsigned char raw[8];

	if (!series->width)
		return;
	put64(raw, (number - series->base) >> series->shift);
	memcpy(series->to, raw, series->width);
	series->to += series->width;
}

static void put_series(struct imt_encoder *encoder)
{
	for (uint32_t i = 0; i < encoder->n; i++) {
		const struct event *event = &encoder->events[i];
		struct shape *shape = &encoder->shapes[encoder->shape_of[i]];
		struct stream *stream = &encoder->streams[encoder->stream_of[i]];
		const uint64_t *slot = encoder->slots + event->slot;

		put(&shape->series[0], event->len);
		put(&shape->series[1], stream->first == i ? shape->series[1].base : event->addr);
		for (uint32_t k = SERIES_OF_SHAPE; k < SERIES_OF_SHAPE + shape->n_slots; k++)
			put(&shape->series[k], shape->first == i ? shape->series[k].base : *slot++);
	}
}

/* Streams and times, which have a number for every event. */
static int put_numbers(struct imt_encoder *encoder, unsigned stream_width, unsigned time_width)
{
	struct bytes *streams = &encoder->columns[COLUMN_STREAM],
		     *times = &encoder->columns[COLUMN_TIME],
		     *exceptions = &encoder->columns[COLUMN_TIME_EXCEPTION];
	uint64_t last = encoder->events[0].time_ns, top = time_width == 1 ? 255 : 65535;

	streams->n = times->n = exceptions->n = 0;
	if (bytes_reserve(streams, (size_t)encoder->n * stream_width) ||
	    bytes_reserve(times, (size_t)encoder->n * time_width))
		return -1;
	for (uint32_t i = 0; i < encoder->n; i++) {
		uint64_t step = encoder->events[i].time_ns - last;

		last = encoder->events[i].time_ns;
		bytes_append_number(streams, encoder->stream_of[i], stream_width);
		bytes_append_number(times, step < top ? step : top, time_width);
		if (step < top)
			continue;
		if (bytes_reserve(exceptions, IMT_TIME_EXCEPTION))
			return -1;
		bytes_append_number(exceptions, i, 4);
		bytes_append_number(exceptions, step, 8);
	}
	return 0;
}

static unsigned time_width_of(const struct imt_encoder *encoder)
{
	uint32_t wide = 0;
	uint64_t last = encoder->events[0].time_ns;

	for (uint32_t i = 0; i < encoder->n; i++) {
		wide += encoder->events[i].time_ns - last >= 255;
		last = encoder->events[i].time_ns;
	}
	return wide > encoder->n / 6 ? 2 : 1;
}

/* One column: compressed if that saves at least 15 %. */
static int add_column(struct imt_encoder *encoder, unsigned id, unsigned width, size_t directory)
{
	struct bytes *column = &encoder->columns[id], *payload = &encoder->payload;
	size_t bound = ZSTD_compressBound(column->n), stored = column->n;
	unsigned char *entry;
	bool packed = false;

	if (bytes_reserve(payload, bound))
		return -1;
	if (encoder->level && column->n > 64) {
		size_t n = ZSTD_compress2(encoder->zstd, payload->data + payload->n, bound,
					  column->data, column->n);

		packed = !ZSTD_isError(n) && n < column->n - column->n * 15 / 100;
		if (packed)
			stored = n;
	}
	if (packed)
		payload->n += stored;
	else
		bytes_append(payload, column->data, column->n);
	entry = payload->data + directory;
	entry[0] = (unsigned char)id;
	entry[1] = packed;
	entry[2] = (unsigned char)width;
	entry[3] = 0;
	put32(entry + 4, (uint32_t)column->n);
	put32(entry + 8, (uint32_t)stored);
	return 0;
}

static void put_series_entry(struct bytes *table, const struct series *series, bool values)
{
	bytes_append_number(table, values ? series->start - series->base : 0, 8);
	bytes_append_number(table, series->base, 8);
	bytes_append_number(table, series->width, 1);
	bytes_append_number(table, series->shift, 1);
	bytes_append_number(table, 0, 2);
}

static int put_tables(struct imt_encoder *encoder)
{
	struct bytes *shapes = &encoder->columns[COLUMN_SHAPES],
		     *streams = &encoder->columns[COLUMN_STREAMS],
		     *series = &encoder->columns[COLUMN_SERIES];

	shapes->n = streams->n = series->n = 0;
	if (bytes_reserve(shapes, (size_t)encoder->n_shapes * IMT_SHAPE_ENTRY) ||
	    bytes_reserve(streams, (size_t)encoder->pairs.n * IMT_STREAM_ENTRY) ||
	    bytes_reserve(series, encoder->n_series * IMT_SERIES_ENTRY))
		return -1;
	for (uint32_t i = 0; i < encoder->n_shapes; i++) {
		const struct shape *shape = &encoder->shapes[i];

		bytes_append_number(shapes, shape->head, IMT_SHAPE_ENTRY);
		for (uint32_t k = 0; k < SERIES_OF_SHAPE + shape->n_slots; k++)
			put_series_entry(series, &shape->series[k], k >= SERIES_OF_SHAPE);
	}
	for (uint32_t i = 0; i < encoder->pairs.n; i++) {
		uint64_t pair = key_of(&encoder->pairs, i);
		const struct series *addr = &encoder->shapes[pair >> 32].series[1];

		bytes_append_number(streams, pair & UINT32_MAX, 4);
		bytes_append_number(streams, pair >> 32, 4);
		bytes_append_number(streams, encoder->streams[i].start - addr->base, 8);
	}
	return 0;
}

static int build_payload(struct imt_encoder *encoder, unsigned stream_width, unsigned time_width)
{
	struct bytes *payload = &encoder->payload;
	unsigned widths[COLUMN_IDS] = { [COLUMN_TIME] = time_width,
					[COLUMN_TIME_EXCEPTION] = IMT_TIME_EXCEPTION,
					[COLUMN_ADDR] = 1,
					[COLUMN_SLOT] = 1,
					[COLUMN_SHAPES] = IMT_SHAPE_ENTRY,
					[COLUMN_STREAMS] = IMT_STREAM_ENTRY,
					[COLUMN_SERIES] = IMT_SERIES_ENTRY,
					[COLUMN_STREAM] = stream_width,
					[COLUMN_LEN] = 1 };
	size_t directory = IMT_DATA_HEADER;
	unsigned n = 0;

	payload->n = 0;
	for (unsigned id = 1; id < COLUMN_IDS; id++)
		n += encoder->columns[id].n != 0;
	if (bytes_reserve(payload, IMT_DATA_HEADER + (size_t)n * IMT_COLUMN_ENTRY))
		return -1;
	bytes_append_number(payload, n, 2);
	bytes_append_number(payload, 0, 6);
	bytes_append_number(payload, encoder->n_slots, 4);
	bytes_append_number(payload, 0, 4);
	payload->n += (size_t)n * IMT_COLUMN_ENTRY;
	for (unsigned id = 1; id < COLUMN_IDS; id++) {
		if (!encoder->columns[id].n)
			continue;
		if (add_column(encoder, id, widths[id], directory))
			return -1;
		directory += IMT_COLUMN_ENTRY;
	}
	return 0;
}

static int encode(struct imt_encoder *encoder)
{
	unsigned time_width = time_width_of(encoder), stream_width;

	if (find_shapes(encoder))
		return -1;
	find_differences(encoder);
	for (size_t i = 0; i < encoder->n_series; i++)
		settle(&encoder->series[i]);
	if (lay_out(encoder, COLUMN_LEN, 0, false) || lay_out(encoder, COLUMN_ADDR, 1, false) ||
	    lay_out(encoder, COLUMN_SLOT, SERIES_OF_SHAPE, true))
		return -1;
	put_series(encoder);
	stream_width = encoder->pairs.n <= 256 ? 1 : 2;
	return put_tables(encoder) || put_numbers(encoder, stream_width, time_width) ||
			       build_payload(encoder, stream_width, time_width)
		       ? -1
		       : 0;
}

int imt_encoder_finish(struct imt_encoder *encoder, struct imt_block *block,
		       const unsigned char **payload)
{
	uint64_t time_ns = encoder->events[0].time_ns;
	int answer = encode(encoder);

	*block = (struct imt_block){ .type = IMT_DATA,
				     .flags = IMT_BLOCK_MUST,
				     .bytes = (uint32_t)encoder->payload.n,
				     .records = encoder->n,
				     .time_ns = time_ns,
				     .span_ns = encoder->events[encoder->n - 1].time_ns - time_ns };
	for (uint32_t i = 0; i < encoder->n_shapes; i++)
		block->kinds |= imt_kind_bit(encoder->shapes[i].head & 0xff);
	*payload = encoder->payload.data;
	numbering_clear(&encoder->heads);
	numbering_clear(&encoder->lengths);
	numbering_clear(&encoder->pairs);
	encoder->n = encoder->n_slots = 0;
	return answer;
}
