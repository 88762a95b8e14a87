/* One recording through one machine into a store. */
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

#endif
