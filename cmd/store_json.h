/* A run of a store as JSON on stdout: what report, explain and dump print with --json. */
#ifndef IOMMUSIM_CMD_STORE_JSON_H
#define IOMMUSIM_CMD_STORE_JSON_H

#include "analysis/store.h"

/* run 0: the newest; finding 0: all of them; else that one with its evidence and story. findings_only: no
 * counters, histograms and notes. docs/json.md describes the shape. */
int store_json(struct store *store, uint64_t run, uint64_t finding, bool findings_only,
	       struct err *err);

#endif
