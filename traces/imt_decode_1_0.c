/*
 * One DATA block as version 1.0 wrote it: shapes and agents in columns of their own, addresses and values with
 * a 2-bit length each. Nothing writes it any more, so that this is plain rather than fast.
 */
#include <stdlib.h>

#include "traces/imt_columns.h"

/* Where a column of values with a 2-bit length each is read. */
struct coded {
	const unsigned char *codes, *value;
	uint32_t at;
};

struct shape {
	uint32_t len;
	uint16_t present;
	uint8_t kind, flags;
};

struct local_agent {
	uint64_t predicted;
	uint32_t number;
};

struct imt_decoder_1_0 {
	struct imt_columns *columns;
	struct shape *shapes;
	struct local_agent *agents;
	uint32_t n_shapes, n_agents, records, n_slots;
	/* where decoding stands */
	uint32_t at;
	uint64_t time_ns;
	struct coded addr, slot;
	const unsigned char *shape_exception, *time_exception;
	uint64_t last_values[EVENT_KINDS][EVENT_FIELDS];
};

/* Bytes that each 2-bit code stands for. */
static const uint8_t code_bytes[4] = { 0, 2, 4, 8 };

int imt_decoder_1_0_create(struct imt_columns *columns, struct imt_decoder_1_0 **out)
{
	struct imt_decoder_1_0 *decoder = calloc(1, sizeof *decoder);

	if (!decoder)
		return -1;
	decoder->columns = columns;
	decoder->shapes = malloc(IMT_SHAPES_MAX * sizeof *decoder->shapes);
	decoder->agents = malloc((IMT_AGENTS_MAX + 1ul) * sizeof *decoder->agents);
	if (!decoder->shapes || !decoder->agents) {
		imt_decoder_1_0_destroy(decoder);
		return -1;
	}
	*out = decoder;
	return 0;
}

void imt_decoder_1_0_destroy(struct imt_decoder_1_0 *decoder)
{
	if (!decoder)
		return;
	free(decoder->shapes);
	free(decoder->agents);
	free(decoder);
}

static uint32_t shape_slots(uint64_t shape)
{
	return (uint32_t)__builtin_popcount((unsigned)(shape >> 16 & 0xffff));
}

static struct shape shape_of(uint64_t raw)
{
	return (struct shape){ .len = (uint32_t)(raw >> 32),
			       .kind = (uint8_t)raw,
			       .flags = (uint8_t)(raw >> 8),
			       .present = (uint16_t)(raw >> 16) };
}

static bool shape_fits(const struct imt_decoder_1_0 *decoder, uint64_t shape)
{
	return imt_shape_fits(decoder->columns, shape & 0xff, shape >> 8 & 0xff,
			      shape >> 16 & 0xffff);
}

/* ---- loading ----------------------------------------------------------------------------------------- */

/* Shapes and agents; columns follow. kinds: as the header has them; 0: it does not say. */
static int read_tables(struct imt_decoder_1_0 *decoder, struct imt_directory *directory,
		       uint32_t kinds, const struct names *names, char what[160])
{
	size_t bytes = (size_t)directory->n * IMT_COLUMN_ENTRY + decoder->n_shapes * 8ul +
		       decoder->n_agents * 4ul;
	const unsigned char *at;

	if (bytes > (size_t)(directory->end - directory->entries))
		return imt_wrong(what, "its tables do not fit the payload");
	at = directory->entries + (size_t)directory->n * IMT_COLUMN_ENTRY;
	for (uint32_t i = 0; i < decoder->n_shapes; i++, at += 8) {
		uint64_t shape = get64(at);

		if (!shape_fits(decoder, shape))
			return imt_wrong(what, "a shape that no event has");
		if (kinds && !(kinds & imt_kind_bit(shape & 0xff)))
			return imt_wrong(what, "a kind that is not among the header's");
		decoder->shapes[i] = shape_of(shape);
	}
	for (uint32_t i = 0; i < decoder->n_agents; i++, at += 4) {
		uint32_t agent = get32(at);

		if (agent != EVENT_NO_AGENT && agent >= names_count(names, NAMES_AGENTS))
			return imt_wrong(what, "an agent that no dictionary names");
		decoder->agents[i] = (struct local_agent){ .number = agent };
	}
	directory->stored = at;
	return 0;
}

/* The lengths that a column of 2-bit codes gives must add up to its values. */
static bool codes_fit(const struct column *codes, const struct column *values, uint64_t count)
{
	uint64_t total = 0;

	if (codes->bytes != (count + 3) / 4)
		return false;
	for (uint64_t i = 0; i < count; i++)
		total += code_bytes[codes->data[i / 4] >> i % 4 * 2 & 3];
	return total == values->bytes;
}

/* One number for each record, in one or two bytes. */
static bool is_numbers(const struct column *column, uint32_t records)
{
	return (column->width == 1 || column->width == 2) &&
	       column->bytes == (uint64_t)records * column->width;
}

static int validate_shapes(const struct imt_decoder_1_0 *decoder, char what[160])
{
	const struct column *numbers = &decoder->columns->of[COLUMN_SHAPE_1_0];
	const struct column *exceptions = &decoder->columns->of[COLUMN_SHAPE_EXCEPTION_1_0];
	uint64_t slots = 0;

	if (!is_numbers(numbers, decoder->records))
		return imt_wrong(what, "shapes that do not match its records");
	if (!imt_exceptions_fit(numbers, exceptions, IMT_SHAPE_EXCEPTION, decoder->records))
		return imt_wrong(what, "shape exceptions out of place");
	for (uint32_t i = 0; i < exceptions->bytes; i += IMT_SHAPE_EXCEPTION) {
		uint64_t shape = get64(exceptions->data + i + 4);

		if (!shape_fits(decoder, shape))
			return imt_wrong(what, "a record of a shape that no event has");
		slots += shape_slots(shape);
	}
	for (uint32_t i = 0; i < decoder->records; i++) {
		uint32_t number = number_at(numbers->data, i, numbers->width);

		if (number == marker(numbers->width))
			continue;
		if (number >= decoder->n_shapes)
			return imt_wrong(what, "a shape beyond its table");
		slots += (uint32_t)__builtin_popcount(decoder->shapes[number].present);
	}
	return slots == decoder->n_slots
		       ? 0
		       : imt_wrong(what, "a number of values that its records do not need");
}

static int validate_agents(const struct imt_decoder_1_0 *decoder, char what[160])
{
	const struct column *agents = &decoder->columns->of[COLUMN_AGENT_1_0];

	if (!is_numbers(agents, decoder->records))
		return imt_wrong(what, "agents that do not match its records");
	for (uint32_t i = 0; i < decoder->records; i++)
		if (number_at(agents->data, i, agents->width) >= decoder->n_agents)
			return imt_wrong(what, "an agent beyond its table");
	return 0;
}

static int validate(const struct imt_decoder_1_0 *decoder, const struct imt_block *block,
		    char what[160])
{
	const struct column *c = decoder->columns->of;

	if (validate_shapes(decoder, what) || validate_agents(decoder, what) ||
	    imt_times_fit(decoder->columns, block, what))
		return -1;
	if (!codes_fit(&c[COLUMN_ADDR_CODE_1_0], &c[COLUMN_ADDR], decoder->records))
		return imt_wrong(what, "addresses that do not match their lengths");
	if (!codes_fit(&c[COLUMN_SLOT_CODE_1_0], &c[COLUMN_SLOT], decoder->n_slots))
		return imt_wrong(what, "values that do not match their lengths");
	return 0;
}

int imt_decoder_1_0_load(struct imt_decoder_1_0 *decoder, const struct imt_block *block,
			 const unsigned char *payload, const struct names *names, char what[160])
{
	struct imt_directory directory = { .entries = payload + IMT_DATA_HEADER,
					   .end = payload + block->bytes };

	decoder->records = decoder->at = 0;
	if (block->bytes < IMT_DATA_HEADER)
		return imt_wrong(what, "a payload shorter than its header");
	directory.n = get16(payload);
	decoder->n_shapes = get16(payload + 2);
	decoder->n_agents = get32(payload + 4);
	decoder->n_slots = get32(payload + 8);
	if (directory.n > IMT_COLUMNS_MAX || decoder->n_shapes > IMT_SHAPES_MAX ||
	    decoder->n_agents > IMT_AGENTS_MAX || decoder->n_slots > IMT_SLOTS_MAX ||
	    !block->records || block->records > IMT_RECORDS_MAX)
		return imt_wrong(what, "counts beyond the format's limits");
	decoder->records = block->records;
	directory.limit = 24ull * decoder->records + 8ull * decoder->n_slots + 64;
	if (read_tables(decoder, &directory, block->kinds, names, what) ||
	    imt_columns_read(decoder->columns, &directory, what) ||
	    validate(decoder, block, what)) {
		decoder->records = 0;
		return -1;
	}
	memset(decoder->last_values, 0, sizeof decoder->last_values);
	decoder->time_ns = block->time_ns;
	decoder->addr = (struct coded){ decoder->columns->of[COLUMN_ADDR_CODE_1_0].data,
					decoder->columns->of[COLUMN_ADDR].data, 0 };
	decoder->slot = (struct coded){ decoder->columns->of[COLUMN_SLOT_CODE_1_0].data,
					decoder->columns->of[COLUMN_SLOT].data, 0 };
	decoder->shape_exception = decoder->columns->of[COLUMN_SHAPE_EXCEPTION_1_0].data;
	decoder->time_exception = decoder->columns->of[COLUMN_TIME_EXCEPTION].data;
	return 0;
}

/* ---- decoding ------------------------------------------------------------------------------------------ */

static uint64_t unzigzag(uint64_t value)
{
	return value >> 1 ^ (0 - (value & 1));
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

/* The shape of event i. */
static struct shape next_shape(struct imt_decoder_1_0 *decoder, size_t i)
{
	const struct column *numbers = &decoder->columns->of[COLUMN_SHAPE_1_0];
	uint32_t number = number_at(numbers->data, i, numbers->width);
	struct shape shape;

	if (number != marker(numbers->width))
		return decoder->shapes[number];
	shape = shape_of(get64(decoder->shape_exception + 4));
	decoder->shape_exception += IMT_SHAPE_EXCEPTION;
	return shape;
}

static uint64_t next_time(struct imt_decoder_1_0 *decoder, size_t i)
{
	const struct column *steps = &decoder->columns->of[COLUMN_TIME];
	uint32_t step = number_at(steps->data, i, steps->width);

	if (step != marker(steps->width))
		return decoder->time_ns += step;
	decoder->time_ns += get64(decoder->time_exception + 4);
	decoder->time_exception += IMT_TIME_EXCEPTION;
	return decoder->time_ns;
}

static struct local_agent *next_agent(struct imt_decoder_1_0 *decoder, size_t i)
{
	const struct column *agents = &decoder->columns->of[COLUMN_AGENT_1_0];

	return &decoder->agents[number_at(agents->data, i, agents->width)];
}

/* The checks were made when the block was loaded. */
size_t imt_decoder_1_0_next(struct imt_decoder_1_0 *decoder, struct event *events, uint64_t *slots,
			    size_t max)
{
	size_t left = decoder->records - decoder->at, n = left < max ? left : max;
	uint32_t slot = 0;

	for (struct event *event = events; event < events + n; event++) {
		struct local_agent *agent = next_agent(decoder, decoder->at);
		struct shape shape = next_shape(decoder, decoder->at);

		*event = (struct event){ .time_ns = next_time(decoder, decoder->at++),
					 .addr = agent->predicted + next_coded(&decoder->addr),
					 .len = shape.len,
					 .agent = agent->number,
					 .kind = shape.kind,
					 .flags = shape.flags,
					 .present = shape.present,
					 .slot = slot };
		agent->predicted = event->addr + event->len;
		for (unsigned present = shape.present; present; present &= present - 1) {
			uint64_t *last = &decoder->last_values[shape.kind][__builtin_ctz(present)];

			slots[slot++] = *last += next_coded(&decoder->slot);
		}
	}
	return n;
}
