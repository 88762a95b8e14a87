/*
 * The native container (IMT): columnar blocks, zstd, CRC-32C, index, META, dictionaries, lost
 * markers, salvage. docs/native-format.md describes every byte. Streaming both ways; under
 * 8 MiB of memory whatever the length.
 */
#ifndef IOMMUSIM_TRACES_IMT_H
#define IOMMUSIM_TRACES_IMT_H

#include "traces/event.h"

enum { IMT_BLOCK_RECORDS = 65536 };

struct imt_options {
	bool salvage;		/* reader: continue after damage with `lost` records */
	int level;		/* writer: zstd level, default 3; 0 stores plain */
	uint32_t block_records; /* writer: default IMT_BLOCK_RECORDS; tests use fewer */
	/* writer: extra META lines "key = value\n", NULL for none; copied */
	const char *meta;
};

/* path "-" is not accepted: the reader seeks. */
int imt_source_open(const char *path, const struct imt_options *options, struct event_source **out,
		    struct err *err);

/* Continues with the batch that starts at record `number`; for an imt source only. By INDEX where there is
 * one that agrees with the block's header, else block by block. */
int imt_source_seek(struct event_source *source, uint64_t number, struct err *err);

/* What is known of an open native source without reading its records. */
struct imt_info {
	const char *meta; /* "key = value" lines; owned by the source */
	uint64_t blocks, records, lost, first_ns, last_ns;
	uint64_t damaged_blocks; /* salvage: so far */
	uint64_t gaps;		 /* LOSS blocks so far: what an earlier salvage dropped */
	bool closed;		 /* INDEX, END and trailer are there and agree */
};
void imt_source_info(const struct event_source *source, struct imt_info *info);

/* Checks every checksum and validates every block; returns the number of damaged blocks in
 * *damaged and the first damage in *err. -1 when the file cannot be read at all. */
int imt_check(const char *path, uint64_t *damaged, struct err *err);

/* Writes to path.part and renames at finish; path "-" writes a stream to stdout. */
int imt_sink_open(const char *path, const struct imt_options *options, struct event_sink **out,
		  struct err *err);

/* CRC-32C (Castagnoli), as stored in blocks. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
