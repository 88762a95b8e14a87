/* Writing the native container: a block of events at a time, in bounded memory. */
#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#include "hw/base/version.h"
#include "traces/imt_bytes.h"
#include "traces/meta.h"
#include "traces/output.h"

struct index_entry {
	uint64_t offset, first, time_ns, span_ns;
	uint32_t type, records;
};

struct imt_sink {
	struct event_sink head;
	struct output output;
	uint32_t block_records;
	uint64_t offset, sequence, records, blocks;
	uint32_t crc_of_crcs;
	uint32_t written[NAME_TABLES]; /* dictionary entries that are in the file */
	struct imt_encoder *encoder;
	struct index_entry *index;
	uint32_t n_index;
	uint64_t last_index;
};

static int write_bytes(struct imt_sink *sink, const void *data, size_t n, struct err *err)
{
	if (fwrite(data, 1, n, sink->output.file) != n)
		return err_set(err, ERR_IO, "%s: %s", output_name(&sink->output), strerror(errno));
	sink->offset += n;
	return 0;
}

/* ---- blocks ---------------------------------------------------------------------------------------- */

static int write_index(struct imt_sink *sink, struct err *err);

/* block: type, flags, and what else its header says of DATA. */
static int write_block(struct imt_sink *sink, struct imt_block block, const unsigned char *payload,
		       size_t n, struct err *err)
{
	static const unsigned char zeros[8];
	unsigned char header[IMT_BLOCK_HEADER] = { 0 };

	if (block.type != IMT_INDEX && block.type != IMT_END)
		sink->index[sink->n_index++] =
			(struct index_entry){ sink->offset,  sink->records, block.time_ns,
					      block.span_ns, block.type,    block.records };
	put64(header, IMT_BLOCK_MARK);
	put16(header + 8, block.type);
	put16(header + 10, block.flags);
	put32(header + 12, (uint32_t)n);
	put64(header + 16, sink->sequence++);
	put64(header + 24, sink->records);
	put32(header + 32, block.records);
	put32(header + 36, crc32c(0, payload, n));
	put64(header + 40, block.time_ns);
	put64(header + 48, block.span_ns);
	put32(header + 56, block.kinds);
	put32(header + 60, crc32c(0, header, 60));
	sink->crc_of_crcs = crc32c(sink->crc_of_crcs, header + 36, 4);
	sink->blocks++;
	if (write_bytes(sink, header, sizeof header, err) || write_bytes(sink, payload, n, err) ||
	    write_bytes(sink, zeros, (8 - n % 8) % 8, err))
		return -1;
	return sink->n_index == IMT_INDEX_MAX ? write_index(sink, err) : 0;
}

/* The offset of the segment before, then an entry for every block since. */
static int write_index(struct imt_sink *sink, struct err *err)
{
	struct bytes payload = { 0 };
	uint64_t at = sink->offset;
	int answer;

	if (bytes_reserve(&payload, 8 + (size_t)sink->n_index * IMT_INDEX_ENTRY))
		return err_no_memory(err, "an index");
	bytes_append_number(&payload, sink->last_index, 8);
	for (uint32_t i = 0; i < sink->n_index; i++) {
		const struct index_entry *entry = &sink->index[i];

		bytes_append_number(&payload, entry->offset, 8);
		bytes_append_number(&payload, entry->type, 4);
		bytes_append_number(&payload, entry->records, 4);
		bytes_append_number(&payload, entry->first, 8);
		bytes_append_number(&payload, entry->time_ns, 8);
		bytes_append_number(&payload, entry->span_ns, 8);
	}
	answer = write_block(sink, (struct imt_block){ .type = IMT_INDEX }, payload.data, payload.n,
			     err);
	free(payload.data);
	sink->n_index = 0;
	sink->last_index = at;
	return answer;
}

/* ---- dictionaries ---------------------------------------------------------------------------------- */

static int put_entry(struct bytes *payload, const struct names *names, enum name_table table,
		     uint32_t number)
{
	const char *text;
	struct agent agent;
	size_t length;

	switch (table) {
	case NAMES_STRINGS:
		text = names_text(names, number);
		length = strlen(text);
		if (bytes_reserve(payload, 2 + length))
			return -1;
		bytes_append_number(payload, length, 2);
		bytes_append(payload, text, length);
		return 0;
	case NAMES_AGENTS:
		agent = names_agent_of(names, number);
		if (bytes_reserve(payload, 12))
			return -1;
		bytes_append_number(payload, agent.device, 4);
		bytes_append_number(payload, agent.domain, 4);
		bytes_append_number(payload, agent.pasid, 4);
		return 0;
	default:
		if (bytes_reserve(payload, 4))
			return -1;
		bytes_append_number(payload, names_string_of(names, table, number), 4);
		return 0;
	}
}

/* Entries [from, all) of every table, in blocks of bounded size. */
static int write_dictionary(struct imt_sink *sink, const struct names *names, bool complete,
			    struct err *err)
{
	struct imt_block block = { .type = IMT_DICT,
				   .flags = IMT_BLOCK_MUST | (complete ? IMT_BLOCK_COMPLETE : 0) };

	for (int table = 0; table < NAME_TABLES; table++) {
		uint32_t n = names_count(names, (enum name_table)table);
		uint32_t at = complete ? 0 : sink->written[table];

		while (at < n) {
			struct bytes payload = { 0 };
			uint32_t first = at, count = 0;
			int answer = bytes_reserve(&payload, 12);

			payload.n = 12;
			while (!answer && at < n && payload.n < IMT_PAYLOAD_MAX / 4) {
				answer = put_entry(&payload, names, (enum name_table)table, at++);
				count++;
			}
			if (!answer) {
				put32(payload.data, (uint32_t)table);
				put32(payload.data + 4, first);
				put32(payload.data + 8, count);
				answer = write_block(sink, block, payload.data, payload.n, err);
			} else {
				err_no_memory(err, "a dictionary block");
			}
			free(payload.data);
			if (answer)
				return -1;
		}
		sink->written[table] = n;
	}
	return 0;
}

/* ---- data ------------------------------------------------------------------------------------------ */

static int write_data(struct imt_sink *sink, const struct names *names, struct err *err)
{
	const unsigned char *payload;
	struct imt_block block;

	if (!imt_encoder_records(sink->encoder))
		return 0;
	if (write_dictionary(sink, names, false, err))
		return -1;
	if (imt_encoder_finish(sink->encoder, &block, &payload))
		return err_no_memory(err, "a block");
	if (write_block(sink, block, payload, block.bytes, err))
		return -1;
	sink->records += block.records;
	return 0;
}

/* What a reader could not save: LOSS stands where the block was, before the `lost` record. */
static int write_loss(struct imt_sink *sink, const struct event *event, const uint64_t *slots,
		      struct err *err)
{
	unsigned char loss[IMT_LOSS_BYTES];

	put64(loss, sink->records);
	put64(loss + 8, event_has(event, LOST_COUNT) ? slots[event->slot] : UINT64_MAX);
	put64(loss + 16, event->time_ns);
	return write_block(sink, (struct imt_block){ .type = IMT_LOSS, .time_ns = event->time_ns },
			   loss, sizeof loss, err);
}

static int imt_put(struct event_sink *head, const struct names *names,
		   const struct event_batch *batch, struct err *err)
{
	struct imt_sink *sink = (struct imt_sink *)head;

	for (size_t i = 0; i < batch->n; i++) {
		const struct event *event = &batch->events[i];

		if (!imt_encoder_has_room(sink->encoder, event) && write_data(sink, names, err))
			return -1;
		if (event->kind == EVENT_LOST && event_class(event) == CLASS_READER &&
		    (write_data(sink, names, err) || write_loss(sink, event, batch->slots, err)))
			return -1;
		imt_encoder_add(sink->encoder, event, batch->slots);
	}
	return 0;
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

static void destroy(struct imt_sink *sink)
{
	imt_encoder_destroy(sink->encoder);
	free(sink->index);
	free(sink);
}

static void imt_abandon(struct event_sink *head)
{
	struct imt_sink *sink = (struct imt_sink *)head;

	output_discard(&sink->output);
	destroy(sink);
}

static int write_end(struct imt_sink *sink, struct err *err)
{
	unsigned char end[24], trailer[IMT_TRAILER];
	uint64_t index;

	if (write_index(sink, err))
		return -1;
	index = sink->last_index;
	put64(end, sink->records);
	put64(end + 8, sink->blocks);
	put32(end + 16, sink->crc_of_crcs);
	put32(end + 20, 0);
	if (write_block(sink, (struct imt_block){ .type = IMT_END }, end, sizeof end, err))
		return -1;
	put64(trailer, index);
	put64(trailer + 8, sink->records);
	put64(trailer + 16, sink->blocks);
	put32(trailer + 24, IMT_TRAILER_MARK);
	put32(trailer + 28, crc32c(0, trailer, 28));
	return write_bytes(sink, trailer, sizeof trailer, err);
}

static int imt_finish(struct event_sink *head, const struct names *names, struct err *err)
{
	struct imt_sink *sink = (struct imt_sink *)head;
	int answer = write_data(sink, names, err) || write_dictionary(sink, names, true, err) ||
		     write_end(sink, err);

	if (answer) {
		imt_abandon(head);
		return -1;
	}
	answer = output_commit(&sink->output, err);
	destroy(sink);
	return answer;
}

static void append_meta(struct bytes *payload, const char *meta)
{
	while (meta && *meta) {
		size_t n = strcspn(meta, "\n");

		if (!meta_is_writers(meta)) {
			bytes_append(payload, meta, n);
			bytes_append(payload, "\n", 1);
		}
		meta += n + (meta[n] == '\n');
	}
}

/* META is text; its hash names the file, so that the same input gives the same bytes. */
static int write_start(struct imt_sink *sink, const char *meta, struct err *err)
{
	unsigned char header[IMT_HEADER] = { 0 };
	struct bytes payload = { 0 };
	char text[256];
	int answer;

	snprintf(text, sizeof text, "format = imt %d.%d\nwriter = iommusim %s\nlibzstd = %s\n",
		 IMT_MAJOR, IMT_MINOR, IOMMUSIM_VERSION, ZSTD_versionString());
	if (bytes_reserve(&payload, strlen(text) + (meta ? strlen(meta) + 1 : 0)))
		return err_no_memory(err, "META");
	bytes_append(&payload, text, strlen(text));
	append_meta(&payload, meta);
	if (payload.n > IMT_META_MAX) {
		free(payload.data);
		return err_set(err, ERR_LIMIT, "META of %zu bytes; at most 1 MiB", payload.n);
	}
	memcpy(header, imt_magic, sizeof imt_magic);
	put16(header + 8, IMT_MAJOR);
	put16(header + 10, IMT_MINOR);
	put32(header + 12, IMT_HEADER);
	put64(header + 16, output_is_stream(&sink->output) ? IMT_FLAG_STREAM : 0);
	put32(header + 32, 1);
	put32(header + 36, sink->block_records);
	for (uint32_t i = 0; i < 4; i++)
		put32(header + 40 + 4ul * i, crc32c(i, payload.data, payload.n));
	put32(header + 60, crc32c(0, header, 60));
	answer = write_bytes(sink, header, sizeof header, err) ||
		 write_block(sink, (struct imt_block){ .type = IMT_META }, payload.data, payload.n,
			     err);
	free(payload.data);
	return answer ? -1 : 0;
}

int imt_sink_open(const char *path, const struct imt_options *options, struct event_sink **out,
		  struct err *err)
{
	struct imt_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return err_no_memory(err, "a native writer");
	sink->head = (struct event_sink){ imt_put, imt_finish, imt_abandon };
	sink->block_records = options->block_records && options->block_records <= IMT_BLOCK_RECORDS
				      ? options->block_records
				      : IMT_BLOCK_RECORDS;
	sink->index = malloc(IMT_INDEX_MAX * sizeof *sink->index);
	if (!sink->index ||
	    imt_encoder_create(options->level, sink->block_records, &sink->encoder)) {
		destroy(sink);
		return err_no_memory(err, "a native writer");
	}
	if (output_open(&sink->output, path, err)) {
		destroy(sink);
		return -1;
	}
	if (write_start(sink, options->meta, err)) {
		imt_abandon(&sink->head);
		return -1;
	}
	*out = &sink->head;
	return 0;
}
