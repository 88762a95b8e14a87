/* What a walk leaves in the TLB and the walk caches (rules R3 and R5). */
#include "hw/smmuv3/smmuv3_private.h"

enum { LARGEST_LG2 = 34 }; /* sizes beyond are kept in pieces: a TLB holds eight sizes */

/* Puts a copy in and tells of what went for it. */
static struct tlb_at put(struct smmu *smmu, struct tlb *tlb, const struct smmu_fill *fill)
{
	struct tlb_evicted gone;
	struct tlb_at at;
	uint64_t check = fill->copy.reasons ? TLB_CHECK : 0;

	at = tlb_fill(tlb, fill->tag, fill->key, fill->data | check, &fill->copy, NO_EVENT, &gone);
	smmu->count.evictions += gone.data != 0;
	if (gone.data & TLB_CHECK)
		smmu_copy_closes(
			smmu, tlb,
			&(struct tlb_at){ &gone.key, &gone.data, &gone.copy, &gone.changed });
	return at;
}

/* The copy that is there already, made anew in its place. */
static void renew(struct smmu *smmu, struct tlb *tlb, const struct smmu_fill *fill,
		  const struct tlb_at *at)
{
	smmu_copy_closes(smmu, tlb, at);
	*at->data = fill->data | TLB_VALID | (fill->copy.reasons ? TLB_CHECK : 0);
	tlb->has_space[fill->copy.space] = 1;
	at->copy->space = fill->copy.space;
	at->copy->filled = fill->copy.filled;
	at->copy->reasons = fill->copy.reasons;
	*at->changed = NO_EVENT;
}

/* R3: a copy made from a source in doubt carries the bit where it differs from truth. */
static void settle(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, bool suspect,
		   uint64_t changed, const struct smmu_answer *truth)
{
	bool inherits = tlb == smmu->tlb   ? MARK(MARK_SMMU_INHERIT_TRANSLATION)
			: tlb == smmu->ipa ? MARK(MARK_SMMU_INHERIT_IPA)
					   : MARK(MARK_SMMU_INHERIT_POINTER);

	if (suspect && inherits && !smmu_copy_true(smmu, tlb, at, truth)) {
		smmu_copy_doubt(smmu, tlb, at, CHECK_SOURCE, changed);
		return;
	}
	if (*at->data & TLB_CHECK)
		smmu_copy_opens(smmu, tlb, at);
}

/* R5: both copies of an overlap get the bit. */
static void note_overlap(struct smmu *smmu, struct tlb *tlb, const struct dma_request *request,
			 const struct tlb_at *filled)
{
	struct cached_copy copy, other_copy;
	iova_t first = tlb_first(tlb, filled), last = tlb_last(tlb, filled);
	struct tlb_at other;

	if (!smmu_others(smmu, tlb, filled, first, last, true, &other))
		return;
	smmu_copy_of(smmu, tlb, filled, &copy);
	smmu_copy_of(smmu, tlb, &other, &other_copy);
	smmu->observer->overlap(smmu->observer->self, smmu->iommu.event, request, &copy,
				&other_copy);
}

/*
 * After a lookup that found nothing: a larger copy over this page would have been a hit, so only
 * smaller ones of the tag can overlap; with global entries anything can.
 */
static bool may_overlap(const struct smmu *smmu, const struct tlb *tlb, unsigned page_lg2)
{
	if (smmu->any_global)
		return true;
	if (tlb->only_lg2)
		return tlb->only_lg2 < page_lg2;
	for (unsigned i = 0; i < tlb->n_live; i++)
		if (tlb->live_lg2[i] < page_lg2)
			return true;
	return false;
}

/* R5: the member that was walked supplied the copy, which stands for all of them. */
static void note_run(struct smmu *smmu, const struct tlb *tlb, const struct smmu_walker *walker,
		     const struct tlb_at *filled)
{
	struct run_report report = walker->run;
	struct cached_copy copy;

	smmu_copy_of(smmu, tlb, filled, &copy);
	report.event = smmu->iommu.event;
	report.request = walker->request;
	report.filled = &copy;
	smmu->observer->run_inconsistent(smmu->observer->self, &report);
}

static void fill_translation(struct smmu *smmu, struct smmu_walker *walker,
			     const struct smmu_context *context, bool suspect, uint64_t changed,
			     const struct smmu_answer *truth)
{
	unsigned lg2 = walker->span_lg2 < LARGEST_LG2 ? walker->span_lg2 : LARGEST_LG2;
	struct smmu_fill fill = {
		.tag = walker->global ? context->global_tag : context->tag,
		.key = walker->key,
		.data = (walker->pa & ~page_mask(lg2)) | walker->data,
		.copy = { .filled = smmu->iommu.event,
			  .space = walker->half->space,
			  .page_lg2 = (uint8_t)lg2 },
	};
	struct tlb_at at;

	if (walker->uncacheable)
		return;
	smmu->any_global |= walker->global;
	if (smmu->tags[fill.tag].conflicted && MARK(MARK_SMMU_TAG_FILL))
		fill.copy.reasons |= CHECK_TAG;
	if (walker->run_bad && lg2 > walker->page_lg2 && MARK(MARK_SMMU_RUN)) {
		fill.copy.reasons |= CHECK_RUN;
		smmu->count.run_inconsistent++;
	}
	/* A write through a clean copy walks again: the copy is renewed in its place. */
	if (tlb_at(smmu->tlb, fill.tag, fill.key, lg2, &at))
		renew(smmu, smmu->tlb, &fill, &at);
	else
		at = put(smmu, smmu->tlb, &fill);
	*smmu_generation(smmu, &at) = smmu_vmid_generation(smmu, smmu->tags[fill.tag].vmid);
	settle(smmu, smmu->tlb, &at, suspect, changed, truth);
	if (fill.copy.reasons & CHECK_RUN)
		note_run(smmu, smmu->tlb, walker, &at);
	if (walker->found || may_overlap(smmu, smmu->tlb, lg2))
		note_overlap(smmu, smmu->tlb, walker->request, &at);
}

/* A result of stage 2, or a pointer to a table. */
static void fill_part(struct smmu *smmu, const struct smmu_walker *walker, struct smmu_fill *fill,
		      bool suspect, uint64_t changed, const struct smmu_answer *truth)
{
	bool pointer = fill->tlb != smmu->ipa;
	struct tlb_at at;

	if (smmu->tags[fill->tag].conflicted && MARK(MARK_SMMU_TAG_FILL))
		fill->copy.reasons |= CHECK_TAG;
	if (!tlb_at(fill->tlb, fill->tag, fill->key, fill->copy.page_lg2, &at))
		at = put(smmu, fill->tlb, fill);
	else if (pointer)
		return; /* several stage-2 walks of one request meet the same table */
	else
		renew(smmu, fill->tlb, fill, &at);
	settle(smmu, fill->tlb, &at, suspect, changed, truth);
	if (fill->copy.reasons & CHECK_RUN)
		note_run(smmu, fill->tlb, walker, &at);
	if (!pointer)
		note_overlap(smmu, fill->tlb, walker->request, &at);
}

void smmu_fill_walk(struct smmu *smmu, struct smmu_walker *walker,
		    const struct smmu_context *context, bool suspect, uint64_t changed,
		    const struct smmu_answer *truth)
{
	for (uint32_t i = 0; i < walker->n_fills; i++)
		fill_part(smmu, walker, &walker->fills[i], suspect, changed, truth);
	if (!walker->fault.event)
		fill_translation(smmu, walker, context, suspect, changed, truth);
}
