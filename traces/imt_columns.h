/* What DATA blocks of every version have in common for their readers: columns, times, rules for shapes. */
#ifndef IOMMUSIM_TRACES_IMT_COLUMNS_H
#define IOMMUSIM_TRACES_IMT_COLUMNS_H

#include <zstd.h>

#include "traces/imt_format.h"

struct column {
	const unsigned char *data; /* IMT_PAD readable bytes follow; never NULL */
	uint32_t bytes, width;
};

struct imt_columns {
	struct column of[COLUMN_IDS];
	unsigned char *plain; /* those that were compressed, padded */
	size_t max_plain;
	/* by kind: bits of `present` that are fields, those that must be there; number of verbs */
	uint16_t fields[EVENT_KINDS], needed[EVENT_KINDS];
	uint8_t verbs[EVENT_KINDS];
	ZSTD_DCtx *zstd;
};

int imt_columns_init(struct imt_columns *columns);
void imt_columns_free(struct imt_columns *columns);

/* Where columns stand in a payload: n entries of a directory, their bytes from stored to end; none larger than the
 * limit. */
struct imt_directory {
	const unsigned char *entries, *stored, *end;
	unsigned n;
	uint64_t limit;
};
/* Columns that are not compressed stay in the payload. -1: *what says what does not hold. */
int imt_columns_read(struct imt_columns *columns, const struct imt_directory *directory,
		     char what[160]);

/* Users of events rely on it: fields that the kind has, all that it needs, a verb of its list. */
bool imt_shape_fits(const struct imt_columns *columns, unsigned kind, unsigned flags,
		    unsigned present);

/* Exceptions stand in rising order of position, one for every marker (255 or 65535). */
bool imt_exceptions_fit(const struct column *of, const struct column *exceptions,
			uint32_t entry_bytes, uint32_t records);
/* The columns of times, with their exceptions, are what the block says. */
int imt_times_fit(const struct imt_columns *columns, const struct imt_block *block, char what[160]);

static inline int imt_wrong(char what[160], const char *text)
{
	snprintf(what, 160, "%s", text);
	return -1;
}

static inline uint64_t load64(const unsigned char *p)
{
	uint64_t value;

	memcpy(&value, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
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

/* What stands behind the address of an event: parts of it are put together with `or` and +. */
enum { REST_WORDS = 2 };
_Static_assert(offsetof(struct event, len) == 8ul * REST_WORDS &&
		       sizeof(struct event) == 16ul * REST_WORDS,
	       "rest of an event");

static inline void put_rest(const struct event *event, uint64_t rest[REST_WORDS])
{
	memcpy(rest, &event->len, REST_WORDS * sizeof *rest);
}

/* imt_decode_1_0.c: blocks as version 1.0 wrote them. The columns are shared with the other decoder. */
struct imt_decoder_1_0;

int imt_decoder_1_0_create(struct imt_columns *columns, struct imt_decoder_1_0 **out);
void imt_decoder_1_0_destroy(struct imt_decoder_1_0 *decoder);
int imt_decoder_1_0_load(struct imt_decoder_1_0 *decoder, const struct imt_block *block,
			 const unsigned char *payload, const struct names *names, char what[160]);
size_t imt_decoder_1_0_next(struct imt_decoder_1_0 *decoder, struct event *events, uint64_t *slots,
			    size_t max);

#endif
