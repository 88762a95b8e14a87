/* What the process that decodes a trace.dat writes, and what is believed of it. */
#include "traces/import_tracedat.h"

#include <errno.h>

/* Whole numbers alone: any bytes are values that can be looked at. */
struct stored_record {
	uint64_t time, line, iova, end, pa, done, words[4], count;
	uint32_t cpu, pid, sid, length;
	uint8_t kind, hint, has_cpu, untimed;
	char unit[sizeof((struct guest_record *)0)->unit];
	uint8_t padding[4];
};

struct stored_skip {
	char name[IMPORT_NAME_BYTES];
	uint64_t count;
};

struct stored_outcome {
	uint64_t lines, used, bad, skipped_other, overwritten;
	uint32_t skipped_names, error, ticks, complete;
	char first_bad[sizeof((struct import_side *)0)->first_bad];
	char error_text[sizeof((struct err *)0)->text];
	struct stored_skip skipped[IMPORT_NAMES];
};

enum { COMPLETE = 0x74616400 /* the outcome is written when all records are */ };

static int broken(FILE *file, const char *path, const char *what, struct err *err)
{
	if (ferror(file))
		return err_set(err, ERR_IO, "%s: its decoded events: %s", path, strerror(errno));
	return err_set(err, ERR_INPUT,
		       "%s: libtracecmd broke down reading it and left %s: the trace.dat is cut or "
		       "damaged; fetch it again, or, if trace-cmd reads it, import the text of "
		       "`trace-cmd report -t`",
		       path, what);
}

/* ---- records ------------------------------------------------------------------------- */

int stored_write(FILE *file, const struct guest_record *record)
{
	struct stored_record stored = {
		.time = record->time,
		.line = record->line,
		.iova = record->iova,
		.end = record->end,
		.pa = record->pa,
		.done = record->done,
		.count = record->count,
		.cpu = record->cpu,
		.pid = record->pid,
		.sid = record->sid,
		.length = (uint32_t)record->length,
		.kind = (uint8_t)record->kind,
		.hint = (uint8_t)record->hint,
		.has_cpu = record->has_cpu,
		.untimed = record->untimed,
	};

	memcpy(stored.words, record->words, sizeof stored.words);
	memcpy(stored.unit, record->unit, sizeof stored.unit);
	if (fwrite(&stored, sizeof stored, 1, file) != 1)
		return -1;
	if (record->kind != GUEST_MARK || record->length == 0)
		return 0;
	return fwrite(record->text, record->length, 1, file) == 1 ? 0 : -1;
}

/* An IOMMU's name as guest_scan_unit() takes it, or none. */
static bool unit_holds(const struct stored_record *stored)
{
	struct scan scan = scan_of(stored->unit, strnlen(stored->unit, sizeof stored->unit));
	struct guest_record unit;

	if (scan_left(&scan) == sizeof stored->unit)
		return false;
	if (stored->kind != GUEST_COMMAND)
		return scan_left(&scan) == 0;
	return guest_scan_unit(&scan, &unit) && scan_at_end(&scan);
}

static bool range_holds(const struct stored_record *stored)
{
	struct guest_record range = { .iova = stored->iova, .end = stored->end };

	if (stored->kind == GUEST_HINT && stored->iova == stored->end)
		return stored->hint == HINT_WILL_UNMAP; /* no range named */
	return guest_mapping_holds(&range, stored->end - stored->iova);
}

/* NULL: the record is one that the decoder writes. */
static const char *stored_fault(const struct stored_record *stored)
{
	bool ranged = stored->kind == GUEST_MAP || stored->kind == GUEST_UNMAP ||
		      stored->kind == GUEST_HINT;

	if (stored->kind >= GUEST_KINDS || stored->hint > HINT_WILL_UNMAP || stored->has_cpu > 1 ||
	    stored->untimed > 1)
		return "a record of no kind";
	if (stored->untimed && stored->kind != GUEST_LOST)
		return "an event without a time";
	if (ranged && !range_holds(stored))
		return "a range that is none";
	if (!unit_holds(stored))
		return "a name that is none";
	if (stored->kind == GUEST_HINT && stored->sid > 0xffff)
		return "a device that is none";
	if (stored->length > (stored->kind == GUEST_MARK ? MARK_MAX_BYTES : 0))
		return "a text that is too long";
	return NULL;
}

static void take_stored(const struct stored_record *stored, struct guest_record *record)
{
	*record = (struct guest_record){
		.kind = (enum guest_kind)stored->kind,
		.time = stored->time,
		.line = stored->line,
		.cpu = stored->cpu,
		.pid = stored->pid,
		.iova = stored->iova,
		.end = stored->end,
		.pa = stored->pa,
		.done = stored->done,
		.length = stored->length,
		.count = stored->count,
		.has_cpu = stored->has_cpu,
		.hint = (enum hint_kind)stored->hint,
		.sid = stored->sid,
		.untimed = stored->untimed,
	};
	memcpy(record->words, stored->words, sizeof record->words);
	memcpy(record->unit, stored->unit, sizeof record->unit);
}

int stored_read(FILE *file, const char *path, struct guest_record *record,
		char text[MARK_MAX_BYTES], struct err *err)
{
	struct stored_record stored;
	size_t got = fread(&stored, 1, sizeof stored, file);
	const char *fault;

	if (got == 0 && feof(file))
		return 0;
	if (got != sizeof stored)
		return broken(file, path, "half a record", err);
	fault = stored_fault(&stored);
	if (fault)
		return broken(file, path, fault, err);
	take_stored(&stored, record);
	record->text = text;
	if (record->length > 0 && fread(text, record->length, 1, file) != 1)
		return broken(file, path, "half a marker text", err);
	return 1;
}

/* ---- the outcome --------------------------------------------------------------------- */

int stored_skip_outcome(FILE *file)
{
	return fseek(file, sizeof(struct stored_outcome), SEEK_SET) == 0 ? 0 : -1;
}

int stored_write_outcome(FILE *file, const struct tracedat_outcome *outcome)
{
	const struct import_side *side = &outcome->side;
	struct stored_outcome stored = {
		.lines = side->lines,
		.used = side->used,
		.bad = side->bad,
		.skipped_other = side->skipped_other,
		.overwritten = outcome->overwritten,
		.skipped_names = side->skipped_names,
		.error = (uint32_t)outcome->err.code,
		.ticks = outcome->ticks,
		.complete = COMPLETE,
	};

	memcpy(stored.first_bad, side->first_bad, sizeof stored.first_bad);
	memcpy(stored.error_text, outcome->err.text, sizeof stored.error_text);
	for (unsigned i = 0; i < side->skipped_names; i++) {
		memcpy(stored.skipped[i].name, side->skipped[i].name, IMPORT_NAME_BYTES);
		stored.skipped[i].count = side->skipped[i].count;
	}
	rewind(file);
	return fwrite(&stored, sizeof stored, 1, file) == 1 ? 0 : -1;
}

static bool text_ends(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

static bool outcome_holds(const struct stored_outcome *stored)
{
	bool holds = stored->complete == COMPLETE && stored->skipped_names <= IMPORT_NAMES &&
		     stored->error <= ERR_DIFFERS && stored->ticks <= 1 &&
		     text_ends(stored->first_bad, sizeof stored->first_bad) &&
		     text_ends(stored->error_text, sizeof stored->error_text) &&
		     (stored->error == ERR_NONE || stored->error_text[0]);

	for (unsigned i = 0; holds && i < stored->skipped_names; i++)
		holds = text_ends(stored->skipped[i].name, IMPORT_NAME_BYTES);
	return holds;
}

int stored_read_outcome(FILE *file, const char *path, struct tracedat_outcome *outcome,
			struct err *err)
{
	struct stored_outcome stored;

	rewind(file);
	if (fread(&stored, sizeof stored, 1, file) != 1 || !outcome_holds(&stored))
		return broken(file, path, "no account of it", err);
	*outcome = (struct tracedat_outcome){
		.side = { .records = true,
			  .lines = stored.lines,
			  .used = stored.used,
			  .bad = stored.bad,
			  .skipped_names = stored.skipped_names,
			  .skipped_other = stored.skipped_other },
		.err.code = (enum err_code)stored.error,
		.ticks = stored.ticks,
		.overwritten = stored.overwritten,
	};
	line_excerpt(stored.first_bad, strlen(stored.first_bad), outcome->side.first_bad,
		     sizeof outcome->side.first_bad);
	memcpy(outcome->err.text, stored.error_text, sizeof outcome->err.text);
	for (unsigned i = 0; i < stored.skipped_names; i++) {
		struct import_skip *skip = &outcome->side.skipped[i];

		line_excerpt(stored.skipped[i].name, strlen(stored.skipped[i].name), skip->name,
			     sizeof skip->name);
		skip->count = stored.skipped[i].count;
	}
	return 0;
}
