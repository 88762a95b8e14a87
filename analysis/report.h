/* Reading a store for people: the report of a run and the story of one finding. */
#ifndef IOMMUSIM_ANALYSIS_REPORT_H
#define IOMMUSIM_ANALYSIS_REPORT_H

#include "analysis/store.h"

/* run 0: the newest. */
int report_print(struct store *store, uint64_t run, FILE *out, struct err *err);

/*
 * finding 0: the worst. Worst is, in this order: a walk through a freed table; stale uses by
 * grade (page table, other owner, same owner again, freed, own), writes before reads, then by
 * lag; in-flight; flush-missing; multi-hit; stale-refusal; the rest by lag.
 */
int explain_print(struct store *store, uint64_t run, uint64_t finding, FILE *out, struct err *err);

/* The number of the worst finding of the run (0: the newest), for those who need just that. */
int explain_worst(struct store *store, uint64_t run, uint64_t *finding, struct err *err);

/* "19.029 ms" and the like; "-" for FINDING_NONE. */
const char *human_time(uint64_t ns, char text[32]);

#endif
