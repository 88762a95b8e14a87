/*
 * The guest's recording, whatever its form: which form it has, and what holds for records of
 * either.
 */
#include "traces/import_tracedat.h"

#include <stdlib.h>

#include "traces/packed.h"

struct guest {
	bool strict;
	/* One of both forms; ftrace is made anew at each reading of its lines. */
	struct lines *lines;
	struct ftrace *ftrace;
	struct tracedat *tracedat;
};

static int open_tracedat(struct guest *guest, struct packed *file, const char *head, size_t length,
			 struct err *err)
{
	/* Behind the magic stands the version as a string. */
	struct scan scan = scan_of(head, length);
	uint64_t version;

	if (!scan_literal(&scan, TRACEDAT_MAGIC))
		return err_set(err, ERR_INPUT,
			       "%s: not a trace.dat of trace-cmd, which begins with the bytes 17 "
			       "08 44 and \"tracing\"; import ftrace text without --from",
			       packed_path(file));
	if (!scan_decimal(&scan, &version) || version < 6 || version > 7)
		return err_set(err, ERR_INPUT,
			       "%s: trace.dat of unknown version; expected 6 or 7; print it with "
			       "the trace-cmd that wrote it, `trace-cmd report -t -R`, and import "
			       "the text",
			       packed_path(file));
	return tracedat_open(file, guest->strict, &guest->tracedat, err);
}

/* Opens the file in the form it has, or is said to have. */
static int open_form(struct guest *guest, const char *path, enum import_from from, struct err *err)
{
	char head[32] = { 0 };
	size_t length = 0, got = 0;
	struct packed *file;
	int status = -1;

	if (packed_open(path, &file, err))
		return -1;
	do {
		if (packed_read(file, head + length, sizeof head - length, &got, err))
			goto done;
		length += got;
	} while (got > 0 && length < sizeof head);
	if (from == IMPORT_TRACEDAT || (from == IMPORT_DETECT && length >= strlen(TRACEDAT_MAGIC) &&
					memcmp(head, TRACEDAT_MAGIC, strlen(TRACEDAT_MAGIC)) == 0))
		status = open_tracedat(guest, file, head, length, err);
	else
		status = lines_open(path, &guest->lines, err);
done:
	packed_close(file);
	return status;
}

int guest_open(const char *path, enum import_from from, bool strict, struct guest **out,
	       struct err *err)
{
	struct guest *guest = calloc(1, sizeof *guest);

	if (!guest)
		return err_no_memory(err, "guest reader");
	guest->strict = strict;
	if (open_form(guest, path, from, err)) {
		guest_close(guest);
		return -1;
	}
	*out = guest;
	return 0;
}

void guest_close(struct guest *guest)
{
	if (!guest)
		return;
	ftrace_close(guest->ftrace);
	lines_close(guest->lines);
	tracedat_close(guest->tracedat);
	free(guest);
}

int guest_rewind(struct guest *guest, struct err *err)
{
	if (guest->tracedat)
		return tracedat_rewind(guest->tracedat, err);
	ftrace_close(guest->ftrace);
	guest->ftrace = NULL;
	return ftrace_open(guest->lines, guest->strict, &guest->ftrace, err);
}

int guest_next(struct guest *guest, struct guest_record *record, struct err *err)
{
	return guest->tracedat ? tracedat_next(guest->tracedat, record, err)
			       : ftrace_next(guest->ftrace, record, err);
}

bool guest_ticks(const struct guest *guest)
{
	return guest->tracedat ? tracedat_ticks(guest->tracedat) : ftrace_ticks(guest->ftrace);
}

const struct import_side *guest_side(struct guest *guest)
{
	return guest->tracedat ? tracedat_side(guest->tracedat) : ftrace_side(guest->ftrace);
}

const char *guest_form(const struct guest *guest)
{
	return guest->tracedat ? "trace.dat" : "ftrace text";
}

uint64_t guest_bytes(const struct guest *guest)
{
	return guest->tracedat ? tracedat_bytes(guest->tracedat) : lines_bytes(guest->lines);
}

uint64_t guest_offset(const struct guest *guest)
{
	return guest->tracedat ? tracedat_offset(guest->tracedat) : lines_offset(guest->lines);
}

/* ---- what holds for records of either form ------------------------------------------- */

bool guest_mapping_holds(const struct guest_record *record, uint64_t size)
{
	/* The end may be 2^64, which is 0; a size of nothing is no mapping. */
	return size != 0 && record->end - record->iova == size &&
	       (record->end > record->iova || record->end == 0);
}

bool guest_is_wait(const struct guest_record *record)
{
	return record->kind == GUEST_COMMAND && (record->words[0] & 0xf) == 5;
}

/* What a name of the text form may hold, but ':'. */
static bool name_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || c == '.' || c == '-';
}

bool guest_scan_unit(struct scan *scan, struct guest_record *record)
{
	const char *unit = scan->at;
	size_t length;

	while (scan->at < scan->end && name_character(*scan->at))
		scan->at++;
	length = (size_t)(scan->at - unit);
	if (length == 0 || length >= sizeof record->unit)
		return false;
	memcpy(record->unit, unit, length);
	record->unit[length] = '\0';
	return true;
}

bool guest_scan_device(struct scan *scan, struct guest_record *record)
{
	uint64_t segment, bus, slot, function;

	if (!scan_hex(scan, &segment) || segment != 0 || !scan_literal_hex(scan, ":", &bus) ||
	    bus > 0xff || !scan_literal_hex(scan, ":", &slot) || slot > 0x1f ||
	    !scan_literal_hex(scan, ".", &function) || function > 7)
		return false;
	record->sid = (uint32_t)(bus << 8 | slot << 3 | function);
	return true;
}

const struct hint_event *guest_hint_event(const char *name, size_t length)
{
	static const struct hint_event events[] = {
		{ "dma_map_page", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_map_phys", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_map_resource", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_alloc", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_alloc_pages", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_alloc_sgt", HINT_MAPPED, HINT_ONE_RANGE },
		{ "dma_map_sg", HINT_MAPPED, HINT_RANGE_LIST },
		{ "dma_unmap_page", HINT_UNMAPPED, HINT_ONE_RANGE },
		{ "dma_unmap_phys", HINT_UNMAPPED, HINT_ONE_RANGE },
		{ "dma_unmap_resource", HINT_UNMAPPED, HINT_ONE_RANGE },
		{ "dma_free", HINT_WILL_UNMAP, HINT_ONE_RANGE },
		{ "dma_free_pages", HINT_WILL_UNMAP, HINT_ONE_RANGE },
		{ "dma_free_sgt", HINT_WILL_UNMAP, HINT_ONE_RANGE },
		{ "dma_unmap_sg", HINT_WILL_UNMAP, HINT_NO_RANGE },
	};

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (strlen(events[i].name) == length && memcmp(events[i].name, name, length) == 0)
			return &events[i];
	return NULL;
}

bool guest_set_range(struct guest_record *record, uint64_t start, uint64_t bytes)
{
	record->iova = start & ~0xfffull;
	record->end = (start + bytes + 0xfff) & ~0xfffull;
	return bytes != 0 && start + bytes >= start;
}
