/* A native file that is being read: what the parts of its reader share. */
#ifndef IOMMUSIM_TRACES_IMT_SOURCE_H
#define IOMMUSIM_TRACES_IMT_SOURCE_H

#include "traces/imt_format.h"

struct imt_source {
	struct event_source head;
	FILE *file;
	char *path;
	struct imt_options options;
	struct imt_info info;
	char *meta;
	struct imt_decoder *decoder;
	unsigned char *payload;
	size_t max_payload;
	uint64_t offset, size; /* of the next block; of the file */
	uint64_t sequence;     /* that the next block should have */
	uint64_t records;      /* delivered, or lost and accounted for */
	uint64_t last_ns;
	uint64_t index;	      /* offset of the last INDEX; 0: none is known */
	uint32_t crc_of_crcs; /* of the blocks so far */
	bool skipped;	      /* not all of them: END's totals are not compared */
	bool ended, end_seen, loading;
	uint64_t first; /* number of the batch's first event */
	struct event events[EVENT_BATCH];
	uint64_t slots[IMT_BATCH_SLOTS];
};

/* imt_take.c: one block. Functions with what[]: -1 is an error, and *what says what does not hold. */

/* The error of it, with where it is; -1. */
int imt_damaged(const struct imt_source *source, struct err *err, const char *what);
/* n bytes at the offset; fewer: the file ends there. */
size_t imt_read_at(struct imt_source *source, uint64_t offset, void *data, size_t n);
/* The header at the source's offset: 1 there, 0 the file ends there. */
int imt_next_header(struct imt_source *source, struct imt_block *block, char what[160]);
int imt_read_payload(struct imt_source *source, const struct imt_block *block, char what[160]);
int imt_read_dictionary(struct imt_source *source, const struct imt_block *block, char what[160]);
/* Its payload, and what that says; of DATA: it is loaded. */
int imt_take_block(struct imt_source *source, const struct imt_block *block, char what[160]);
void imt_step_over(struct imt_source *source, const struct imt_block *block);

/* imt_read.c: no block follows. -1: the file was not closed. */
int imt_at_end(struct imt_source *source, struct err *err);

#endif
