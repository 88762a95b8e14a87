/* What a walk leaves in the IOTLB and the paging-structure caches; inside of the miss path. */
#ifndef IOMMUSIM_HW_VTD_VTD_FILL_H
#define IOMMUSIM_HW_VTD_VTD_FILL_H

#include "hw/vtd/vtd_private.h"

/* Puts a copy in and tells of what went for it, and of the copy where it may be stale. */
static inline __attribute__((always_inline)) void vtd_fill(struct vtd *vtd, struct tlb *tlb,
							   const struct dma_request *request,
							   uint32_t did, uint64_t data,
							   struct tlb_copy *copy, uint64_t changed)
{
	struct tlb_evicted gone;
	struct tlb_at at;

	if (vtd->tags[did].conflicted && MARK(MARK_TAG_FILL))
		copy->reasons |= CHECK_TAG;
	at = tlb_fill(tlb, did, request->iova, data | (copy->reasons ? TLB_CHECK : 0), copy,
		      changed, &gone);
	vtd->count.evictions += gone.data != 0;
	if (__builtin_expect((gone.data & TLB_CHECK) != 0, 0))
		vtd_copy_evicted(vtd, tlb, &gone);
	if (__builtin_expect(copy->reasons != 0, 0))
		vtd_copy_opens(vtd, tlb, &at);
}

/*
 * After a lookup that found nothing: a larger copy over this page would have been a hit, so only
 * smaller ones can overlap.
 */
static inline bool vtd_has_smaller(const struct tlb *tlb, unsigned page_lg2)
{
	if (tlb->only_lg2)
		return tlb->only_lg2 < page_lg2;
	for (unsigned i = 0; i < tlb->n_live; i++)
		if (tlb->live_lg2[i] < page_lg2)
			return true;
	return false;
}

/* page_lg2: walk->page_lg2, once as a constant. */
static inline __attribute__((always_inline)) void
vtd_fill_page(struct vtd *vtd, const struct dma_request *request, const struct vtd_context *context,
	      const struct pt_walk *walk, unsigned page_lg2, unsigned reasons, uint64_t changed)
{
	struct tlb_copy copy = { .filled = vtd->iommu.event,
				 .space = context->space,
				 .reasons = (uint8_t)reasons,
				 .page_lg2 = (uint8_t)page_lg2 };

	if (vtd_has_smaller(vtd->iotlb, page_lg2) &&
	    vtd_fill_overlaps(vtd, request, context->did, walk, context->space) &&
	    MARK(MARK_OVERLAP_FILL))
		copy.reasons |= CHECK_OVERLAP;
	vtd_fill(vtd, vtd->iotlb, request, context->did, walk->pa | walk->perm | walk->flags, &copy,
		 changed);
}

static inline __attribute__((always_inline)) void vtd_fill_iotlb(struct vtd *vtd,
								 const struct dma_request *request,
								 const struct vtd_context *context,
								 const struct pt_walk *walk,
								 unsigned reasons, uint64_t changed)
{
	if (__builtin_expect(walk->page_lg2 == 12, 1))
		vtd_fill_page(vtd, request, context, walk, 12, reasons, changed);
	else
		vtd_fill_page(vtd, request, context, walk, walk->page_lg2, reasons, changed);
}

static inline __attribute__((always_inline)) void
vtd_fill_pointer(struct vtd *vtd, const struct dma_request *request,
		 const struct vtd_context *context, const struct pt_walk *walk, unsigned level,
		 unsigned reasons, uint64_t changed)
{
	struct tlb_copy copy = { .filled = vtd->iommu.event,
				 .space = context->space,
				 .reasons = (uint8_t)reasons,
				 .table = walk->tables[level],
				 .page_lg2 = (uint8_t)vtd_region_lg2(level) };

	vtd_fill(vtd, vtd->walk[level], request, context->did,
		 walk->tables[level]->pa | walk->perms[level], &copy, changed);
}

#endif
