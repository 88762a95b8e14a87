/*
 * A recording with a patch: a second stream of events put in at their times, for what the recording
 * could not know (tables written from outside, mappings older than it, an owner). Where times are
 * equal the recording's events come first. A device, domain or IOMMU that both declare is declared
 * by whichever comes first; the patch declares what it names.
 *
 * Both streams keep their own names; events and values are renumbered into one table. The patch may
 * be as long as it likes: both are streamed.
 */
#ifndef IOMMUSIM_TRACES_PATCH_H
#define IOMMUSIM_TRACES_PATCH_H

#include "traces/event.h"

/* Takes both sources, also when it fails; closing *out closes them. */
int patched_open(struct event_source *recording, struct event_source *patch,
		 struct event_source **out, struct err *err);

#endif
