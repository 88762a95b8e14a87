/* Layout of the native container, shared by its reader and writer. docs/native-format.md tells it
 * in words. All numbers are little-endian. */
#ifndef IOMMUSIM_TRACES_IMT_FORMAT_H
#define IOMMUSIM_TRACES_IMT_FORMAT_H

#include <stdio.h>
#include <string.h>

#include "traces/imt.h"

static const unsigned char imt_magic[8] = { 0x89, 'I', 'M', 'T', '\r', '\n', 0x1a, '\n' };
#define IMT_BLOCK_MARK 0x494d549e1d0c4bb1ull
#define IMT_TRAILER_MARK 0x45544d49u /* "IMTE" */

enum {
	IMT_MAJOR = 1,
	IMT_MINOR = 0,
	IMT_HEADER = 64,
	IMT_BLOCK_HEADER = 64,
	IMT_TRAILER = 32,
	IMT_FLAG_STREAM = 1 << 2,    /* file header: written without seeking back */
	IMT_BLOCK_MUST = 1 << 0,     /* reader must understand */
	IMT_BLOCK_COMPLETE = 1 << 1, /* DICT: whole */
	/* limits, checked before anything is allocated */
	IMT_RECORDS_MAX = 262144,
	IMT_PAYLOAD_MAX = 16 << 20,
	IMT_PLAIN_MAX = 32 << 20,
	IMT_AGENTS_MAX = 65535,
	IMT_SHAPES_MAX = 4095,
	IMT_COLUMNS_MAX = 32,
	IMT_META_MAX = 1 << 20,
	IMT_SLOTS_MAX = 1 << 21,
	IMT_INDEX_MAX = 16384,
	IMT_INDEX_ENTRY = 40,
	IMT_END_BYTES = 24,  /* u64 records, u64 blocks, u32 CRC over all their CRCs, u32 0 */
	IMT_LOSS_BYTES = 24, /* u64 first record lost, u64 how many (all ones: unknown), u64 time */
};

enum imt_type { IMT_META = 1, IMT_DICT, IMT_DATA, IMT_LOSS, IMT_INDEX, IMT_END };

enum imt_column {
	COLUMN_SHAPE = 1,	/* index into the shape table; all ones: an exception */
	COLUMN_SHAPE_EXCEPTION, /* u32 position, then a shape */
	COLUMN_AGENT,		/* index into the block's agent table */
	COLUMN_TIME,		/* step; all ones: an exception */
	COLUMN_TIME_EXCEPTION,	/* u32 position, u64 step */
	COLUMN_ADDR_CODE,	/* 2 bits: 0, 2, 4 or 8 bytes follow */
	COLUMN_ADDR,		/* zigzag of address - predicted */
	COLUMN_SLOT_CODE,
	COLUMN_SLOT, /* zigzag of value - previous of the same kind and field */
	COLUMN_IDS
};

enum {
	IMT_SHAPE_BYTES = 8,
	IMT_SHAPE_EXCEPTION = 12,
	IMT_TIME_EXCEPTION = 12,
	IMT_COLUMN_ENTRY = 12,
	IMT_DATA_HEADER = 16,
	IMT_PAD = 8
};

struct imt_block {
	uint16_t type, flags;
	uint32_t bytes; /* payload */
	uint64_t sequence, first;
	uint32_t records, crc;
	uint64_t time_ns, span_ns;
	uint32_t kinds;
};

static inline uint16_t get16(const unsigned char *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const unsigned char *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline void put16(unsigned char *p, uint16_t value)
{
	p[0] = (unsigned char)value;
	p[1] = (unsigned char)(value >> 8);
}

static inline void put32(unsigned char *p, uint32_t value)
{
	put16(p, (uint16_t)value);
	put16(p + 2, (uint16_t)(value >> 16));
}

static inline void put64(unsigned char *p, uint64_t value)
{
	put32(p, (uint32_t)value);
	put32(p + 4, (uint32_t)(value >> 32));
}

/* A block's set of kinds has a bit for each; from 31 on they share one. */
static inline uint32_t imt_kind_bit(unsigned kind)
{
	return 1u << (kind < 31 ? kind : 31);
}

static inline uint64_t zigzag(uint64_t delta)
{
	return delta << 1 ^ (0 - (delta >> 63));
}

static inline uint64_t unzigzag(uint64_t value)
{
	return value >> 1 ^ (0 - (value & 1));
}

/* imt_index.c. A block header whose own checksum holds. */
bool imt_parse_header(const unsigned char *raw, struct imt_block *block);

/* What INDEX says of a block. */
struct imt_place {
	uint64_t offset;
	uint32_t type, records;
	uint64_t first, time_ns, span_ns;
};
/* False: no more entries are wanted. */
typedef bool imt_place_visitor(void *ctx, const struct imt_place *place);
/* Every block in the order of the file; last: offset of the last segment. One segment, at most 640 KiB, is in
 * memory at a time. -1: some of the index is not what it should be. */
int imt_index_visit(FILE *file, uint64_t last, imt_place_visitor *visit, void *ctx);

/* imt_block.c: one DATA block, validated whole and then decoded batch by batch. */
struct imt_decoder;

int imt_decoder_create(struct imt_decoder **out);
void imt_decoder_destroy(struct imt_decoder *decoder);
/* Checks everything; -1: *what says what does not hold. */
int imt_decoder_load(struct imt_decoder *decoder, const struct imt_block *block,
		     const unsigned char *payload, const struct names *names, char what[160]);
/* The next batch of the loaded block; 0: none left. slots: room for EVENT_FIELDS for each. */
size_t imt_decoder_next(struct imt_decoder *decoder, struct event *events, uint64_t *slots,
			size_t max);

#endif
