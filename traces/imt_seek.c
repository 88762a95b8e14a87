/* Seeking in a native file: by INDEX where it is sound, else from header to header. */
#include "traces/imt_source.h"

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
	return imt_read_at(source, place->offset, raw, sizeof raw) == sizeof raw &&
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
	seek->failed =
		imt_is_data(place->type) || !at_place(seek->source, place, &block) ||
		(place->type == IMT_DICT && (imt_read_payload(seek->source, &block, what) ||
					     imt_read_dictionary(seek->source, &block, what)));
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
		int got = imt_next_header(source, block, what);

		if (got == 0)
			return imt_at_end(source, err) ? -1 : 1;
		if (got < 0)
			return imt_damaged(source, err, what);
		if (imt_is_data(block->type) && block->first + block->records > number)
			return 0;
		if (!imt_is_data(block->type) && imt_take_block(source, block, what))
			return imt_damaged(source, err, what);
		if (imt_is_data(block->type)) {
			source->records = source->first = block->first + block->records;
			source->last_ns = block->time_ns + block->span_ns;
		}
		imt_step_over(source, block);
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
	if (imt_take_block(source, &block, what))
		return imt_damaged(source, err, what);
	imt_step_over(source, &block);
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
