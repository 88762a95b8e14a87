/*
 * A DMA as a recording holds it, so that a model's loop reads it where the decoder put it: struct event of
 * traces/event.h has the same fields at the same places, which is checked there. Little-endian.
 */
#ifndef IOMMUSIM_HW_BASE_DMA_RECORD_H
#define IOMMUSIM_HW_BASE_DMA_RECORD_H

#include "hw/base/bits.h"

struct dma_record {
	uint64_t time_ns;
	iova_t iova;
	uint32_t len;	 /* bytes; 0 is a flushing read */
	uint32_t who;	 /* the recording's number of a device and PASID */
	uint32_t how;	 /* [7:0] 0: a DMA; [12:10] a verb; [31:16] the rarer fields that it has */
	uint32_t unused; /* by models */
} __attribute__((may_alias));

enum dma_verb { DMA_VERB_READ, DMA_VERB_WRITE, DMA_VERB_ATOMIC, DMA_VERB_ANY };

/* The rarer fields that are no mere remarks have bits 3 to 5: ats=, pa=, fault=. */
enum { DMA_RECORD_VERB_LG2 = 10, DMA_RECORD_FIELDS_LG2 = 16, DMA_RECORD_ATS = 3 };
/* Bits of `how` that make a record more than a usual request. */
enum { DMA_RECORD_SPECIAL = 0xff | 7 << DMA_RECORD_ATS << DMA_RECORD_FIELDS_LG2 };

static inline unsigned dma_record_verb(const struct dma_record *record)
{
	return record->how >> DMA_RECORD_VERB_LG2 & 7;
}

#endif
