/*
 * Hostile recordings. The input is the guest's text, a line "--", and the host's log; without
 * that line it is one side, told by its first byte. Events must be in order and well formed.
 */
#include <string.h>

#include "tests/fuzz/input_file.h"
#include "traces/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One pair of files for the life of the process, written anew each time. */
static char paths[2][PATH_BYTES];

static void remove_files(void)
{
	unlink(paths[0]);
	unlink(paths[1]);
}

static void make_files(void)
{
	for (int i = 0; i < 2; i++)
		make_input_file(paths[i]);
	atexit(remove_files);
}

static void check_batch(const struct event_source *source, const struct event_batch *batch,
			uint64_t *last_ns)
{
	if (batch->n == 0 || batch->n > EVENT_BATCH)
		abort();
	for (size_t i = 0; i < batch->n; i++) {
		const struct event *event = &batch->events[i];

		if (event->time_ns < *last_ns || event->kind >= EVENT_KINDS)
			abort();
		*last_ns = event->time_ns;
		if (event->agent != EVENT_NO_AGENT &&
		    event->agent >= names_count(source->names, NAMES_AGENTS))
			abort();
		for (unsigned field = 0; field < EVENT_FIELDS; field++)
			if (event_has(event, field) && !event_kinds[event->kind].fields[field].key)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import_options options = { .guest = paths[0], .host = paths[1], .guest_hz = 1e9 };
	struct event_source *source;
	struct event_batch batch;
	struct err err = { .code = ERR_NONE };
	const uint8_t *host = NULL;
	uint64_t last_ns = 0;
	int got;

	if (!paths[0][0])
		make_files();
	for (size_t i = 0; i + 3 <= size && !host; i++)
		if (memcmp(data + i, "--\n", 3) == 0 && (i == 0 || data[i - 1] == '\n'))
			host = data + i;
	if (host) {
		write_input_file(paths[0], data, (size_t)(host - data));
		write_input_file(paths[1], host + 3, size - (size_t)(host - data) - 3);
	} else {
		write_input_file(paths[0], data, size);
		write_input_file(paths[1], data, size);
		if (size && data[0] == ' ')
			options.host = NULL;
		else
			options.guest = NULL;
	}
	if (import_open(&options, &source, &err)) {
		if (err.code == ERR_NONE || !err.text[0])
			abort();
		return 0;
	}
	while ((got = source_next(source, &batch, &err)) == 1)
		check_batch(source, &batch, &last_ns);
	if (got < 0 && !err.text[0])
		abort();
	source_close(source);
	return 0;
}
