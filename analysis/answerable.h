/*
 * What a recording can show: each finding as answerable, as a lower bound, or not at all, with
 * what is missing and how to record it. Judged from the kinds of events that are there; a
 * policy of the replay (linux-strict, linux-lazy) makes invalidations and tables of its own, so
 * the verdict is about what was recorded.
 */
#ifndef IOMMUSIM_ANALYSIS_ANSWERABLE_H
#define IOMMUSIM_ANALYSIS_ANSWERABLE_H

#include "analysis/finding.h"
#include "traces/event.h"

enum answerable { ANSWER_FULL, ANSWER_LOWER_BOUND, ANSWER_IMPOSSIBLE };
extern const char *const answerable_names[]; /* "answerable", "lower bound", "impossible" */

/* Facts that findings need; bits of recording_facts.present. */
enum recording_fact {
	FACT_UPDATES,	  /* translations removed or narrowed: unmap, protect, write */
	FACT_INVALS,	  /* invalidations, neutral or native */
	FACT_COMPLETIONS, /* when they completed */
	FACT_ATTACH,	  /* which device uses which tables */
	FACT_DMA,
	FACT_DIRECTIONS,  /* every DMA says read or write */
	FACT_FREES,	  /* pages given back */
	FACT_OWNERS,	  /* pages given out, with their owner */
	FACT_TABLE_PAGES, /* table words, and table pages given back */
	FACT_WORDS,	  /* table words as software wrote them */
	FACT_MAPS,	  /* what tables are asked to grant: map, p2m */
	FACT_WRITE_BACKS, /* when they reached memory */
	FACT_DIRTY,	  /* reads of the dirty log */
	FACT_REGISTERS,	  /* software's writes to the IOMMU's registers */
	FACT_ANSWERS,	  /* what the hardware answered to DMAs */
	FACT_PAGE_REQUESTS, /* recorded, or made by DMAs of devices with pri=yes; stalls of those with stall=yes */
	FACT_NO_LOSS, /* nothing was lost */
	FACTS
};

struct recording_facts {
	uint64_t kinds[EVENT_KINDS];
	uint64_t any_direction; /* DMAs without one */
	uint64_t with_id;	/* invalidations whose completion can be told */
	uint64_t table_pages;	/* alloc use=table */
	uint64_t answers;	/* DMAs with pa= or fault= */
	uint64_t with_pri;	/* devices with page requests */
};

/* Counts one event; cheap. */
void facts_count(struct recording_facts *facts, const struct event_batch *batch,
		 const struct event *event);
bool facts_have(const struct recording_facts *facts, enum recording_fact fact);

/* What is missing, in words, and what records it on a Linux machine or under QEMU. */
const char *fact_missing(enum recording_fact fact);
const char *fact_recorded_by(enum recording_fact fact);

/* *missing: the first fact that keeps it from more; FACTS when nothing does. */
enum answerable answerable(const struct recording_facts *facts, enum finding_kind kind,
			   enum recording_fact *missing);

#endif
