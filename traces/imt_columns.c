/* Columns of a DATA block: out of its payload, and held against what the block says of them. */
#include <stdlib.h>

#include "traces/imt_columns.h"

/* The rules for shapes, from the rows of the kinds. */
static void learn_kind(struct imt_columns *columns, unsigned kind)
{
	const struct event_kind_row *row = &event_kinds[kind];

	for (unsigned f = 0; f < EVENT_FIELDS; f++) {
		const struct event_field *field = &row->fields[f];

		if (field->type == FIELD_END || field->place != PLACE_SLOT)
			continue;
		columns->fields[kind] |= (uint16_t)(1u << f);
		if (field->required)
			columns->needed[kind] |= (uint16_t)(1u << f);
	}
	columns->verbs[kind] = 1;
	for (const char *at = row->verbs; at && (at = strchr(at, '|')); at++)
		columns->verbs[kind]++;
}

int imt_columns_init(struct imt_columns *columns)
{
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
		learn_kind(columns, kind);
	columns->zstd = ZSTD_createDCtx();
	if (!columns->zstd)
		return -1;
	ZSTD_DCtx_setParameter(columns->zstd, ZSTD_d_windowLogMax, 23);
	return 0;
}

void imt_columns_free(struct imt_columns *columns)
{
	free(columns->plain);
	ZSTD_freeDCtx(columns->zstd);
}

bool imt_shape_fits(const struct imt_columns *columns, unsigned kind, unsigned flags,
		    unsigned present)
{
	return kind < EVENT_KINDS && !(present & ~columns->fields[kind]) &&
	       !(columns->needed[kind] & ~present) && (flags >> 2 & 7) < columns->verbs[kind] &&
	       !(flags >> 6);
}

/* ---- out of the payload ------------------------------------------------------------------------------ */

static const unsigned char *entry_of(const struct imt_directory *directory, unsigned i)
{
	return directory->entries + (size_t)i * IMT_COLUMN_ENTRY;
}

/* Room for all that is compressed. */
static int make_room(struct imt_columns *columns, const struct imt_directory *directory,
		     char what[160])
{
	uint64_t total = 0;

	for (unsigned i = 0; i < directory->n; i++) {
		uint32_t plain = get32(entry_of(directory, i) + 4);

		if (plain > directory->limit)
			return imt_wrong(what, "a column larger than its records allow");
		total += plain + IMT_PAD;
	}
	if (total > IMT_PLAIN_MAX)
		return imt_wrong(what, "more than 32 MiB of columns");
	if (total > columns->max_plain) {
		unsigned char *plain = realloc(columns->plain, total);

		if (!plain)
			return imt_wrong(what, "no memory for its columns");
		columns->plain = plain;
		columns->max_plain = total;
	}
	return 0;
}

static int unpack(struct imt_columns *columns, const unsigned char *stored, uint32_t stored_bytes,
		  unsigned char *plain, uint32_t plain_bytes, char what[160])
{
	if (ZSTD_getFrameContentSize(stored, stored_bytes) != plain_bytes ||
	    ZSTD_decompressDCtx(columns->zstd, plain, plain_bytes, stored, stored_bytes) !=
		    plain_bytes)
		return imt_wrong(what, "a column that does not decompress to its size");
	memset(plain + plain_bytes, 0, IMT_PAD);
	return 0;
}

int imt_columns_read(struct imt_columns *columns, const struct imt_directory *directory,
		     char what[160])
{
	static const unsigned char nothing[IMT_PAD];
	const unsigned char *at = directory->stored;
	unsigned char *to;

	if (make_room(columns, directory, what))
		return -1;
	/* one that is not there has no values, but is read from all the same */
	for (unsigned i = 0; i < COLUMN_IDS; i++)
		columns->of[i] = (struct column){ .data = nothing };
	to = columns->plain;
	for (unsigned i = 0; i < directory->n; i++) {
		const unsigned char *entry = entry_of(directory, i);
		uint32_t plain = get32(entry + 4), stored = get32(entry + 8);
		bool packed = entry[1];

		if (entry[0] == 0 || entry[0] >= COLUMN_IDS || entry[1] > 1 ||
		    columns->of[entry[0]].data != nothing)
			return imt_wrong(what, "an unknown or repeated column");
		if (stored > (size_t)(directory->end - at))
			return imt_wrong(what, "a column that goes beyond the payload");
		if (!packed && stored != plain)
			return imt_wrong(what, "a plain column whose sizes differ");
		if (packed && unpack(columns, at, stored, to, plain, what))
			return -1;
		columns->of[entry[0]] = (struct column){ packed ? to : at, plain, entry[2] };
		to += packed ? plain + IMT_PAD : 0;
		at += stored;
	}
	return 0;
}

/* ---- held against the block ----------------------------------------------------------------------------- */

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

bool imt_exceptions_fit(const struct column *of, const struct column *exceptions,
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

/* Steps are not negative; the last time must fit, so that none goes back, and be the header's. */
static bool steps_fit(const struct column *steps, const struct column *exceptions,
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

int imt_times_fit(const struct imt_columns *columns, const struct imt_block *block, char what[160])
{
	const struct column *steps = &columns->of[COLUMN_TIME],
			    *exceptions = &columns->of[COLUMN_TIME_EXCEPTION];

	if ((steps->width != 1 && steps->width != 2) ||
	    steps->bytes != (uint64_t)block->records * steps->width ||
	    !imt_exceptions_fit(steps, exceptions, IMT_TIME_EXCEPTION, block->records))
		return imt_wrong(what, "times that do not match its records");
	if (!steps_fit(steps, exceptions, block))
		return imt_wrong(what, "times beyond 2^64 ns, or another span than the header's");
	return 0;
}
