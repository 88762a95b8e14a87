/*
 * Device TLBs: the address translation caches (ATC) of devices with ATS, shared by every IOMMU
 * model. PCI Express Base Specification, chapter 10 (Address Translation Services).
 *
 * A device keeps what translation completions granted it, tagged by PASID and privilege, and uses it for
 * requests that the IOMMU checks against configuration only. Each device that has one has an
 * instance of struct tlb, of the device's own geometry. What is cached, marked, removed and told follows
 * the rules that IOTLBs follow (R1, R3 to R5): a copy carries a check bit, an invalidation removes
 * what overlaps its range, a fill that overlaps another size sets the bit of both.
 *
 * The input of a copy is counted as its tables count it: input_bits 0, the address as it is; else
 * an address whose bits above are copies of the highest of these (canonical). One PASID may have
 * copies of several forms at a time, of before and after its tables changed.
 *
 * Leaves out: completions of more than one page; copies for every PASID (Global); negative entries. Allocates when a device is added and when a
 * PASID is first met, never on a hit.
 */
#ifndef IOMMUSIM_HW_ATC_H
#define IOMMUSIM_HW_ATC_H

#include "hw/iommu.h"

/* ---- translation completion ---------------------------------------------------------------- */

/* One translation of a completion: its 64-bit data entry, by fields. */
struct ats_completion {
	pa_t pa;		/* of the first byte */
	uint8_t page_lg2;	/* S: 12, or the size that the low address bits say */
	uint8_t perm;		/* TLB_READ, TLB_WRITE, TLB_EXECUTE */
	bool non_snooped;	/* N */
	bool global;		/* for every PASID of the function */
	bool untranslated_only; /* U: nothing may be cached, the request has to go untranslated */
};
uint64_t ats_completion_pack(const struct ats_completion *completion);
void ats_completion_unpack(uint64_t word, struct ats_completion *completion);

/* ---- the devices' caches --------------------------------------------------------------------- */

enum atc_multi_hit { ATC_OLDEST, ATC_NEWEST, ATC_RANDOM };

struct atc_counters {
	uint64_t hits, requests, fills, evictions, invalidated;
};

struct atc; /* of one device */

/* Of one IOMMU; part of its instance. All fields are the module's but sizes and multi_hit. */
struct atc_set {
	/* Of every device: page sizes (a larger page is kept as the largest below it), width, seed. */
	struct tlb_geometry sizes;
	enum atc_multi_hit multi_hit;
	const struct iommu_observer *observer;
	struct iommu *iommu; /* its event is that of fills and marks */
	struct atc **atcs;   /* by device handle; NULL: the device has none */
	uint32_t n;
	uint64_t serial, rng;
	uint16_t generation; /* of two-stage translation (R4); 0 is none */
	uint64_t generation_changed;
	struct atc_counters count;
};

void atc_set_init(struct atc_set *set, const struct tlb_geometry *sizes, struct iommu *iommu,
		  const struct iommu_observer *observer);
void atc_set_free(struct atc_set *set);
/* From now on the device has an ATC, empty, if tlb has sets. -1: no memory, or no such geometry. */
int atc_add(struct atc_set *set, uint32_t device, const struct device_tlb *tlb, struct err *err);
static inline bool atc_has(const struct atc_set *set, uint32_t device)
{
	return device < set->n && set->atcs[device];
}

/* Whether its DMAs go through it; it has one. */
bool atc_of_dma(const struct atc_set *set, uint32_t device);

/* A copy and where it is; valid until the next fill or invalidation. */
struct atc_hit {
	struct tlb *tlb;
	struct tlb_at at;
	uint8_t input_bits;
	bool privileged;
	iova_t input;
};

/* The copy that answers the device's request, now its most recently used; false: none. */
bool atc_find(struct atc_set *set, const struct dma_request *request, struct atc_hit *hit);
/* Whether there is one; no use. */
bool atc_holds(const struct atc_set *set, const struct dma_request *request);
/* The output address of iova. */
static inline pa_t atc_output(const struct atc_hit *hit)
{
	return bits_at(*hit->at.data, 51, 12) | (hit->input & low_mask(hit->at.copy->page_lg2));
}

/* What a completion is put in with. */
struct atc_fill {
	uint32_t device, pasid;
	uint8_t input_bits;
	bool privileged;
	iova_t iova;
	uint64_t completion; /* as packed: R or W, not U */
	uint32_t space;	     /* walked from */
	bool two_stage;
	uint8_t reasons; /* CHECK_*: it may differ from truth */
	uint64_t changed;
};
/* Takes the place of a copy of the same page. request: whose, for reports of overlaps. */
void atc_put(struct atc_set *set, const struct atc_fill *fill, const struct dma_request *request,
	     struct atc_hit *hit);

/* Removes what overlaps [first, last] of one PASID, NO_PASID, or every PASID (ALL_PASIDS). */
void atc_invalidate(struct atc_set *set, uint32_t device, uint32_t pasid, iova_t first, iova_t last,
		    struct inval_report *report);

/* R2: sets the check bit of copies walked from the space whose input meets the range. */
void atc_mark(struct atc_set *set, uint32_t space, iova_t first, iova_t last);
/* The device's configuration changed for PASIDs first to last; copies without a PASID count in. */
void atc_mark_device(struct atc_set *set, uint32_t device, uint32_t first, uint32_t last);
/* R4: something that two-stage copies were made with changed. */
void atc_new_generation(struct atc_set *set);
/* The copy is proven equal to truth: its check bit goes. */
void atc_proven(struct atc_set *set, uint32_t device, const struct atc_hit *hit);

/* Valid copies of the same PASID besides this one that cover some of [iova, iova + bytes). */
uint32_t atc_others(const struct atc_set *set, uint32_t device, const struct atc_hit *hit,
		    uint64_t bytes, struct cached_copy *other);
/* The same, over all that the copy covers. */
bool atc_overlapped(const struct atc_hit *hit);

void atc_copy_of(const struct atc_set *set, uint32_t device, const struct atc_hit *hit,
		 struct cached_copy *copy);
/* Calls visit for every copy of every device. */
void atc_each(const struct atc_set *set, void (*visit)(void *ctx, const struct cached_copy *copy),
	      void *ctx);

/*
 * A translated request names an output address only. Calls visit for each copy of the device that
 * leads to pa, with the input address that does; it returns false to end the search.
 */
void atc_by_output(const struct atc_set *set, uint32_t device, pa_t pa,
		   bool (*visit)(void *ctx, uint32_t pasid, iova_t iova, const struct atc_hit *hit),
		   void *ctx);

#endif
