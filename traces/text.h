/*
 * The text form of a recording: one event a line, for people and version control.
 *
 *     # iommusim events 1
 *     0      domain   dom0 owner=host
 *     1us    map      dom0 iova=0xfffff000 pa=0x12345000 size=4K perm=rw
 *
 * Times take ns us ms s or +N relative to the line before; sizes take K M G. A line that does
 * not parse is refused with file, line, column, what was expected and the nearest known word.
 * Printing is canonical (absolute ns, fixed key order), so that text -> native -> text is the
 * identity on printed text. Comments are not kept, but for META (traces/meta.h).
 */
#ifndef IOMMUSIM_TRACES_TEXT_H
#define IOMMUSIM_TRACES_TEXT_H

#include <stdio.h>

#include "traces/event.h"

/* Reads from file (closed by source_close()); path is for messages. Lines up to 1 MiB. */
int text_source_open(FILE *file, const char *path, struct event_source **out, struct err *err);

/* Writes the header line and META (NULL: none) at once, then every event; file is not closed by the
 * sink. */
int text_sink_open(FILE *file, const char *meta, struct event_sink **out, struct err *err);

/* One event as its line of the text form without the newline, at most size - 1 bytes. */
void text_format(const struct names *names, const struct event_batch *batch,
		 const struct event *event, char *text, size_t size);

/* One value as the text form writes it, without its key, strings without quotes. */
void text_format_value(const struct names *names, const struct event_field *field, uint64_t value,
		       char *text, size_t size);

/* Whether the address, which has no bit of its own, is part of the event: `inval` and `dirty` may name no range. */
bool text_shows_address(const struct event *event, const struct event_field *field);

#endif
