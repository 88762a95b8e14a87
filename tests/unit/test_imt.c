/* The native container: what goes in comes out, and damage is never taken for data. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/imt_seal.h"
#include "tests/unit/scratch.h"
#include "traces/generate.h"
#include "traces/imt.h"
#include "traces/text.h"

/* A recording as lines of the text form, which name everything. */
struct lines {
	char **text;
	bool *by_reader;
	size_t n, max;
};

static void add_line(struct lines *lines, const struct names *names,
		     const struct event_batch *batch, const struct event *event)
{
	char text[512];

	if (lines->n == lines->max) {
		lines->max = lines->max ? lines->max * 2 : 256;
		lines->text = realloc(lines->text, lines->max * sizeof *lines->text);
		lines->by_reader = realloc(lines->by_reader, lines->max);
	}
	text_format(names, batch, event, text, sizeof text);
	lines->by_reader[lines->n] = event_class(event) == CLASS_READER;
	lines->text[lines->n++] = strdup(text);
}

static void free_lines(struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->text[i]);
	free(lines->text);
	free(lines->by_reader);
	*lines = (struct lines){ 0 };
}

/* 0 at a clean end, -1 after an error; lines holds what was delivered before. */
static int drain(struct event_source *source, struct lines *lines)
{
	struct event_batch batch;
	struct err err;
	int got;

	while ((got = source_next(source, &batch, &err)) > 0)
		for (size_t i = 0; i < batch.n; i++)
			add_line(lines, source->names, &batch, &batch.events[i]);
	source_close(source);
	return got;
}

static int read_back(const char *path, bool salvage, struct lines *lines)
{
	struct imt_options options = { .salvage = salvage };
	struct event_source *source;
	struct err err;

	*lines = (struct lines){ 0 };
	if (imt_source_open(path, &options, &source, &err))
		return -1;
	return drain(source, lines);
}

static struct event_source *chaos(uint64_t events)
{
	struct generate_options options;
	struct event_source *source;

	generate_defaults("chaos", &options);
	options.events = events;
	options.seed = 3;
	cr_assert_eq(generate_open(&options, &source, NULL), 0);
	return source;
}

static char folder[SCRATCH_BYTES];
static char path[64], hurt[64];
static struct lines original;
static unsigned char *bytes;
static size_t size;

/* level: zstd's; 0: nothing is compressed. */
static void make_file_of_level(uint64_t events, uint32_t block_records, int level)
{
	struct imt_options options = { .level = level, .block_records = block_records };
	struct event_source *source = chaos(events);
	struct event_sink *sink;
	struct event_batch batch;
	FILE *file;

	make_scratch(folder);
	snprintf(path, sizeof path, "%s/good.imt", folder);
	snprintf(hurt, sizeof hurt, "%s/hurt.imt", folder);
	cr_assert_eq(imt_sink_open(path, &options, &sink, NULL), 0);
	while (source_next(source, &batch, NULL) > 0)
		cr_assert_eq(sink->put(sink, source->names, &batch, NULL), 0);
	cr_assert_eq(sink->finish(sink, source->names, NULL), 0);
	source_close(source);
	drain(chaos(events), &original);
	file = fopen(path, "rb");
	fseek(file, 0, SEEK_END);
	size = (size_t)ftell(file);
	rewind(file);
	bytes = malloc(size);
	cr_assert_eq(fread(bytes, 1, size, file), size);
	fclose(file);
}

static void make_file(uint64_t events, uint32_t block_records)
{
	make_file_of_level(events, block_records, 1);
}

static void tear_down(void)
{
	remove(path);
	remove(hurt);
	rmdir(folder);
	free(bytes);
	free_lines(&original);
}

static void write_hurt(const unsigned char *data, size_t n)
{
	FILE *file = fopen(hurt, "wb");

	cr_assert_eq(fwrite(data, 1, n, file), n);
	fclose(file);
}

/* Strict reading may stop early, but what it gave is the beginning of the original. */
static bool is_prefix(const struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		if (i >= original.n || strcmp(lines->text[i], original.text[i]))
			return false;
	return true;
}

/* Salvage may skip, but gives nothing that was not there, and in order. */
static bool is_subsequence(const struct lines *lines)
{
	size_t at = 0;

	for (size_t i = 0; i < lines->n; i++) {
		if (lines->by_reader[i])
			continue;
		while (at < original.n && strcmp(lines->text[i], original.text[at]))
			at++;
		if (at++ == original.n)
			return false;
	}
	return true;
}

static void check_hurt(const char *what, size_t place)
{
	struct lines lines;
	int got = read_back(hurt, false, &lines);

	cr_expect(is_prefix(&lines), "%s %zu: a wrong record", what, place);
	cr_expect(got < 0 || lines.n == original.n, "%s %zu: a clean end before the end", what,
		  place);
	free_lines(&lines);
	read_back(hurt, true, &lines);
	cr_expect(is_subsequence(&lines), "%s %zu: a wrong record in salvage", what, place);
	free_lines(&lines);
}

Test(imt, gives_back_what_was_written)
{
	struct lines lines;

	make_file(20000, 1000);
	cr_expect_eq(read_back(path, false, &lines), 0);
	cr_expect_eq(lines.n, original.n);
	cr_expect(is_prefix(&lines));
	free_lines(&lines);
	tear_down();
}

Test(imt, seeks_to_what_reading_would_reach)
{
	static const uint64_t places[] = { 0, 1, 999, 1000, 1001, 7777, 19999 };
	struct imt_options options = { 0 };

	make_file(20000, 1000);
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct event_source *source;
		struct lines lines = { 0 };

		cr_assert_eq(imt_source_open(path, &options, &source, NULL), 0);
		cr_assert_eq(imt_source_seek(source, places[i], NULL), 0);
		cr_expect_eq(drain(source, &lines), 0);
		cr_expect_eq(lines.n, original.n - places[i]);
		cr_expect_str_eq(lines.text[0], original.text[places[i]]);
		free_lines(&lines);
	}
	tear_down();
}

Test(imt, cut_at_every_byte_is_an_error_and_loses_nothing_before)
{
	make_file(400, 100);
	for (size_t n = 0; n < size; n++) {
		write_hurt(bytes, n);
		check_hurt("cut at byte", n);
	}
	tear_down();
}

Test(imt, no_flipped_bit_gives_a_wrong_record)
{
	make_file(60, 32);
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		write_hurt(bytes, size);
		check_hurt("bit", bit);
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	tear_down();
}

/* Offset of the n-th block, from 0; size when there are fewer. */
static size_t block_at(unsigned n)
{
	size_t at = IMT_HEADER;

	while (n-- && at + IMT_BLOCK_HEADER <= size)
		at += IMT_BLOCK_HEADER + (get32(bytes + at + 12) + 7) / 8 * 8;
	return at;
}

/* Records of DATA blocks whose payload is whole within the first n bytes; padding does not matter. */
static uint64_t records_before(size_t n)
{
	uint64_t records = 0;

	for (unsigned k = 0; block_at(k) + IMT_BLOCK_HEADER <= n &&
			     block_at(k) + IMT_BLOCK_HEADER + get32(bytes + block_at(k) + 12) <= n;
	     k++)
		if (get16(bytes + block_at(k) + 8) == IMT_DATA)
			records += get32(bytes + block_at(k) + 32);
	return records;
}

static size_t by_recorder(const struct lines *lines)
{
	size_t n = 0;

	for (size_t i = 0; i < lines->n; i++)
		n += !lines->by_reader[i];
	return n;
}

Test(imt, what_is_whole_before_a_cut_is_delivered)
{
	make_file(400, 100);
	for (size_t n = IMT_HEADER; n < size; n += 7) {
		struct lines lines;

		write_hurt(bytes, n);
		read_back(hurt, false, &lines);
		cr_expect_eq(lines.n, records_before(n), "cut at byte %zu", n);
		free_lines(&lines);
		cr_expect_eq(read_back(hurt, true, &lines), 0);
		cr_expect_eq(by_recorder(&lines), records_before(n), "salvage, cut at byte %zu", n);
		free_lines(&lines);
	}
	tear_down();
}

/* Salvage leaves out the records of the block that was hit, and says how many. */
Test(imt, salvage_loses_the_block_that_was_hit_and_no_other)
{
	make_file(400, 50);
	for (unsigned k = 1; block_at(k + 1) + IMT_BLOCK_HEADER < size; k++) {
		unsigned type = get16(bytes + block_at(k) + 8), n = get32(bytes + block_at(k) + 32);
		unsigned char *victim = bytes + block_at(k) + IMT_BLOCK_HEADER +
					get32(bytes + block_at(k) + 12) / 2;
		char lost[40];
		struct lines lines;
		bool said = false;

		*victim ^= 4;
		write_hurt(bytes, size);
		*victim ^= 4;
		cr_expect_eq(read_back(hurt, true, &lines), 0);
		cr_expect(is_subsequence(&lines));
		cr_expect_eq(by_recorder(&lines), original.n - (type == IMT_DATA ? n : 0),
			     "block %u of type %u", k, type);
		snprintf(lost, sizeof lost, " lost count=%u class=reader",
			 type == IMT_DATA ? n : 0);
		for (size_t i = 0; i < lines.n; i++)
			said |= lines.by_reader[i] && strstr(lines.text[i], lost);
		cr_expect(said, "block %u of type %u: no '%s'", k, type, lost);
		free_lines(&lines);
	}
	tear_down();
}

Test(imt, blocks_that_changed_places_are_errors)
{
	make_file(400, 50);
	for (unsigned k = 1; block_at(k + 2) + IMT_BLOCK_HEADER < size; k++) {
		size_t a = block_at(k), b = block_at(k + 1), c = block_at(k + 2);
		unsigned char *swapped = malloc(size);

		memcpy(swapped, bytes, size);
		memcpy(swapped + a, bytes + b, c - b);
		memcpy(swapped + a + (c - b), bytes + a, b - a);
		write_hurt(swapped, size);
		check_hurt("swapped blocks", k);
		free(swapped);
	}
	tear_down();
}

Test(imt, repeated_missing_and_blank_blocks_are_errors)
{
	make_file(400, 100);
	for (unsigned n = 1; block_at(n + 1) + IMT_BLOCK_HEADER < size; n++) {
		size_t begin = block_at(n), end = block_at(n + 1);
		unsigned char *twice = malloc(size + (end - begin));

		memcpy(twice, bytes, end);
		memcpy(twice + end, bytes + begin, size - begin);
		write_hurt(twice, size + (end - begin));
		check_hurt("repeated block", n);
		memcpy(twice + begin, bytes + end, size - end);
		write_hurt(twice, size - (end - begin));
		check_hurt("missing block", n);
		memcpy(twice, bytes, size);
		memset(twice + begin, 0, end - begin);
		write_hurt(twice, size);
		check_hurt("blank block", n);
		free(twice);
	}
	tear_down();
}

/* ---- wrong content under checksums that hold ------------------------------------------------- */

static unsigned char *first_block(unsigned type)
{
	unsigned n = 0;

	while (block_at(n) + IMT_BLOCK_HEADER <= size && get16(bytes + block_at(n) + 8) != type)
		n++;
	cr_assert(block_at(n) + IMT_BLOCK_HEADER <= size);
	return bytes + block_at(n);
}

/* Strict reading refuses what the caller changed, and salvage puts nothing wrong in its place. */
static void check_refused(unsigned char *block, const char *message)
{
	struct imt_options options = { 0 };
	struct event_source *source;
	struct event_batch batch;
	struct lines lines;
	struct err err = { 0 };
	int got;

	imt_seal_block(block);
	write_hurt(bytes, size);
	cr_assert_eq(imt_source_open(hurt, &options, &source, NULL), 0);
	while ((got = source_next(source, &batch, &err)) > 0)
		;
	cr_expect_eq(got, -1, "%s", message);
	cr_expect(strstr(err.text, message) != NULL, "%s: %s", message, err.text);
	source_close(source);
	cr_expect_eq(read_back(hurt, true, &lines), 0, "%s", message);
	cr_expect(is_subsequence(&lines), "%s: a wrong record in salvage", message);
	free_lines(&lines);
}

/* Where the column begins in a DATA block that holds it uncompressed. */
static unsigned char *column_in(unsigned char *block, unsigned id)
{
	unsigned char *payload = block + IMT_BLOCK_HEADER, *entry = payload + IMT_DATA_HEADER;
	unsigned char *at = entry + get16(payload) * IMT_COLUMN_ENTRY;

	for (; entry[0] != id; entry += IMT_COLUMN_ENTRY)
		at += get32(entry + 8);
	cr_assert_eq(entry[1], 0, "plain");
	return at;
}

/* What is put over the first shape of the first DATA block. */
struct shape_case {
	char name[40];
	uint32_t shape; /* u8 kind, u8 flags, u16 present */
};

ParameterizedTestParameters(imt, shapes_that_no_event_has_are_refused)
{
	static struct shape_case cases[] = {
		{ "an unknown kind", EVENT_KINDS },
		{ "a map without its fields", EVENT_MAP },
		{ "a dma with a field of no dma", EVENT_DMA | 1u << (16 + 12) },
		{ "an address that has no bit", EVENT_DMA | 1u << (16 + DMA_IOVA) },
		{ "a verb beyond the list", EVENT_DMA | (DMA_VERB_ANY + 1u) << 10 },
		{ "a verb where there is none", EVENT_DETACH | 1u << 10 },
		{ "an unknown flag", EVENT_DMA | 1u << 14 },
	};
	return cr_make_param_array(struct shape_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct shape_case *c, imt, shapes_that_no_event_has_are_refused)
{
	unsigned char *block;

	make_file_of_level(60, 100, 0);
	block = first_block(IMT_DATA);
	put32(column_in(block, COLUMN_SHAPES), c->shape);
	check_refused(block, "a shape that no event has");
	tear_down();
}

/* A byte of a table or column of the first DATA block. */
struct byte_case {
	char name[40], message[48];
	unsigned column, at;
	unsigned char value;
};

ParameterizedTestParameters(imt, tables_that_contradict_each_other_are_refused)
{
	static struct byte_case cases[] = {
		{ "a series of 9 bytes", "wider than 64 bits", COLUMN_SERIES, 16, 9 },
		{ "a shift by 64", "wider than 64 bits", COLUMN_SERIES, 17, 64 },
		{ "a series of more bytes", "beyond their column", COLUMN_SERIES, 16, 8 },
		{ "a stream of no shape", "a shape beyond", COLUMN_STREAMS, 7, 1 },
		{ "a stream of no agent", "an agent that no", COLUMN_STREAMS, 3, 0x7f },
		{ "an event of no stream", "a stream beyond", COLUMN_STREAM, 59, 255 },
	};
	return cr_make_param_array(struct byte_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct byte_case *c, imt, tables_that_contradict_each_other_are_refused)
{
	unsigned char *block;

	make_file_of_level(60, 100, 0);
	block = first_block(IMT_DATA);
	column_in(block, c->column)[c->at] = c->value;
	check_refused(block, c->message);
	tear_down();
}

Test(imt, columns_with_more_than_their_series_are_refused)
{
	unsigned char *block, *series;

	make_file_of_level(60, 100, 0);
	block = first_block(IMT_DATA);
	series = column_in(block, COLUMN_SERIES);
	while (!series[16])
		series += IMT_SERIES_ENTRY;
	series[16]--;
	check_refused(block, "more than its series");
	tear_down();
}

Test(imt, another_number_of_values_is_refused)
{
	unsigned char *block;

	make_file(60, 100);
	block = first_block(IMT_DATA);
	block[IMT_BLOCK_HEADER + 8]++;
	check_refused(block, "a number of values");
	tear_down();
}

Test(imt, times_that_would_wrap_are_refused)
{
	unsigned char *block;

	make_file(60, 100);
	block = first_block(IMT_DATA);
	put64(block + 40, UINT64_MAX - 1);
	check_refused(block, "times beyond 2^64 ns");
	tear_down();
}

Test(imt, another_span_or_kind_than_the_header_says_is_refused)
{
	unsigned char *block;

	make_file(60, 100);
	block = first_block(IMT_DATA);
	put64(block + 48, get64(block + 48) + 1);
	check_refused(block, "another span than the header's");
	tear_down();
	make_file(60, 100);
	block = first_block(IMT_DATA);
	cr_expect(get32(block + 56) & imt_kind_bit(EVENT_DMA), "the set of kinds is written");
	put32(block + 56, get32(block + 56) & ~imt_kind_bit(EVENT_DMA));
	check_refused(block, "a kind that is not among the header's");
	tear_down();
}

Test(imt, END_that_counts_otherwise_is_an_error)
{
	for (unsigned field = 0; field < 3; field++) {
		unsigned char *block, *end;

		make_file(60, 32);
		block = first_block(IMT_END);
		end = block + IMT_BLOCK_HEADER + (size_t[]){ 0, 8, 16 }[field];
		*end ^= 1;
		check_refused(block, "END counts");
		tear_down();
	}
}

/* Version, header size, base time: what a reader of this version would take for something else. */
Test(imt, file_headers_of_other_kinds_are_refused)
{
	static const struct {
		unsigned at;
		const char *message;
	} fields[] = { { 8, "format version 3" },
		       { 12, "a file header of 65 bytes" },
		       { 24, "a base time of 1 ns" } };

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		struct imt_options options = { 0 };
		struct event_source *source;
		struct err err = { 0 };

		make_file(60, 32);
		bytes[fields[i].at]++;
		put32(bytes + 60, crc32c(0, bytes, 60));
		write_hurt(bytes, size);
		cr_expect_eq(imt_source_open(hurt, &options, &source, &err), -1);
		cr_expect(strstr(err.text, fields[i].message) != NULL, "%s", err.text);
		tear_down();
	}
}

Test(imt, a_later_minor_version_and_blocks_of_unknown_kind_are_read)
{
	struct lines lines;
	unsigned char *loss;

	make_file(60, 32);
	bytes[10]++;
	put32(bytes + 60, crc32c(0, bytes, 60));
	loss = first_block(IMT_INDEX);
	put16(loss + 8, 0x8001); /* private: what INDEX said is found without it */
	imt_seal_block(loss);
	write_hurt(bytes, size);
	cr_expect_eq(read_back(hurt, false, &lines), 0);
	cr_expect_eq(lines.n, original.n);
	free_lines(&lines);
	put16(loss + 10, IMT_BLOCK_MUST);
	check_refused(loss, "does not know and must");
	tear_down();
}

/* ---- files of released versions ------------------------------------------------------------------ */

ParameterizedTestParameters(imt, files_of_released_versions_are_read_for_ever)
{
	static char files[][32] = { "tests/data/imt-1.0.imt", "tests/data/imt-2.0.imt" };

	return cr_make_param_array(char[32], files, sizeof files / sizeof files[0]);
}

ParameterizedTest(char (*native_path)[32], imt, files_of_released_versions_are_read_for_ever)
{
	struct imt_options options = { 0 };
	struct event_source *text, *native;
	struct lines expected = { 0 }, lines = { 0 };
	FILE *file = fopen("tests/data/imt-1.0.events", "r");

	cr_assert_not_null(file, "unit tests run at the root of the sources");
	cr_assert_eq(text_source_open(file, "imt-1.0.events", &text, NULL), 0);
	cr_assert_eq(imt_source_open(*native_path, &options, &native, NULL), 0);
	cr_expect_eq(drain(text, &expected), 0);
	cr_expect_eq(drain(native, &lines), 0);
	cr_expect_eq(lines.n, expected.n);
	for (size_t i = 0; i < lines.n && i < expected.n; i++)
		cr_expect_str_eq(lines.text[i], expected.text[i]);
	free_lines(&lines);
	free_lines(&expected);
}

/* A device, and then DMAs all of other lengths with 300 PASIDs; 1 s passes before the 2001st. */
static void check_wide(struct event_source *source)
{
	struct event_batch batch;
	struct err err;
	uint64_t n = 0;

	while (source_next(source, &batch, &err) > 0)
		for (size_t i = 0; i < batch.n; i++, n++) {
			const struct event *event = &batch.events[i];
			uint64_t k = n - 1;

			if (!n)
				continue;
			cr_expect_eq(event->time_ns, k * 1000 + (k >= 2000 ? 1000000000 : 0));
			cr_expect_eq(event->addr, k * 4096);
			cr_expect_eq(event->len, k + 1);
			cr_expect_eq(names_agent_of(source->names, event->agent).pasid, k % 300);
		}
	cr_expect_eq(n, 4201);
	source_close(source);
}

/* 1.0: numbers of two bytes, shapes that its table does not hold; 2.0: more streams than 256, lengths that vary. */
Test(imt, wide_blocks_of_version_1_0_are_read_and_written_anew)
{
	struct imt_options options = { 0 };
	struct event_source *source;
	struct event_batch batch;
	struct event_sink *sink;

	make_scratch(folder);
	snprintf(path, sizeof path, "%s/wide.imt", folder);
	cr_assert_eq(imt_source_open("tests/data/imt-1.0-wide.imt", &options, &source, NULL), 0);
	check_wide(source);
	cr_assert_eq(imt_source_open("tests/data/imt-1.0-wide.imt", &options, &source, NULL), 0);
	cr_assert_eq(imt_sink_open(path, &options, &sink, NULL), 0);
	while (source_next(source, &batch, NULL) > 0)
		cr_assert_eq(sink->put(sink, source->names, &batch, NULL), 0);
	cr_assert_eq(sink->finish(sink, source->names, NULL), 0);
	source_close(source);
	cr_assert_eq(imt_source_open(path, &options, &source, NULL), 0);
	check_wide(source);
	remove(path);
	rmdir(folder);
}

Test(imt, blocks_without_a_payload_are_refused_or_empty)
{
	static const uint16_t types[] = { IMT_META, IMT_DICT, IMT_DATA };

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct lines lines;
		unsigned char *block;

		/* cut behind the header of the file's first block, so that nothing was read before */
		make_file(60, 100);
		block = bytes + IMT_HEADER;
		put16(block + 8, types[i]);
		put32(block + 12, 0);
		imt_seal_block(block);
		write_hurt(bytes, IMT_HEADER + IMT_BLOCK_HEADER);
		cr_expect_eq(read_back(hurt, false, &lines), -1);
		cr_expect_eq(lines.n, 0);
		free_lines(&lines);
		cr_expect_eq(read_back(hurt, true, &lines), 0);
		cr_expect(is_subsequence(&lines));
		free_lines(&lines);
		tear_down();
	}
}

/* ---- INDEX, LOSS, the last dictionary ------------------------------------------------------------ */

static size_t index_at(void)
{
	return (size_t)get64(bytes + size - IMT_TRAILER);
}

static void expect_seek(uint64_t number, const char *what, size_t at)
{
	struct imt_options options = { 0 };
	struct event_source *source;
	struct lines lines = { 0 };

	cr_assert_eq(imt_source_open(hurt, &options, &source, NULL), 0);
	cr_expect_eq(imt_source_seek(source, number, NULL), 0, "%s %zu", what, at);
	drain(source, &lines);
	cr_expect_eq(lines.n, original.n - number, "%s %zu: %zu lines", what, at, lines.n);
	if (lines.n)
		cr_expect_str_eq(lines.text[0], original.text[number], "%s %zu", what, at);
	free_lines(&lines);
}

Test(imt, a_damaged_index_changes_no_seek)
{
	make_file(400, 50);
	for (size_t at = index_at(); at < index_at() + IMT_BLOCK_HEADER + 8 + 3 * IMT_INDEX_ENTRY;
	     at++) {
		bytes[at] ^= (unsigned char)(1u << at % 8);
		write_hurt(bytes, size);
		/* what reading finds behind the records is damage, as it should be */
		expect_seek(310, "bit in byte", at);
		bytes[at] ^= (unsigned char)(1u << at % 8);
	}
	tear_down();
}

Test(imt, an_index_that_disagrees_with_headers_changes_no_seek)
{
	size_t entries, n;

	make_file(400, 50);
	entries = index_at() + IMT_BLOCK_HEADER + 8;
	n = (get32(bytes + index_at() + 12) - 8) / IMT_INDEX_ENTRY;
	for (size_t i = 0; i < n * IMT_INDEX_ENTRY / 8; i++) {
		static const uint64_t wrong[] = { 0, 1, 64, UINT64_MAX };
		uint64_t old = get64(bytes + entries + 8 * i);

		for (size_t k = 0; k < 4; k++) {
			put64(bytes + entries + 8 * i, wrong[k]);
			imt_seal_block(bytes + index_at());
			write_hurt(bytes, size);
			expect_seek(310, "word of the index", i);
		}
		put64(bytes + entries + 8 * i, old);
	}
	/* segments that lead round in a circle */
	put64(bytes + index_at() + IMT_BLOCK_HEADER, index_at());
	imt_seal_block(bytes + index_at());
	write_hurt(bytes, size);
	expect_seek(310, "a segment that names itself", 0);
	tear_down();
}

/* The offset of block number n of that type. */
static size_t nth_block(enum imt_type type, unsigned flags, unsigned n)
{
	size_t at = IMT_HEADER;

	for (;;) {
		cr_assert_lt(at + IMT_BLOCK_HEADER, size);
		if (get16(bytes + at + 8) == type && (get16(bytes + at + 10) & flags) == flags &&
		    !n--)
			return at;
		at += IMT_BLOCK_HEADER + (get32(bytes + at + 12) + 7ul) / 8 * 8;
	}
}

Test(imt, salvage_believes_names_before_records_more_than_the_last_dictionary)
{
	struct lines lines;
	size_t dict, n = 0;

	make_file(400, 100);
	dict = nth_block(IMT_DICT, IMT_BLOCK_COMPLETE, 0);
	bytes[dict + IMT_BLOCK_HEADER + 12 + 2] ^= 1; /* the first string's first letter */
	imt_seal_block(bytes + dict);
	write_hurt(bytes, size);
	read_back(hurt, true, &lines);
	for (size_t i = 0; i < lines.n; i++)
		if (!lines.by_reader[i])
			cr_expect_str_eq(lines.text[i], original.text[n++]);
	cr_expect_eq(n, original.n);
	free_lines(&lines);
	tear_down();
}

/* The recording with its second block of data left out by a salvage, as a file of its own. */
static void make_salvaged_file(void)
{
	struct imt_options options = { .salvage = true, .level = 1, .block_records = 100 };
	struct event_source *source;
	struct event_sink *sink;
	struct event_batch batch;
	char saved[80];
	FILE *file;

	make_file(300, 100);
	bytes[nth_block(IMT_DATA, 0, 1) + IMT_BLOCK_HEADER + 20] ^= 4;
	write_hurt(bytes, size);
	snprintf(saved, sizeof saved, "%s/saved.imt", folder);
	free_lines(&original);
	read_back(hurt, true, &original);
	cr_assert_eq(imt_source_open(hurt, &options, &source, NULL), 0);
	cr_assert_eq(imt_sink_open(saved, &options, &sink, NULL), 0);
	while (source_next(source, &batch, NULL) > 0)
		cr_assert_eq(sink->put(sink, source->names, &batch, NULL), 0);
	cr_assert_eq(sink->finish(sink, source->names, NULL), 0);
	source_close(source);
	cr_assert_eq(rename(saved, path), 0);
	file = fopen(path, "rb");
	fseek(file, 0, SEEK_END);
	size = (size_t)ftell(file);
	rewind(file);
	free(bytes);
	bytes = malloc(size);
	cr_assert_eq(fread(bytes, 1, size, file), size);
	fclose(file);
}

Test(imt, what_a_salvage_left_out_is_a_LOSS_block)
{
	struct imt_options options = { 0 };
	struct event_source *source;
	struct event_batch batch;
	struct imt_info info;
	struct lines lines;
	size_t loss;

	make_salvaged_file();
	loss = nth_block(IMT_LOSS, 0, 0) + IMT_BLOCK_HEADER;
	cr_expect_eq(get64(bytes + loss), 100);
	cr_expect_eq(get64(bytes + loss + 8), 100);
	cr_expect_eq(read_back(path, false, &lines), 0);
	cr_expect_eq(lines.n, original.n);
	for (size_t i = 0; i < lines.n && i < original.n; i++)
		cr_expect_str_eq(lines.text[i], original.text[i]);
	free_lines(&lines);
	cr_assert_eq(imt_source_open(path, &options, &source, NULL), 0);
	while (source_next(source, &batch, NULL) > 0)
		;
	imt_source_info(source, &info);
	cr_expect_eq(info.gaps, 1);
	cr_expect_eq(info.lost, 100);
	source_close(source);
	tear_down();
}

Test(imt, a_file_with_LOSS_cut_or_flipped_gives_no_wrong_record)
{
	size_t loss;

	make_salvaged_file();
	for (size_t n = 0; n < size; n += 3) {
		write_hurt(bytes, n);
		check_hurt("cut at byte", n);
	}
	loss = nth_block(IMT_LOSS, 0, 0);
	for (size_t bit = 0; bit < 8 * (IMT_BLOCK_HEADER + IMT_LOSS_BYTES); bit++) {
		bytes[loss + bit / 8] ^= (unsigned char)(1u << bit % 8);
		write_hurt(bytes, size);
		check_hurt("LOSS bit", bit);
		bytes[loss + bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	tear_down();
}
