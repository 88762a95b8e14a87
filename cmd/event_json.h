/*
 * Events as JSON Lines: one object a line, what `iommusim cat --json` prints.
 *
 *     {"event": 4, "time_ns": 1000, "kind": "map", "domain": "d0", "iova": "0x1000", ...}
 *
 * `event` is the number of the event in the recording, `access` the word of dma, request and the like,
 * `class` stands where it is not "recorded". Other keys are those of the text form, present where the
 * text form has them; so are the units. Addresses and table words are text, "0x...", because JSON's
 * readers round large numbers; sizes and counts are numbers, yes and no are booleans.
 */
#ifndef IOMMUSIM_CMD_EVENT_JSON_H
#define IOMMUSIM_CMD_EVENT_JSON_H

#include <stdio.h>

#include "traces/event.h"

/* Writes to file, which is not closed by the sink. */
int event_json_open(FILE *file, struct event_sink **out, struct err *err);

#endif
