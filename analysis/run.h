/* One recording through one machine, or several at the same time, into a store. */
#ifndef IOMMUSIM_ANALYSIS_RUN_H
#define IOMMUSIM_ANALYSIS_RUN_H

#include "analysis/detect.h"
#include "analysis/store.h"

struct run_options {
	const char *recording;
	const char *store; /* NULL: the findings are counted and forgotten */
	const char *version;
	bool verify, salvage;
	/* Called after each batch with events so far and the place in the input; NULL: nobody. */
	void (*progress)(void *ctx, uint64_t events, uint64_t offset, uint64_t bytes);
	void *progress_ctx;
	const char *patch;	   /* a recording whose events are put in, or NULL */
	struct queue_dumps *dumps; /* to compare the model's fault records with, or NULL */
};

struct run_summary {
	uint64_t run; /* number in the store, 0 without one */
	uint64_t events, last_ns, verified;
	uint64_t findings[FINDING_KINDS], uncertain[FINDING_KINDS]; /* apart */
	struct replay_counters replay;
};

/* The store is left as it was when this fails. */
int run_recording(struct machine *machine, const struct run_options *options,
		  struct run_summary *summary, struct err *err);

/*
 * The same for n machines behind one world (sim/points.h says which can be): the recording is read and its tables
 * are written once. Each run is what it would be alone, and enters the store by itself, in the order of the machines: a
 * store that fails in between keeps the runs before. No verify, no dumps; n of 1 is run_recording().
 */
int run_machines(struct machine *const *machines, size_t n, const struct run_options *options,
		 struct run_summary *summaries, struct err *err);

#endif
