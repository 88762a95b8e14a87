/*
 * A file that gets its final name only once it is whole: written beside it as NAME.part. Standard
 * output, and what exists and is no regular file (a pipe, a device), is written in place.
 */
#ifndef IOMMUSIM_TRACES_OUTPUT_H
#define IOMMUSIM_TRACES_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "hw/base/err.h"

struct output {
	FILE *file;
	char *path, *part; /* part: NULL when written in place */
};

/* path "-": standard output. On an error there is nothing to close. */
int output_open(struct output *output, const char *path, struct err *err);
/* Flushed, synchronised, closed and renamed; on an error nothing of it stays. */
int output_commit(struct output *output, struct err *err);
/* Closed; what was written beside the name is removed. */
void output_discard(struct output *output);
/* Whether a reader could go back in it. */
static inline bool output_is_stream(const struct output *output)
{
	return !output->part;
}
/* For messages. */
const char *output_name(const struct output *output);

#endif
