/* Reading the native container: block after block, strict or salvaging. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "traces/imt_source.h"

/* Salvage: the next header that holds, further on and later in sequence. */
static bool resynchronise(struct imt_source *source, struct imt_block *block)
{
	enum { WINDOW = 1 << 16 };
	static const unsigned char mark[8] = { 0xb1, 0x4b, 0x0c, 0x1d, 0x9e, 0x54, 0x4d, 0x49 };
	unsigned char *window = malloc(WINDOW + IMT_BLOCK_HEADER);
	uint64_t at = (source->offset + 8) & ~7ull;
	bool found = false;

	while (window && !found && at + IMT_BLOCK_HEADER <= source->size) {
		size_t n = imt_read_at(source, at, window, WINDOW + IMT_BLOCK_HEADER), i;

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
int imt_at_end(struct imt_source *source, struct err *err)
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
		got = imt_next_header(source, &block, what);
		if (got == 0)
			return imt_at_end(source, err);
		if (got < 0 || imt_take_block(source, &block, what)) {
			if (!source->options.salvage) {
				source->ended = true;
				return imt_damaged(source, err, what);
			}
			return salvage(source, batch);
		}
		imt_step_over(source, &block);
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
		    !imt_read_payload(source, &block, what))
			imt_read_dictionary(source, &block, what);
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

	if (imt_read_at(source, 0, raw, sizeof raw) != sizeof raw)
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
	    imt_read_at(source, source->size - IMT_TRAILER, raw, sizeof raw) != sizeof raw ||
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
	if (imt_next_header(source, &block, what) == 1 && block.type == IMT_META &&
	    !imt_take_block(source, &block, what))
		imt_step_over(source, &block);
	*out = &source->head;
	return 0;
fail:
	imt_close(&source->head);
	return -1;
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
