/*
 * Whether the values of an event mean something: what the text form refuses line by line, for events of
 * any source. A native file holds what its writer put there, and a checksum says nothing of sense.
 */
#ifndef IOMMUSIM_TRACES_EVENT_CHECK_H
#define IOMMUSIM_TRACES_EVENT_CHECK_H

#include "traces/event.h"

enum { EVENT_WRONG = 160, EVENT_PERMS = 8 }; /* permissions are below that */

/* What there is to check in events of a kind, found once. */
struct event_plan {
	uint16_t looked_at; /* fields to look at: the size, and those whose values have a range */
	uint16_t size;	    /* bit of the field that is the length of a range, 0: none */
	uint16_t nonzero;   /* permissions */
	/* Of most events: of the fields settled_by they have just these, so that size and permissions are the
	 * slots with these numbers. */
	uint16_t settled_by, usual;
	uint8_t size_at, perm_at;
	bool has_length;	     /* event.len is one */
	bool optional;		     /* the leading address stands with its size alone */
	uint8_t below[EVENT_FIELDS]; /* what values are below: a number, or of which names */
};
void event_plans_make(struct event_plan plans[EVENT_KINDS]);

/*
 * Edges, as the text form has them: a length of 0, a range beyond 2^64, an address without its size. sized: the
 * size was given; placed: so was a leading address that need not stand. -1: wrong says why.
 */
int event_check_range(const struct event_plan *plan, const struct event *event, bool sized,
		      uint64_t size, bool placed, char wrong[EVENT_WRONG]);

/* Both for an event of a batch that is no DMA; what matters of those is checked where they are read. A few
 * nanoseconds. -1: wrong, unless it is NULL, says why. */
int event_check(const struct event_plan *plan, const struct names *names,
		const struct event_batch *batch, const struct event *event,
		char wrong[EVENT_WRONG]);

/* What most events are, those of updates above all: a range, with permissions or without. False: only
 * event_check() can say whether they mean something. */
static inline bool event_surely_means(const struct event_plan *plan,
				      const struct event_batch *batch, const struct event *event)
{
	const uint64_t *slots = batch->slots + event->slot;
	uint64_t size;

	if ((event->present & plan->settled_by) != plan->usual)
		return false;
	size = slots[plan->size_at];
	if (!size || event->addr + (size - 1) < event->addr)
		return false;
	return !plan->nonzero || slots[plan->perm_at] - 1 < EVENT_PERMS - 1;
}

#endif
