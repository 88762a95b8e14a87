/* What a walk leaves in the IOTLB and the paging-structure caches; inside of the miss path. */
#ifndef IOMMUSIM_HW_VTD_VTD_FILL_H
#define IOMMUSIM_HW_VTD_VTD_FILL_H

#include "hw/vtd/vtd_private.h"

/* Puts a copy in and tells of what went for it, and of the copy where it may be stale. */
static inline void vtd_fill(struct vtd *vtd, struct tlb *tlb, iova_t input, uint32_t tag,
			    uint64_t data, struct tlb_copy *copy, uint64_t changed)
{
	struct tlb_evicted gone;
	struct tlb_at at;

	if (vtd->tags[tag].conflicted && MARK(MARK_TAG_FILL))
		copy->reasons |= CHECK_TAG;
	if (tlb_must_empty(tlb))
		vtd_copies_emptied(vtd, tlb);
	at = tlb_fill(tlb, tag, input, data | (copy->reasons ? TLB_CHECK : 0), copy, changed,
		      &gone);
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

/*
 * What the loop may not serve from a copy without looking further: nothing at all where part of the
 * page is the interrupt range or the page is not for user requests, no write before the dirty bit
 * is set.
 */
static inline uint64_t vtd_look(iova_t input, const struct vtd_context *context,
				const struct pt_walk *walk)
{
	uint64_t look = ~(uint64_t)walk->perm & TLB_PERM;

	if (walk->page_lg2 == 12 ? vtd_in_interrupt_range(input)
				 : vtd_meets_interrupt_range(walk->pa, walk->page_lg2))
		look = TLB_PERM;
	if (context->input_bits && !(walk->perm & TLB_USER))
		look = TLB_PERM;
	if (walk->flags & TLB_CLEAN)
		look |= TLB_WRITE;
	return tlb_look(look);
}

/* input: the address as its tables decode it. */
static inline void vtd_fill_iotlb(struct vtd *vtd, const struct dma_request *request, iova_t input,
				  const struct vtd_context *context, const struct pt_walk *walk,
				  unsigned reasons, uint64_t changed)
{
	struct tlb_copy copy = { .filled = vtd->iommu.event,
				 .space = context->space,
				 .reasons = (uint8_t)reasons,
				 .page_lg2 = walk->page_lg2,
				 .generation = vtd->tags[context->tag].generation };

	if (vtd_has_smaller(vtd->iotlb, walk->page_lg2) &&
	    vtd_fill_overlaps(vtd, request, input, context, walk) && MARK(MARK_OVERLAP_FILL))
		copy.reasons |= CHECK_OVERLAP;
	vtd_fill(vtd, vtd->iotlb, input, context->tag,
		 walk->pa | walk->perm | walk->flags | vtd_look(input, context, walk), &copy,
		 changed);
}

static inline void vtd_fill_pointer(struct vtd *vtd, struct tlb *tlb, iova_t input,
				    const struct vtd_context *context, const struct pt_walk *walk,
				    unsigned level, unsigned reasons, uint64_t changed)
{
	struct tlb_copy copy = { .filled = vtd->iommu.event,
				 .space = context->space,
				 .reasons = (uint8_t)reasons,
				 .table = walk->tables[level],
				 .page_lg2 = (uint8_t)vtd_region_lg2(level) };

	vtd_fill(vtd, tlb, input, context->tag, walk->tables[level]->pa | walk->perms[level], &copy,
		 changed);
}

/* R3: a copy made from a checked source carries the bit where it differs from truth. */
static bool source_differs(const struct vtd_context *context, const struct vtd_answer *truth)
{
	const struct vtd_context *other = truth->route.context;

	return !truth->walked || other->space != context->space || other->did != context->did ||
	       other->variant != context->variant;
}

static bool leaf_inherits(const struct pt_walk *walk, iova_t input,
			  const struct vtd_context *context, const struct vtd_answer *truth)
{
	const struct pt_walk *true_walk = &truth->walk;

	/* the same part of a larger page is the same (as when a copy is proven) */
	return source_differs(context, truth) || true_walk->status != PT_OK ||
	       !true_walk->settled || true_walk->page_lg2 < walk->page_lg2 ||
	       (true_walk->pa ^ walk->pa) >> true_walk->page_lg2 ||
	       ((walk->pa ^ input) & page_mask(true_walk->page_lg2) & ~page_mask(walk->page_lg2)) ||
	       true_walk->perm != walk->perm || true_walk->flags != walk->flags;
}

static bool pointer_inherits(const struct pt_walk *walk, unsigned level,
			     const struct vtd_context *context, const struct vtd_answer *truth)
{
	return source_differs(context, truth) || truth->walk.lowest > level ||
	       truth->walk.tables[level] != walk->tables[level] ||
	       truth->walk.perms[level] != walk->perms[level];
}

/* truth: NULL when no source of the walk carries a check bit. */
static inline void fill_after(struct vtd *vtd, const struct dma_request *request,
			      struct tlb *const *pointers, iova_t input,
			      const struct vtd_context *context, const struct pt_walk *walk,
			      const struct dma_result *result, const struct vtd_answer *truth,
			      uint64_t changed)
{
	for (unsigned level = walk->lowest; level < walk->start; level++) {
		bool differs = truth && pointer_inherits(walk, level, context, truth);

		if (pointers[level])
			vtd_fill_pointer(vtd, pointers[level], input, context, walk, level,
					 differs && MARK(MARK_INHERIT_POINTER) ? CHECK_SOURCE : 0,
					 differs ? changed : NO_EVENT);
	}
	if (walk->status == PT_OK && result->outcome == OUTCOME_OK && result->pa != NO_PA) {
		bool differs = truth && leaf_inherits(walk, input, context, truth);

		vtd_fill_iotlb(vtd, request, input, context, walk,
			       differs && MARK(MARK_INHERIT_TRANSLATION) ? CHECK_SOURCE : 0,
			       differs ? changed : NO_EVENT);
	}
}

#endif
