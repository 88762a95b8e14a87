/* Opening a recording by looking at it, and copying one stream to another. */
#ifndef IOMMUSIM_TRACES_OPEN_H
#define IOMMUSIM_TRACES_OPEN_H

#include "traces/event.h"

/*
 * Opens text (header line, or a name ending in .events) or native (magic) recordings; "-" is
 * text on stdin. Anything else is refused with what was found and "iommusim import" as the way.
 */
int recording_open(const char *path, bool salvage, struct event_source **out, struct err *err);

/* The same with the events of `patch` put in at their times (traces/patch.h); NULL: none. */
int recording_open_with(const char *path, const char *patch, bool salvage,
			struct event_source **out, struct err *err);

/* Opens a sink by name: *.imt is native, "-" is text on stdout, anything else a text file. */
int recording_create(const char *path, const char *meta, struct event_sink **out, struct err *err);

/* Pumps the source into the sink and finishes it (or abandons it on error). Counts events. */
int recording_copy(struct event_source *source, struct event_sink *sink, uint64_t *events,
		   struct err *err);

#endif
