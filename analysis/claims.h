/*
 * What two derivations of the same findings claim, reduced to what both must agree on: kind,
 * subtype, doubt, and the fields that the kind's row names. --verify gives one list to the detector
 * and one to the second derivation, and compares them as sets: order and evidence do not count.
 * Memory grows with the number of findings, 72 bytes each.
 */
#ifndef IOMMUSIM_ANALYSIS_CLAIMS_H
#define IOMMUSIM_ANALYSIS_CLAIMS_H

#include <stddef.h>

#include "analysis/finding.h"

enum { CLAIM_VALUES = 8 };

struct claim {
	uint16_t kind, subtype;
	bool uncertain;
	uint64_t values[CLAIM_VALUES]; /* the kind's fields in the order of their names */
};

struct claims {
	struct claim *items;
	size_t n, max;
	bool failed; /* no memory: the list says nothing */
};

void claims_put(struct claims *claims, const struct finding *finding);
void claims_free(struct claims *claims);

/* Leaves out what depends on which copies are in doubt: kinds, and the hardware side of exposures. */
void claims_without_doubt(struct claims *claims);

/*
 * The number of claims that only one of the two makes; both are sorted by this. text: the first such
 * claim, and who makes it.
 */
uint64_t claims_compare(struct claims *reported, struct claims *derived, char *text, size_t size);

#endif
