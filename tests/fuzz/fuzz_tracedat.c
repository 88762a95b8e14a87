/*
 * Hostile trace.dat files. What libtracecmd does with damage is its own affair, and happens in a
 * process of its own; what is ours is that a breakdown there ends in an error here, and that
 * whatever such a process may have written is either read as records that hold or refused.
 *
 * An input with the magic of a trace.dat goes the whole way. Any other is taken for the file that
 * the decoding process writes.
 */
#include <string.h>

#include "tests/fuzz/input_file.h"
#include "traces/import_tracedat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[PATH_BYTES];

static void remove_file(void)
{
	unlink(path);
}

static void check_err(const struct err *err)
{
	if (err->code == ERR_NONE || !err->text[0] || !memchr(err->text, 0, sizeof err->text))
		abort();
}

/* ---- the whole way ------------------------------------------------------------------- */

static void import_file(void)
{
	struct import_options options = { .guest = path, .guest_hz = 1e9 };
	struct event_source *source;
	struct event_batch batch;
	struct err err = { .code = ERR_NONE };
	uint64_t last_ns = 0;
	int got;

	if (import_open(&options, &source, &err)) {
		check_err(&err);
		return;
	}
	while ((got = source_next(source, &batch, &err)) == 1) {
		for (size_t i = 0; i < batch.n; i++) {
			if (batch.events[i].time_ns < last_ns)
				abort();
			last_ns = batch.events[i].time_ns;
		}
	}
	if (got < 0)
		check_err(&err);
	source_close(source);
}

/* ---- what a process wrote ------------------------------------------------------------ */

static void check_record(const struct guest_record *record)
{
	bool ranged = record->kind == GUEST_MAP || record->kind == GUEST_UNMAP;

	if (record->kind >= GUEST_KINDS || record->hint > HINT_WILL_UNMAP)
		abort();
	if (ranged && !guest_mapping_holds(record, record->end - record->iova))
		abort();
	if (record->kind == GUEST_MARK) {
		volatile char last = record->length ? record->text[record->length - 1] : 0;

		(void)last;
	}
	if (record->kind == GUEST_COMMAND && strlen(record->unit) >= sizeof record->unit)
		abort();
}

/* How many records it holds; -1: refused. */
static long read_records(struct tracedat *tracedat)
{
	struct guest_record record;
	struct err err = { .code = ERR_NONE };
	long n = 0;
	int got;

	if (tracedat_rewind(tracedat, &err))
		abort();
	while ((got = tracedat_next(tracedat, &record, &err)) == 1) {
		check_record(&record);
		n++;
	}
	if (got < 0)
		check_err(&err);
	return got < 0 ? -1 : n;
}

static void read_decoded(void)
{
	FILE *decoded = fopen(path, "rb");
	struct err err = { .code = ERR_NONE };
	struct tracedat *tracedat;

	if (!decoded)
		abort();
	if (tracedat_open_decoded(decoded, "decoded", &tracedat, &err)) {
		check_err(&err);
		return;
	}
	if (read_records(tracedat) != read_records(tracedat))
		abort();
	tracedat_close(tracedat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t magic = sizeof TRACEDAT_MAGIC - 1;

	if (!path[0]) {
		make_input_file(path);
		atexit(remove_file);
	}
	write_input_file(path, data, size);
	if (size >= magic && memcmp(data, TRACEDAT_MAGIC, magic) == 0)
		import_file();
	else
		read_decoded();
	return 0;
}
