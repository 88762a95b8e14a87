/*
 * Raw dumps of a fault queue's memory, as a recorder saved them, compared with the queue that the
 * model writes in a replay.
 *
 * A dump says which records its slots held at one moment, not when that was. So the model's
 * slots are compared as they are written, and the last moment without a difference, or else the
 * first at which the fewest differ, is taken for the dump's: a queue that went round since has other records in its slots. A dump may hold the
 * first part of a queue. Slots that nothing was written to are zero on both sides.
 *
 * Bits that the recording cannot tell (the direction of an access, its place within the page) are
 * left out, and how often is counted. Memory: the dump's size, and as much for the model's slots.
 */
#ifndef IOMMUSIM_ANALYSIS_QUEUE_DUMPS_H
#define IOMMUSIM_ANALYSIS_QUEUE_DUMPS_H

#include <stddef.h>
#include <stdint.h>

#include "hw/iommu.h"

enum { DUMP_WORDS = 4, DUMP_DIFFERENCES = 4, DUMP_BYTES_MAX = 1 << 26 };

struct dump_difference {
	uint64_t slot, dumped[DUMP_WORDS], model[DUMP_WORDS];
};

/* What one dump came to, at the moment that fits it best. */
struct dump_outcome {
	const char *path;
	uint64_t slots;	  /* of the dump */
	uint64_t used;	  /* that hold a record in the dump */
	uint64_t equal;	  /* of these, equal to the model's */
	uint64_t differ;  /* slots that differ, used or not */
	uint64_t records; /* that the model had written by then */
	uint64_t event;	  /* that wrote the last of them */
	uint64_t written; /* by the model in all */
	uint64_t loose;	  /* equal slots of which some bits were left out */
	struct dump_difference first[DUMP_DIFFERENCES];
	unsigned n_first; /* kept when few differ */
};

struct queue_dumps;

/* Dumps are files, plain or zstd-compressed, of whole records. -1: *err names the file. */
int queue_dumps_open(const char *const *paths, size_t n, struct queue_dumps **out, struct err *err);
void queue_dumps_close(struct queue_dumps *dumps); /* NULL is allowed */

/* A fault of the model; those without a record in memory are passed over. */
void queue_dumps_note(struct queue_dumps *dumps, const struct fault_report *report);

size_t queue_dumps_count(const struct queue_dumps *dumps);
struct dump_outcome queue_dumps_outcome(const struct queue_dumps *dumps, size_t number);

#endif
