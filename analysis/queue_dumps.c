#include "analysis/queue_dumps.h"

#include <stdlib.h>
#include <string.h>

#include "traces/packed.h"

struct slot {
	uint64_t dumped[DUMP_WORDS], model[DUMP_WORDS];
	bool differs, loose;
};

struct dump {
	char *path;
	struct slot *slots;
	uint64_t n, used, differ, differ_used, loose, written;
	struct dump_outcome best;
};

struct queue_dumps {
	struct dump *dumps;
	size_t n;
};

/* ---- files --------------------------------------------------------------------------- */

static bool empty(const uint64_t words[DUMP_WORDS])
{
	return !(words[0] | words[1] | words[2] | words[3]);
}

static int add_slot(struct dump *dump, const uint64_t words[DUMP_WORDS], size_t *room,
		    struct err *err)
{
	struct slot *slot;

	if (dump->n == *room) {
		size_t more = *room ? *room * 2 : 1024;
		struct slot *slots = realloc(dump->slots, more * sizeof *slots);

		if (!slots)
			return err_no_memory(err, "a queue's dump");
		dump->slots = slots;
		*room = more;
	}
	slot = &dump->slots[dump->n++];
	*slot = (struct slot){ .differs = !empty(words) };
	memcpy(slot->dumped, words, sizeof slot->dumped);
	dump->used += slot->differs;
	dump->differ += slot->differs;
	dump->differ_used += slot->differs;
	return 0;
}

static int read_slots(struct dump *dump, struct packed *file, struct err *err)
{
	uint64_t words[DUMP_WORDS];
	size_t got, have = 0, room = 0;

	for (;;) {
		if (packed_read(file, (char *)words + have, sizeof words - have, &got, err))
			return -1;
		have += got;
		if (got == 0)
			break;
		if (have < sizeof words)
			continue;
		have = 0;
		if (dump->n * sizeof words >= DUMP_BYTES_MAX)
			return err_set(
				err, ERR_INPUT,
				"%s: more than the 64 MiB of the largest queue; expected the "
				"memory of one event queue",
				dump->path);
		if (add_slot(dump, words, &room, err))
			return -1;
	}
	if (have || !dump->n)
		return err_set(err, ERR_INPUT,
			       "%s: ends inside record %llu; expected whole records of %zu bytes",
			       dump->path, (unsigned long long)dump->n, sizeof words);
	return 0;
}

static int open_dump(struct dump *dump, const char *path, struct err *err)
{
	struct packed *file;
	int status;

	dump->path = strdup(path);
	if (!dump->path)
		return err_no_memory(err, "a queue's dump");
	if (packed_open(path, &file, err))
		return -1;
	status = read_slots(dump, file, err);
	packed_close(file);
	dump->best.differ = dump->differ; /* nothing written yet */
	dump->best.used = dump->used;
	dump->best.slots = dump->n;
	return status;
}

int queue_dumps_open(const char *const *paths, size_t n, struct queue_dumps **out, struct err *err)
{
	struct queue_dumps *dumps = calloc(1, sizeof *dumps);

	if (!dumps || !(dumps->dumps = calloc(n + 1, sizeof *dumps->dumps))) {
		queue_dumps_close(dumps);
		return err_no_memory(err, "queue dumps");
	}
	dumps->n = n;
	for (size_t i = 0; i < n; i++) {
		if (open_dump(&dumps->dumps[i], paths[i], err)) {
			queue_dumps_close(dumps);
			return -1;
		}
	}
	*out = dumps;
	return 0;
}

void queue_dumps_close(struct queue_dumps *dumps)
{
	if (!dumps)
		return;
	for (size_t i = 0; i < dumps->n && dumps->dumps; i++) {
		free(dumps->dumps[i].path);
		free(dumps->dumps[i].slots);
	}
	free(dumps->dumps);
	free(dumps);
}

/* ---- the model's records ------------------------------------------------------------- */

static void keep_differences(struct dump *dump)
{
	struct dump_outcome *best = &dump->best;

	for (uint64_t i = 0; i < dump->n && best->n_first < DUMP_DIFFERENCES; i++) {
		struct dump_difference *difference = &best->first[best->n_first];

		if (!dump->slots[i].differs)
			continue;
		difference->slot = i;
		memcpy(difference->dumped, dump->slots[i].dumped, sizeof difference->dumped);
		memcpy(difference->model, dump->slots[i].model, sizeof difference->model);
		best->n_first++;
	}
}

static void note_slot(struct slot *slot, const struct fault_report *report)
{
	bool exact = true;

	slot->differs = slot->loose = false;
	memcpy(slot->model, report->record, sizeof slot->model);
	for (unsigned i = 0; i < DUMP_WORDS; i++) {
		uint64_t difference = slot->dumped[i] ^ slot->model[i];

		slot->differs |= (difference & ~report->untold[i]) != 0;
		exact &= difference == 0;
	}
	slot->loose = !exact && !slot->differs;
}

static void note_record(struct dump *dump, const struct fault_report *report)
{
	struct slot *slot;
	bool used;

	dump->written++;
	if (report->record_slot >= dump->n)
		return;
	slot = &dump->slots[report->record_slot];
	used = !empty(slot->dumped);
	dump->differ -= slot->differs;
	dump->differ_used -= slot->differs && used;
	dump->loose -= slot->loose;
	note_slot(slot, report);
	dump->differ += slot->differs;
	dump->differ_used += slot->differs && used;
	dump->loose += slot->loose;
	/* Of moments without a difference the last: some bits are not compared. */
	if (dump->differ > dump->best.differ || (dump->differ && dump->differ == dump->best.differ))
		return;
	dump->best.differ = dump->differ;
	dump->best.loose = dump->loose;
	dump->best.equal = dump->used - dump->differ_used;
	dump->best.records = dump->written;
	dump->best.event = report->event;
	/* Few: the moment is near, and looking for them costs little because it is seldom. */
	dump->best.n_first = 0;
	if (dump->differ && dump->differ <= DUMP_DIFFERENCES)
		keep_differences(dump);
}

void queue_dumps_note(struct queue_dumps *dumps, const struct fault_report *report)
{
	if (!report->record)
		return;
	for (size_t i = 0; i < dumps->n; i++)
		note_record(&dumps->dumps[i], report);
}

/* ---- what came of it ----------------------------------------------------------------- */

size_t queue_dumps_count(const struct queue_dumps *dumps)
{
	return dumps->n;
}

struct dump_outcome queue_dumps_outcome(const struct queue_dumps *dumps, size_t number)
{
	const struct dump *dump = &dumps->dumps[number];
	struct dump_outcome outcome = dump->best;

	outcome.path = dump->path;
	outcome.written = dump->written;
	return outcome;
}
