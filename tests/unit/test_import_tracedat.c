/*
 * Importing a trace.dat: the same events as the text of the same run, and what becomes of files
 * that are cut, changed or of another kind. Damage is done to the plain version 6 form.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "traces/import_tracedat.h"

#define STORM_TEXT "tests/data/vtd-6.1-storm.ftrace.txt.zst"
#define STORM_V6 "tests/data/vtd-6.1-storm-v6.trace.dat.zst"
#define STORM_V7 "tests/data/vtd-6.1-storm-v7.trace.dat"
#define LAZY_TEXT "tests/data/vtd-6.12-lazy-dma.ftrace.txt.zst"
#define LAZY_V6 "tests/data/vtd-6.12-lazy-dma-v6.trace.dat.zst"
#define LAZY_HOST "tests/data/vtd-6.12-lazy-dma.qemu.log.zst"

enum { PATH_BYTES = 512, FILE_BYTES = 1 << 20, LOSSES = 8, PAGE = 4096 };

struct told {
	struct event event;
	uint64_t values[EVENT_FIELDS];
};

struct story {
	int status; /* of import_open(), or of the last source_next() */
	struct err err;
	struct import_info info;
	char meta[64];
	struct told *told;
	size_t n, room;
};

static void tell(struct story *story, struct event_source *source)
{
	struct event_batch batch;

	while ((story->status = source_next(source, &batch, &story->err)) == 1) {
		for (size_t i = 0; i < batch.n; i++) {
			struct told *told;

			if (story->n == story->room) {
				story->room = story->room ? 2 * story->room : 4096;
				story->told =
					realloc(story->told, story->room * sizeof *story->told);
				cr_assert(story->told);
			}
			told = &story->told[story->n++];
			*told = (struct told){ .event = batch.events[i] };
			for (unsigned field = 0; field < EVENT_FIELDS; field++)
				if (event_has(&told->event, field))
					told->values[field] =
						event_value(&batch, &told->event, field);
		}
	}
}

static struct story import(struct import_options options)
{
	struct story story = { 0 };
	struct event_source *source;

	story.status = import_open(&options, &source, &story.err);
	if (story.status)
		return story;
	tell(&story, source);
	story.info = *import_info(source);
	snprintf(story.meta, sizeof story.meta, "%s", strchr(import_meta(source), '\n') + 1);
	source_close(source);
	return story;
}

static struct story import_file(const char *path)
{
	return import((struct import_options){ .guest = path });
}

static void forget(struct story *story)
{
	free(story->told);
}

static size_t read_file(const char *path, char *bytes)
{
	FILE *file = fopen(path, "rb");
	size_t n;

	cr_assert(file, "%s", path);
	n = fread(bytes, 1, FILE_BYTES, file);
	fclose(file);
	return n;
}

/* The version 6 recording unpacked; of its own, to be changed. */
static char *storm(size_t *n)
{
	static char stored[FILE_BYTES];
	char *bytes = malloc(FILE_BYTES);

	cr_assert(bytes);
	*n = ZSTD_decompress(bytes, FILE_BYTES, stored, read_file(STORM_V6, stored));
	cr_assert(!ZSTD_isError(*n));
	return bytes;
}

static char *find(char *bytes, size_t n, const char *what)
{
	for (size_t i = 0; i + strlen(what) <= n; i++)
		if (memcmp(bytes + i, what, strlen(what)) == 0)
			return bytes + i;
	cr_assert_fail("no \"%s\"", what);
	return NULL;
}

/* Where version 6 says where the records are: offset and size of each CPU. */
static char *cpu_offsets(char *bytes, size_t n)
{
	return find(bytes, n, "flyrecord") + sizeof "flyrecord";
}

static struct story import_bytes(const char *bytes, size_t n, struct import_options options)
{
	const char *folder = getenv("TMPDIR");
	char path[PATH_BYTES];
	struct story story;
	FILE *file;
	int fd;

	snprintf(path, sizeof path, "%s/iommusim-tracedat-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	file = fdopen(fd, "wb");
	cr_assert(file);
	cr_assert_eq(fwrite(bytes, 1, n, file), n);
	fclose(file);
	options.guest = path;
	story = import(options);
	unlink(path);
	if (story.status < 0)
		cr_expect(strstr(story.err.text, path), "%s", story.err.text);
	return story;
}

static size_t losses(const struct story *story, const struct told *found[LOSSES])
{
	size_t n = 0;

	for (size_t i = 0; i < story->n && n < LOSSES; i++)
		if (story->told[i].event.kind == EVENT_LOST)
			found[n++] = &story->told[i];
	return n;
}

/* ---- twins ---------------------------------------------------------------------------------- */

/* Text has microseconds, rounded; the start of both differs by one at most, too. */
static void expect_same_time(uint64_t a, uint64_t b)
{
	cr_assert(a - b <= 1000 || b - a <= 1000, "%llu, %llu", (unsigned long long)a,
		  (unsigned long long)b);
}

static void expect_twins(const char *path, const char *text_path)
{
	struct story binary = import_file(path), text = import_file(text_path);

	cr_assert_eq(binary.status, 0, "%s", binary.err.text);
	cr_assert_eq(text.status, 0, "%s", text.err.text);
	cr_expect_eq(binary.info.guest.used, text.info.guest.used);
	cr_expect_eq(binary.info.guest.bad, 0);
	cr_expect_eq(binary.info.guest.skipped_names, text.info.guest.skipped_names);
	cr_assert_eq(binary.n, text.n);
	for (size_t i = 0; i < text.n; i++) {
		const struct told *a = &binary.told[i], *b = &text.told[i];

		expect_same_time(a->event.time_ns, b->event.time_ns);
		cr_assert_eq(a->event.kind, b->event.kind);
		cr_assert_eq(a->event.addr, b->event.addr);
		cr_assert_eq(a->event.agent, b->event.agent);
		cr_assert_eq(a->event.flags, b->event.flags);
		cr_assert_eq(a->event.present, b->event.present);
		for (unsigned field = 0; field < FIELD_AT; field++)
			cr_assert_eq(a->values[field], b->values[field]);
	}
	forget(&binary);
	forget(&text);
}

Test(import_tracedat, version_6_in_zstd_holds_the_events_of_its_text)
{
	expect_twins(STORM_V6, STORM_TEXT);
}

Test(import_tracedat, version_7_with_its_own_compression_holds_the_events_of_its_text)
{
	expect_twins(STORM_V7, STORM_TEXT);
}

Test(import_tracedat, dma_events_name_devices_as_their_text_does)
{
	struct story binary =
		import((struct import_options){ .guest = LAZY_V6, .host = LAZY_HOST });
	struct story text =
		import((struct import_options){ .guest = LAZY_TEXT, .host = LAZY_HOST });

	cr_assert_eq(binary.status, 0, "%s", binary.err.text);
	cr_assert_eq(text.status, 0, "%s", text.err.text);
	cr_expect_eq(binary.n, text.n);
	cr_expect_eq(binary.info.guest.used, text.info.guest.used);
	cr_expect_eq(binary.info.guest.bad, 0);
	cr_expect_gt(binary.info.maps[HOW_DEVICE], 3000);
	cr_expect_arr_eq(binary.info.maps, text.info.maps, sizeof text.info.maps);
	cr_expect_arr_eq(binary.info.unmaps, text.info.unmaps, sizeof text.info.unmaps);
	cr_expect_eq(binary.info.paired, text.info.paired);
	forget(&binary);
	forget(&text);
}

Test(import_tracedat, meta_names_the_form)
{
	struct story story = import_file(STORM_V7);

	cr_expect(strstr(story.meta, "source.0 = trace.dat of a Linux guest\n"), "%s", story.meta);
	forget(&story);
}

/* ---- what the recorder lost ------------------------------------------------------------------- */

Test(import_tracedat, a_cpu_whose_records_end_early_is_marked_as_lost)
{
	size_t n;
	char *bytes = storm(&n);
	const struct told *lost[LOSSES];
	struct story story;

	memcpy(find(bytes, n, "read events: 310"), "read events: 910", 16);
	story = import_bytes(bytes, n, (struct import_options){ .strict = false });
	cr_assert_eq(story.status, 0, "%s", story.err.text);
	cr_assert_eq(losses(&story, lost), 1);
	cr_expect(!event_has(&lost[0]->event, LOST_COUNT));
	cr_expect_eq(lost[0]->values[FIELD_CPU], 0);
	cr_expect_eq(story.info.guest.bad, 1);
	cr_expect(strstr(story.info.guest.first_bad, "CPU 0: the file yields 310 of 910 records"),
		  "%s", story.info.guest.first_bad);
	forget(&story);
	story = import_bytes(bytes, n, (struct import_options){ .strict = true });
	cr_expect_eq(story.status, -1);
	cr_expect(strstr(story.err.text, "310 of 910"), "%s", story.err.text);
	free(bytes);
}

Test(import_tracedat, what_was_overwritten_before_the_start_is_told_there)
{
	size_t n;
	char *bytes = storm(&n);
	const struct told *lost[LOSSES];
	struct story story;

	memcpy(find(bytes, n, "\noverrun: 0"), "\noverrun: 7", 11);
	story = import_bytes(bytes, n, (struct import_options){ .strict = false });
	cr_assert_eq(losses(&story, lost), 1);
	cr_expect_eq(lost[0]->values[LOST_COUNT], 7);
	cr_expect_eq(lost[0]->event.time_ns, 0);
	forget(&story);
	free(bytes);
}

Test(import_tracedat, a_gap_that_the_ring_buffer_noted_is_told_where_it_is)
{
	size_t n;
	char *bytes = storm(&n), *offsets = cpu_offsets(bytes, n);
	const struct told *lost[LOSSES];
	struct story story;
	uint64_t cpu1;

	/* A page begins with its time and its length, whose bit 31 says that events are missing. */
	memcpy(&cpu1, offsets + 16, sizeof cpu1);
	bytes[cpu1 + PAGE + 8 + 3] = (char)(bytes[cpu1 + PAGE + 8 + 3] | 0x80);
	story = import_bytes(bytes, n, (struct import_options){ .strict = false });
	cr_assert_eq(story.status, 0, "%s", story.err.text);
	cr_assert_eq(losses(&story, lost), 1);
	cr_expect(!event_has(&lost[0]->event, LOST_COUNT));
	cr_expect_eq(lost[0]->values[FIELD_CPU], 1);
	cr_expect_gt(lost[0]->event.time_ns, 0);
	cr_expect_eq(story.info.guest.bad, 0);
	forget(&story);
	free(bytes);
}

/* ---- damage ----------------------------------------------------------------------------------- */

Test(import_tracedat, a_cut_file_is_refused_wherever_it_was_cut)
{
	size_t n, lengths[] = { 10, 12, 100, 3000, 5000, 20000, 40000 };
	char *bytes = storm(&n);

	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct story story =
			import_bytes(bytes, lengths[i], (struct import_options){ .strict = false });

		cr_expect_eq(story.status, -1, "%zu bytes", lengths[i]);
		cr_expect_eq(story.err.code, ERR_INPUT, "%zu bytes: %s", lengths[i],
			     story.err.text);
		forget(&story);
	}
	free(bytes);
}

Test(import_tracedat, a_file_cut_inside_its_zstd_data_is_refused)
{
	char *stored = malloc(FILE_BYTES);
	struct story story;

	story = import_bytes(stored, read_file(STORM_V6, stored) - 50,
			     (struct import_options){ .strict = false });
	cr_expect_eq(story.status, -1);
	cr_expect(strstr(story.err.text, "ends inside its zstd data"), "%s", story.err.text);
	free(stored);
}

static void expect_flips_survived(char *bytes, size_t from, size_t n)
{
	for (size_t i = 0; i < 60; i++) {
		size_t at = from + (i * 7919 + 13) % (n - from);
		struct story story;

		bytes[at] = (char)(bytes[at] ^ 1 << i % 8);
		story = import_bytes(bytes, n, (struct import_options){ .strict = false });
		if (story.status < 0)
			cr_expect(story.err.text[0]);
		forget(&story);
		bytes[at] = (char)(bytes[at] ^ 1 << i % 8);
	}
}

Test(import_tracedat, flipped_bits_in_records_end_in_events_or_in_an_error)
{
	size_t n;
	char *bytes = storm(&n);

	expect_flips_survived(bytes, (size_t)(cpu_offsets(bytes, n) - bytes), n);
	free(bytes);
}

/* The library reads outside of its buffers then, which a sanitizer would report as our error. */
#ifndef SANITIZED
Test(import_tracedat, flipped_bits_in_headers_end_in_events_or_in_an_error)
{
	size_t n;
	char *bytes = storm(&n);

	expect_flips_survived(bytes, 0, n);
	n = read_file(STORM_V7, bytes);
	expect_flips_survived(bytes, 0, n);
	free(bytes);
}
#endif

/* ---- what the decoding process left ------------------------------------------------------------ */

/* Writes one record and its outcome, changes or cuts the file, and reads it back. */
static void expect_refused(long cut, long change, const char *says)
{
	struct guest_record record = { .kind = GUEST_MAP, .iova = 0x1000, .end = 0x2000 };
	const struct tracedat_outcome outcome = { .side.lines = 1 };
	FILE *file = tmpfile();
	struct tracedat *tracedat;
	struct err err = { 0 };
	long start, end;

	cr_assert(file);
	cr_assert_eq(stored_skip_outcome(file), 0);
	start = ftell(file);
	cr_assert_eq(stored_write(file, &record), 0);
	end = ftell(file);
	cr_assert_eq(stored_write_outcome(file, &outcome), 0);
	fflush(file);
	if (change) {
		fseek(file, start + change, SEEK_SET);
		fputc(0x7f, file);
		fflush(file);
	}
	cr_assert_eq(ftruncate(fileno(file), end - cut), 0);
	if (tracedat_open_decoded(file, "run.dat", &tracedat, &err)) {
		cr_expect(strstr(err.text, says), "%s", err.text);
		return;
	}
	cr_assert_eq(tracedat_rewind(tracedat, &err), 0);
	cr_expect_eq(tracedat_next(tracedat, &record, &err), *says ? -1 : 1);
	cr_expect(strstr(err.text, says), "%s", err.text);
	tracedat_close(tracedat);
}

Test(import_tracedat, what_a_broken_process_left_is_held_against_what_records_are)
{
	expect_refused(0, 0, "");
	expect_refused(1, 0, "left half a record");
	expect_refused(0, 23, "left a range that is none"); /* upper end of the IOVA */
	expect_refused(0, 104, "left a record of no kind");
	expect_refused(129, 0, "left no account of it");
}

/* ---- other kinds ------------------------------------------------------------------------------ */

Test(import_tracedat, a_version_that_is_not_known_is_refused)
{
	size_t n;
	char *bytes = storm(&n);
	struct story story;

	bytes[10] = '8';
	story = import_bytes(bytes, n, (struct import_options){ .strict = false });
	cr_expect_eq(story.status, -1);
	cr_expect(strstr(story.err.text, "unknown version; expected 6 or 7"), "%s", story.err.text);
	free(bytes);
}

Test(import_tracedat, what_is_no_trace_dat_is_refused_when_said_to_be_one)
{
	struct story story = import(
		(struct import_options){ .guest = STORM_TEXT, .guest_from = IMPORT_TRACEDAT });

	cr_expect_eq(story.status, -1);
	cr_expect(strstr(story.err.text, "not a trace.dat"), "%s", story.err.text);
	story = import_bytes("", 0, (struct import_options){ .guest_from = IMPORT_TRACEDAT });
	cr_expect_eq(story.status, -1);
	cr_expect(strstr(story.err.text, "not a trace.dat"), "%s", story.err.text);
}

Test(import_tracedat, a_trace_dat_said_to_be_text_holds_no_lines_of_it)
{
	struct story story =
		import((struct import_options){ .guest = STORM_V7, .guest_from = IMPORT_FTRACE });

	cr_expect_eq(story.status, -1);
	cr_expect_eq(story.err.code, ERR_INPUT);
}
