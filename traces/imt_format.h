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
	IMT_MAJOR = 2,
	IMT_MINOR = 0,
	IMT_MAJOR_READ = 1, /* from that on */
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
	IMT_STREAMS_MAX = 65536,
	IMT_SHAPES_MAX = 4095,
	IMT_COLUMNS_MAX = 32,
	IMT_META_MAX = 1 << 20,
	IMT_SLOTS_MAX = 1 << 21,
	IMT_INDEX_MAX = 16384,
	IMT_INDEX_ENTRY = 40,
	IMT_END_BYTES = 24,  /* u64 records, u64 blocks, u32 CRC over all their CRCs, u32 0 */
	IMT_LOSS_BYTES = 24, /* u64 first record lost, u64 how many (all ones: unknown), u64 time */
};

enum imt_type {
	IMT_META = 1,
	IMT_DICT,
	IMT_DATA_1_0, /* as version 1.0 had it: read, not written */
	IMT_LOSS,
	IMT_INDEX,
	IMT_END,
	IMT_DATA
};

static inline bool imt_is_data(unsigned type)
{
	return type == IMT_DATA || type == IMT_DATA_1_0;
}

enum imt_column {
	COLUMN_SHAPE_1_0 = 1,	    /* index into the shape table; all ones: an exception */
	COLUMN_SHAPE_EXCEPTION_1_0, /* u32 position, then a shape */
	COLUMN_AGENT_1_0,	    /* index into the block's agent table */
	COLUMN_TIME,		    /* step; all ones: an exception */
	COLUMN_TIME_EXCEPTION,	    /* u32 position, u64 step */
	COLUMN_ADDR_CODE_1_0,	    /* 2 bits: 0, 2, 4 or 8 bytes follow */
	COLUMN_ADDR,		    /* series: address - end of the stream's previous event */
	COLUMN_SLOT_CODE_1_0,
	COLUMN_SLOT,	/* series: value - previous of the same shape and field */
	COLUMN_SHAPES,	/* table: u8 kind, u8 flags, u16 present */
	COLUMN_STREAMS, /* table: u32 agent, u32 shape, u64 where its first address is expected */
	COLUMN_SERIES,	/* table: u64 before its first value, u64 base, u8 width, u8 shift, u16 0 */
	COLUMN_STREAM,	/* index into the table of streams */
	COLUMN_LEN,	/* series: event.len */
	COLUMN_IDS
};

enum {
	IMT_SHAPE_EXCEPTION = 12,
	IMT_TIME_EXCEPTION = 12,
	IMT_COLUMN_ENTRY = 12,
	IMT_DATA_HEADER = 16,
	IMT_SHAPE_ENTRY = 4,
	IMT_STREAM_ENTRY = 16,
	IMT_SERIES_ENTRY = 20,
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

/* imt_decode.c: one DATA block, validated whole and then decoded batch by batch. */
struct imt_decoder;

int imt_decoder_create(struct imt_decoder **out);
void imt_decoder_destroy(struct imt_decoder *decoder);
/* Checks everything; -1: *what says what does not hold. The payload stays where it is until the block is
 * decoded, with IMT_PAD readable bytes behind it. */
int imt_decoder_load(struct imt_decoder *decoder, const struct imt_block *block,
		     const unsigned char *payload, const struct names *names, char what[160]);
/* Values that never vary, shared by many events of a batch, and those of each event of a batch. */
enum { IMT_SHARED_SLOTS = 128, IMT_BATCH_SLOTS = IMT_SHARED_SLOTS + EVENT_BATCH * EVENT_FIELDS };
/* The next batch of the loaded block, at most EVENT_BATCH; 0: none left. slots: room for IMT_BATCH_SLOTS. */
size_t imt_decoder_next(struct imt_decoder *decoder, struct event *events, uint64_t *slots,
			size_t max);
/* event_batch.sure of the last batch. */
bool imt_decoder_sure(const struct imt_decoder *decoder);

/* imt_encode.c: events gathered for one DATA block. */
struct imt_encoder;

/* level: zstd's; 0 stores plain. */
int imt_encoder_create(int level, uint32_t block_records, struct imt_encoder **out);
void imt_encoder_destroy(struct imt_encoder *encoder);
/* False: the block is full; it is to be finished first. */
bool imt_encoder_has_room(const struct imt_encoder *encoder, const struct event *event);
void imt_encoder_add(struct imt_encoder *encoder, const struct event *event, const uint64_t *slots);
uint32_t imt_encoder_records(const struct imt_encoder *encoder);
/* What the block's header and payload are, the encoder's own until the next call; then a block begins. */
int imt_encoder_finish(struct imt_encoder *encoder, struct imt_block *block,
		       const unsigned char **payload);

#endif
