/*
 * `iommusim vectors -`: one unit driven by JSON Lines on standard input, an answer line for each.
 * Its memory, registers and caches stay from line to line (docs/vectors.md, Sessions).
 */
#ifndef IOMMUSIM_CMD_VECTORS_SESSION_H
#define IOMMUSIM_CMD_VECTORS_SESSION_H

#include <stdio.h>

#include "hw/iommu.h"

/*
 * Until `in` ends. Answers the exit status: 2 when a line was wrong, else 1 when something that
 * a line expected differed, else 0; 3 with *err when the session could not go on.
 */
int vectors_session(const struct iommu_model *model, FILE *in, FILE *out, struct err *err);

#endif
