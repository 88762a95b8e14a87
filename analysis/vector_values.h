/*
 * Maps of a vector as flat lists of named values, the form in which models take them: maps inside of
 * maps and lists become dotted names, CB: {0: {TCR: 5}} is "CB.0.TCR", present: [7] "present.0".
 */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_VALUES_H
#define IOMMUSIM_ANALYSIS_VECTOR_VALUES_H

#include "analysis/vector_tree.h"
#include "hw/iommu.h"

enum { VALUES_MAX = 256, VALUE_NAME_MAX = 64 };

/* Texts belong to the tree; names lie here, so it must not be copied. */
struct flat_values {
	struct named_value values[VALUES_MAX];
	char names[VALUES_MAX][VALUE_NAME_MAX];
	size_t n;
};

/* NULL: nothing. `what` is for messages. -1: more or longer names than there is room for. */
int values_flatten(const struct value *map, const char *what, struct flat_values *flat,
		   struct err *err);
/* NULL: not among them. */
const struct named_value *values_find(const struct named_value *values, size_t n, const char *name);

#endif
