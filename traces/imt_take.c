/* One block of a native file: its header, its payload, and what each type says. */
#include <inttypes.h>
#include <stdlib.h>

#include "traces/imt_source.h"
#include "traces/meta.h"

int imt_damaged(const struct imt_source *source, struct err *err, const char *what)
{
	return err_set(err, ERR_DAMAGED,
		       "%s: block %" PRIu64 " at byte %" PRIu64 ": %s; last good record %" PRIu64
		       " at %.9f s (use --salvage to continue after it)",
		       source->path, source->sequence, source->offset, what,
		       source->records ? source->records - 1 : 0, (double)source->last_ns / 1e9);
}

size_t imt_read_at(struct imt_source *source, uint64_t offset, void *data, size_t n)
{
	if (fseeko(source->file, (off_t)offset, SEEK_SET))
		return 0;
	return fread(data, 1, n, source->file);
}

int imt_read_payload(struct imt_source *source, const struct imt_block *block, char what[160])
{
	if (block->bytes > source->max_payload || !source->payload) {
		unsigned char *payload = realloc(source->payload, (size_t)block->bytes + IMT_PAD);

		if (!payload) {
			snprintf(what, 160, "no memory for %u bytes", block->bytes);
			return -1;
		}
		source->payload = payload;
		source->max_payload = block->bytes;
	}
	if (imt_read_at(source, source->offset + IMT_BLOCK_HEADER, source->payload, block->bytes) !=
	    block->bytes) {
		snprintf(what, 160,
			 "cut short: the file has %" PRIu64 " bytes, the block ends at %" PRIu64,
			 source->size, source->offset + IMT_BLOCK_HEADER + block->bytes);
		return -1;
	}
#ifndef IMT_NO_CHECKSUMS
	if (crc32c(0, source->payload, block->bytes) != block->crc) {
		snprintf(what, 160, "payload checksum 0x%08x, header says 0x%08x",
			 crc32c(0, source->payload, block->bytes), block->crc);
		return -1;
	}
#endif
	return 0;
}

int imt_next_header(struct imt_source *source, struct imt_block *block, char what[160])
{
	unsigned char raw[IMT_BLOCK_HEADER];
	size_t n = imt_read_at(source, source->offset, raw, sizeof raw);

	if (n == 0 || (n <= IMT_TRAILER && source->end_seen))
		return 0;
	if (n < sizeof raw) {
		snprintf(what, 160, "cut short: %zu bytes of its header", n);
		return -1;
	}
	if (!imt_parse_header(raw, block)) {
		snprintf(what, 160, "a header whose checksum does not hold");
		return -1;
	}
	if (block->sequence < source->sequence) {
		snprintf(what, 160, "sequence number %" PRIu64 " again; files were joined",
			 block->sequence);
		return -1;
	}
	if (block->sequence > source->sequence) {
		snprintf(what, 160,
			 "sequence number %" PRIu64 ", expected %" PRIu64 ": blocks are missing",
			 block->sequence, source->sequence);
		return -1;
	}
	return 1;
}

/* ---- dictionaries and META -------------------------------------------------------------------------- */

static int read_entry(struct names *names, enum name_table table, uint32_t number,
		      const unsigned char **at, const unsigned char *end)
{
	size_t n = table == NAMES_STRINGS ? 2 : table == NAMES_AGENTS ? 12 : 4;
	uint32_t held;

	if ((size_t)(end - *at) < n)
		return -1;
	if (table == NAMES_STRINGS) {
		n += get16(*at);
		if ((size_t)(end - *at) < n)
			return -1;
		held = names_string(names, (const char *)*at + 2, n - 2);
	} else if (table == NAMES_AGENTS) {
		struct agent agent = { get32(*at), get32(*at + 4), get32(*at + 8) };

		if ((agent.device != NAME_NONE &&
		     agent.device >= names_count(names, NAMES_DEVICES)) ||
		    (agent.domain != NAME_NONE &&
		     agent.domain >= names_count(names, NAMES_DOMAINS)))
			return -1;
		held = names_agent(names, agent);
	} else {
		uint32_t string = get32(*at);

		held = number < names_count(names, table) &&
				       names_string_of(names, table, number) == string
			       ? number
			       : names_declare(names, table, string);
	}
	*at += n;
	return held == number ? 0 : -1;
}

/* Entries that are known already (the complete dictionary at the end) must be the same. */
int imt_read_dictionary(struct imt_source *source, const struct imt_block *block, char what[160])
{
	const unsigned char *at, *end = source->payload + block->bytes;
	uint32_t table, first, count;

	if (block->bytes < 12)
		goto bad;
	at = source->payload + 12;
	table = get32(source->payload);
	first = get32(source->payload + 4);
	count = get32(source->payload + 8);
	if (table >= NAME_TABLES || count > block->bytes ||
	    first > names_count(source->head.names, (enum name_table)table))
		goto bad;
	for (uint32_t i = 0; i < count; i++)
		if (read_entry(source->head.names, (enum name_table)table, first + i, &at, end))
			goto bad;
	if (at == end)
		return 0;
bad:
	snprintf(what, 160,
		 "inconsistent, not damaged: a dictionary that does not follow from those before");
	return -1;
}

static int read_meta(struct imt_source *source, const struct imt_block *block, char what[160])
{
	char *meta;

	if (source->meta)
		return 0;
	if (block->bytes > IMT_META_MAX) {
		snprintf(what, 160, "META of %u bytes; at most 1 MiB", block->bytes);
		return -1;
	}
	meta = malloc(block->bytes + 1ul);
	if (!meta) {
		snprintf(what, 160, "no memory for META");
		return -1;
	}
	memcpy(meta, source->payload, block->bytes);
	meta[block->bytes] = 0;
	source->meta = meta;
	source->info.meta = meta;
	source->head.meta = meta;
	source->head.uncertainty_ns = meta_uncertainty_ns(meta);
	return 0;
}

/* ---- one block after the other ------------------------------------------------------------------------- */

static int load_data(struct imt_source *source, const struct imt_block *block, char what[160])
{
	char why[160];

	if (block->first != source->records) {
		snprintf(what, 160, "first record %" PRIu64 ", expected %" PRIu64, block->first,
			 source->records);
		return -1;
	}
	if (block->time_ns < source->last_ns) {
		snprintf(what, 160, "its time goes back");
		return -1;
	}
	if (imt_decoder_load(source->decoder, block, source->payload, source->head.names, why)) {
		snprintf(what, 160, "inconsistent, not damaged: %.100s", why);
		return -1;
	}
	source->loading = true;
	return 0;
}

/* What a salvage before this one had to drop; the record after it says so in the stream. */
static int read_loss(struct imt_source *source, const struct imt_block *block, char what[160])
{
	uint64_t count;

	if (block->bytes != IMT_LOSS_BYTES) {
		snprintf(what, 160, "LOSS of %u bytes, expected %d", block->bytes, IMT_LOSS_BYTES);
		return -1;
	}
	count = get64(source->payload + 8);
	source->info.gaps++;
	if (count != UINT64_MAX)
		source->info.lost += count;
	return 0;
}

/* END counts what came before it, so that whole blocks cannot be missing behind a file's last good one. */
static int read_end(struct imt_source *source, const struct imt_block *block, char what[160])
{
	const unsigned char *end = source->payload;

	if (block->bytes != IMT_END_BYTES) {
		snprintf(what, 160, "END of %u bytes, expected %d", block->bytes, IMT_END_BYTES);
		return -1;
	}
	source->end_seen = true;
	if (source->skipped ||
	    (get64(end) == source->records && get64(end + 8) == block->sequence &&
	     get32(end + 16) == source->crc_of_crcs))
		return 0;
	snprintf(what, 160,
		 "inconsistent, not damaged: END counts %" PRIu64 " records in %" PRIu64
		 " blocks, there are %" PRIu64 " in %" PRIu64,
		 get64(end), get64(end + 8), source->records, block->sequence);
	return -1;
}

int imt_take_block(struct imt_source *source, const struct imt_block *block, char what[160])
{
	if (imt_read_payload(source, block, what))
		return -1;
	switch (block->type) {
	case IMT_META:
		return read_meta(source, block, what);
	case IMT_DICT:
		return imt_read_dictionary(source, block, what);
	case IMT_DATA:
	case IMT_DATA_1_0:
		return load_data(source, block, what);
	case IMT_END:
		return read_end(source, block, what);
	case IMT_LOSS:
		return read_loss(source, block, what);
	case IMT_INDEX:
		return 0;
	default:
		if (!(block->flags & IMT_BLOCK_MUST))
			return 0;
		snprintf(what, 160, "of type %u, which this program does not know and must",
			 block->type);
		return -1;
	}
}

void imt_step_over(struct imt_source *source, const struct imt_block *block)
{
	unsigned char crc[4];

	put32(crc, block->crc);
	source->crc_of_crcs = crc32c(source->crc_of_crcs, crc, sizeof crc);
	source->offset += IMT_BLOCK_HEADER + ((uint64_t)block->bytes + 7) / 8 * 8;
	source->head.offset = source->offset;
	source->sequence = block->sequence + 1;
}
