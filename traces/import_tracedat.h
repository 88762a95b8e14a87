/*
 * A trace.dat of trace-cmd, versions 6 and 7, through libtracecmd and libtraceevent, and the
 * temporary file in between. Private to traces/import_*.c and to the fuzz target.
 *
 * The libraries trust what they read: one flipped bit in a header can make them crash, or write
 * where they should not. So they run in a process of their own, which writes what it decoded to
 * a temporary file, and what is read back from there is held against the same rules as lines of
 * text: numbers in range, ranges that are ranges, strings that end.
 *
 * The file: struct stored_outcome, written last; then a struct stored_record for each record,
 * behind a mark its text. All fields are whole numbers or bytes, in the machine's own order.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_TRACEDAT_H
#define IOMMUSIM_TRACES_IMPORT_TRACEDAT_H

#include "traces/import_parts.h"

#define TRACEDAT_MAGIC "\x17\x08\x44tracing"

/* Without getting on for so long, the library is in a loop. */
#ifndef TRACEDAT_STUCK_SECONDS
#define TRACEDAT_STUCK_SECONDS 120
#endif

/* ---- reading: import_tracedat.c ------------------------------------------------------ */

struct tracedat;

/*
 * Decodes the file once, through libtracecmd in a process of its own, into a temporary file of
 * about 150 bytes an event. `file` may be closed afterwards. -1 naming the file and what to do,
 * when it is cut or so damaged that the library gives up or breaks down.
 */
int tracedat_open(struct packed *file, bool strict, struct tracedat **out, struct err *err);
/* The same from what a process has decoded; `decoded` is closed with the reader, on failure too.
 * `path` names the trace.dat in messages. */
int tracedat_open_decoded(FILE *decoded, const char *path, struct tracedat **out, struct err *err);
void tracedat_close(struct tracedat *tracedat); /* NULL is allowed */
int tracedat_rewind(struct tracedat *tracedat, struct err *err);
int tracedat_next(struct tracedat *tracedat, struct guest_record *record, struct err *err);
bool tracedat_ticks(const struct tracedat *tracedat);
const struct import_side *tracedat_side(const struct tracedat *tracedat);
uint64_t tracedat_bytes(const struct tracedat *tracedat); /* of the decoded events */
uint64_t tracedat_offset(const struct tracedat *tracedat);

/* ---- decoding: import_tracedat_decode.c ---------------------------------------------- */

struct tracedat_outcome {
	struct import_side side;
	struct err err; /* its code: whether decoding failed */
	bool ticks;
	uint64_t overwritten; /* events that the ring buffer had no room to keep */
};

/* Writes guest records, and puts off the alarm while it gets on. */
void tracedat_decode(const char *path, bool strict, int fd, FILE *records,
		     struct tracedat_outcome *outcome);

/* ---- the file in between: import_tracedat_file.c ------------------------------------- */

/* -1: *err is the operating system's, without a name. */
int stored_write(FILE *file, const struct guest_record *record);
/* 1: a record, its text in `text`; 0: the end; -1: *err says what does not hold. */
int stored_read(FILE *file, const char *path, struct guest_record *record,
		char text[MARK_MAX_BYTES], struct err *err);

/* The outcome stands at the file's beginning; these leave the file at the first record. */
int stored_skip_outcome(FILE *file);
int stored_write_outcome(FILE *file, const struct tracedat_outcome *outcome);
int stored_read_outcome(FILE *file, const char *path, struct tracedat_outcome *outcome,
			struct err *err);

#endif
