/* Reading INDEX: segments that lead from the last one, which the trailer names, to the first. */
#include <stdlib.h>

#include "traces/imt_format.h"

bool imt_parse_header(const unsigned char *raw, struct imt_block *block)
{
	if (get64(raw) != IMT_BLOCK_MARK || crc32c(0, raw, 60) != get32(raw + 60))
		return false;
	*block = (struct imt_block){ get16(raw + 8),  get16(raw + 10), get32(raw + 12),
				     get64(raw + 16), get64(raw + 24), get32(raw + 32),
				     get32(raw + 36), get64(raw + 40), get64(raw + 48),
				     get32(raw + 56) };
	return block->bytes <= IMT_PAYLOAD_MAX && block->records <= IMT_RECORDS_MAX;
}

static bool read_exactly(FILE *file, uint64_t offset, void *data, size_t n)
{
	return !fseeko(file, (off_t)offset, SEEK_SET) && fread(data, 1, n, file) == n;
}

/* One segment's payload, whole; NULL: what stands there is none. */
static unsigned char *read_segment(FILE *file, uint64_t offset, uint32_t *n_entries)
{
	enum { MOST = 8 + IMT_INDEX_MAX * IMT_INDEX_ENTRY };
	unsigned char raw[IMT_BLOCK_HEADER], *payload;
	struct imt_block block;

	if (!read_exactly(file, offset, raw, sizeof raw) || !imt_parse_header(raw, &block) ||
	    block.type != IMT_INDEX || block.bytes < 8 || block.bytes > MOST ||
	    (block.bytes - 8) % IMT_INDEX_ENTRY)
		return NULL;
	payload = malloc(block.bytes);
	if (payload && (!read_exactly(file, offset + IMT_BLOCK_HEADER, payload, block.bytes) ||
			crc32c(0, payload, block.bytes) != block.crc)) {
		free(payload);
		payload = NULL;
	}
	*n_entries = (block.bytes - 8) / IMT_INDEX_ENTRY;
	return payload;
}

/* The offsets of all segments, last first; a segment lies before the one that names it. */
static int find_segments(FILE *file, uint64_t last, uint64_t **segments, size_t *n)
{
	uint64_t below = UINT64_MAX;
	size_t max = 0;

	for (uint64_t at = last; at; (*n)++) {
		unsigned char *payload;
		uint32_t n_entries;

		if (at >= below)
			return -1;
		if (*n == max) {
			uint64_t *grown = realloc(*segments, (max * 2 + 16) * sizeof *grown);

			if (!grown)
				return -1;
			*segments = grown;
			max = max * 2 + 16;
		}
		payload = read_segment(file, at, &n_entries);
		if (!payload)
			return -1;
		(*segments)[*n] = below = at;
		at = get64(payload);
		free(payload);
	}
	return 0;
}

int imt_index_visit(FILE *file, uint64_t last, imt_place_visitor *visit, void *ctx)
{
	uint64_t *segments = NULL;
	size_t n = 0;
	int answer = find_segments(file, last, &segments, &n);
	bool more = true;

	while (!answer && more && n--) {
		uint32_t n_entries;
		unsigned char *payload = read_segment(file, segments[n], &n_entries);

		if (!payload)
			answer = -1;
		for (uint32_t i = 0; payload && more && i < n_entries; i++) {
			const unsigned char *entry = payload + 8 + (size_t)i * IMT_INDEX_ENTRY;

			more = visit(ctx,
				     &(struct imt_place){ get64(entry), get32(entry + 8),
							  get32(entry + 12), get64(entry + 16),
							  get64(entry + 24), get64(entry + 32) });
		}
		free(payload);
	}
	free(segments);
	return answer;
}
