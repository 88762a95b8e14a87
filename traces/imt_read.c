/* Reading the native container: block after block, strict or salvaging. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "traces/imt_format.h"
#include "traces/meta.h"

struct imt_source {
	struct event_source head;
	FILE *file;
	char *path;
	struct imt_options options;
	struct imt_info info;
	char *meta;
	struct imt_decoder *decoder;
	unsigned char *payload;
	size_t max_payload;
	uint64_t offset, size; /* of the next block; of the file */
	uint64_t sequence;     /* that the next block should have */
	uint64_t records;      /* delivered, or lost and accounted for */
	uint64_t last_ns;
	uint64_t index;	      /* offset of the last INDEX; 0: none is known */
	uint32_t crc_of_crcs; /* of the blocks so far */
	bool skipped;	      /* not all of them: END's totals are not compared */
	bool ended, end_seen, loading;
	uint64_t first; /* number of the batch's first event */
	struct event events[EVENT_BATCH];
	uint64_t slots[IMT_BATCH_SLOTS];
};

static int damaged(const struct imt_source *source, struct err *err, const char *what)
{
	return err_set(err, ERR_DAMAGED,
		       "%s: block %" PRIu64 " at byte %" PRIu64 ": %s; last good record %" PRIu64
		       " at %.9f s (use --salvage to continue after it)",
		       source->path, source->sequence, source->offset, what,
		       source->records ? source->records - 1 : 0, (double)source->last_ns / 1e9);
}

/* n bytes at the offset; fewer: the file ends there. */
static size_t read_at(struct imt_source *source, uint64_t offset, void *data, size_t n)
{
	if (fseeko(source->file, (off_t)offset, SEEK_SET))
		return 0;
	return fread(data, 1, n, source->file);
}

static int read_payload(struct imt_source *source, const struct imt_block *block, char what[160])
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
	if (read_at(source, source->offset + IMT_BLOCK_HEADER, source->payload, block->bytes) !=
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

/* The header at the offset: 1 there, 0 the file ends there, -1 damaged. */
static int next_header(struct imt_source *source, struct imt_block *block, char what[160])
{
	unsigned char raw[IMT_BLOCK_HEADER];
	size_t n = read_at(source, source->offset, raw, sizeof raw);

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
static int read_dictionary(struct imt_source *source, const struct imt_block *block, char what[160])
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

static int take_block(struct imt_source *source, const struct imt_block *block, char what[160])
{
	if (read_payload(source, block, what))
		return -1;
	switch (block->type) {
	case IMT_META:
		return read_meta(source, block, what);
	case IMT_DICT:
		return read_dictionary(source, block, what);
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

static void step_over(struct imt_source *source, const struct imt_block *block)
{
	unsigned char crc[4];

	put32(crc, block->crc);
	source->crc_of_crcs = crc32c(source->crc_of_crcs, crc, sizeof crc);
	source->offset += IMT_BLOCK_HEADER + ((uint64_t)block->bytes + 7) / 8 * 8;
	source->head.offset = source->offset;
	source->sequence = block->sequence + 1;
}

/* Salvage: the next header that holds, further on and later in sequence. */
static bool resynchronise(struct imt_source *source, struct imt_block *block)
{
	enum { WINDOW = 1 << 16 };
	static const unsigned char mark[8] = { 0xb1, 0x4b, 0x0c, 0x1d, 0x9e, 0x54, 0x4d, 0x49 };
	unsigned char *window = malloc(WINDOW + IMT_BLOCK_HEADER);
	uint64_t at = (source->offset + 8) & ~7ull;
	bool found = false;

	while (window && !found && at + IMT_BLOCK_HEADER <= source->size) {
		size_t n = read_at(source, at, window, WINDOW + IMT_BLOCK_HEADER), i;

		if (n < IMT_BLOCK_HEADER)
			break;
		for (i = 0; i + IMT_BLOCK_HEADER <= n && i < WINDOW && !found; i += 8)
			if (!memcmp(window + i, mark, 8) && imt_parse_header(window + i, block) &&
			    block->sequence >= source->sequence &&
			    at + i + IMT_BLOCK_HEADER + block->bytes <= source->size) {
				source->offset = at + i;
				found = true;
			}
		at += i;
	}
	free(window);
	return found;
}

/* A synthetic `lost` record for what a damaged stretch held. */
static void put_lost(struct imt_source *source, uint64_t count, bool known,
		     struct event_batch *batch)
{
	source->events[0] = (struct event){ .time_ns = source->last_ns,
					    .agent = EVENT_NO_AGENT,
					    .kind = EVENT_LOST,
					    .flags = CLASS_READER,
					    .present = known ? 1u << LOST_COUNT : 0 };
	source->slots[0] = count;
	source->info.lost += count;
	source->info.damaged_blocks++;
	*batch = (struct event_batch){
		.events = source->events, .slots = source->slots, .n = 1, .first = source->first++
	};
}

/* After damage: at the next good block that counts records, or at the end. */
static int salvage(struct imt_source *source, struct event_batch *batch)
{
	struct imt_block block;

	source->skipped = true;
	while (resynchronise(source, &block)) {
		uint64_t lost = block.first > source->records ? block.first - source->records : 0;

		if (block.first < source->records) {
			source->sequence = block.sequence + 1;
			continue;
		}
		source->sequence = block.sequence;
		source->records = block.first;
		if (block.time_ns > source->last_ns && imt_is_data(block.type))
			source->last_ns = block.time_ns;
		put_lost(source, lost, true, batch);
		return 1;
	}
	source->ended = true;
	put_lost(source, 0, false, batch);
	return 1;
}

/* Strict: a file without its end delivers everything and then says so. */
static int at_end(struct imt_source *source, struct err *err)
{
	source->ended = true;
	source->info.closed = source->info.closed && source->end_seen;
	if (source->end_seen || source->options.salvage)
		return 0;
	return err_set(err, ERR_DAMAGED,
		       "%s: not closed: ends at byte %" PRIu64 " without END after %" PRIu64
		       " good records (use --salvage to accept it)",
		       source->path, source->size, source->records);
}

static int imt_next(struct event_source *head, struct event_batch *batch, struct err *err)
{
	struct imt_source *source = (struct imt_source *)head;
	struct imt_block block = { 0 };
	char what[160] = "";

	while (!source->ended) {
		int got;

		if (source->loading) {
			size_t n = imt_decoder_next(source->decoder, source->events, source->slots,
						    EVENT_BATCH);

			if (n) {
				*batch = (struct event_batch){ .events = source->events,
							       .slots = source->slots,
							       .n = n,
							       .first = source->first,
							       .sure = imt_decoder_sure(
								       source->decoder) };
				source->first += n;
				source->records += n;
				source->last_ns = source->events[n - 1].time_ns;
				return 1;
			}
			source->loading = false;
		}
		got = next_header(source, &block, what);
		if (got == 0)
			return at_end(source, err);
		if (got < 0 || take_block(source, &block, what)) {
			if (!source->options.salvage) {
				source->ended = true;
				return damaged(source, err, what);
			}
			return salvage(source, batch);
		}
		step_over(source, &block);
	}
	return 0;
}

static void imt_where(const struct event_source *head, uint64_t number, char *text, size_t size)
{
	const struct imt_source *source = (const struct imt_source *)head;

	snprintf(text, size, "%s: record %" PRIu64, source->path, number);
}

static void imt_close(struct event_source *head)
{
	struct imt_source *source = (struct imt_source *)head;

	if (source->file)
		fclose(source->file);
	names_destroy(head->names);
	imt_decoder_destroy(source->decoder);
	free(source->payload);
	free(source->meta);
	free(source->path);
	free(source);
}

/* Reads those dictionary blocks that hold and follow from those before. */
static void read_dictionaries(struct imt_source *source, bool complete)
{
	struct imt_block block;
	char what[160];

	source->offset = IMT_HEADER - 8;
	source->sequence = 0;
	while (resynchronise(source, &block)) {
		if (block.type == IMT_DICT && !(block.flags & IMT_BLOCK_COMPLETE) == !complete &&
		    !read_payload(source, &block, what))
			read_dictionary(source, &block, what);
		source->offset += (uint64_t)(block.bytes / 8) * 8;
	}
}

/*
 * Salvage: a lost dictionary block must not leave later records without names, so that what the writer
 * repeats at the end fills the gaps. Names that stand before their records come first: a last dictionary
 * that contradicts them is not this file's.
 */
static void read_all_names(struct imt_source *source)
{
	read_dictionaries(source, false);
	read_dictionaries(source, true);
	source->offset = IMT_HEADER;
	source->sequence = 0;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static int check_file_header(struct imt_source *source, struct err *err)
{
	unsigned char raw[IMT_HEADER];

	if (read_at(source, 0, raw, sizeof raw) != sizeof raw)
		return err_set(err, ERR_DAMAGED,
			       "%s: %" PRIu64 " bytes; a native recording begins with 64",
			       source->path, source->size);
	if (memcmp(raw, imt_magic, sizeof imt_magic) != 0)
		return err_set(err, ERR_DAMAGED,
			       "%s: bytes 0 to 7 are not those of a native recording",
			       source->path);
	if (crc32c(0, raw, 60) != get32(raw + 60)) {
		if (!source->options.salvage)
			return err_set(err, ERR_DAMAGED,
				       "%s: file header checksum 0x%08x, expected 0x%08x (use "
				       "--salvage to go on)",
				       source->path, get32(raw + 60), crc32c(0, raw, 60));
		source->info.damaged_blocks++;
		return 0;
	}
	if (get16(raw + 8) < IMT_MAJOR_READ || get16(raw + 8) > IMT_MAJOR)
		return err_set(err, ERR_INPUT,
			       "%s: format version %u; this program reads versions %d to %d",
			       source->path, get16(raw + 8), IMT_MAJOR_READ, IMT_MAJOR);
	if (get32(raw + 12) != IMT_HEADER || get64(raw + 24))
		return err_set(err, ERR_INPUT,
			       "%s: a file header of %u bytes and a base time of %" PRIu64
			       " ns; expected %d and 0",
			       source->path, get32(raw + 12), get64(raw + 24), IMT_HEADER);
	return 0;
}

/* Totals of a closed file from its trailer; zeros when there is none. */
static void read_trailer(struct imt_source *source)
{
	unsigned char raw[IMT_TRAILER];

	if (source->size < IMT_TRAILER ||
	    read_at(source, source->size - IMT_TRAILER, raw, sizeof raw) != sizeof raw ||
	    get32(raw + 24) != IMT_TRAILER_MARK || crc32c(0, raw, 28) != get32(raw + 28))
		return;
	source->info.closed = true;
	source->index = get64(raw);
	source->info.records = get64(raw + 8);
	source->info.blocks = get64(raw + 16);
}

int imt_source_open(const char *path, const struct imt_options *options, struct event_source **out,
		    struct err *err)
{
	static const struct event_source_ops ops = { imt_next, imt_where, imt_close };
	struct imt_source *source = calloc(1, sizeof *source);
	struct imt_block block;
	struct stat st;
	char what[160];

	if (!source || names_create(&source->head.names)) {
		free(source);
		return err_no_memory(err, "a native reader");
	}
	source->head.ops = &ops;
	source->head.kind = "native";
	source->options = *options;
	source->path = strdup(path);
	source->file = fopen(path, "rb");
	if (!source->path || imt_decoder_create(&source->decoder)) {
		err_no_memory(err, "a native reader");
		goto fail;
	}
	if (!source->file || fstat(fileno(source->file), &st)) {
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
		goto fail;
	}
	setvbuf(source->file, NULL, _IOFBF, 1 << 18);
	source->size = source->head.bytes = (uint64_t)st.st_size;
	source->offset = IMT_HEADER;
	if (check_file_header(source, err))
		goto fail;
	read_trailer(source);
	if (options->salvage)
		read_all_names(source);
	/* META is the first block; reading it now lets commands show it at once. */
	if (next_header(source, &block, what) == 1 && block.type == IMT_META &&
	    !take_block(source, &block, what))
		step_over(source, &block);
	*out = &source->head;
	return 0;
fail:
	imt_close(&source->head);
	return -1;
}

/* ---- seeking ---------------------------------------------------------------------------------------- */

struct seek {
	struct imt_source *source;
	uint64_t number, next; /* next: record that the next data block begins with */
	bool found, failed;
	struct imt_place place;
};

/* The block is there, and is what the index says. */
static bool at_place(struct imt_source *source, const struct imt_place *place,
		     struct imt_block *block)
{
	unsigned char raw[IMT_BLOCK_HEADER];

	source->offset = place->offset;
	return read_at(source, place->offset, raw, sizeof raw) == sizeof raw &&
	       imt_parse_header(raw, block) && block->type == place->type &&
	       block->first == place->first && block->records == place->records;
}

/* Dictionaries before the record are read, data blocks are not touched. */
static bool seek_place(void *ctx, const struct imt_place *place)
{
	struct seek *seek = ctx;
	struct imt_block block;
	char what[160];

	if (imt_is_data(place->type) && place->records && place->first == seek->next) {
		seek->found = seek->number - place->first < place->records;
		seek->place = *place;
		seek->next += place->records;
		return !seek->found;
	}
	seek->failed = imt_is_data(place->type) || !at_place(seek->source, place, &block) ||
		       (place->type == IMT_DICT && (read_payload(seek->source, &block, what) ||
						    read_dictionary(seek->source, &block, what)));
	return !seek->failed;
}

/* By INDEX to the block of the record; false: as if nothing had been tried, for want of a sound index. */
static bool seek_by_index(struct imt_source *source, uint64_t number)
{
	struct seek seek = { .source = source, .number = number };
	uint64_t offset = source->offset;
	struct imt_block block;

	if (!source->index || source->options.salvage ||
	    imt_index_visit(source->file, source->index, seek_place, &seek) || seek.failed ||
	    !seek.found || !at_place(source, &seek.place, &block)) {
		source->offset = offset;
		return false;
	}
	source->sequence = block.sequence;
	source->records = source->first = block.first;
	source->last_ns = block.time_ns; /* of what lies before nothing is known */
	return true;
}

/* Walks headers: dictionaries are read, data blocks before the record are stepped over. */
static int seek_by_headers(struct imt_source *source, uint64_t number, struct imt_block *block,
			   struct err *err)
{
	char what[160];

	for (;;) {
		int got = next_header(source, block, what);

		if (got == 0)
			return at_end(source, err) ? -1 : 1;
		if (got < 0)
			return damaged(source, err, what);
		if (imt_is_data(block->type) && block->first + block->records > number)
			return 0;
		if (!imt_is_data(block->type) && take_block(source, block, what))
			return damaged(source, err, what);
		if (imt_is_data(block->type)) {
			source->records = source->first = block->first + block->records;
			source->last_ns = block->time_ns + block->span_ns;
		}
		step_over(source, block);
	}
}

int imt_source_seek(struct event_source *head, uint64_t number, struct err *err)
{
	struct imt_source *source = (struct imt_source *)head;
	struct imt_block block;
	char what[160];
	int got;

	source->skipped = true;
	seek_by_index(source, number);
	got = seek_by_headers(source, number, &block, err); /* at once where the index led */
	if (got)
		return got < 0 ? -1 : 0;
	if (take_block(source, &block, what))
		return damaged(source, err, what);
	step_over(source, &block);
	while (source->records + EVENT_BATCH <= number) {
		size_t n = imt_decoder_next(source->decoder, source->events, source->slots,
					    EVENT_BATCH);

		source->records += n;
		source->first += n;
	}
	while (source->records < number) {
		imt_decoder_next(source->decoder, source->events, source->slots, 1);
		source->records++;
		source->first++;
	}
	return 0;
}

void imt_source_info(const struct event_source *head, struct imt_info *info)
{
	*info = ((const struct imt_source *)head)->info;
}

int imt_check(const char *path, uint64_t *n_damaged, struct err *err)
{
	struct imt_options options = { 0 };
	struct event_source *source;
	struct event_batch batch;
	struct imt_info info;
	struct err ignored;
	int got;

	*n_damaged = 0;
	if (imt_source_open(path, &options, &source, err))
		return -1;
	while ((got = source_next(source, &batch, err)) > 0)
		;
	source_close(source);
	if (got == 0)
		return 0;
	options.salvage = true;
	if (imt_source_open(path, &options, &source, &ignored))
		return 0;
	while (source_next(source, &batch, &ignored) > 0)
		;
	imt_source_info(source, &info);
	*n_damaged = info.damaged_blocks ? info.damaged_blocks : 1;
	source_close(source);
	return 0;
}
