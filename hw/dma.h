/*
 * A DMA as a model is given it, alone or in a run as a recording holds it, and what became of it.
 * Times are nanoseconds; events are numbers of the recording.
 */
#ifndef IOMMUSIM_HW_DMA_H
#define IOMMUSIM_HW_DMA_H

#include <string.h>

#include "hw/base/dma_record.h"
#include "hw/tlb.h"

enum dma_access { ACCESS_READ = TLB_READ, ACCESS_WRITE = TLB_WRITE, ACCESS_EXECUTE = TLB_EXECUTE };
enum { NO_PASID = UINT32_MAX, ALL_PASIDS = UINT32_MAX - 1, NO_DEVICE = UINT32_MAX };
#define NO_EVENT UINT64_MAX
#define NO_PA UINT64_MAX

/* The PCIe AT field; and, for fault records only, what is no memory request. */
enum dma_type { DMA_UNTRANSLATED, DMA_TRANSLATION_REQUEST, DMA_TRANSLATED, DMA_PAGE_REQUEST };

struct dma_request {
	uint64_t time_ns;
	iova_t iova;
	uint32_t device; /* handle from add_device() */
	uint32_t pasid;
	uint32_t len; /* bytes; 0 is a flushing read */
	uint8_t access; /* enum dma_access bits; 0: direction unknown, no permission fault is proven */
	uint8_t type;	    /* enum dma_type */
	uint8_t privileged; /* 1: the request asks for supervisor privilege */
};

/* The access bits of a verb. */
static inline unsigned dma_access_of(unsigned verb)
{
	return (verb + 1) & (ACCESS_READ | ACCESS_WRITE);
}
_Static_assert(((DMA_VERB_READ + 1) & 3) == ACCESS_READ &&
		       ((DMA_VERB_WRITE + 1) & 3) == ACCESS_WRITE &&
		       ((DMA_VERB_ATOMIC + 1) & 3) == (ACCESS_READ | ACCESS_WRITE) &&
		       ((DMA_VERB_ANY + 1) & 3) == 0,
	       "dma_access_of");

/* DMAs in a row as a recording holds them. */
struct dma_run {
	const struct dma_record *records;
	size_t n;
	uint64_t first_event;
	/* Handles by `who`. NO_DEVICE: not behind the unit that is asked, not known yet, or with a PASID. */
	const uint32_t *devices;
	uint32_t n_devices;
};

/* Handle of who asks with a usual request; NO_DEVICE: it is another event, or not for this unit. */
static inline __attribute__((always_inline)) uint32_t
dma_run_device(const struct dma_run *run, const struct dma_record *record)
{
	return !(record->how & DMA_RECORD_SPECIAL) && record->who < run->n_devices
		       ? run->devices[record->who]
		       : NO_DEVICE;
}

static inline uint64_t dma_run_event(const struct dma_run *run, const struct dma_record *record)
{
	return run->first_event + (uint64_t)(record - run->records);
}

/* Untranslated, of user privilege, without a PASID. */
static inline bool dma_is_usual(const struct dma_request *request)
{
	return !(request->type | request->privileged) && request->pasid == NO_PASID;
}

enum dma_outcome {
	OUTCOME_OK,
	OUTCOME_FAULT,	   /* result.fault is the model's code */
	OUTCOME_INTERRUPT, /* an interrupt message: not translated */
	OUTCOME_BLOCKED,   /* stopped without a defined fault */
};

/* What the requester sees. */
enum device_sees {
	SEES_OK,
	SEES_UNSUPPORTED,
	SEES_DROPPED,
	SEES_ABORT,
	SEES_ZERO,     /* reads return 0, writes are dropped, both with success */
	SEES_NOTHING,  /* stalled: no answer yet */
	SEES_NO_RIGHT, /* a translation completion without the right: it may ask for the page */
};

struct dma_result {
	pa_t pa; /* OUTCOME_OK: of the first byte */
	uint8_t outcome, sees, perm, flags;
	uint16_t fault;
	uint8_t page_lg2;
	uint8_t cached; /* 1: from the translation cache; 0: a walk */
};

_Static_assert(sizeof(struct dma_result) == 16 && OUTCOME_OK == 0 && SEES_OK == 0 &&
		       offsetof(struct dma_result, outcome) == 8 &&
		       offsetof(struct dma_result, perm) == 10 &&
		       offsetof(struct dma_result, flags) == 11 &&
		       offsetof(struct dma_result, page_lg2) == 14 &&
		       offsetof(struct dma_result, cached) == 15,
	       "dma_result_ok");

/* An address was given: a translation completion without one refuses, with success. */
static inline bool dma_granted(const struct dma_result *result)
{
	return result->outcome == OUTCOME_OK && result->pa != NO_PA;
}

/* OUTCOME_OK, stored in three words. rights: TLB_PERM and TLB_SNOOP of a copy. */
static inline __attribute__((always_inline)) void
dma_result_ok(struct dma_result *result, pa_t pa, uint32_t rights, unsigned page_lg2, bool cached)
{
	uint32_t grants = rights * 0x01010000u & (TLB_PERM << 16 | TLB_SNOOP << 24);
	uint32_t copy = page_lg2 << 16 | (uint32_t)cached << 24;
	unsigned char *rest = (unsigned char *)result + offsetof(struct dma_result, outcome);

	result->pa = pa;
	memcpy(rest, &grants, sizeof grants);
	memcpy(rest + sizeof grants, &copy, sizeof copy);
}

#endif
