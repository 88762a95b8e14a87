/*
 * One DATA block: decompressed, validated as a whole, then decoded without further checks.
 * Blocks need no state from earlier blocks.
 */
#include <stdlib.h>
#include <zstd.h>

#include "traces/imt_format.h"

struct column {
	const unsigned char *data; /* IMT_PAD readable bytes follow */
	uint32_t bytes, width;
};

/* Where a column of values with a 2-bit length each is read. */
struct coded {
	const unsigned char *codes, *value;
	uint32_t at;
};

/* What stands behind the address of an event: parts of it are put together with `or` and +. */
enum { REST_WORDS = 2 };
_Static_assert(offsetof(struct event, len) == 8ul * REST_WORDS &&
		       sizeof(struct event) == 16ul * REST_WORDS,
	       "rest of an event");

/* A shape as a part of events, from its eight bytes in a block. */
struct shape {
	uint64_t rest[REST_WORDS];
	uint64_t slots; /* how many values it has, as a step of event.slot in the last word */
	uint32_t len, n_slots;
};

struct local_agent {
	uint64_t predicted;
	uint64_t rest; /* its global number, in the first word */
};

struct imt_decoder {
	struct column columns[COLUMN_IDS];
	unsigned char *plain; /* all columns, padded */
	size_t max_plain;
	struct shape *shapes;
	struct local_agent *agents;
	uint32_t n_shapes, n_agents, records, n_slots;
	/* where decoding stands */
	uint32_t at;
	uint64_t time_ns;
	struct coded addr, slot;
	const unsigned char *shape_exception, *time_exception;
	uint64_t last_values[EVENT_KINDS][EVENT_FIELDS];
	/* by kind: bits of `present` that are fields, those that must be there; number of verbs */
	uint16_t fields[EVENT_KINDS], needed[EVENT_KINDS];
	uint8_t verbs[EVENT_KINDS];
	ZSTD_DCtx *zstd;
};

/* Bytes that each 2-bit code stands for, and of all four codes of a byte. */
static const uint8_t code_bytes[4] = { 0, 2, 4, 8 };

/* The rules for shapes, from the rows of the kinds. */
static void learn_kind(struct imt_decoder *decoder, unsigned kind)
{
	const struct event_kind_row *row = &event_kinds[kind];

	for (unsigned f = 0; f < EVENT_FIELDS; f++) {
		const struct event_field *field = &row->fields[f];

		if (field->type == FIELD_END || field->place != PLACE_SLOT)
			continue;
		decoder->fields[kind] |= (uint16_t)(1u << f);
		if (field->required)
			decoder->needed[kind] |= (uint16_t)(1u << f);
	}
	decoder->verbs[kind] = 1;
	for (const char *at = row->verbs; at && (at = strchr(at, '|')); at++)
		decoder->verbs[kind]++;
}

int imt_decoder_create(struct imt_decoder **out)
{
	struct imt_decoder *decoder = calloc(1, sizeof *decoder);

	if (!decoder)
		return -1;
	decoder->shapes = malloc(IMT_SHAPES_MAX * sizeof *decoder->shapes);
	decoder->agents = malloc((IMT_AGENTS_MAX + 1ul) * sizeof *decoder->agents);
	decoder->zstd = ZSTD_createDCtx();
	if (!decoder->shapes || !decoder->agents || !decoder->zstd) {
		imt_decoder_destroy(decoder);
		return -1;
	}
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		learn_kind(decoder, kind);
	ZSTD_DCtx_setParameter(decoder->zstd, ZSTD_d_windowLogMax, 23);
	*out = decoder;
	return 0;
}

void imt_decoder_destroy(struct imt_decoder *decoder)
{
	if (!decoder)
		return;
	free(decoder->plain);
	free(decoder->shapes);
	free(decoder->agents);
	ZSTD_freeDCtx(decoder->zstd);
	free(decoder);
}

static int wrong(char what[160], const char *text)
{
	snprintf(what, 160, "%s", text);
	return -1;
}

static uint32_t shape_slots(uint64_t shape)
{
	return (uint32_t)__builtin_popcount((unsigned)(shape >> 16 & 0xffff));
}

static void put_rest(const struct event *event, uint64_t rest[REST_WORDS])
{
	memcpy(rest, &event->len, REST_WORDS * sizeof *rest);
}

static struct shape shape_of(uint64_t raw)
{
	struct event event = { .len = (uint32_t)(raw >> 32),
			       .kind = (uint8_t)raw,
			       .flags = (uint8_t)(raw >> 8),
			       .present = (uint16_t)(raw >> 16) };
	struct event after = { .slot = shape_slots(raw) };
	struct shape shape = { .len = event.len, .n_slots = after.slot };
	uint64_t step[REST_WORDS];

	put_rest(&event, shape.rest);
	put_rest(&after, step);
	shape.slots = step[1];
	return shape;
}

static struct local_agent agent_of(uint32_t number)
{
	struct event event = { .agent = number };
	uint64_t rest[REST_WORDS];

	put_rest(&event, rest);
	return (struct local_agent){ .rest = rest[0] };
}

/* Users of events rely on it: fields that the kind has, all that it needs, a verb of its list. */
static bool shape_fits(const struct imt_decoder *decoder, uint64_t shape)
{
	unsigned kind = shape & 0xff, present = shape >> 16 & 0xffff;

	return kind < EVENT_KINDS && !(present & ~decoder->fields[kind]) &&
	       !(decoder->needed[kind] & ~present) && (shape >> 10 & 7) < decoder->verbs[kind] &&
	       !(shape >> 14 & 3);
}

/* ---- loading ----------------------------------------------------------------------------------------- */

/* kinds: as the header has them; 0: it does not say. */
static int read_tables(struct imt_decoder *decoder, const unsigned char *payload, uint32_t bytes,
		       uint32_t kinds, unsigned n_columns, const struct names *names,
		       char what[160])
{
	size_t at = IMT_DATA_HEADER + (size_t)n_columns * IMT_COLUMN_ENTRY;

	if (at + decoder->n_shapes * 8ul + decoder->n_agents * 4ul > bytes)
		return wrong(what, "its tables do not fit the payload");
	for (uint32_t i = 0; i < decoder->n_shapes; i++, at += 8) {
		uint64_t shape = get64(payload + at);

		if (!shape_fits(decoder, shape))
			return wrong(what, "a shape that no event has");
		if (kinds && !(kinds & imt_kind_bit(shape & 0xff)))
			return wrong(what, "a kind that is not among the header's");
		decoder->shapes[i] = shape_of(shape);
	}
	for (uint32_t i = 0; i < decoder->n_agents; i++, at += 4) {
		uint32_t agent = get32(payload + at);

		if (agent != EVENT_NO_AGENT && agent >= names_count(names, NAMES_AGENTS))
			return wrong(what, "an agent that no dictionary names");
		decoder->agents[i] = agent_of(agent);
	}
	return 0;
}

static int unpack(struct imt_decoder *decoder, const unsigned char *stored, uint32_t stored_bytes,
		  bool packed, unsigned char *plain, uint32_t plain_bytes, char what[160])
{
	if (!packed) {
		if (stored_bytes != plain_bytes)
			return wrong(what, "a plain column whose sizes differ");
		memcpy(plain, stored, plain_bytes);
		return 0;
	}
	if (ZSTD_getFrameContentSize(stored, stored_bytes) != plain_bytes ||
	    ZSTD_decompressDCtx(decoder->zstd, plain, plain_bytes, stored, stored_bytes) !=
		    plain_bytes)
		return wrong(what, "a column that does not decompress to its size");
	return 0;
}

static const unsigned char nothing[IMT_PAD];

static int read_columns(struct imt_decoder *decoder, const unsigned char *payload, uint32_t bytes,
			unsigned n_columns, char what[160])
{
	size_t at = IMT_DATA_HEADER + (size_t)n_columns * IMT_COLUMN_ENTRY +
		    decoder->n_shapes * 8ul + decoder->n_agents * 4ul;
	uint64_t total = 0, limit = 24ull * decoder->records + 8ull * decoder->n_slots + 64;
	unsigned char *to;

	for (unsigned i = 0; i < n_columns; i++) {
		uint32_t plain =
			get32(payload + IMT_DATA_HEADER + (size_t)i * IMT_COLUMN_ENTRY + 4);

		if (plain > limit)
			return wrong(what, "a column larger than its records allow");
		total += plain + IMT_PAD;
	}
	if (total > IMT_PLAIN_MAX)
		return wrong(what, "more than 32 MiB of columns");
	if (total > decoder->max_plain) {
		unsigned char *plain = realloc(decoder->plain, total);

		if (!plain)
			return wrong(what, "no memory for its columns");
		decoder->plain = plain;
		decoder->max_plain = total;
	}
	memset(decoder->columns, 0, sizeof decoder->columns);
	to = decoder->plain;
	for (unsigned i = 0; i < n_columns; i++) {
		const unsigned char *entry =
			payload + IMT_DATA_HEADER + (size_t)i * IMT_COLUMN_ENTRY;
		uint32_t plain = get32(entry + 4), stored = get32(entry + 8);

		if (entry[0] == 0 || entry[0] >= COLUMN_IDS || entry[1] > 1 ||
		    decoder->columns[entry[0]].data)
			return wrong(what, "an unknown or repeated column");
		if (stored > bytes - at)
			return wrong(what, "a column that goes beyond the payload");
		if (unpack(decoder, payload + at, stored, entry[1], to, plain, what))
			return -1;
		memset(to + plain, 0, IMT_PAD);
		decoder->columns[entry[0]] = (struct column){ to, plain, entry[2] };
		to += plain + IMT_PAD;
		at += stored;
	}
	/* one that is not there has no values, but is read from all the same: codes of no bytes */
	for (unsigned i = 0; i < COLUMN_IDS; i++)
		if (!decoder->columns[i].data)
			decoder->columns[i].data = nothing;
	return 0;
}

/* Position of the first marker from i on, or records. */
static uint32_t next_marker(const struct column *of, uint32_t i, uint32_t records)
{
	const unsigned char *found;

	if (of->width == 1) {
		found = memchr(of->data + i, 255, records - i);
		return found ? (uint32_t)(found - of->data) : records;
	}
	while (i < records && get16(of->data + 2ul * i) != 65535)
		i++;
	return i;
}

/* Exceptions stand in rising order of position, one for every marker (255 or 65535). */
static bool exceptions_fit(const struct column *of, const struct column *exceptions,
			   uint32_t entry_bytes, uint32_t records)
{
	uint32_t n = exceptions->bytes / entry_bytes, seen = 0;

	if (exceptions->bytes % entry_bytes)
		return false;
	for (uint32_t i = next_marker(of, 0, records); i < records;
	     i = next_marker(of, i + 1, records)) {
		if (seen == n || get32(exceptions->data + (size_t)seen * entry_bytes) != i)
			return false;
		seen++;
	}
	return seen == n;
}

/* Bytes that the values of the four codes in a byte take. */
static uint8_t four_codes(unsigned codes)
{
	uint8_t total = 0;

	for (unsigned i = 0; i < 4; i++)
		total = (uint8_t)(total + code_bytes[codes >> i * 2 & 3]);
	return total;
}

/* Steps are not negative; the last time must fit, so that none goes back, and be the header's. */
static bool times_fit(const struct column *steps, const struct column *exceptions,
		      const struct imt_block *block)
{
	uint64_t small = 0, time_ns = block->time_ns;
	uint32_t records = block->records;

	for (uint32_t i = 0; i < records && steps->width == 1; i++)
		small += steps->data[i] == 255 ? 0 : steps->data[i];
	for (uint32_t i = 0; i < records && steps->width == 2; i++) {
		uint32_t step = get16(steps->data + 2ul * i);

		small += step == 65535 ? 0 : step;
	}
	for (uint32_t i = 0; i < exceptions->bytes; i += IMT_TIME_EXCEPTION)
		if (__builtin_add_overflow(time_ns, get64(exceptions->data + i + 4), &time_ns))
			return false;
	return !__builtin_add_overflow(time_ns, small, &time_ns) &&
	       time_ns - block->time_ns == block->span_ns;
}

/* The lengths that a column of 2-bit codes gives must add up to its values. */
static bool codes_fit(const struct column *codes, const struct column *values, uint64_t count)
{
	uint8_t four[256];
	uint64_t total = 0;

	if (codes->bytes != (count + 3) / 4)
		return false;
	for (unsigned i = 0; i < 256; i++)
		four[i] = four_codes(i);
	for (uint64_t i = 0; i < count / 4; i++)
		total += four[codes->data[i]];
	for (uint64_t i = count & ~3ull; i < count; i++)
		total += code_bytes[codes->data[i / 4] >> i % 4 * 2 & 3];
	return total == values->bytes;
}

/* The largest number of a column after `more` was added to each, within their width. */
static uint32_t column_max(const struct column *column, uint32_t records, unsigned more)
{
	uint8_t most = 0;
	uint16_t wide = 0;

	for (uint32_t i = 0; i < records && column->width == 1; i++) {
		uint8_t number = (uint8_t)(column->data[i] + more);

		most = number > most ? number : most;
	}
	for (uint32_t i = 0; i < records && column->width == 2; i++) {
		uint16_t number = (uint16_t)(get16(column->data + 2ul * i) + more);

		wide = number > wide ? number : wide;
	}
	return column->width == 1 ? most : wide;
}

/* Values that the records need whose shapes stand in the table. */
static uint64_t table_slots(const struct imt_decoder *decoder)
{
	const struct column *shape = &decoder->columns[COLUMN_SHAPE];
	uint64_t slots = 0, slots_of[256] = { 0 }, any = 0;

	for (uint32_t i = 0; i < decoder->n_shapes; i++)
		any |= decoder->shapes[i].n_slots;
	if (!any)
		return 0;
	for (uint32_t i = 0; i < 255 && i < decoder->n_shapes; i++)
		slots_of[i] = decoder->shapes[i].n_slots;
	for (uint32_t i = 0; i < decoder->records && shape->width == 1; i++)
		slots += slots_of[shape->data[i]];
	for (uint32_t i = 0; i < decoder->records && shape->width == 2; i++) {
		uint32_t number = get16(shape->data + 2ul * i);

		slots += number == 65535 ? 0 : decoder->shapes[number].n_slots;
	}
	return slots;
}

static int validate_shapes(const struct imt_decoder *decoder, char what[160])
{
	const struct column *shape = &decoder->columns[COLUMN_SHAPE];
	const struct column *exceptions = &decoder->columns[COLUMN_SHAPE_EXCEPTION];
	uint64_t slots = 0;

	if ((shape->width != 1 && shape->width != 2) ||
	    shape->bytes != (uint64_t)decoder->records * shape->width)
		return wrong(what, "shapes that do not match its records");
	if (!exceptions_fit(shape, exceptions, IMT_SHAPE_EXCEPTION, decoder->records))
		return wrong(what, "shape exceptions out of place");
	for (uint32_t i = 0; i < exceptions->bytes; i += IMT_SHAPE_EXCEPTION) {
		uint64_t value = get64(exceptions->data + i + 4);

		if (!shape_fits(decoder, value))
			return wrong(what, "a record of a shape that no event has");
		slots += shape_slots(value);
	}
	/* the number that stands for an exception comes to 0 */
	if (column_max(shape, decoder->records, 1) > decoder->n_shapes)
		return wrong(what, "a shape beyond its table");
	slots += table_slots(decoder);
	return slots == decoder->n_slots
		       ? 0
		       : wrong(what, "a number of values that its records do not need");
}

static int validate(const struct imt_decoder *decoder, const struct imt_block *block,
		    char what[160])
{
	const struct column *c = decoder->columns;

	if (validate_shapes(decoder, what))
		return -1;
	if ((c[COLUMN_AGENT].width != 1 && c[COLUMN_AGENT].width != 2) ||
	    c[COLUMN_AGENT].bytes != (uint64_t)decoder->records * c[COLUMN_AGENT].width)
		return wrong(what, "agents that do not match its records");
	if (column_max(&c[COLUMN_AGENT], decoder->records, 0) >= decoder->n_agents)
		return wrong(what, "an agent beyond its table");
	if ((c[COLUMN_TIME].width != 1 && c[COLUMN_TIME].width != 2) ||
	    c[COLUMN_TIME].bytes != (uint64_t)decoder->records * c[COLUMN_TIME].width ||
	    !exceptions_fit(&c[COLUMN_TIME], &c[COLUMN_TIME_EXCEPTION], IMT_TIME_EXCEPTION,
			    decoder->records))
		return wrong(what, "times that do not match its records");
	if (!times_fit(&c[COLUMN_TIME], &c[COLUMN_TIME_EXCEPTION], block))
		return wrong(what, "times beyond 2^64 ns, or another span than the header's");
	if (!codes_fit(&c[COLUMN_ADDR_CODE], &c[COLUMN_ADDR], decoder->records))
		return wrong(what, "addresses that do not match their lengths");
	if (!codes_fit(&c[COLUMN_SLOT_CODE], &c[COLUMN_SLOT], decoder->n_slots))
		return wrong(what, "values that do not match their lengths");
	return 0;
}

int imt_decoder_load(struct imt_decoder *decoder, const struct imt_block *block,
		     const unsigned char *payload, const struct names *names, char what[160])
{
	unsigned n_columns;

	decoder->records = decoder->at = 0;
	if (block->bytes < IMT_DATA_HEADER)
		return wrong(what, "a payload shorter than its header");
	n_columns = get16(payload);
	decoder->n_shapes = get16(payload + 2);
	decoder->n_agents = get32(payload + 4);
	decoder->n_slots = get32(payload + 8);
	if (n_columns > IMT_COLUMNS_MAX || decoder->n_shapes > IMT_SHAPES_MAX ||
	    decoder->n_agents > IMT_AGENTS_MAX || decoder->n_slots > IMT_SLOTS_MAX ||
	    !block->records || block->records > IMT_RECORDS_MAX)
		return wrong(what, "counts beyond the format's limits");
	decoder->records = block->records;
	if (read_tables(decoder, payload, block->bytes, block->kinds, n_columns, names, what) ||
	    read_columns(decoder, payload, block->bytes, n_columns, what) ||
	    validate(decoder, block, what)) {
		decoder->records = 0;
		return -1;
	}
	memset(decoder->last_values, 0, sizeof decoder->last_values);
	decoder->time_ns = block->time_ns;
	decoder->addr = (struct coded){ decoder->columns[COLUMN_ADDR_CODE].data,
					decoder->columns[COLUMN_ADDR].data, 0 };
	decoder->slot = (struct coded){ decoder->columns[COLUMN_SLOT_CODE].data,
					decoder->columns[COLUMN_SLOT].data, 0 };
	decoder->shape_exception = decoder->columns[COLUMN_SHAPE_EXCEPTION].data;
	decoder->time_exception = decoder->columns[COLUMN_TIME_EXCEPTION].data;
	return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

static inline uint64_t load64(const unsigned char *p)
{
	uint64_t value;

	memcpy(&value, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

/* The value of that code, which *value points to, behind which it points then. */
static inline uint64_t take_value(const unsigned char **value, unsigned code)
{
	static const uint64_t masks[4] = { 0, 0xffff, 0xffffffff, UINT64_MAX };
	uint64_t raw = load64(*value) & masks[code];

	*value += code_bytes[code];
	return unzigzag(raw);
}

static inline uint64_t next_coded(struct coded *coded)
{
	unsigned code = coded->codes[coded->at / 4] >> coded->at % 4 * 2 & 3;

	coded->at++;
	return take_value(&coded->value, code);
}

/* The next n values; the codes of four share a byte. */
static inline void take_coded(struct coded *coded, uint64_t *to, size_t n)
{
	uint64_t *end = to + n;

	while (to < end && coded->at % 4)
		*to++ = next_coded(coded);
	if (end - to >= 4) {
		const unsigned char *codes = coded->codes + coded->at / 4, *value = coded->value;

		coded->at += (uint32_t)(end - to) & ~3u;
		for (; end - to >= 4; to += 4) {
			unsigned four = *codes++;

			if (!four) { /* values that stay the same come in rows */
				to[0] = to[1] = to[2] = to[3] = 0;
				continue;
			}
			to[0] = take_value(&value, four & 3);
			to[1] = take_value(&value, four >> 2 & 3);
			to[2] = take_value(&value, four >> 4 & 3);
			to[3] = take_value(&value, four >> 6);
		}
		coded->value = value;
	}
	while (to < end)
		*to++ = next_coded(coded);
}

static inline uint32_t number_at(const unsigned char *column, size_t i, unsigned width)
{
	return width == 1 ? column[i] : get16(column + 2 * i);
}

/* Stands in a column for an exception. */
static inline uint32_t marker(unsigned width)
{
	return width == 1 ? 255 : 65535;
}

/* The values of the next n events: differences become what they are added to. */
static __attribute__((noinline)) void take_slots(struct imt_decoder *decoder,
						 const struct event *events, size_t n,
						 uint64_t *slots, size_t n_slots)
{
	uint64_t *slot = slots, (*last_values)[EVENT_FIELDS] = decoder->last_values;

	take_coded(&decoder->slot, slots, n_slots);
	for (const struct event *event = events; event < events + n; event++) {
		uint64_t *last = last_values[event->kind];

		for (uint64_t present = event->present; present; present &= present - 1) {
			unsigned long field = (unsigned long)__builtin_ctzll(present);

			last[field] = *slot += last[field];
			slot++;
		}
	}
}

/*
 * Inlined with constant widths; the checks were made when the block was loaded. Each column of values has a
 * loop of its own. bare: no record of the block has slots.
 */
static inline __attribute__((always_inline)) size_t
decode(struct imt_decoder *decoder, struct event *events, uint64_t *slots, size_t max,
       unsigned shape_width, unsigned agent_width, unsigned time_width, bool bare)
{
	size_t at = decoder->at, left = decoder->records - at, n = left < max ? left : max;
	const unsigned char *numbers = decoder->columns[COLUMN_SHAPE].data + at * shape_width;
	const unsigned char *agents = decoder->columns[COLUMN_AGENT].data + at * agent_width;
	const unsigned char *steps = decoder->columns[COLUMN_TIME].data + at * time_width;
	const struct shape *shapes = decoder->shapes;
	struct local_agent *locals = decoder->agents;
	uint64_t time_ns = decoder->time_ns, slot = 0, delta[EVENT_BATCH];
	size_t n_slots = 0;

	if (n > EVENT_BATCH)
		n = EVENT_BATCH;
	take_coded(&decoder->addr, delta, n);
	for (size_t i = 0; i < n; i++) {
		struct event *event = &events[i];
		struct local_agent *agent = &locals[number_at(agents, i, agent_width)];
		uint32_t number = number_at(numbers, i, shape_width);
		uint32_t step = number_at(steps, i, time_width);
		const struct shape *shape;
		struct shape exception;
		uint64_t rest[REST_WORDS];

		if (__builtin_expect(number == marker(shape_width), 0)) {
			exception = shape_of(get64(decoder->shape_exception + 4));
			shape = &exception;
			decoder->shape_exception += IMT_SHAPE_EXCEPTION;
		} else {
			shape = &shapes[number];
		}
		if (__builtin_expect(step == marker(time_width), 0)) {
			time_ns += get64(decoder->time_exception + 4);
			decoder->time_exception += IMT_TIME_EXCEPTION;
		} else {
			time_ns += step;
		}
		event->time_ns = time_ns;
		event->addr = agent->predicted + delta[i];
		agent->predicted = event->addr + shape->len;
		rest[0] = shape->rest[0] | agent->rest;
		rest[1] = shape->rest[1] | slot;
		memcpy(&event->len, rest, sizeof rest);
		if (bare)
			continue;
		slot += shape->slots;
		n_slots += shape->n_slots;
	}
	if (!bare)
		take_slots(decoder, events, n, slots, n_slots);
	decoder->at += (uint32_t)n;
	decoder->time_ns = time_ns;
	return n;
}

size_t imt_decoder_next(struct imt_decoder *decoder, struct event *events, uint64_t *slots,
			size_t max)
{
	unsigned s = decoder->columns[COLUMN_SHAPE].width, a = decoder->columns[COLUMN_AGENT].width,
		 t = decoder->columns[COLUMN_TIME].width;
	bool bare = !decoder->n_slots;

	if (decoder->at == decoder->records)
		return 0;
	if (s == 1 && a == 1 && t == 1)
		return bare ? decode(decoder, events, slots, max, 1, 1, 1, true)
			    : decode(decoder, events, slots, max, 1, 1, 1, false);
	if (s == 1 && a == 1)
		return bare ? decode(decoder, events, slots, max, 1, 1, 2, true)
			    : decode(decoder, events, slots, max, 1, 1, 2, false);
	return decode(decoder, events, slots, max, s, a, t, false);
}
