/*
 * One line on stderr that says how far a long command is: done, rate, time left. Only when
 * stderr is a terminal, and not before a second has passed; elsewhere the calls do nothing.
 */
#ifndef IOMMUSIM_CMD_PROGRESS_H
#define IOMMUSIM_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "traces/event.h"

struct progress {
	const char *unit;   /* "events" */
	bool shown;	    /* the line stands on the terminal */
	bool enabled;	    /* stderr is a terminal */
	uint64_t start_ns;  /* of the monotonic clock */
	uint64_t next_ns;   /* no new line before */
	uint64_t countdown; /* calls until the clock is read again */
};

void progress_start(struct progress *progress, const char *unit);

/*
 * `done` units so far; `position` of `total` says which part of the input that is (bytes,
 * usually). total 0: not known, so no time left is shown. Cheap enough for every batch.
 */
void progress_update(struct progress *progress, uint64_t done, uint64_t position, uint64_t total);

void progress_clear(struct progress *progress); /* takes the line away, before other output */

/* What copy_with_progress() counted. */
struct copied {
	uint64_t events, lost; /* lost: of kind EVENT_LOST */
};

/*
 * Pumps the source into the sink and finishes it, or abandons it on error; 0 or -1. The line is
 * not shown where it would run into the events themselves (output "-" on a terminal).
 */
int copy_with_progress(struct event_source *source, struct event_sink *sink, const char *output,
		       struct copied *copied, struct err *err);

/* Whether events written to output ("-": stdout) would share the terminal with the line. */
bool progress_would_mix(const char *output);

#endif
